"""What a frame takes of its device's limits (chat/limits.py)."""

from __future__ import annotations

from chat.protocol import Continue, Edit, Frame, Regenerate, SendMessage


def costs_of(frame: Frame) -> dict[str, float]:
    """By kind of rate: every frame is one, and what asks for an answer is a message with its characters beside it."""
    if not isinstance(frame, SendMessage | Regenerate | Continue | Edit):
        return {"frames": 1}
    text = frame.message if isinstance(frame, SendMessage) else frame.content if isinstance(frame, Edit) else ""
    return {"frames": 1, "messages": 1, "messages_today": 1, "characters": len(text)}
