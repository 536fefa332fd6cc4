from __future__ import annotations

from uuid import uuid4

import pytest

from chat import selectors, services
from chat.identity import Client
from chat.models import Conversation, Message, Run, RunEvent
from chat.runlog import Piece
from chat.services import AlreadyDone, Event, Refused


def finish(run: services.NewRun, *texts: str, reason: str = "stop", thinking: str = "") -> None:
    pieces = [Piece("thinking", thinking)] if thinking else []
    pieces += [Piece("answer", text) for text in texts]
    services.finish_run(
        run=run.run, pieces=pieces, base_thinking=run.base_thinking, base_answer=run.base_answer, finish_reason=reason, completion_tokens=len(texts)
    )


def test_send_stores_question_answer_and_run(client: Client) -> None:
    new = services.send(device=client.device, content="hello there", options={"temperature": 0.5})
    run = Run.objects.get(id=new.run)
    assert run.status == Run.Status.QUEUED
    assert run.options == {"temperature": 0.5}
    assert (run.message.role, run.message.content) == ("assistant", "")
    assert run.message.parent is not None
    assert run.message.parent.content == "hello there"
    conversation = Conversation.objects.get(id=new.conversation)
    assert conversation.title == "hello there"
    assert conversation.leaf == run.message
    assert conversation.owner == client.device.owner


def test_messages_follow_each_other(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno")
    second = services.send(device=client.device, content="two", conversation=first.conversation)
    assert [m.content for m in selectors.branch(first.conversation, second.message)] == ["one", "uno", "two", ""]


def test_a_client_may_choose_the_id_of_a_new_conversation(client: Client, stranger: Client) -> None:
    chosen = uuid4()
    assert services.send(device=client.device, content="a", conversation=chosen).conversation == chosen
    with pytest.raises(Refused, match="no_conversation"):
        services.send(device=stranger.device, content="b", conversation=chosen)
    assert Message.objects.filter(conversation=chosen).count() == 2


@pytest.mark.parametrize("same", ["send", "system", "edit", "regenerate", "continue"])
def test_the_same_key_is_the_same_message(client: Client, same: str) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno", reason="stopped")
    common = {"device": client.device, "key": "k"}
    calls = {
        "send": lambda: services.send(content="two", **common),
        "system": lambda: services.set_system_prompt(content="two", **common),
        "edit": lambda: services.edit(message=first.parent, content="two", **common),
        "regenerate": lambda: services.regenerate(message=first.message, **common),
        "continue": lambda: services.continue_answer(message=first.message, **common),
    }
    calls[same]()
    counts = Message.objects.count(), Run.objects.count()
    with pytest.raises(AlreadyDone) as done:
        calls[same]()
    assert (Message.objects.count(), Run.objects.count()) == counts
    assert (done.value.run is None) == (same == "system")


def test_a_key_that_can_no_longer_be_carried_out_still_returns_what_it_made(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno", reason="length")
    more = services.continue_answer(device=client.device, message=first.message, key="k")
    with pytest.raises(AlreadyDone) as done:  # not "it is still being answered"
        services.continue_answer(device=client.device, message=first.message, key="k")
    assert done.value.run == more.run
    with pytest.raises(Refused, match="still_running"):
        services.continue_answer(device=client.device, message=first.message, key="another")


def test_keys_of_two_devices_do_not_meet(client: Client, stranger: Client) -> None:
    services.send(device=client.device, content="one", key="k")
    services.send(device=stranger.device, content="two", key="k")
    assert Run.objects.count() == 2


def test_edit_branches_and_keeps_the_old(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno")
    new = services.edit(device=client.device, message=first.parent, content="ONE")
    conversation = Conversation.objects.get(id=first.conversation)
    assert [m.content for m in selectors.branch(conversation.id, conversation.leaf_id)] == ["ONE", ""]
    assert [m.content for m in selectors.branch(conversation.id, first.message)] == ["one", "uno"]
    with pytest.raises(Refused, match="not_your_message"):
        services.edit(device=client.device, message=new.message, content="x")


def test_regenerate_branches_beside_the_answer(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno")
    by_answer = services.regenerate(device=client.device, message=first.message)
    by_question = services.regenerate(device=client.device, message=first.parent)
    assert by_answer.parent == by_question.parent == first.parent
    assert Message.objects.filter(parent=first.parent).count() == 3
    assert Message.objects.get(id=first.message).content == "uno"


def test_continue_goes_on_behind_the_text(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "un", thinking="hm", reason="stopped")
    more = services.continue_answer(device=client.device, message=first.message)
    assert (more.message, more.base_answer, more.base_thinking) == (first.message, "un", "hm")
    finish(more, "o", " dos")
    answer = Message.objects.get(id=first.message)
    assert (answer.thinking, answer.content) == ("hm", "uno dos")
    with pytest.raises(Refused, match="nothing_to_continue"):
        services.continue_answer(device=client.device, message=first.message)


def test_a_running_answer_cannot_be_continued(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    with pytest.raises(Refused, match="still_running"):
        services.continue_answer(device=client.device, message=first.message)


def test_a_strangers_message_is_not_there(client: Client, stranger: Client) -> None:
    new = services.send(device=client.device, content="one")
    finish(new, "uno", reason="stopped")
    for refused in (
        lambda: services.edit(device=stranger.device, message=new.parent, content="x"),
        lambda: services.regenerate(device=stranger.device, message=new.message),
        lambda: services.continue_answer(device=stranger.device, message=new.message),
    ):
        with pytest.raises(Refused, match="no_message"):
            refused()


def test_a_parent_must_be_an_answer_of_this_conversation(client: Client) -> None:
    first, other = services.send(device=client.device, content="one"), services.send(device=client.device, content="other")
    for parent in (other.message, first.parent, uuid4()):
        with pytest.raises(Refused, match="no_message"):
            services.send(device=client.device, content="x", conversation=first.conversation, parent=parent)
    assert services.send(device=client.device, content="x", conversation=first.conversation, parent=first.message)


def test_finishing_removes_the_log(client: Client) -> None:
    new = services.send(device=client.device, content="one")
    services.append_events([Event(new.run, 1, (Piece("answer", "u"),))])
    assert RunEvent.objects.count() == 1
    finish(new, "u", "no")
    assert RunEvent.objects.count() == 0
    assert Run.objects.get(id=new.run).frames == "a1,2"


def test_a_flush_that_is_sent_twice_is_stored_once(client: Client) -> None:
    new = services.send(device=client.device, content="one")
    event = Event(new.run, 1, (Piece("answer", "u"),))
    services.append_events([event])
    services.append_events([event])
    assert RunEvent.objects.count() == 1


def test_a_flush_that_comes_when_the_answer_is_final_stores_nothing(client: Client) -> None:
    """Of a process that was thought dead: another one has made final what there was."""
    done, running = services.send(device=client.device, content="one"), services.send(device=client.device, content="two")
    finish(done, "whole")
    services.append_events([Event(run.run, 2, (Piece("answer", "late"),)) for run in (done, running)])
    assert [event.run_id for event in RunEvent.objects.all()] == [running.run]


def test_recovery_makes_what_the_log_holds_final(client: Client) -> None:
    done, cut, queued = (services.send(device=client.device, content=c) for c in ("done", "cut", "queued"))
    finish(done, "whole")
    services.run_started(run=cut.run, model="m")
    services.append_events([Event(cut.run, 1, (Piece("thinking", "hm"),)), Event(cut.run, 3, (Piece("answer", "a"), Piece("answer", "bc")))])
    assert services.recover_interrupted() == 2
    answer = Message.objects.get(id=cut.message)
    run = Run.objects.get(id=cut.run)
    assert (answer.thinking, answer.content) == ("hm", "abc")
    assert (run.status, run.finish_reason, run.frames) == ("done", "interrupted", "t2;a1,2")
    assert Run.objects.get(id=queued.run).finish_reason == "interrupted"
    assert Run.objects.get(id=done.run).finish_reason == "stop"
    assert services.recover_interrupted() == 0


def test_recovery_of_a_continued_answer_keeps_its_beginning(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "abc", reason="stopped")
    more = services.continue_answer(device=client.device, message=first.message)
    services.append_events([Event(more.run, 1, (Piece("answer", "def"),))])
    services.recover_interrupted()
    assert Message.objects.get(id=first.message).content == "abcdef"


def test_a_start_that_comes_late_does_not_reopen_a_run(client: Client) -> None:
    new = services.send(device=client.device, content="one")
    finish(new, "x")
    services.run_started(run=new.run, model="m")
    assert Run.objects.get(id=new.run).status == Run.Status.DONE
