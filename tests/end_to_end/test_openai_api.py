"""/v1/ with the clients that people have, unchanged: OpenAI's own for Python and Node, LangChain, the `llm` command line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.http import Answer, ask
from tests.end_to_end.phones import api_key, me, pair, submit
from tests.end_to_end.server import LIMIT_S, Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process

CLIENTS = Path(__file__).resolve().parent / "openai_clients"
one_server = pytest.mark.parametrize("_shared", [("serve", "sqlite")], indirect=True, ids=["serve-sqlite"])
"""For what depends on no web server and no database."""
Messages = list[Any]


_clients: list[OpenAI] = []


@pytest.fixture(autouse=True)
def _no_connection_stays() -> Iterator[None]:
    yield
    while _clients:
        _clients.pop().close()


def client_of(server: Server, key: str | None = None) -> OpenAI:
    client = OpenAI(base_url=f"{server.http}/v1", api_key=key or api_key(server), max_retries=0, timeout=LIMIT_S)
    _clients.append(client)
    return client


def said(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def chat(client: OpenAI, text: str, **more: Any) -> Any:
    return client.chat.completions.create(model="fake", messages=said(text), **more)


def texts(chunks: list[ChatCompletionChunk], field: str = "content") -> str:
    return "".join(getattr(choice.delta, field, None) or "" for chunk in chunks for choice in chunk.choices)


def until(happened: Callable[[], Any], what: str) -> Any:
    limit = time.monotonic() + LIMIT_S
    while not (found := happened()):
        assert time.monotonic() < limit, f"waited too long for {what}"
        time.sleep(0.02)
    return found


def runs_of(server: Server, name: str) -> list[tuple[Any, ...]]:
    """What is recorded of a key's calls: status, reason, prompt, message, tokens of prompt and answer."""
    return Store(server).rows(
        "SELECT r.status, r.finish_reason, r.prompt, r.message_id, r.prompt_tokens, r.completion_tokens FROM chat_run r"
        " JOIN chat_device d ON d.id = r.device_id WHERE d.name = ? ORDER BY r.created_at",
        name,
    )


# --- OpenAI's own client for Python ---------------------------------------------------------------------------------------------------


def test_whole_answers_and_streamed_ones(server: Server) -> None:
    client = client_of(server, api_key(server, "whole"))
    assert "fake" in [model.id for model in client.models.list()]
    assert client.models.retrieve("fake").owned_by == "llmsite"
    whole = chat(client, "hello 世界", temperature=0, top_p=0.9, seed=7, extra_body={"top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1})
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason, whole.model) == ("echo: hello 世界", "stop", "fake")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens == 6
    chunks = list(chat(client, "!think hello 世界", stream=True, stream_options={"include_usage": True}))
    assert texts(chunks) == "echo: !think hello 世界"
    assert texts(chunks, "reasoning_content") == "hm well "
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens_details is not None
    assert (chunks[-1].usage.completion_tokens, chunks[-1].usage.completion_tokens_details.reasoning_tokens) == (6, 2)
    assert len({chunk.id for chunk in chunks}) == 1
    assert client.completions.create(model="fake", prompt="once upon").choices[0].text == "echo: once upon"
    assert "".join(c.choices[0].text for c in client.completions.create(model="fake", prompt="a b", stream=True)) == "echo: a b"
    assert [row[:4] for row in runs_of(server, "whole")] == [("done", "stop", "", None)] * 4, "recorded, without what was said"


def test_pieces_come_while_the_answer_is_written(server: Server) -> None:
    """Nothing on the way keeps them back: the first is here, and the server has not finished."""
    with chat(client_of(server, api_key(server, "unbuffered")), "!say 1500", stream=True) as stream:
        chunks = iter(stream)
        assert "w0" in texts([next(chunks), next(chunks)])
        ((status, *_),) = runs_of(server, "unbuffered")
        assert status != "done"


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_client_that_hangs_up_stops_its_decoding(server: Server, streamed: bool) -> None:
    name = f"hangs up {streamed}"
    key = api_key(server, name)
    body = json.dumps({"model": "fake", "messages": said("!say 4000"), "stream": streamed}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as connection:
        connection.sendall(head.encode() + body)
        if streamed:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        else:
            until(lambda: runs_of(server, name), "the call to begin")
    ((_, reason, _, _, _, tokens),) = until(lambda: [row for row in runs_of(server, name) if row[0] == "done"], "the end of the call")
    assert reason == "stopped"
    assert tokens < 4000


@one_server
def test_what_can_be_said(server: Server) -> None:
    client = client_of(server)
    assert chat(client, "!say 50", max_tokens=3).choices[0].finish_reason == "length"
    assert chat(client, "!say 50", max_completion_tokens=3).choices[0].message.content == "w0 w1 w2 "
    thought = chat(client, "hi", extra_body={"chat_template_kwargs": {"enable_thinking": True}}).choices[0].message
    assert (thought.reasoning_content, thought.content) == ("hm well ", "echo: hi")
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    turns = [{"role": "developer", "content": "be short"}, {"role": "user", "content": "a"}, thought.model_dump(), {"role": "user", "content": parts}]
    assert client.chat.completions.create(model="fake", messages=turns).choices[0].message.content == "echo: one\n\ntwo"
    assert chat(client, "hi", n=1, tools=openai.omit, logprobs=False, response_format={"type": "text"}, frequency_penalty=0).choices


@one_server
def test_errors_are_those_that_the_client_knows(server: Server) -> None:
    client = client_of(server)
    with pytest.raises(openai.AuthenticationError) as wrong:
        client_of(server, "sk-llmsite-wrong").models.list()
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-none", messages=said("hi"))
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    refused: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}], "n": 2, "logprobs": True, "logit_bias": {"1": 2}}
    refused |= {"response_format": {"type": "json_object"}, "presence_penalty": 0.5, "reasoning_effort": "low", "modalities": ["audio"]}
    for name, value in refused.items():
        with pytest.raises(openai.BadRequestError) as bad:
            chat(client, "hi", **{name: value})
        assert (bad.value.code, bad.value.param) == ("unsupported_parameter", name)
        assert name in bad.value.message
    with pytest.raises(openai.BadRequestError) as image:
        client.chat.completions.create(model="fake", messages=said([{"type": "image_url", "image_url": {"url": "data:,"}}]))  # type: ignore[arg-type]
    assert image.value.param == "messages[0].content[0].type"
    with pytest.raises(openai.BadRequestError) as long:
        chat(client, "word " * 5000)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as turns:
        client.chat.completions.create(model="fake", messages=[*said("word " * 3000), {"role": "assistant", "content": "x"}, *said("word " * 3000)])
    assert turns.value.code == "context_length_exceeded", "nothing is left out without a word"
    with pytest.raises(openai.InternalServerError) as failed:
        chat(client, "!fail 0")
    assert failed.value.code == "decoding_failed"
    with pytest.raises(openai.NotFoundError):
        client.files.list()


@one_server
def test_a_failure_in_mid_stream_is_an_error_too(server: Server) -> None:
    stream = chat(client_of(server, api_key(server, "mid-stream")), "!say 50 !fail 3", stream=True)
    with pytest.raises(openai.APIError) as failed:
        list(stream)
    assert failed.value.code == "decoding_failed"
    assert [row[:2] for row in runs_of(server, "mid-stream")] == [("done", "error")]


# --- keys ----------------------------------------------------------------------------------------------------------------------------


@one_server
def test_keys_and_tokens_are_two_things(server: Server) -> None:
    phone = pair(server)
    key = api_key(server, "phone's", phone)
    assert chat(client_of(server, key), "hi").choices
    refused = ask(server, "GET", "/api/me", {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.168.77.7"})
    assert refused.status == 401, "a key opens /v1/ and nothing else"
    token = phone["Cookie"].partition("=")[2]
    assert ask(server, "GET", "/v1/models", {"Authorization": f"Bearer {token}"}).status == 401
    assert ask(server, "GET", "/v1/models", phone).status == 401, "a cookie is no key"
    assert ask(server, "GET", "/v1/models").status == 401, "not even this computer goes without"


@one_server
def test_a_removed_key_ends_what_it_has_under_way(server: Server) -> None:
    key = api_key(server, "to be removed")
    with chat(client_of(server, key), "!say 4000", stream=True) as stream:
        chunks = iter(stream)
        next(chunks)
        ((device,),) = Store(server).rows("SELECT id FROM chat_device WHERE name = ?", "to be removed")
        assert submit(server, "/pair/device/", {"device": str(device), "action": "revoke"}) == 302
        with pytest.raises(openai.APIError) as ended:
            list(chunks)
        assert ended.value.code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        chat(client_of(server, key), "hi")


@one_server
def test_a_call_is_stored_only_when_that_is_asked(server: Server) -> None:
    phone = pair(server)
    client = client_of(server, api_key(server, "stores", phone))
    assert chat(client, "a secret like quokka").choices
    turns = [{"role": "system", "content": "be kind"}, *said("first"), {"role": "assistant", "content": "yes"}, *said("a wombat")]
    client.chat.completions.create(model="fake", messages=turns, store=True)  # type: ignore[arg-type]
    (kept,) = ask(server, "GET", "/api/conversations", phone).json["items"]
    page = ask(server, "GET", f"/api/conversations/{kept['id']}", phone).json
    shown = [(message["role"], message["content"]) for message in page["messages"]]
    assert shown == [("system", "be kind"), ("user", "first"), ("assistant", "yes"), ("user", "a wombat"), ("assistant", "echo: a wombat")]
    first, second = runs_of(server, "stores")
    assert (first[2], first[3]) == ("", None)
    assert "a wombat" in second[2]
    server_files = b"".join(path.read_bytes() for path in server.data.glob("llmsite.sqlite3*"))
    assert b"wombat" in server_files
    assert b"quokka" not in server_files, "of what is not stored, no word is in the database"
    assert "quokka" not in server.log()
    assert me(server, phone)["host"] is False


def test_too_much_is_told_with_the_time_to_wait(fresh: FreshServer) -> None:
    server = fresh("uvicorn")
    server.data.mkdir(parents=True, exist_ok=True)
    (server.data / "llmsite.toml").write_text("[limits]\nrequests_per_minute = 10\nunfinished_answers = 1\n", encoding="utf-8")
    server.start()
    client = client_of(server)
    with chat(client, "!say 4000", stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as busy:
            chat(client, "hi")
    assert int(busy.value.response.headers["retry-after"]) > 0
    with pytest.raises(openai.RateLimitError) as fast:
        [client.models.list() for _ in range(20)]
    assert fast.value.code == "rate_limit_exceeded"


def test_an_open_server_asks_for_no_key_and_refuses_pages_elsewhere(fresh: FreshServer) -> None:
    server = fresh("daphne", LLMSITE_OPEN="1").start()
    assert chat(client_of(server, "anything"), "hi").choices[0].message.content == "echo: hi"
    asked = {"model": "fake", "messages": said("hi")}
    page = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    refused: Answer = ask(server, "POST", "/v1/chat/completions", page, asked)
    assert (refused.status, refused.json["error"]["code"]) == (403, "foreign_origin")
    assert ask(server, "GET", "/v1/models", page).status == 401


async def test_the_end_of_the_server_ends_the_call_in_words(fresh: FreshServer) -> None:
    server = fresh("serve").start()
    client = client_of(server, api_key(server, "cut off"))
    stream = await asyncio.to_thread(lambda: chat(client, "!say 4000", stream=True))
    await asyncio.to_thread(next, iter(stream))
    assert await server.end(SIGINT) == 0
    with pytest.raises(openai.APIError) as ended:
        await asyncio.to_thread(list, stream)
    assert ended.value.code == "server_stopping"
    assert [row[:2] for row in runs_of(server, "cut off")] == [("done", "interrupted")]


# --- other people's programs ---------------------------------------------------------------------------------------------------------


@one_server
def test_openais_client_for_node(server: Server) -> None:
    node = shutil.which("node")
    if node is None or not (CLIENTS / "node_modules" / "openai").is_dir():
        assert not os.environ.get("CI"), "CI must have it: npm ci --prefix tests/end_to_end/openai_clients"
        pytest.skip("OpenAI's client for Node is not installed: npm ci --prefix tests/end_to_end/openai_clients")
    done = subprocess.run(
        [node, "chat.mjs", f"{server.http}/v1", api_key(server, "node")], cwd=CLIENTS, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert "fake" in got["models"]
    assert got["whole"]["choices"][0]["message"] == {
        "role": "assistant",
        "content": "echo: !think hello there",
        "reasoning_content": "hm well ",
        "refusal": None,
    }
    assert ("".join(got["pieces"]), got["thinking"], got["usage"]["completion_tokens"]) == ("echo: !think hello there", "hm well ", 6)
    assert got["text"] == "echo: once upon"
    assert got["errors"] == {
        "key": ["AuthenticationError", 401, "invalid_api_key", None],
        "model": ["NotFoundError", 404, "model_not_found", "model"],
        "n": ["BadRequestError", 400, "unsupported_parameter", "n"],
    }
    until(lambda: runs_of(server, "node")[-1][1] == "stopped", "the decoding of what node hung up on to stop")


@one_server
def test_langchain(server: Server) -> None:
    """In a process of its own: it and what it brings warn of much, and warnings are errors here."""
    code = (
        "import sys, json, asyncio; from langchain_openai import ChatOpenAI\n"
        "model = ChatOpenAI(model='fake', base_url=sys.argv[1], api_key=sys.argv[2], temperature=0.5, max_retries=0)\n"
        "whole = model.invoke([('system', 'be short'), ('human', 'hello there')])\n"
        "pieces = [piece.text for piece in model.stream('a b c')]\n"
        "later = asyncio.run(model.ainvoke('later'))\n"
        "print(json.dumps([whole.text, whole.usage_metadata['total_tokens'], pieces, later.text]))"
    )
    done = _python("-c", code, f"{server.http}/v1", api_key(server))
    text, tokens, pieces, later = json.loads(done.splitlines()[-1])
    assert (text, "".join(pieces), later) == ("echo: hello there", "echo: a b c", "echo: later")
    assert tokens > 0
    assert len([piece for piece in pieces if piece]) > 1


@one_server
def test_the_llm_command_line(server: Server, tmp_path: Path) -> None:
    """Set up as its documentation says for servers of this kind: extra-openai-models.yaml."""
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: here\n  model_name: fake\n  api_base: {server.http}/v1\n  api_key_name: here\n", encoding="utf-8"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"here": api_key(server)}), encoding="utf-8")
    environment = os.environ | {"LLM_USER_PATH": str(tmp_path)}
    assert _python("-m", "llm", "-m", "here", "hello there", env=environment).strip() == "echo: hello there"
    whole = _python("-m", "llm", "-m", "here", "--no-stream", "-o", "max_tokens", "2", "-s", "be short", "!say 9", env=environment)
    assert whole.split() == ["w0", "w1"]


def _python(*arguments: str, env: Any = None) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=LIMIT_S, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- embeddings ----------------------------------------------------------------------------------------------------------------------


def test_embeddings_of_a_local_model_and_of_another_server(fresh: FreshServer, tmp_path: Path) -> None:
    """The second server's embedding model is the first server's."""
    from tests.inference.tiny_encoders import WIDTH, make_encoder

    folder = make_encoder(tmp_path / "tiny", pooling="pooling_mode_mean_tokens")
    first = fresh("uvicorn")
    first.data.mkdir(parents=True, exist_ok=True)
    (first.data / "llmsite.toml").write_text(f'[embeddings.tiny]\npath = "{folder}"\n', encoding="utf-8")
    first.start()
    key = api_key(first, "embeds")
    client = client_of(first, key)
    found = client.embeddings.create(model="tiny", input=["a fox", "你好"])  # as base64, which the client asks for by itself
    plain = client.embeddings.create(model="tiny", input="a fox", encoding_format="float")
    assert [len(row.embedding) for row in found.data] == [WIDTH, WIDTH]
    assert found.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-5)
    assert found.usage.prompt_tokens > plain.usage.prompt_tokens > 0
    assert "tiny" in [model.id for model in client.models.list()]
    for wrong, param in (({"input": [[1, 2]]}, "input"), ({"input": "word " * 100}, "input"), ({"input": "x", "dimensions": 8}, "dimensions")):
        with pytest.raises(openai.BadRequestError) as bad:
            client.embeddings.create(model="tiny", **wrong)  # type: ignore[arg-type]
        assert bad.value.param == param
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="fake", input="x")
    assert [row[:4] for row in runs_of(first, "embeds")][:2] == [("done", "stop", "", None)] * 2

    second = fresh("daphne", FIRST_KEY=key)
    second.data.mkdir(parents=True, exist_ok=True)
    table = f'[embeddings.far]\nengine = "openai"\nbase_url = "{first.http}/v1"\nmodel = "tiny"\napi_key_env = "FIRST_KEY"\n'
    (second.data / "llmsite.toml").write_text(table, encoding="utf-8")
    second.start()
    far = client_of(second)
    assert far.embeddings.create(model="far", input="a fox").data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-5)
    first.kill()
    with pytest.raises(openai.InternalServerError) as gone:
        far.embeddings.create(model="far", input="a fox")
    assert gone.value.code == "backend_unreachable"


@one_server
def test_without_an_embedding_model_there_is_a_sentence(server: Server) -> None:
    with pytest.raises(openai.NotFoundError, match="No embedding model"):
        client_of(server).embeddings.create(model="any", input="x")
