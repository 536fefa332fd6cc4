"""The values that pass between the chat and an engine. Nothing here imports torch, Django or a network library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Channel = Literal["thinking", "answer"]
Role = Literal["system", "user", "assistant"]
EngineFinish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn as the model is shown it. `thinking` is what an assistant turn thought, if anything."""

    role: Role
    content: str
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `None` means "not said here": the layer below decides.

    Layers, weakest first: the model's generation_config, the configuration, the persona, the conversation, the message.
    """

    max_tokens: int | None = None
    """New tokens only; the prompt is not counted."""
    temperature: float | None = None
    """0 is greedy."""
    top_p: float | None = None
    top_k: int | None = None
    """0 keeps all tokens."""
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    thinking: bool | None = None

    def over(self, base: Sampling) -> Sampling:
        """This sampling where it says something, `base` where it does not."""
        return Sampling(**{name: value if (value := getattr(self, name)) is not None else getattr(base, name) for name in SAMPLING_NAMES})

    def said(self) -> dict[str, Any]:
        """Only what is said, as plain JSON values."""
        pairs = ((name, getattr(self, name)) for name in SAMPLING_NAMES)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs if value is not None}


SAMPLING_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Sampling))


@dataclass(frozen=True, slots=True)
class Prefill:
    """The text an interrupted answer already has; decoding goes on right behind it."""

    thinking: str = ""
    answer: str = ""
    in_thinking: bool = False
    """True when the cut fell inside the thinking, so that the tag is still open."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What the chat asks of an engine: the whole conversation down to the newest user turn."""

    id: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling = field(default_factory=Sampling)
    prefill: Prefill | None = None
    text: str | None = None
    """A text to go on with as it is, instead of a conversation: no template, and what looks like a special token is one. `messages` is empty then."""


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How full the context window is. `None` where the engine cannot count (a remote one)."""

    used: int | None
    limit: int | None
    dropped: int = 0
    """How many of the oldest messages had to be left out."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request made ready: exactly what the model will get, for the audit and for `Engine.stream`."""

    id: str
    text: str
    """The rendered prompt, to the letter; for a remote engine, the JSON body of its messages."""
    template_hash: str
    """SHA-256 of the chat template, '' where there is none."""
    sampling: Sampling
    """Resolved: every parameter that the engine understands is said, the seed too. A remote engine: what is sent; the rest is the server's own."""
    context: ContextUse
    payload: Any = None
    """The engine's own (token ids, …); nobody else looks inside."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text: whole characters only, never a special token. `tokens` decoded for it (0 where unknown)."""

    text: str
    channel: Channel = "answer"
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, by the engine's own clock: `first_token_s` from the call of `stream` to the first token."""

    first_token_s: float | None
    decode_s: float
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a stream that ended by itself. A closed or cancelled stream has none."""

    reason: EngineFinish
    usage: Usage
    timing: Timing


Thinking = Literal["none", "optional", "always"]
BackendState = Literal["up", "trying", "down"]


@dataclass(frozen=True, slots=True)
class BackendView:
    """How one of several servers behind a model is just now, for its owner."""

    name: str
    url: str
    state: BackendState
    """`trying`: it is back, and the next question shows whether it answers."""
    running: int
    max_streams: int
    weight: float
    since: float
    """Seconds since 1970."""
    retry_s: float | None = None
    """Down: seconds until it is looked at again."""
    code: str = ""
    why: str = ""
    """Why it is not up: the EngineError's code, its English sentence, and what fills a translation of it."""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What is running, for people and for clients."""

    name: str
    """The name it was asked for by: "micromind", a name in llmsite.toml, or a folder."""
    model: str
    kind: str
    device: str
    dtype: str
    context_window: int | None
    memory_bytes: int | None
    max_streams: int
    """How many answers are decoded at once; more wait in the chat's queue."""
    parameters: frozenset[str]
    """The sampling names that this engine understands."""
    defaults: Sampling
    thinking: Thinking = "none"
    compiler_missing: bool = False
    """It would be several times faster if there were a C compiler on this computer."""
    compiler_failed: str = ""
    """Why it is several times slower than it could be, though there is one."""
    backends: tuple[BackendView, ...] = ()
    """The servers behind the model, where there are several."""


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far loading is: `fraction` 0…1, or None while that cannot be told."""

    step: str
    fraction: float | None = None


ProgressCallback = Callable[[LoadProgress], None]
