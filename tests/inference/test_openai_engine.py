"""The remote engine against a stand-in server: everything that a real one will not do on demand.

`openai_standin.py` says what it is. The same engine against a real server of other make: test_openai_engine_real.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from inference import errors, openai_engine
from inference.openai_engine import OpenAIEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, LoadProgress, Prefill, Sampling
from tests.inference.openai_standin import ANSWER, DONE, DROP, FOREVER, Reply, StandIn, delta, event, refusal, usage

KEY = "sk-0123456789-never-to-be-seen"


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn() as standin:
        yield standin


def make(server: StandIn | str, **more: Any) -> OpenAIEngine:
    url = server if isinstance(server, str) else server.url
    return OpenAIEngine(name="remote", base_url=url, model="m-1", **{"backoff_s": 0.01, **more})


@pytest.fixture
async def engine(server: StandIn) -> AsyncIterator[OpenAIEngine]:
    engine = make(server, parameters=("top_k", "thinking"))
    await engine.start(lambda progress: None)
    yield engine
    await engine.stop()


def ask(text: str = "Hello", *, sampling: Sampling | None = None, prefill: Prefill | None = None) -> GenerationRequest:
    return GenerationRequest("r1", (ChatMessage("user", text),), sampling or Sampling(), prefill)


async def answer(engine: OpenAIEngine, request: GenerationRequest | None = None) -> tuple[str, str, Finish]:
    """(thinking, answer, finish)"""
    text = {"thinking": "", "answer": ""}
    finish: Finish | None = None
    async for item in engine.stream(await engine.prepare(request or ask())):
        assert finish is None
        if isinstance(item, Delta):
            text[item.channel] += item.text
        else:
            finish = item
    assert finish is not None
    return text["thinking"], text["answer"], finish


# What is sent


async def test_a_text_without_a_conversation_goes_to_completions(server: StandIn, engine: OpenAIEngine) -> None:
    words = [event({"choices": [{"index": 0, "text": text, "finish_reason": None}]}) for text in ("<think>", " upon", " a time")]
    server.replies = [Reply([*words, event({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}), usage(1, 3), DONE])]
    request = GenerationRequest("r", (), Sampling(max_tokens=3, top_k=5, thinking=True), text="once")
    thinking, text, finish = await answer(engine, request)
    assert (thinking, text, finish.reason, finish.usage.completion_tokens) == ("", "<think> upon a time", "length", 3)
    sent = server.requests[0]
    assert sent.path == "/v1/completions"
    assert sent.body == {"model": "m-1", "prompt": "once", "max_tokens": 3, "top_k": 5, "stream": True, "stream_options": {"include_usage": True}}


async def test_the_request_as_sent(server: StandIn, engine: OpenAIEngine) -> None:
    messages = (ChatMessage("system", "Be brief."), ChatMessage("user", "a"), ChatMessage("assistant", "b", thinking="hm"), ChatMessage("user", "c"))
    sampling = Sampling(max_tokens=7, temperature=0.0, top_p=0.9, top_k=10, seed=3, stop=("END",), thinking=False)
    prompt = await engine.prepare(GenerationRequest("r", messages, sampling))
    items = [item async for item in engine.stream(prompt)]
    assert isinstance(items[-1], Finish)
    sent = server.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert sent.body == {
        "model": "m-1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 10,
        "seed": 3,
        "stop": ["END"],
        "chat_template_kwargs": {"enable_thinking": False},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
    }
    assert json.loads(prompt.text) == sent.body["messages"], "the audit holds the messages exactly as sent"
    assert prompt.template_hash == ""
    assert prompt.sampling == sampling


async def test_what_is_not_said_is_not_sent(server: StandIn, engine: OpenAIEngine) -> None:
    await answer(engine)
    assert set(server.requests[0].body) == {"model", "stream", "stream_options", "messages"}


async def test_defaults_hold_where_the_request_says_nothing(server: StandIn) -> None:
    engine = make(server, defaults=Sampling(temperature=0.5, max_tokens=100))
    await engine.start(lambda progress: None)
    await answer(engine, ask(sampling=Sampling(temperature=0.0)))
    assert server.requests[0].body["temperature"] == 0.0
    assert server.requests[0].body["max_tokens"] == 100
    await engine.stop()


async def test_another_providers_identity_is_not_sent(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "someone-elses")
    engine = make(server)
    await engine.start(lambda progress: None)
    await answer(engine)
    assert "authorization" not in server.requests[0].headers
    assert "someone-elses" not in str(server.requests[0])
    await engine.stop()


async def test_a_parameter_that_the_server_does_not_know_is_refused(engine: OpenAIEngine) -> None:
    with pytest.raises(errors.UnsupportedParameter, match="min_p"):
        await engine.prepare(ask(sampling=Sampling(min_p=0.1)))
    assert engine.info.parameters == {"max_tokens", "temperature", "top_p", "stop", "seed", "top_k", "thinking"}


async def test_blank_messages_never_leave(server: StandIn, engine: OpenAIEngine) -> None:
    with pytest.raises(errors.EmptyPrompt):
        await engine.prepare(ask(" \n\t"))
    assert server.requests == []


# What comes back


async def test_an_answer_with_usage_and_timing(engine: OpenAIEngine) -> None:
    thinking, text, finish = await answer(engine)
    assert (thinking, text) == ("", "Good morning")
    assert finish.reason == "stop"
    assert (finish.usage.prompt_tokens, finish.usage.completion_tokens) == (11, 2)
    assert finish.timing.first_token_s is not None
    assert 0 < finish.timing.first_token_s < 5


async def test_without_usage_the_pieces_are_counted(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [Reply([delta("a"), delta("b"), delta("c", finish="length")])]
    _, text, finish = await answer(engine)
    assert (text, finish.reason, finish.usage.completion_tokens, finish.usage.prompt_tokens) == ("abc", "length", 3, 0)


async def test_a_server_that_refuses_stream_options_is_asked_without(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [refusal(400, {"error": {"message": "Unrecognized request argument: stream_options"}}), Reply()]
    assert (await answer(engine))[1] == "Good morning"
    assert (await answer(engine))[1] == "Good morning"
    assert ["stream_options" in r.body for r in server.requests] == [True, False, False]


async def test_several_requests_may_learn_that_at_once(server: StandIn, engine: OpenAIEngine) -> None:
    refused = refusal(422, {"detail": "extra fields: stream_options"})
    server.replies = [refused, refused, refused, Reply()]
    assert [text for _, text, _ in await asyncio.gather(*(answer(engine) for _ in range(3)))] == ["Good morning"] * 3


async def test_a_proxy_of_the_environment_is_for_the_internet_only(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    engine = make(server)
    await engine.start(lambda progress: None)
    assert (await answer(engine))[1] == "Good morning"
    await engine.stop()
    with pytest.raises(errors.BackendUnreachable):
        await make("http://model.example/v1").start(lambda progress: None)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://nas.local/v1", True),
        ("https://api.deepseek.com", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_what_counts_as_near(url: str, private: bool) -> None:
    assert openai_engine.is_private(url) is private


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thinking_in_a_field_of_its_own(server: StandIn, engine: OpenAIEngine, field: str) -> None:
    thought: list[Any] = [
        delta(None, **{field: "Let me "}),
        delta(None, **{field: "see <think>."}),
        delta("\n\n"),
        delta("The tag is <think>."),
        delta(finish="stop"),
    ]
    server.replies = [Reply(thought)]
    assert (await answer(engine))[:2] == ("Let me see <think>.", "The tag is <think>.")


async def test_thinking_in_the_content_split_at_any_place(server: StandIn, engine: OpenAIEngine) -> None:
    text = "<think>\nhm, 好\n</think>\n\nYes 👍, <think> is a tag."
    for cut in range(len(text) + 1):
        server.replies = [Reply([delta(text[:cut]), delta(text[cut:]), delta(finish="stop"), DONE])]
        assert (await answer(engine))[:2] == ("hm, 好\n", "Yes 👍, <think> is a tag."), cut


async def test_a_template_that_opens_the_tag(server: StandIn) -> None:
    engine = make(server, parameters=("think_open",))
    await engine.start(lambda progress: None)
    server.replies = [Reply([delta("hm</th"), delta("ink>Yes"), delta(finish="stop")])]
    assert (await answer(engine))[:2] == ("hm", "Yes")
    await engine.stop()


async def test_no_half_character_leaves(server: StandIn, engine: OpenAIEngine) -> None:
    def raw(text: str) -> bytes:
        return event(b'{"choices":[{"delta":{"content":"' + text.encode() + b'"}}]}')

    server.replies = [Reply([raw("a\\ud83d"), raw("\\ude00b"), raw("\\ufffd"), raw("\\ude00c"), raw("好\\ud83d"), delta(finish="stop")])]
    deltas = [item async for item in engine.stream(await engine.prepare(ask())) if isinstance(item, Delta)]
    assert "".join(d.text for d in deltas) == "a😀bc好"
    for d in deltas:
        d.text.encode("utf-8")


async def test_the_newest_text_waits_for_nothing(server: StandIn, engine: OpenAIEngine) -> None:
    seen = asyncio.Event()
    server.replies = [Reply([delta("one"), seen, delta("two", finish="stop")])]
    async with asyncio.timeout(10), aclosing(engine.stream(await engine.prepare(ask()))) as stream:
        assert await anext(stream) == Delta("one", "answer", 1)
        seen.set()
        assert await anext(stream) == Delta("two", "answer", 1)


async def test_a_finished_answer_does_not_wait_for_usage(server: StandIn, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_engine, "USAGE_TIMEOUT_S", 0.1)
    server.replies = [Reply([delta("all"), delta(finish="stop"), 30])]
    async with asyncio.timeout(5):
        assert (await answer(engine))[1] == "all"


@pytest.mark.parametrize("tail", [[DROP], [event(b"nonsense")], [event({"error": {"message": "late"}})]])
async def test_what_breaks_behind_the_finish_does_not_spoil_the_answer(server: StandIn, engine: OpenAIEngine, tail: list[Any]) -> None:
    server.replies = [Reply([delta("all"), delta(finish="stop"), *tail])]
    assert (await answer(engine))[1] == "all"


async def test_eight_answers_at_once(server: StandIn, engine: OpenAIEngine) -> None:
    """None ends before all have begun: they do not wait for each other."""
    server.replies = [Reply([delta("a"), asyncio.Barrier(8), delta("b", finish="stop")])]
    async with asyncio.timeout(10):
        texts = [text for _, text, _ in await asyncio.gather(*(answer(engine) for _ in range(8)))]
    assert texts == ["ab"] * 8


# Stopping


async def test_closing_the_stream_closes_the_connection(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [Reply([FOREVER])]
    stream = engine.stream(await engine.prepare(ask()))
    assert isinstance(await anext(stream), Delta)
    await stream.aclose()
    sent = server.sent
    async with asyncio.timeout(1):
        await server.gone.wait()
    assert server.sent - sent < 40


@pytest.mark.parametrize("pieces", [[FOREVER], [30]], ids=["while streaming", "before the first byte"])
async def test_cancelling_the_task_closes_the_connection(server: StandIn, engine: OpenAIEngine, pieces: list[Any]) -> None:
    server.replies = [Reply(pieces)]
    task = asyncio.create_task(answer(engine))
    await server.asked.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
        if pieces == [FOREVER]:
            await server.gone.wait()


# Refusals, each a sentence


@pytest.mark.parametrize(
    ("status", "body", "expected", "sentence", "requests"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, errors.BackendRefusedKey, "refused the key in REMOTE_KEY", 1),
        (403, {"detail": "no"}, errors.BackendRefusedKey, "refused the key", 1),
        (402, {"error": {"message": "Insufficient Balance"}}, errors.BackendNoCredit, "no credit left", 1),
        (429, {"error": {"message": "quota", "code": "insufficient_quota"}}, errors.BackendNoCredit, "no credit left", 1),
        (
            404,
            {"error": {"message": "The model `m-1` does not exist", "code": "model_not_found"}},
            errors.BackendModelUnknown,
            "no model named m-1",
            1,
        ),
        (400, {"code": 20012, "message": "Model does not exist. Please check it carefully."}, errors.BackendModelUnknown, "no model named m-1", 1),
        (404, {"error": {"message": 'model "m-1" not found, try pulling it first'}}, errors.BackendModelUnknown, "no model named m-1", 1),
        (404, {"detail": "Not Found"}, errors.BackendRefused, "usually ends in /v1", 1),
        (400, {"error": {"message": "temperature must be ≤ 2"}}, errors.BackendRefused, "refused the request: temperature must be ≤ 2", 1),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.BackendRefused, "field required", 1),
        (400, {"error": {"message": f"bad header Bearer {KEY}"}}, errors.BackendRefused, "bad header Bearer …", 1),
        (429, {"error": {"message": "slow down"}}, errors.BackendBusy, "too many requests", 3),
        (500, {"error": {"message": "oops"}}, errors.BackendFailed, "failed (status 500)", 3),
        (503, "overloaded", errors.BackendFailed, "failed (status 503)", 3),
        (
            400,
            {
                "error": {
                    "message": "This model's maximum context length is 4096 tokens. However, you requested 5,010 tokens (4010 in the messages, 1000)."
                }
            },
            errors.ContextOverflow,
            "it has 5010 tokens, and 4096 fit",
            1,
        ),
        (
            400,
            {"error": {"message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 512}},
            errors.ContextOverflow,
            "it has 900 tokens",
            1,
        ),
    ],
)
async def test_each_refusal_has_its_sentence(
    server: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: Any,
    expected: type,
    sentence: str,
    requests: int,
) -> None:
    monkeypatch.setenv("REMOTE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    engine = make(server, api_key_env="REMOTE_KEY")
    await engine.start(lambda progress: None)
    server.replies = [refusal(status, body)]
    with pytest.raises(expected) as caught:
        await answer(engine)
    assert sentence in str(caught.value)
    assert len(server.requests) == requests, "only what can help is tried again"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    shown = "\n".join(
        [*traceback.format_exception(caught.value), caplog.text, repr(engine), repr(engine.info), repr(engine._backend), repr(caught.value.params)]
    )
    assert KEY not in shown
    await engine.stop()


async def test_a_server_that_wants_a_key_and_none_is_named(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [refusal(401, {"error": {"message": "no key"}})]
    with pytest.raises(errors.BackendKeyNeeded, match="api_key_env"):
        await answer(engine)


async def test_busy_then_free_is_waited_for_as_long_as_the_server_says(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [refusal(429, {}, retry_after="0.4"), Reply()]
    began = time.perf_counter()
    assert (await answer(engine))[1] == "Good morning"
    assert time.perf_counter() - began >= 0.4
    assert len(server.requests) == 2


async def test_a_wait_that_is_too_long_is_not_made(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [refusal(429, {}, retry_after="3600"), Reply()]
    async with asyncio.timeout(5):
        with pytest.raises(errors.BackendBusy):
            await answer(engine)
    assert len(server.requests) == 1


async def test_a_failure_before_the_first_token_is_tried_again(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [refusal(500, {}), Reply([delta("", role="assistant"), DROP]), Reply()]
    assert (await answer(engine))[1] == "Good morning"
    assert len(server.requests) == 3


@pytest.mark.parametrize("end", [[DROP], []], ids=["the connection breaks", "the stream just ends"])
async def test_a_break_in_the_middle_is_not_tried_again(server: StandIn, engine: OpenAIEngine, end: list[Any]) -> None:
    server.replies = [Reply([delta("Half an"), 0.1, *end]), Reply()]
    stream = engine.stream(await engine.prepare(ask()))
    assert await anext(stream) == Delta("Half an", "answer", 1)
    with pytest.raises(errors.BackendDropped):
        await anext(stream)
    assert len(server.requests) == 1


async def test_an_end_without_a_reason_is_an_end(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [Reply([delta("all"), DONE])]
    _, text, finish = await answer(engine)
    assert (text, finish.reason) == ("all", "stop")


async def test_a_slow_first_byte(server: StandIn) -> None:
    engine = make(server, timeout_s=0.3)
    await engine.start(lambda progress: None)
    server.replies = [Reply([2, *ANSWER])]
    with pytest.raises(errors.BackendTimeout, match=r"within 0\.3 seconds"):
        await answer(engine)
    assert len(server.requests) == 1, "the server may still be computing: it is not asked twice"
    await engine.stop()


async def test_silence_in_the_middle(server: StandIn) -> None:
    engine = make(server, timeout_s=0.3)
    await engine.start(lambda progress: None)
    server.replies = [Reply([delta("one"), 2, *ANSWER])]
    with pytest.raises(errors.BackendDropped):
        await answer(engine)
    await engine.stop()


@pytest.mark.parametrize(
    "reply",
    [
        Reply([event(b'{"choices":[{"delta"')]),
        Reply([event(b"[1, 2]")]),
        Reply([event({"choices": "none"})]),
        Reply([event({"choices": [{"delta": {"content": {"no": "text"}}}]})]),
        Reply([b"<html>log in to the Wi-Fi</html>"], kind="text/html"),
        Reply([b"{not json"], kind="application/json"),
        Reply([b'{"choices":[]}'], kind="application/json"),
    ],
)
async def test_nonsense_is_told_as_nonsense(server: StandIn, engine: OpenAIEngine, reply: Reply) -> None:
    server.replies = [reply]
    with pytest.raises(errors.BackendGarbled, match="no chat answer"):
        await answer(engine)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply([event({"error": {"message": "rate", "code": 429}})]), errors.BackendBusy),
        (Reply([b'{"error":{"message":"CUDA","code":500}}'], kind="application/json"), errors.BackendFailed),
        (Reply([delta("Half"), event({"error": {"message": "CUDA", "code": 500}})]), errors.DecodingFailed),
        (Reply([event(b'{"error": "an "unescaped" quote"}')]), errors.DecodingFailed),
        (Reply([delta("Half"), delta(finish="insufficient_system_resource"), DONE]), errors.DecodingFailed),
        (Reply([delta("Half"), delta(finish="content_filter"), DONE]), errors.BackendFiltered),
    ],
)
async def test_errors_inside_a_stream(server: StandIn, engine: OpenAIEngine, reply: Reply, expected: type) -> None:
    server.replies = [reply]
    with pytest.raises(expected):
        await answer(engine)


async def test_one_failure_leaves_the_others_alone(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [
        Reply([delta("a"), 0.2, delta("b", finish="stop")]),
        Reply([delta("x"), DROP]),
        Reply([delta("a"), 0.2, delta("b", finish="stop")]),
    ]
    results = await asyncio.gather(*(answer(engine) for _ in range(3)), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["BackendDropped", "tuple", "tuple"]


# Start, check, stop


async def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(errors.BackendUnreachable, match="cannot be reached"):
            await make(url).start(lambda progress: None)


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*args: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    with pytest.raises(errors.BackendUnreachable, match=r"http://model\.invalid/v1"):
        await make("http://model.invalid/v1").start(lambda progress: None)


async def test_a_server_that_goes_away_and_comes_back(server: StandIn, engine: OpenAIEngine) -> None:
    await engine.check()
    server._server.close()
    with pytest.raises(errors.BackendUnreachable):
        await engine.check()
    with pytest.raises(errors.BackendUnreachable):
        await answer(engine)
    port = int(server.url.split(":")[2].split("/")[0])
    server._server = await asyncio.start_server(server._serve, "127.0.0.1", port)
    assert (await answer(engine))[1] == "Good morning"


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (refusal(401, {}), errors.BackendKeyNeeded),
        (refusal(500, {}), errors.BackendFailed),
        (refusal(404, {}), None),
        (refusal(405, {}), None),
        (Reply([30]), errors.BackendTimeout),
    ],
)
async def test_check(server: StandIn, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch, models: Reply, expected: type | None) -> None:
    monkeypatch.setattr(openai_engine, "CHECK_TIMEOUT_S", 0.3)
    server.models = models
    if expected is None:
        await engine.check()
    else:
        with pytest.raises(expected):
            await engine.check()
    assert server.requests == [], "a check costs no tokens"


async def test_the_key_must_be_there_at_the_start(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMOTE_KEY", raising=False)
    engine = make(server, api_key_env="REMOTE_KEY")
    with pytest.raises(errors.BackendKeyMissing, match="set the environment variable REMOTE_KEY"):
        await engine.start(lambda progress: None)
    with pytest.raises(errors.NotReady):
        _ = engine.info


@pytest.mark.parametrize(
    ("url", "more", "sentence"),
    [
        ("https://me:secret@host/v1", {}, "api_key_env"),
        ("https://host/v1?key=secret", {}, "api_key_env"),
        ("host/v1", {}, "must begin with http"),
        ("http://127.0.0.1:1/v1", {"parameters": ("top_kk",)}, "'top_kk'"),
    ],
)
async def test_a_configuration_that_cannot_work(url: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(errors.BackendRefused, match=sentence) as caught:
        await make(url, **more).start(lambda progress: None)
    assert "secret" not in str(caught.value)


async def test_defaults_must_be_understood(server: StandIn) -> None:
    with pytest.raises(errors.UnsupportedParameter, match="top_k"):
        await make(server, defaults=Sampling(top_k=5)).start(lambda progress: None)


async def test_start_tells_its_progress(server: StandIn) -> None:
    told: list[LoadProgress] = []
    engine = make(server)
    await engine.start(told.append)
    assert told[-1].fraction == 1.0
    assert server.url in told[0].step
    await engine.stop()


async def test_stop_ends_what_is_running(server: StandIn, engine: OpenAIEngine) -> None:
    server.replies = [Reply([FOREVER])]
    task = asyncio.create_task(answer(engine))
    await server.asked.wait()
    await engine.stop()
    async with asyncio.timeout(2):
        with pytest.raises(errors.EngineError):
            await task
        await server.gone.wait()


async def test_started_on_one_loop_and_streamed_on_another(server: StandIn) -> None:
    engine = make(server)
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def elsewhere() -> None:
        asyncio.run(engine.start(lambda progress: None))
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await done.wait()
    thread.join()
    assert (await answer(engine))[1] == "Good morning"
    await engine.check()
    await engine.stop()
    await engine.stop()
    with pytest.raises(errors.NotReady):
        await engine.check()
