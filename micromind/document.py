"""The one value that the readers make and the stages consume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict


class Message(TypedDict):
    """One turn, as chat templates take it."""

    role: str
    content: str
    reasoning_content: NotRequired[str]


@dataclass(frozen=True)
class Document:
    """Either prose (`text`) or a conversation (`messages`)."""

    text: str = ""
    messages: tuple[Message, ...] = ()


def exchange(question: str, answer: str, *, think: str = "", system: str = "") -> tuple[Message, ...]:
    """A question and its answer, with a system prompt before them and a thought between them if there are any."""
    reply = Message(role="assistant", content=answer)
    if think:
        reply["reasoning_content"] = think
    opening = (Message(role="system", content=system),) if system else ()
    return (*opening, Message(role="user", content=question), reply)
