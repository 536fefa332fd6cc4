"""Stored conversations as long as those of people who talk every day."""

from __future__ import annotations

import json
from typing import Any

from tests.phone.phone import Phone

ANSWER = """## Part {i}

Some **bold** text with `code`, and a list:

1. one
2. two with [a link](https://example.org)

```python
def f{i}(x):
    return x * {i}
```

| a | b |
| --- | --- |
| 1 | {i} |

A last paragraph that is a little longer, so that it takes several lines on a phone's screen. Number {i}.
"""


def import_long(phone: Phone, pairs: int, title: str = "A long one") -> str:
    """Stores a conversation of so many questions and answers, and returns its id."""
    messages: list[dict[str, Any]] = []
    for i in range(pairs):
        parent = f"a{i - 1}" if i else None
        messages.append({"id": f"u{i}", "parent": parent, "role": "user", "content": f"Question number {i}?"})
        messages.append({"id": f"a{i}", "parent": f"u{i}", "role": "assistant", "content": ANSWER.replace("{i}", str(i)), "finish_reason": "stop"})
    whole = {"format": "llmsite-conversation", "version": 1, "title": title, "leaf": f"a{pairs - 1}", "messages": messages}
    address = f"{phone.http}/api/conversations/import"
    answer = phone.page.request.post(address, data=json.dumps(whole), headers={"Content-Type": "application/json"})
    assert answer.ok, answer.text()
    return str(answer.json()["id"])
