"""An engine at the other end of HTTP: any server that speaks OpenAI's chat completions (DeepSeek, SiliconFlow, vLLM, Ollama, llama.cpp)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import random
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from openai import AsyncOpenAI

from inference import sse
from inference.errors import BackendGarbled, BackendKeyMissing, BackendRefused, DecodingFailed, NotReady
from inference.openai_answer import Answer
from inference.openai_errors import Backend, Failure
from inference.openai_request import build_messages, build_parameters, build_text, refuse_unsupported, understood, unknown_extras
from inference.openai_text import AnswerText
from inference.types import (
    ContextUse,
    Delta,
    EngineInfo,
    Finish,
    GenerationRequest,
    LoadProgress,
    ProgressCallback,
    Prompt,
    Sampling,
)

RETRIES = 2
LONGEST_WAIT_S = 20.0
"""A server that asks for a longer wait is not asked again: a person is waiting, and learns more from the sentence."""
CHECK_TIMEOUT_S = 5.0
USAGE_TIMEOUT_S = 5.0
"""How long the count of tokens is waited for behind a finished answer."""


class OpenAIEngine:
    """Keeps `inference.engine.Engine`.

    `parameters`: what the server understands beyond the standard max_tokens, temperature, top_p, stop and seed; `inference.openai_request`
    lists the names. `api_key_env` names the environment variable that holds the key; the key itself is read at `start`, lives in memory only,
    and is struck out of anything the server says. `timeout_s` is the longest silence: before the first byte and between two pieces.
    Only before the first token is a request sent again, up to RETRIES times.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        model: str,
        api_key_env: str | None = None,
        context_window: int | None = None,
        max_streams: int = 16,
        parameters: tuple[str, ...] | frozenset[str] = (),
        defaults: Sampling | None = None,
        timeout_s: float = 120.0,
        connect_timeout_s: float = 10.0,
        headers: Mapping[str, str] | None = None,
        backoff_s: float = 0.5,
    ) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._timeout = httpx2.Timeout(timeout_s, connect=connect_timeout_s)
        self._backoff_s = backoff_s
        self._extras = frozenset(parameters)
        self._backend = Backend(shown(base_url), model, api_key_env or None, timeout_s)
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = weakref.WeakKeyDictionary()
        self._usage_option = True
        self._ready = False
        self._info = EngineInfo(
            name=name,
            model=model,
            kind="openai",
            device=self._backend.url,
            dtype="",
            context_window=context_window,
            memory_bytes=None,
            max_streams=max_streams,
            parameters=understood(self._extras),
            defaults=defaults or Sampling(),
            thinking="optional" if "thinking" in understood(self._extras) else "none",
        )

    @property
    def info(self) -> EngineInfo:
        if not self._ready:
            raise NotReady
        return self._info

    @property
    def url(self) -> str:
        """Its address, as it may be shown."""
        return self._backend.url

    @property
    def max_streams(self) -> int:
        return self._info.max_streams

    async def start(self, progress: ProgressCallback) -> None:
        """Read the key and ask the server whether it is there. Raises the EngineError that says what is wrong."""
        progress(LoadProgress(f"asking {self._backend.url}"))
        self._configure()
        await self.look()
        self._ready = True
        progress(LoadProgress(f"asking {self._backend.url}", 1.0))

    def open(self) -> None:
        """Read the key, and be ready without asking the server: for one of several, which may be away just now."""
        self._configure()
        self._ready = True

    def _configure(self) -> None:
        self._check_configuration()
        self._backend = self._with_key(os.environ)

    def _check_configuration(self) -> None:
        parts = urlsplit(self._base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BackendRefused(url=self._backend.url, reason="base_url must begin with http:// or https://.")
        if parts.username or parts.password or parts.query:
            # It would be written into logs with every request.
            raise BackendRefused(url=self._backend.url, reason="base_url must carry no key, name or password; use api_key_env.")
        if unknown := unknown_extras(self._extras):
            raise BackendRefused(url=self._backend.url, reason=f"parameters names {unknown[0]!r}, which means nothing here.")
        refuse_unsupported(self._info.defaults, self._info.parameters)

    def _with_key(self, env: Mapping[str, str]) -> Backend:
        backend = self._backend
        key = env.get(backend.key_env, "").strip() if backend.key_env else ""
        if backend.key_env and not key:
            raise BackendKeyMissing(url=backend.url, key_env=backend.key_env)
        return Backend(backend.url, backend.model, backend.key_env, backend.timeout_s, key)

    async def prepare(self, request: GenerationRequest) -> Prompt:
        """The JSON that will be sent. Nothing is sent yet, and tokens are not counted: only the server can.

        With `context_window` configured the oldest whole turns are left out by a cautious estimate; without it all turns are sent.
        `Prompt.sampling` holds what is said by the request and the configuration; where it says nothing the server decides, the seed included.
        """
        info = self.info
        refuse_unsupported(request.sampling, info.parameters)
        sampling = request.sampling.over(info.defaults)
        if request.text is not None:
            body = {"model": info.model, **build_text(request.text, sampling)}
            return Prompt(request.id, request.text, "", sampling, ContextUse(None, info.context_window), body)
        messages, dropped = build_messages(request, self._extras, info.context_window, sampling.max_tokens)
        continued = messages[-1]["role"] == "assistant"
        body = {"model": info.model, "messages": messages, **build_parameters(sampling, self._extras, continued=continued)}
        text = json.dumps(messages, ensure_ascii=False)
        return Prompt(request.id, text, "", sampling, ContextUse(None, info.context_window, dropped), body)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        if not self._ready:
            raise NotReady
        answer = self.answer(prompt)
        for attempt in range(RETRIES + 1):
            try:
                async with contextlib.aclosing(self.attempt(prompt, answer)) as deltas:
                    async for delta in deltas:
                        yield delta
                break
            except Failure as failure:
                pause = failure.after if failure.after is not None else self._backoff_s * 2**attempt * random.uniform(0.75, 1.25)
                if answer.began or not failure.again or attempt == RETRIES or pause > LONGEST_WAIT_S or not self._ready:
                    # `from None`: the openai package's exceptions hold the request with its headers, the key among them.
                    raise failure.error from None
            await asyncio.sleep(pause)
        yield answer.finish()

    def answer(self, prompt: Prompt, started: float | None = None) -> Answer:
        """What `attempt` fills."""
        continued = "prompt" in prompt.payload or prompt.payload["messages"][-1]["role"] == "assistant"
        return Answer(AnswerText("answer" if continued else "thinking" if "think_open" in self._extras else "start"), started)

    async def attempt(self, prompt: Prompt, answer: Answer) -> AsyncGenerator[Delta, None]:
        """One request. Raises Failure. Closing this generator closes the connection, by which the server learns to stop decoding."""
        try:
            response = await self._request({**prompt.payload, "model": self._info.model})
            try:
                async with contextlib.aclosing(sse.events(response.aiter_bytes())) as events:
                    while (event := await self._next(events, answer)) is not None:
                        for delta in self._read(event, answer):
                            yield delta
            finally:
                await response.aclose()
        except Failure:
            if not answer.finished:
                raise
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as error:
            if not answer.finished:
                raise self._backend.failure(error, began=answer.began) from None
        for delta in answer.end(self._backend):
            yield delta

    async def _request(self, body: dict[str, Any]) -> httpx2.Response:
        """Send the request; the response's body is still to be read."""
        client, headers = self._client(), self._identity()
        create: Any = client.completions.create if "prompt" in body else client.chat.completions.create
        usage: dict[str, Any] = {"stream_options": {"include_usage": True}} if self._usage_option else {}
        try:
            stream = await create(stream=True, extra_headers=headers, **usage, **body)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if not usage or "stream_options" not in str(error.body):
                raise
            self._usage_option = False
            stream = await create(stream=True, extra_headers=headers, **body)
        response: httpx2.Response = stream.response
        if response.headers.get("content-type", "").partition(";")[0] in ("application/json", "text/html"):
            try:
                await self._not_a_stream(response)
            finally:
                await response.aclose()
        return response

    async def _not_a_stream(self, response: httpx2.Response) -> None:
        """A 200 with something else in it: an error in JSON (some gateways), or somebody's web page."""
        with contextlib.suppress(ValueError):
            body = json.loads(await response.aread())
            if isinstance(body, dict) and body.get("error"):
                raise self._backend.event(body["error"], began=False)
        raise Failure(BackendGarbled(url=self._backend.url))

    async def _next(self, events: AsyncGenerator[str, None], answer: Answer) -> str | None:
        """The next event's data, None at the end. Behind a finished answer only the usage is still to come, and it is not waited for long."""
        try:
            if not answer.finished:
                event = await anext(events)
            else:
                async with asyncio.timeout(USAGE_TIMEOUT_S):
                    event = await anext(events)
        except (StopAsyncIteration, TimeoutError):
            return None
        if event.strip() == "[DONE]":
            answer.done = True
            return None
        return event

    def _read(self, event: str, answer: Answer) -> list[Delta]:
        """The text in one event; notes usage and finish. Raises Failure for an error event or for what is no chat chunk."""
        try:
            chunk = json.loads(event)
        except ValueError:
            # transformers serve builds its error event without escaping, so that it need not be JSON
            raise Failure(DecodingFailed() if event.startswith('{"error"') else BackendGarbled(url=self._backend.url)) from None
        if not isinstance(chunk, dict):
            raise Failure(BackendGarbled(url=self._backend.url))
        if chunk.get("error"):
            raise self._backend.event(chunk["error"], began=answer.began)
        try:
            return answer.take(chunk)
        except (AttributeError, TypeError, KeyError, IndexError, ValueError):
            raise Failure(BackendGarbled(url=self._backend.url)) from None

    async def check(self) -> None:
        """Ask for the list of models. That the server lists this model is not asked for: aliases and gateways often do not."""
        if not self._ready:
            raise NotReady
        await self._probe(self._client())

    async def look(self) -> None:
        """`check` before the start, over a connection of its own: this loop may end before the first stream."""
        async with self._make_client() as client:
            await self._probe(client)

    async def _probe(self, client: AsyncOpenAI) -> None:
        try:
            await client.with_options(timeout=CHECK_TIMEOUT_S).models.list(extra_headers=self._identity())
        except (openai.NotFoundError, openai.APIResponseValidationError):
            return  # it answers; it only keeps no list
        except openai.APIStatusError as error:
            if error.status_code != 405:
                raise self._backend.failure(error, began=False).error from None
        except openai.OpenAIError as error:
            backend = Backend(self._backend.url, self._backend.model, self._backend.key_env, CHECK_TIMEOUT_S)
            raise backend.failure(error, began=False).error from None

    async def stop(self) -> None:
        self._ready = False
        here = asyncio.get_running_loop()
        for loop, client in list(self._clients.items()):
            if loop is here:
                await client.close()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(client.close(), loop)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(closing), CHECK_TIMEOUT_S)
        self._clients.clear()

    def _client(self) -> AsyncOpenAI:
        """The client of the running loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self._make_client()
        return client

    def _identity(self) -> dict[str, Any]:
        """Headers of each request. Omit: else the package fills these in from the OPENAI_* environment, and one provider's identity would
        be sent to another."""
        omitted = ["OpenAI-Organization", "OpenAI-Project", *([] if self._backend.key else ["Authorization"])]
        configured = {name.lower() for name in self._headers}
        return {name: openai.Omit() for name in omitted if name.lower() not in configured}

    def _make_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=self._backend.key or "none",
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=0,
            default_headers=self._headers,
            # A proxy from the environment cannot reach this computer's own servers or the LAN's.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=not is_private(self._base_url), timeout=self._timeout),
        )


def shown(base_url: str) -> str:
    """The address for sentences and logs: without a name, a password or a query, which may be keys."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    with contextlib.suppress(ValueError):
        host += f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/") if host else "(no address)"


def is_private(base_url: str) -> bool:
    """True for this computer and for addresses of a local network."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local"))
