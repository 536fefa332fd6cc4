"""One message, one answer, on every kind of server and database."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process


async def test_an_answer_streams_and_is_stored_when_its_end_arrives(server: Server) -> None:
    async with Client(server) as client:
        run = await client.ask("!say 12 你好 🙂", key=(key := uuid4().hex))
    assert run.start is not None
    assert run.start["key"] == key
    assert run.start["model"] == "fake"
    assert run.start["content"] == ""
    assert run.answer == "".join(f"w{i} " for i in range(12))
    assert run.reason == "stop"
    assert run.end is not None
    assert run.end["usage"]["completion_tokens"] == 12
    stored = Store(server).run(run.run)
    assert (stored.status, stored.finish_reason, stored.answer) == ("done", "stop", run.answer)
    assert stored.question == "!say 12 你好 🙂"
    assert stored.prompt == "[user]!say 12 你好 🙂\n[assistant]"
    assert stored.events == 0


async def test_thinking_comes_first_and_on_its_own_channel(server: Server) -> None:
    async with Client(server) as client:
        run = await client.ask("!think yes")
    assert [frame["channel"] for frame in run.streams] == sorted((frame["channel"] for frame in run.streams), reverse=True)
    assert (run.thinking, run.answer) == ("hm well ", "echo: !think yes")
    assert Store(server).run(run.run).thinking == "hm well "


async def test_an_error_of_the_model_fails_its_run_only(server: Server) -> None:
    server.expected.append("the fake engine was told to crash")
    async with Client(server) as client:
        fine = await client.say("!say 40")
        failed = await client.ask("!fail 3 a b c d")
        crashed = await client.ask("!crash")
        await client.finish(fine)
    assert failed.error is not None
    assert (failed.error["code"], failed.reason, failed.seq) == ("decoding_failed", "error", 4)
    assert crashed.error is not None
    assert (crashed.error["code"], crashed.reason) == ("internal", "error")
    assert "told to crash" not in crashed.error["message"]
    assert fine.reason == "stop"
    stored = Store(server).run(failed.run)
    assert stored.answer == failed.answer != ""
    assert stored.error == failed.error["message"]


async def test_blank_messages_and_unknown_parameters_are_refused_before_they_are_stored(server: Server) -> None:
    store = Store(server)
    before = store.count("chat_message")
    async with Client(server) as client:
        with pytest.raises(Refused) as blank:
            await client.say(" \n\t")
        with pytest.raises(Refused) as unknown:
            await client.say("hello", options={"heat": 3})
        with pytest.raises(Refused) as wrong:
            await client.say("hello", options={"temperature": 9})
    assert [blank.value.code, unknown.value.code, wrong.value.code] == ["empty", "bad_frame", "bad_frame"]
    assert store.count("chat_message") == before


async def test_a_conversation_is_remembered_and_one_answer_follows_the_other(server: Server) -> None:
    """Three messages at once: the model gets each with the whole answers before it."""
    conversation = str(uuid4())
    async with Client(server) as client:
        runs = [await client.say(text, conversation=conversation) for text in ("!say 15 one", "two", "three")]
        for run in runs:
            await client.finish(run)
    order = [frame["run"] for frame in client.frames if frame["type"] in ("start", "end")]
    assert order == [run.run for run in runs for _ in range(2)]
    prompt = Store(server).run(runs[2].run).prompt
    assert prompt == f"[user]!say 15 one\n[assistant]{runs[0].answer}\n[user]two\n[assistant]echo: two\n[user]three\n[assistant]"


async def test_a_system_prompt_is_set_by_a_message_that_starts_with_system(server: Server) -> None:
    conversation = str(uuid4())
    async with Client(server) as client:
        await client.send(message="/system Be brief.", conversation=conversation, key="sys-" + conversation)
        await client.until(lambda: client.count("notice") == 1, "a notice")
        run = await client.ask("hi", conversation=conversation)
    assert Store(server).run(run.run).prompt == "[system]Be brief.\n[user]hi\n[assistant]"


async def test_regenerate_and_edit_branch_and_keep_the_old(server: Server) -> None:
    store = Store(server)
    async with Client(server) as client:
        first = await client.ask("!say 3", conversation=str(uuid4()))
        again = await client.finish(await client.submit(type="regenerate", message=first.message))
        edited = await client.finish(await client.submit(type="edit", message=first.known["parent"], content="!say 2"))
        more = await client.ask("and", conversation=first.conversation)
    assert again.message != first.message
    assert store.branches(first.message) == ["w0 w1 w2 ", "w0 w1 w2 "]
    assert store.run(edited.run).question == "!say 2"
    assert store.run(first.run).question == "!say 3"
    assert store.run(more.run).prompt == "[user]!say 2\n[assistant]w0 w1 \n[user]and\n[assistant]"


async def test_continue_goes_on_from_exactly_the_text(server: Server) -> None:
    async with Client(server) as client:
        cut = await client.ask("!say 9", options={"max_tokens": 4})
        assert (cut.answer, cut.reason) == ("w0 w1 w2 w3 ", "length")
        rest = await client.finish(await client.submit(type="continue", message=cut.message))
        with pytest.raises(Refused) as complete:
            await client.submit(type="continue", message=cut.message)
    assert rest.start is not None
    assert rest.start["content"] == cut.answer
    assert rest.message == cut.message
    assert rest.text("answer") == "w4 w5 w6 w7 w8 "
    assert complete.value.code == "nothing_to_continue"
    assert Store(server).run(rest.run).answer == "".join(f"w{i} " for i in range(9))
