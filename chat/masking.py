"""Takes names and numbers out of texts that leave the database for training.

Known names are replaced wherever they stand, and what somebody says after "my name is" everywhere in the same conversation; addresses and
longer numbers by their form. It is no guarantee: a name that nobody introduced and no list holds stays. Whoever passes a file on must read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME, NUMBER, EMAIL, ADDRESS = "[NAME]", "[NUMBER]", "[EMAIL]", "[ADDRESS]"

_INTRODUCED = (
    re.compile(r"(?:我叫|我的名字(?:是|叫)|叫我)\s*(?![了过他她你您它])(?P<name>[\u4e00-\u9fff]{2,4}?)(?=[，。,.！!？?\s的了吧呢哦]|$)"),
    re.compile(r"(?:[Mm]y name is|[Cc]all me|我叫|我的名字是)\s+?(?P<name>[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2})"),
    re.compile(r"(?:我叫|我的名字是|叫我)(?P<name>[A-Za-z][\w'-]+)"),
)
_FORMS = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), EMAIL),
    (re.compile(r"https?://\S+", re.IGNORECASE), ADDRESS),
    (re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"), ADDRESS),
    (re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), NUMBER),  # Chinese identity numbers
    (re.compile(r"(?<![\w+])\+?\d(?:[ ()./-]{0,2}\d){6,}(?!\w)"), NUMBER),  # telephone, card and account numbers, written with gaps
    (re.compile(r"(?<!\d)\d{5,}(?!\d)"), NUMBER),
)


def introduced(texts: Iterable[str]) -> set[str]:
    """The names that somebody gives as their own."""
    return {found["name"] for text in texts for form in _INTRODUCED for found in form.finditer(text)}


def mask(text: str, names: Iterable[str] = ()) -> str:
    """`text` without the names, e-mail and network addresses, and numbers of five digits or more (years and sums stay)."""
    for form, stands_for in _FORMS:
        text = form.sub(stands_for, text)
    for name in sorted((name for name in names if len(name.strip()) > 1), key=len, reverse=True):
        # Latin names only as whole words; Chinese is written without gaps
        edge = r"\b" if name.isascii() else ""
        text = re.sub(f"{edge}{re.escape(name)}{edge}", NAME, text)
    return text
