"""A conversation's first title: what its person asked, short. Made from their own words only, so no thinking can leak into it,
and without the model, so it costs nothing and is there at once."""

from __future__ import annotations

import re

MOST_CHARS = 60
CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
MARKS = re.compile(r"^[#>\-*+\s]+|[*_`~]{1,3}", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?])\s")


def title_of(content: str) -> str:
    """The first sentence, without Markdown, at most MOST_CHARS long and cut between words. Blank for blank text."""
    plain = " ".join(MARKS.sub("", CODE.sub(" ", content)).split()) or " ".join(MARKS.sub("", content).split())
    first = next((part.strip() for part in SENTENCE_END.split(plain) if part.strip()), "")
    if len(first) <= MOST_CHARS:
        return first
    cut = first[: MOST_CHARS - 1]
    head, space, tail = cut.rpartition(" ")
    # Chinese has no spaces: one far back belongs to something else.
    return (head if space and len(tail) < MOST_CHARS // 3 else cut).rstrip(" ,;:，；：、") + "…"
