"""A deterministic engine without a model, for tests and for measuring the server alone. It says that it is fake."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator

from inference.errors import ContextOverflow, DecodingFailed, EmptyPrompt, NotReady, UnsupportedParameter
from inference.types import (
    SAMPLING_NAMES,
    ChatMessage,
    ContextUse,
    Delta,
    EngineFinish,
    EngineInfo,
    Finish,
    GenerationRequest,
    LoadProgress,
    Prefill,
    ProgressCallback,
    Prompt,
    Sampling,
    Timing,
    Usage,
)

TEMPLATE_HASH = hashlib.sha256(b"fake").hexdigest()


class FakeEngine:
    """Answers `echo: <message>` one word at a time. Words in the newest user message steer it:

    `!say N` answers with N numbered words · `!slow` at a fifth of the speed · `!think` thinks first · `!fail N` raises after N words
    · `!crash` raises what is no EngineError.
    """

    def __init__(
        self,
        *,
        name: str = "fake",
        delay_s: float = 0.0,
        load_s: float = 0.0,
        max_streams: int = 8,
        context_window: int = 4096,
        parameters: frozenset[str] = frozenset(SAMPLING_NAMES),
    ) -> None:
        self.delay_s = delay_s
        self.load_s = load_s
        self.decoded = 0
        """Words decoded since the start, by all streams: tests look here to see that a stop stops."""
        self.active = 0
        self._info = EngineInfo(
            name=name,
            model="fake",
            kind="fake",
            device="none",
            dtype="none",
            context_window=context_window,
            memory_bytes=0,
            max_streams=max_streams,
            parameters=parameters,
            defaults=Sampling(max_tokens=1024, temperature=0.7, top_p=1.0, top_k=0, min_p=0.0, repetition_penalty=1.0, stop=(), thinking=False),
            thinking="optional",
        )
        self._ready = False

    @property
    def info(self) -> EngineInfo:
        if not self._ready:
            raise NotReady
        return self._info

    async def start(self, progress: ProgressCallback) -> None:
        progress(LoadProgress("fake", 0.0))
        if self.load_s:
            await asyncio.sleep(self.load_s)
        self._ready = True
        progress(LoadProgress("fake", 1.0))

    async def prepare(self, request: GenerationRequest) -> Prompt:
        messages = [ChatMessage("user", request.text)] if request.text is not None else list(request.messages)
        if not messages or not messages[-1].content.strip():
            raise EmptyPrompt
        info = self.info
        for name in request.sampling.said():
            if name not in info.parameters:
                raise UnsupportedParameter(name=name)
        limit = self._info.context_window or 0
        fixed = [m for m in messages if m.role == "system"]
        turns = [m for m in messages if m.role != "system"]
        newest = sum(map(_count, [*fixed, turns[-1]]))
        if newest > limit:
            raise ContextOverflow(used=newest, limit=limit)
        dropped = 0
        while sum(map(_count, fixed + turns)) > limit:
            turns.pop(0)
            dropped += 1
        text = "".join(f"[{m.role}]{m.content}\n" for m in fixed + turns) + "[assistant]" if request.text is None else request.text
        prefill = request.prefill or Prefill()
        text += prefill.answer
        sampling = request.sampling.over(self._info.defaults)
        if sampling.seed is None:
            sampling = Sampling(seed=0).over(sampling)
        used = sum(map(_count, fixed + turns))
        return Prompt(request.id, text, TEMPLATE_HASH, sampling, ContextUse(used, limit, dropped), (turns[-1].content, prefill))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        message, prefill = prompt.payload
        began = time.perf_counter()
        first: float | None = None
        delay_s = self.delay_s * (5 if "!slow" in message else 1)
        pieces = _script(message, thinking=bool(prompt.sampling.thinking))
        done = prefill.thinking + prefill.answer
        limit = prompt.sampling.max_tokens or 0
        count = 0
        reason: EngineFinish = "stop"
        fail_after = _number_after(message, "!fail")
        self.active += 1
        try:
            for delta in pieces:
                if done.startswith(delta.text) and done:
                    done = done[len(delta.text) :]
                    continue
                await asyncio.sleep(delay_s)
                if "!crash" in message:
                    raise RuntimeError("the fake engine was told to crash")
                if fail_after is not None and count >= fail_after:
                    raise DecodingFailed
                if count >= limit:
                    reason = "length"
                    break
                count += 1
                self.decoded += 1
                first = first if first is not None else time.perf_counter() - began
                yield delta
            seconds = time.perf_counter() - began
            yield Finish(reason, Usage(prompt.context.used or 0, count), Timing(first, seconds, count / seconds if seconds else None))
        finally:
            self.active -= 1

    async def check(self) -> None:
        if not self._ready:
            raise NotReady

    async def stop(self) -> None:
        self._ready = False


def _count(message: object) -> int:
    return len(str(getattr(message, "content", "")).split()) + 1


def _number_after(text: str, word: str) -> int | None:
    tail = text.partition(word)[2].split()
    return int(tail[0]) if word in text and tail and tail[0].isdigit() else None


def _script(message: str, *, thinking: bool) -> list[Delta]:
    """The deltas of the whole answer; the same message always gives the same."""
    say = _number_after(message, "!say")
    words = [f"w{i} " for i in range(say)] if say is not None else ["echo: ", *message.replace(" ", " \0").split("\0")]
    thoughts = [Delta(w, "thinking") for w in ("hm ", "well ")] if thinking or "!think" in message else []
    return [*thoughts, *(Delta(w) for w in words)]
