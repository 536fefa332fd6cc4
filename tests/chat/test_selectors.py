from __future__ import annotations

from chat import selectors, services
from chat.identity import Client
from chat.models import Conversation, Persona, Run
from chat.runlog import Piece
from inference.types import ChatMessage, Prefill
from tests.chat.test_services import finish


def test_the_model_is_given_the_branch(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno", thinking="hm")
    second = services.send(device=client.device, content="two", conversation=first.conversation)
    found = selectors.stored_input(second.run)
    assert found.messages == (ChatMessage("user", "one"), ChatMessage("assistant", "uno", "hm"), ChatMessage("user", "two"))
    assert found.prefill is None


def test_the_newest_system_prompt_of_the_branch_holds(client: Client) -> None:
    chat = services.set_system_prompt(device=client.device, content="be brief").conversation
    first = services.send(device=client.device, content="one", conversation=chat)
    finish(first, "uno")
    services.set_system_prompt(device=client.device, content="be long", conversation=chat)
    second = services.send(device=client.device, content="two", conversation=chat)
    assert selectors.stored_input(first.run, "default").messages[0] == ChatMessage("system", "be brief")
    assert [m.content for m in selectors.stored_input(second.run).messages] == ["be long", "one", "uno", "two"]
    services.set_system_prompt(device=client.device, content="", conversation=chat)
    third = services.send(device=client.device, content="three", conversation=chat)
    assert selectors.stored_input(third.run, "default").messages[0].role == "user"


def test_persona_then_default_where_nothing_was_set(client: Client) -> None:
    new = services.send(device=client.device, content="one")
    assert selectors.stored_input(new.run, "default").messages[0] == ChatMessage("system", "default")
    persona = Persona.objects.create(name="p", system_prompt="persona", options={"temperature": 0.1, "top_k": 3})
    Conversation.objects.filter(id=new.conversation).update(persona=persona, options={"temperature": 0.2})
    found = selectors.stored_input(new.run, "default")
    assert found.messages[0] == ChatMessage("system", "persona")
    assert (found.layered.temperature, found.layered.top_k) == (0.2, 3)


def test_what_the_message_asks_for_wins(client: Client) -> None:
    new = services.send(device=client.device, content="one", options={"preset": "tutorial", "top_p": 0.5})
    found = selectors.stored_input(new.run)
    assert found.asked.said() == {"top_p": 0.5}
    assert (found.layered.top_k, found.layered.repetition_penalty, found.layered.max_tokens) == (10, 1.2, 1024)


def test_a_question_without_an_answer_is_told_together_with_the_next(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, reason="error")
    second = services.send(device=client.device, content="two", conversation=first.conversation)
    assert selectors.stored_input(second.run).messages == (ChatMessage("user", "one\n\ntwo"),)


def test_a_continued_answer_is_a_prefill(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, thinking="hm", reason="stopped")
    more = services.continue_answer(device=client.device, message=first.message)
    assert selectors.stored_input(more.run).prefill == Prefill("hm", "", in_thinking=True)
    finish(more, "un", thinking=" yes", reason="stopped")
    again = services.continue_answer(device=client.device, message=first.message)
    found = selectors.stored_input(again.run)
    assert found.prefill == Prefill("hm yes", "un", in_thinking=False)
    assert found.messages == (ChatMessage("user", "one"),)


def test_stored_logs_replay_each_run_of_a_continued_answer(client: Client) -> None:
    first = services.send(device=client.device, content="one", key="k")
    finish(first, "a", "bc", thinking="hm", reason="stopped")
    more = services.continue_answer(device=client.device, message=first.message)
    finish(more, "de", "f")
    old, new = (selectors.stored_log(Run.objects.get(id=run.run)) for run in (first, more))
    assert old.pieces == [Piece("thinking", "hm"), Piece("answer", "a"), Piece("answer", "bc")]
    assert new.pieces == [Piece("answer", "de"), Piece("answer", "f")]
    assert old.start is not None
    assert new.start is not None
    assert (old.start.content, old.start.key) == ("", "k")
    assert (new.start.content, new.start.thinking) == ("abc", "hm")
    assert old.end is not None
    assert (old.end.seq, old.end.finish_reason) == (4, "stopped")


def test_a_run_is_found_by_its_owner_only(client: Client, stranger: Client) -> None:
    new = services.send(device=client.device, content="one")
    assert selectors.find_run(device=client.device, run=new.run) is not None
    assert selectors.find_run(device=stranger.device, run=new.run) is None


def test_a_page_is_the_whole_tree_and_says_which_branch_is_open(client: Client, stranger: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno")
    again = services.regenerate(device=client.device, message=first.message)
    page = selectors.conversation_page(client.owner, first.conversation)
    assert page is not None
    question, old, new = page["messages"]
    assert (question["content"], old["content"], old["running"], new["running"], new["run"]) == ("one", "uno", False, True, str(again.run))
    assert old["parent"] == new["parent"] == question["id"]
    assert page["leaf"] == new["id"] == str(again.message)
    assert selectors.conversation_page(stranger.owner, first.conversation) is None
    (row,) = selectors.conversation_list(client.owner).items
    assert (row["id"], row["running"], row["title"]) == (str(first.conversation), True, "one")
    assert selectors.conversation_list(stranger.owner).items == []
