"""Server-sent events: the `data` of each event in a stream of bytes (WHATWG HTML, section 9.2).

Lines are split on bytes: splitting decoded text, as `str.splitlines` does, would also cut at U+2028 and U+0085 inside a JSON string.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

LINE_END = re.compile(rb"\r\n|\n|\r")


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The data of each event, its lines joined by a line feed. Comments (": keep-alive") and other fields are left out.

    A last event without its blank line still counts (servers forget it); a last line that was cut in the middle does not.
    """
    buffer = b""
    data: list[str] = []
    async for chunk in chunks:
        buffer += chunk
        # A carriage return at the end may be the first half of \r\n: it waits for what comes next.
        held = buffer[-1:] if buffer.endswith(b"\r") else b""
        *lines, rest = LINE_END.split(buffer[: len(buffer) - len(held)])
        buffer = rest + held
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
            elif not line and data:
                yield "\n".join(data)
                data = []
    if buffer.endswith(b"\r") and buffer.startswith(b"data:"):
        data.append(buffer[5:-1].removeprefix(b" ").decode("utf-8", "replace"))
    if data:
        yield "\n".join(data)
