"""The JSON of the API. What comes in is held to it strictly; what goes out is made to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from chat.exporting import no_boolean
from chat.protocol import MAX_MESSAGE_CHARS, Id, Options

MAX_ROW = 2**63 - 1
UNSAID: Any = None
"""The default of a field that may be left out but not be null: what was left out is told by `model_fields_set`."""

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Stamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
RowId = Annotated[int, Field(ge=1, le=MAX_ROW)]
Limit = Annotated[int, Field(ge=1, le=200, description="Most entries in the answer.")]
Cursor = Annotated[str, Field(max_length=200, description="`next` of the page before; none for the first page.")]
ChangesCursor = Annotated[str, Field(max_length=200, description="`next` of the answer before, or `changes` of a list; none for everything.")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Incoming(BaseModel):
    """Refuses fields it does not know, and numbers written as text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def said(self) -> dict[str, Any]:
        """The fields that came, as services.py takes them."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value.model_dump(exclude_none=True) if isinstance(value, Options) else value for name, value in said.items()}


class Outgoing(BaseModel):
    """What it is made from may have more; that stays here."""

    model_config = ConfigDict(from_attributes=True)


class Error(Outgoing):
    """Why a request was refused."""

    code: str = Field(description="For programs: not_paired, no_conversation, invalid, …")
    message: str = Field(description="For people: one sentence in the request's language.")
    retry_after_s: int | None = Field(None, description="Seconds to wait before the next try, where waiting helps.")


# --- conversations -------------------------------------------------------------------------------------------------------------


class Conversation(Outgoing):
    id: Uuid
    title: str
    pinned: bool
    model: str = Field(description="The model that answers here; empty: the default one.")
    persona: int | None
    options: dict[str, Any] = Field(description="Sampling of this conversation, as in the wire's `options`.")
    created_at: Stamp
    updated_at: Stamp
    preview: str = Field(description="How its newest text begins.")
    running: bool = Field(description="Whether an answer is being written.")


class Message(Outgoing):
    id: Uuid
    parent: Uuid | None = Field(description="The messages are a tree: editing and answering again branch.")
    role: Literal["system", "user", "assistant"]
    content: str
    thinking: str
    thinking_s: float | None = Field(description="Seconds of thinking.")
    created_at: Stamp
    rating: Literal[1, 0, -1]
    comment: str
    run: Uuid | None = Field(description="The newest run of an answer; `resume` on the socket watches it.")
    running: bool
    finish_reason: str
    error: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    context_limit: int | None
    tokens_per_second: float | None


class ConversationPage(Conversation):
    leaf: Uuid | None = Field(description="The last message of the open branch.")
    messages: list[Message]


class ConversationList(Outgoing):
    items: list[Conversation]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
    changes: str = Field(description="A cursor for `/api/changes`: what changes after this answer was made.")


class Removed(Outgoing):
    id: Uuid
    deleted: Literal[True] = Field(description="It is no longer in the person's list.")


class ChangedConversation(Conversation):
    deleted: Literal[False]


class Changes(Outgoing):
    items: list[ChangedConversation | Removed] = Field(description="Each at most once, the oldest change first.")
    next: str = Field(description="The cursor to come back with; also when nothing has changed.")
    more: bool = Field(description="Whether there is more behind `next` already.")


class MessageList(Outgoing):
    items: list[Message]
    next: str | None


class ConversationChanges(Incoming):
    """What is left out stays as it is."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] = UNSAID
    pinned: bool = UNSAID
    persona: RowId | None = Field(None, description="null removes it.")
    model: Annotated[str, StringConstraints(max_length=200)] = UNSAID
    options: Options = UNSAID
    leaf: Id = Field(UNSAID, description="A message: the open branch leads there, and on to the newest end behind it.")


class SnippetPart(Outgoing):
    text: str
    hit: bool


class FoundConversation(Outgoing):
    id: Uuid
    title: str


class Hit(Outgoing):
    conversation: FoundConversation
    message: Uuid
    role: str
    created_at: Stamp
    snippet: list[SnippetPart]


class HitList(Outgoing):
    items: list[Hit]
    next: str | None


class Rating(Incoming):
    rating: Annotated[Literal[1, -1], BeforeValidator(no_boolean)]
    comment: Annotated[str, StringConstraints(max_length=2000)] = ""


# --- models, personas ----------------------------------------------------------------------------------------------------------


class Model(Outgoing):
    name: str
    default: bool
    state: Literal["ready", "loading", "idle", "failed"]
    progress: float | None = Field(description="0…1 while it loads, where that can be told.")
    remote: bool = Field(description="Whether what is written leaves this computer.")
    context_window: int | None
    parameters: list[str] = Field(description="The sampling values that it understands.")
    sampling: dict[str, Any] = Field(description="Its own values, where nobody says others.")
    thinking: bool = Field(description="Whether it can think before it answers.")
    why: str = Field(description="Why it cannot be used; else empty.")


class Persona(Outgoing):
    id: int
    name: str
    description: str
    system_prompt: str
    options: dict[str, Any]


class NewPersona(Incoming):
    name: Name
    description: Annotated[str, StringConstraints(max_length=200)] = ""
    system_prompt: Annotated[str, StringConstraints(max_length=MAX_MESSAGE_CHARS)] = ""
    options: Options = Options()


class PersonaChanges(Incoming):
    """What is left out stays as it is."""

    name: Name = UNSAID
    description: Annotated[str, StringConstraints(max_length=200)] = UNSAID
    system_prompt: Annotated[str, StringConstraints(max_length=MAX_MESSAGE_CHARS)] = UNSAID
    options: Options = UNSAID


# --- devices -------------------------------------------------------------------------------------------------------------------


class Device(Outgoing):
    id: Uuid
    name: str
    this: bool = Field(description="The one that asks.")
    created_at: Stamp
    last_seen_at: Stamp | None
    revoked_at: Stamp | None


class DeviceName(Incoming):
    name: Name


class MyDevice(Outgoing):
    id: Uuid
    name: str


class Me(Outgoing):
    owner: Uuid
    device: MyDevice
    host: bool = Field(description="Whether this is the computer's own browser.")
    open: bool = Field(description="Whether everybody may chat without pairing.")
    lang: Literal["en", "zh-hans"]
    max_chars: int = Field(description="Most characters in a message.")
    presets: dict[str, dict[str, Any]] = Field(description="What each `preset` in the options stands for.")
    version: int = Field(description="Of the wire: ws/chat/?v=")
    address_name: str = Field(description="The computer's name in the network (xxx.local); empty when it has none.")


class PairingRequest(Incoming):
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    name: Annotated[str, StringConstraints(max_length=100)] = Field("", description="What the owner of the computer will know the device by.")


class Paired(Outgoing):
    token: str = Field(description="For `Authorization: Bearer …`. Shown this once.")
    device: Uuid
    owner: Uuid


class PairingCode(Outgoing):
    code: str
    expires_at: Stamp
    urls: list[str] = Field(description="The addresses at which a phone reaches this computer, with the code, best first.")
