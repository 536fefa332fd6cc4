"""Conversations that a test needs and nobody has to hold: imported, as the file of an export is."""

from __future__ import annotations

import json
import urllib.request

from tests.end_to_end.server import Server

RICH = """The **roots** of $ax^2 + bx + c = 0$ are

$$x_{1,2} = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$

| case | discriminant | roots |
| --- | :---: | --- |
| two real | $> 0$ | different |
| one real | $= 0$ | the same twice |
| none real | $< 0$ | a conjugate pair |

```python
import cmath

def roots(a: float, b: float, c: float) -> tuple[complex, complex]:
    d = cmath.sqrt(b * b - 4 * a * c)  # also where it is negative
    return (-b + d) / (2 * a), (-b - d) / (2 * a)
```

1. Compute the discriminant.
2. Choose the case:
   - [x] real coefficients
   - [ ] complex ones

> See [the article](https://example.com/quadratic) for *why*.
"""
"""Everything that an answer may have in it."""


def imported(server: Server, title: str, turns: list[tuple[str, str]]) -> str:
    """A conversation of this computer's own browser. Returns its id."""
    messages = []
    parent = None
    for number, (asked, answered) in enumerate(turns):
        for role, content in (("user", asked), ("assistant", answered)):
            messages.append({"id": f"{role}{number}", "parent": parent, "role": role, "content": content})
            parent = f"{role}{number}"
    body = {"format": "llmsite-conversation", "version": 1, "title": title, "leaf": parent, "messages": messages}
    request = urllib.request.Request(f"{server.http}/api/conversations/import", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["id"])
