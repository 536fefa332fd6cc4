"""From a conversation to exactly what the model gets: template, context budget, the text that goes on, and no special token that a person typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from inference.errors import BrokenModel, ContextOverflow, EmptyPrompt
from inference.reasoning import CLOSE, OPEN, State
from inference.types import ChatMessage, ContextUse, Prefill, Thinking

PRIVATE_USE = range(0xE000, 0xF900)
RESERVE = 4
"""At most one in so many tokens of the window is kept free for the answer."""


class Words(Protocol):
    """What of a Vocabulary is needed here."""

    guarded: tuple[str, ...]
    template: str

    def encode(self, text: str) -> list[int]: ...
    def render(self, messages: list[dict[str, str]], **variables: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt made ready."""

    text: str
    ids: list[int]
    context: ContextUse
    max_tokens: int
    """What was asked for, or what is left of the window."""
    state: State
    """Where the text that the model writes begins: undecided, inside its thinking, or in the answer."""
    tail: list[int]
    """Tokens that the new text continues without a break; empty where it begins afresh."""
    repeatable: bool = False
    """A seed was given: it is computed in the same way each time, so that the same seed gives the same text."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A rendered prompt in which the sentinel marks where text must be cut so that it does not become a special token."""

    marked: str
    state: State


class PromptBuilder:
    """`window`: the context window in tokens."""

    def __init__(self, words: Words, *, window: int) -> None:
        self._words = words
        self.window = window
        self._inside = re.compile("(?=(?:" + "|".join(map(re.escape, words.guarded)) + "))") if words.guarded else None
        self._has_switch = "enable_thinking" in words.template
        self.thinking, self.thinks_by_default = self._detect()

    def build(self, messages: Sequence[ChatMessage], *, max_tokens: int, thinking: bool, prefill: Prefill | None = None) -> Rendered:
        """Keep the system prompt and the newest turns, and leave room for the answer. Raises EmptyPrompt, ContextOverflow, BrokenModel."""
        if not messages or not messages[-1].content.strip():
            raise EmptyPrompt
        turns = turn_numbers(messages)
        budget = self.window - min(max_tokens, self.window // RESERVE)
        if prefill is not None:
            prefill = prefill if prefill.thinking or prefill.answer or prefill.in_thinking else None

        def attempt(first_turn: int) -> tuple[_Piece, str, list[int]]:
            kept = [m for m, turn in zip(messages, turns, strict=True) if turn is None or turn >= first_turn]
            sentinel = self._sentinel(kept, prefill)
            piece = self._render(kept, thinking, prefill, sentinel)
            parts = piece.marked.split(sentinel)
            return piece, "".join(parts), [i for part in parts for i in self._words.encode(part)]

        first, (piece, text, ids) = self._first_that_fits(attempt, max(turn or 0 for turn in turns), budget)
        limit = self.window - 1 if prefill else budget
        if len(ids) > limit:
            raise ContextOverflow(used=len(ids), limit=limit)
        dropped = sum(turn is not None and turn < first for turn in turns)
        return Rendered(
            text=text,
            ids=ids,
            context=ContextUse(len(ids), self.window, dropped),
            max_tokens=max(1, min(max_tokens, self.window - len(ids))),
            state=piece.state,
            tail=ids[-16:] if prefill else [],
        )

    def build_text(self, text: str, *, max_tokens: int) -> Rendered:
        """A text to go on with as it is. Raises EmptyPrompt, ContextOverflow."""
        ids = self._words.encode(text)
        if not ids:
            raise EmptyPrompt
        if len(ids) >= self.window:
            raise ContextOverflow(used=len(ids), limit=self.window - 1)
        context = ContextUse(len(ids), self.window)
        return Rendered(text, ids, context, max(1, min(max_tokens, self.window - len(ids))), state="answer", tail=ids[-16:])

    def _first_that_fits(self, attempt: Any, last_turn: int, budget: int) -> tuple[int, tuple[_Piece, str, list[int]]]:
        """The oldest turn that can stay, by bisection (each attempt renders and encodes the conversation); the newest one if none can."""
        made = attempt(0)
        if len(made[2]) <= budget:
            return 0, made
        low, high = 0, last_turn  # low is too much; high is the least there is
        best = attempt(high) if high else made
        while high - low > 1:
            middle = (low + high) // 2
            made = attempt(middle)
            if len(made[2]) <= budget:
                high, best = middle, made
            else:
                low = middle
        return high, best

    # Rendering

    def _render(self, messages: Sequence[ChatMessage], thinking: bool, prefill: Prefill | None, sentinel: str) -> _Piece:
        thought = prefill is not None and bool(prefill.thinking or prefill.in_thinking)
        plain = [self._as_dict(message, sentinel) for message in messages]
        try:
            text = self._words.render(plain, **self._switch(thinking or thought))
        except BrokenModel:
            merged = merge_system(plain)
            if merged == plain:
                raise
            text = self._words.render(merged, **self._switch(thinking or thought))
        opened = text.rstrip().endswith(OPEN)
        if prefill is None:
            return _Piece(text, "thinking" if opened else "start")
        guarded = Prefill(self.guard(prefill.thinking, sentinel), self.guard(prefill.answer, sentinel), prefill.in_thinking)
        return self._continued(text, guarded, opened=opened, thought=thought)

    def _continued(self, text: str, prefill: Prefill, *, opened: bool, thought: bool) -> _Piece:
        """The prompt with the text so far behind it, the thinking in its tags as models write them."""
        if thought and not opened:
            stripped = text.rstrip()
            if stripped.endswith(CLOSE):  # the template forbade thinking, but there is some: it goes in the place of the empty block
                text = stripped[: stripped.rindex(OPEN)]
            text += OPEN + "\n"
        if prefill.in_thinking:
            return _Piece(text + prefill.thinking, "thinking")
        if thought or opened:
            gap = "" if prefill.thinking.endswith("\n") or (text.endswith("\n") and not prefill.thinking) else "\n"
            text += f"{prefill.thinking}{gap}{CLOSE}\n\n"
        return _Piece(text + prefill.answer, "answer")

    def _switch(self, thinking: bool) -> dict[str, bool]:
        return {"enable_thinking": thinking} if self._has_switch else {}

    def _as_dict(self, message: ChatMessage, sentinel: str) -> dict[str, str]:
        entry = {"role": message.role, "content": self.guard(message.content, sentinel)}
        if message.role == "assistant" and message.thinking:
            entry["reasoning_content"] = self.guard(message.thinking, sentinel)
        return entry

    # What a person typed stays text

    def guard(self, text: str, sentinel: str) -> str:
        """`text` with the sentinel inside each occurrence of a special token, overlapping ones too."""
        if self._inside is None:
            return text
        cuts = [match.start() + 1 for match in self._inside.finditer(text)]
        return sentinel.join(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))

    def _sentinel(self, messages: Sequence[ChatMessage], prefill: Prefill | None) -> str:
        """A character that is nowhere in the conversation, so that it can be told from it again."""
        parts = [self._words.template, *(m.content + m.thinking for m in messages)]
        used = set("".join(parts) + (prefill.thinking + prefill.answer if prefill else ""))
        return next(chr(code) for code in PRIVATE_USE if chr(code) not in used)

    # What the template knows of thinking

    def _detect(self) -> tuple[Thinking, bool]:
        """(whether the model thinks, whether it does when nobody says). By rendering a prompt: a template may say it in many ways."""
        hello = [{"role": "user", "content": "hello"}]
        if self._has_switch:
            return "optional", self._words.render(hello) != self._words.render(hello, enable_thinking=False)
        always = CLOSE in self._words.template or self._words.render(hello).rstrip().endswith(OPEN)
        return ("always", True) if always else ("none", False)


def turn_numbers(messages: Sequence[ChatMessage]) -> list[int | None]:
    """Which turn each message belongs to; a turn is a user message and what answers it. None for system messages, which always stay."""
    turn, begun = 0, False
    numbers: list[int | None] = []
    for message in messages:
        if message.role == "system":
            numbers.append(None)
            continue
        if message.role == "user" and begun:
            turn += 1
        begun = True
        numbers.append(turn)
    return numbers


def merge_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """System messages put in front of the user message behind them, for templates that have no such role."""
    merged: list[dict[str, str]] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting.append(message["content"])
        elif message["role"] == "user" and waiting:
            merged.append({**message, "content": "\n\n".join([*waiting, message["content"]])})
            waiting = []
        else:
            merged.append(message)
    return merged
