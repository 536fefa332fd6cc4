"""A conversation as a file: JSON that can be imported again, and Markdown to read.

Imported files come from anywhere. They are held to the same bounds as what comes over the wire.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from chat.protocol import MAX_MESSAGE_CHARS, Options

FORMAT = "llmsite-conversation"
VERSION = 1
MAX_MESSAGES = 10_000
MAX_ANSWER_CHARS = 1_000_000


def no_boolean(value: Any) -> Any:
    """To Python, true is 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "expected a number")
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("datetime_type", "expected a date with time")
    return value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("datetime_type", "expected a date with time") from error


Time = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_in_utc)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ExportedMessage(_Row):
    """One message of the tree; `parent` is the id of one before it."""

    id: str = Field(min_length=1, max_length=64)
    parent: str | None = Field(None, max_length=64)
    role: Literal["system", "user", "assistant"]
    content: str = Field("", max_length=MAX_ANSWER_CHARS)
    thinking: str = Field("", max_length=MAX_ANSWER_CHARS)
    thinking_s: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False, strict=True)
    created_at: Time | None = None
    model: str = Field("", max_length=200)
    finish_reason: str = Field("", max_length=12)
    rating: Annotated[Literal[1, -1, 0], BeforeValidator(no_boolean)] = 0
    comment: str = Field("", max_length=2000)

    @model_validator(mode="after")
    def _storable(self) -> ExportedMessage:
        if self.role == "user" and len(self.content) > MAX_MESSAGE_CHARS:
            raise PydanticCustomError("question_too_long", "a question has at most {most} characters", {"most": MAX_MESSAGE_CHARS})
        if "\0" in self.content + self.thinking + self.comment:
            raise PydanticCustomError("nul", "a NUL cannot be stored")
        return self


class ExportedConversation(_Row):
    """A whole conversation, all its branches."""

    format: Literal["llmsite-conversation"]
    version: Annotated[Literal[1], BeforeValidator(no_boolean)]
    title: str = Field("", max_length=200)
    created_at: Time | None = None
    persona: str = Field("", max_length=100)
    options: Options = Options()
    leaf: str | None = None
    messages: list[ExportedMessage] = Field(max_length=MAX_MESSAGES)

    @model_validator(mode="after")
    def _is_a_tree(self) -> ExportedConversation:
        seen: set[str] = set()
        for message in self.messages:
            if message.id in seen:
                raise PydanticCustomError("same_id", "two messages have the id {id}", {"id": message.id})
            if message.parent is not None and message.parent not in seen:
                ids = {"id": message.id, "parent": message.parent}
                raise PydanticCustomError("no_parent", "message {id} follows {parent}, which does not come before it", ids)
            seen.add(message.id)
        return self


def exported(page: dict[str, Any], persona: str = "") -> dict[str, Any]:
    """`page` (selectors.conversation_page) as an object of the export format."""
    kept = ("id", "parent", "role", "content", "thinking", "thinking_s", "created_at", "model", "finish_reason", "rating", "comment")
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": page["title"],
        "created_at": page["created_at"],
        "persona": persona,
        "options": page["options"],
        "leaf": page["leaf"],
        "messages": [{name: message[name] for name in kept} for message in page["messages"]],
    }


NAMES = {
    "en": {"user": "You", "assistant": "Model", "system": "System prompt"},
    "zh": {"user": "你", "assistant": "模型", "system": "系统提示"},
}


def as_markdown(page: dict[str, Any], language: str = "en") -> str:
    """The open branch, to be read: who spoke, when, and what. Thinking is not in it."""
    names = NAMES["zh" if language.lower().startswith("zh") else "en"]
    parts = [f"# {page['title'] or page['id']}"]
    for message in open_branch(page):
        when = datetime.fromisoformat(message["created_at"]).strftime("%Y-%m-%d %H:%M UTC")
        who = f"{names[message['role']]} ({message['model']})" if message["model"] else names[message["role"]]
        parts.append(f"## {who}\n\n*{when}*\n\n{message['content'].strip()}")
    return "\n\n".join(parts) + "\n"


def open_branch(page: dict[str, Any]) -> list[dict[str, Any]]:
    """From the root down to the page's leaf."""
    rows = {message["id"]: message for message in page["messages"]}
    path, next_id = [], page["leaf"]
    while next_id in rows:
        path.append(rows[next_id])
        next_id = rows[next_id]["parent"]
    return path[::-1]
