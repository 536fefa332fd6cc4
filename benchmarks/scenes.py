"""What is done with each server: a burst of questions, a conversation of twenty turns, a long question while others listen.

Every text is new, so that no server knows its beginning from an earlier round.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

from benchmarks.peers import Conversation, LlamaBatched, Peer
from benchmarks.talk import Heard

WORDS = sorted(
    {"river", "mountain", "summer", "house", "water", "light", "garden", "winter", "story", "children", "morning", "people", "small", "great"}
    | {"green", "train", "letter", "window", "table", "friend", "music", "market", "bridge", "island", "paper", "bread", "stone", "cloud"}
    | {"forest", "road", "evening", "star", "school", "village", "ocean", "horse", "silver"}
)
MOST_A_WORD = 6
"""Tokens that one of them and its space come to, at most, so that no question is much longer than was asked for."""
Json = dict[str, Any]


class Texts:
    """Questions of a wanted length. `count`: how many tokens a text has."""

    def __init__(self, count: Callable[[str], int], seed: int = 0) -> None:
        self._count = count
        self._random = random.Random(seed)

    def of(self, tokens: int) -> str:
        """A question of at least `tokens` tokens, and of few more."""
        words: list[str] = []
        while (lacking := tokens - self._count(" ".join(words))) > 0:
            words += self._random.choices(WORDS, k=max(1, lacking // MOST_A_WORD))
        return " ".join(words)


@asynccontextmanager
async def talking(peer: Peer, count: int) -> AsyncIterator[list[Conversation]]:
    """So many conversations that have begun; closed at the end."""
    async with AsyncExitStack() as stack:
        found = [peer.talk() for _ in range(count)]
        for one in found:
            await one.open()
            stack.push_async_callback(one.close)
        yield found


async def burst(peer: Peer, questions: Sequence[str], max_tokens: int) -> list[Heard]:
    """All questions at the same moment, each on a connection of its own."""
    if isinstance(peer, LlamaBatched):
        return await peer.decode(questions, max_tokens)
    async with talking(peer, len(questions)) as conversations:
        saying = (one.say(text, max_tokens) for one, text in zip(conversations, questions, strict=True))
        return list(await asyncio.gather(*saying))


async def turns(peer: Peer, questions: Sequence[str], max_tokens: int, others: Sequence[str] = ()) -> Json:
    """One conversation, turn by turn, then its last answer again, and on from its end where the server can.

    `others`: what another conversation says before each turn, so that the server has something else in between. Seconds to the first text.
    """
    async with talking(peer, 2) as (one, other):
        firsts: list[float] = []
        for number, text in enumerate(questions):
            if others:
                await other.say(others[number], max_tokens)
            firsts.append((await one.say(text, max_tokens)).first_s)
        found: Json = {"first_s": firsts, "again_s": (await one.again(max_tokens)).first_s}
        if one.go_on is not None:
            found["go_on_s"] = (await one.go_on(max_tokens)).first_s
        return found


async def company(peer: Peer, questions: Sequence[str], long: str, max_tokens: int, long_tokens: int = 8) -> Json:
    """While some stream, a long question comes. The gaps of the others from its coming to its first text, and how long that took."""
    async with talking(peer, len(questions) + 1) as (late, *early):
        heards = [Heard() for _ in questions]
        streaming = [asyncio.create_task(one.say(text, max_tokens, heard)) for one, text, heard in zip(early, questions, heards, strict=True)]
        for task, heard in zip(streaming, heards, strict=True):
            task.add_done_callback(lambda _, heard=heard: heard.streaming.set())  # type: ignore[misc]
            await heard.streaming.wait()
        came = monotonic()
        last = await late.say(long, long_tokens)
        answers = await asyncio.gather(*streaming)
    until = last.asked + last.first_s
    gaps = [gap for heard in answers for gap in _gaps_within(heard, came, until)]
    return {"gaps_s": gaps, "long_first_s": last.first_s}


def _gaps_within(heard: Heard, begin: float, end: float) -> list[float]:
    """The gaps that touch the time from `begin` to `end`."""
    pairs = zip(heard.arrivals, heard.arrivals[1:], strict=False)
    return [later - earlier for earlier, later in pairs if later > begin and earlier < end]
