"""The wire: every frame of `ws/chat/`, once. Imports nothing of ours.

The JavaScript constants, the JSON Schema and docs/protocol.md are generated from these models (`manage.py protocol`).
Frames are JSON objects in text messages. A frame's docstring and its fields' descriptions are its documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

VERSION = 1
MAX_MESSAGE_CHARS = 100_000
MAX_KEY_CHARS = 64

Channel = Literal["answer", "thinking"]
FinishReason = Literal["stop", "length", "stopped", "interrupted", "error"]
Preset = Literal["balanced", "precise", "creative", "tutorial"]

Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARS)]
Text = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]
ModelName = Annotated[str, Field(max_length=200)]


class Frame(BaseModel):
    """A frame refuses fields it does not know, and numbers written as text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def wire(self) -> str:
        """The frame as it goes over the socket: what is not said is left out."""
        return self.model_dump_json(exclude_none=True)


# Accepted as text although the models are strict: JSON has no UUIDs.
Id = Annotated[UUID, Field(strict=False)]


class Options(Frame):
    """Sampling for one message; what is not said comes from the conversation, its persona, and the model."""

    preset: Preset | None = Field(None, description="A named set of values; single values beside it win.")
    max_tokens: int | None = Field(None, ge=1, le=131_072, description="Most new tokens in the answer; the prompt is not counted.")
    temperature: float | None = Field(None, ge=0, le=2, description="0 always takes the likeliest token; higher is more varied.")
    top_p: float | None = Field(None, gt=0, le=1, description="Keep the likeliest tokens that together have this probability.")
    top_k: int | None = Field(None, ge=0, le=1000, description="Keep this many of the likeliest tokens; 0 keeps all.")
    min_p: float | None = Field(None, ge=0, le=1, description="Drop tokens less likely than this share of the likeliest one.")
    repetition_penalty: float | None = Field(None, ge=0.5, le=2, description="Above 1 makes tokens that were used less likely.")
    seed: int | None = Field(None, ge=0, le=2**32 - 1, description="The same seed gives the same text when the answer is decoded alone.")
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=8)] | None = Field(
        None, description="The answer ends before any of these texts."
    )
    thinking: bool | None = Field(None, description="Let the model think first, where it can.")


# --- from the client -----------------------------------------------------------------------------------------------------------


class SendMessage(Frame):
    """Say something. `{"message": "…"}` alone is enough; a `message` that starts with `/system ` sets the system prompt instead."""

    type: Literal["message"] = "message"
    message: Text
    conversation: Id | None = Field(None, description="Where to. The client may choose the id of a new one itself. Without it: a new one.")
    parent: Id | None = Field(None, description="The message that this one follows; without it the newest of the conversation's open branch.")
    key: Key | None = Field(None, description="Chosen by the client for each send; the same key twice is the same message.")
    options: Options | None = None
    model: ModelName | None = Field(None, description="Which model answers, here and from now on in this conversation; empty: the default one.")
    persona: int | None = Field(None, ge=0, le=2**63 - 1, description="The conversation's persona from now on; 0: none.")


class Stop(Frame):
    """End a run now. Its text so far stays."""

    type: Literal["stop"]
    run: Id


class Resume(Frame):
    """Watch a run from behind the frame `after`; -1 replays it from its start, finished or not."""

    type: Literal["resume"]
    run: Id
    after: int = Field(-1, ge=-1)


class Regenerate(Frame):
    """Answer again, as a new branch beside the old answer. `message` is the answer, or the question it belongs to."""

    type: Literal["regenerate"]
    message: Id
    key: Key | None = None
    options: Options | None = None
    model: ModelName | None = Field(None, description="Which model gives this one answer; without it, the conversation's.")


class Continue(Frame):
    """Go on with an answer that was cut short, from exactly its text."""

    type: Literal["continue"]
    message: Id
    key: Key | None = None
    options: Options | None = None


class Edit(Frame):
    """Replace one's own message: a new branch beside it, answered anew. The old one is kept."""

    type: Literal["edit"]
    message: Id
    content: Text
    key: Key | None = None
    options: Options | None = None
    model: ModelName | None = Field(None, description="Which model gives this one answer; without it, the conversation's.")


class Ping(Frame):
    """Ask for a `pong`."""

    type: Literal["ping"]


# --- from the server -----------------------------------------------------------------------------------------------------------


class Queued(Frame):
    """The message is stored and waits for its turn. Sent again whenever the place changes."""

    type: Literal["queued"] = "queued"
    run: Id
    conversation: Id
    message: Id = Field(description="The answer that will grow.")
    parent: Id = Field(description="The message that is answered.")
    key: str | None = None
    position: int = Field(ge=0, description="How many runs are ahead.")
    eta_s: float | None = Field(None, ge=0, description="Estimated seconds until it starts; absent while nothing is known.")


class Context(Frame):
    """How full the model's context window is."""

    used: int | None = Field(None, description="Tokens of the prompt.")
    limit: int | None = Field(None, description="Tokens that the context window has.")
    dropped: int = Field(0, description="How many of the oldest messages were left out.")


class Start(Frame):
    """The run begins; always frame 0."""

    type: Literal["start"] = "start"
    run: Id
    seq: Literal[0] = 0
    conversation: Id
    message: Id = Field(description="The answer that grows.")
    parent: Id = Field(description="The message that is answered.")
    key: str | None = None
    model: str
    content: str = Field("", description="The answer so far: not empty when an answer is continued.")
    thinking: str = Field("", description="The thinking so far.")
    context: Context | None = None


class Stream(Frame):
    """More text. A merged frame stands for the frames `first` to `seq`."""

    type: Literal["stream"] = "stream"
    run: Id
    seq: int = Field(ge=1)
    first: int | None = Field(None, ge=1, description="The first of the frames merged into this one; absent when it is one frame.")
    channel: Channel = "answer"
    content: str


class UsageCount(Frame):
    prompt_tokens: int | None = None
    completion_tokens: int


class TimingSeconds(Frame):
    queue_s: float | None = None
    first_token_s: float | None = None
    thinking_s: float | None = Field(None, description="How long the message's thinking took, all its runs together; absent when there is none.")
    total_s: float | None = None
    tokens_per_second: float | None = None


class End(Frame):
    """The run is over; the last frame of every run, exactly once."""

    type: Literal["end"] = "end"
    run: Id
    seq: int = Field(ge=1)
    finish_reason: FinishReason
    usage: UsageCount
    timing: TimingSeconds


class Error(Frame):
    """Something was refused or failed. With `run`, that run's `end` follows; but `no_run` says that there is no such run."""

    type: Literal["error"] = "error"
    code: str
    message: str = Field(description="One sentence for the person, in their language.")
    retryable: bool = False
    run: Id | None = None
    key: str | None = Field(None, description="The key of the frame that was refused.")
    retry_after_s: float | None = Field(None, ge=0, description="Seconds after which it will be taken, where the server knows.")


class Notice(Frame):
    """Something was done that needs no answer, `/system` say."""

    type: Literal["notice"] = "notice"
    code: str
    message: str
    conversation: Id | None = None
    key: str | None = None
    stored: Id | None = Field(None, description="The message that was stored.")


class Changed(Frame):
    """Something of a conversation changed elsewhere: it was written in, renamed, pinned, deleted. Fetch it again over HTTP.

    Nobody tells who is not connected: at each connection, also the first, ask `/api/changes` for what was missed.
    """

    type: Literal["changed"] = "changed"
    conversation: Id


class Pong(Frame):
    """The answer to `ping`."""

    type: Literal["pong"] = "pong"


CLIENT_FRAMES: tuple[type[Frame], ...] = (SendMessage, Stop, Resume, Regenerate, Continue, Edit, Ping)
SERVER_FRAMES: tuple[type[Frame], ...] = (Queued, Start, Stream, End, Error, Notice, Changed, Pong)


def _client_type(value: Any) -> str:
    """A frame without a type is a message: that is the tutorial's whole protocol."""
    return str(value.get("type", "message")) if isinstance(value, dict) else ""


ClientFrame = Annotated[
    Annotated[SendMessage, Tag("message")]
    | Annotated[Stop, Tag("stop")]
    | Annotated[Resume, Tag("resume")]
    | Annotated[Regenerate, Tag("regenerate")]
    | Annotated[Continue, Tag("continue")]
    | Annotated[Edit, Tag("edit")]
    | Annotated[Ping, Tag("ping")],
    Discriminator(_client_type),
]
ServerFrame = Queued | Start | Stream | End | Error | Notice | Changed | Pong
_CLIENT: TypeAdapter[Any] = TypeAdapter(ClientFrame)
_TYPES = [str(frame.model_fields["type"].annotation.__args__[0]) for frame in CLIENT_FRAMES]  # type: ignore[union-attr]


class BadFrame(ValueError):
    """A frame that is none of ours; str(error) says what was expected and what came. `key`: that of the frame, where it has one."""

    def __init__(self, sentence: str, key: str | None = None) -> None:
        super().__init__(sentence)
        self.key = key


def parse(text: str) -> Any:
    """One client frame from the text of one WebSocket message. Raises BadFrame."""
    try:
        return _parse(text)
    except RecursionError as error:
        raise BadFrame(f"Expected a frame, got JSON nested too deep: {_short(text)}.") from error


def _parse(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadFrame(f"Expected a JSON object, got {_short(text)}.") from error
    if not isinstance(value, dict):
        raise BadFrame(f"Expected a JSON object, got {_short(text)}.")
    key = value.get("key")
    key = key if isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARS else None
    if found := unstorable(value):
        raise BadFrame(f"Expected text in whole characters, got {found}.")
    try:
        return _CLIENT.validate_python(value)
    except ValidationError as error:
        raise BadFrame(_sentence(value, error), key) from error


def unstorable(value: Any) -> str:
    r"""Escapes that JSON allows and neither a socket nor a database can carry: \ud83d alone, and \u0000."""
    strings = list(_strings(value))
    if any("\0" in string for string in strings):
        return "a NUL"
    try:
        "".join(strings).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair"
    return ""


def _strings(value: Any) -> Iterator[str]:
    """Every string inside a JSON value, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _sentence(value: dict[str, Any], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"Expected type to be one of {', '.join(_TYPES)}, got {_short(value.get('type'))}."
    where = ".".join(str(part) for part in first["loc"][1:]) or "the frame"
    if first["type"] == "missing":
        return f"The field {where} is missing."
    if first["type"] == "extra_forbidden":
        return f"The field {where} is not known here."
    return f"{where}: {first['msg'].rstrip('.')}, got {_short(first['input'])}."


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    text = text.encode("utf-8", "replace").decode()
    return f"“{text[:60]}…”" if len(text) > 60 else f"“{text}”"
