"""The phones of `benchmarks.many_phones`: a process of its own, so that what they cost is not counted, and as cheap as can be, so that they do not
wait for each other: while answers come, each piece of data is only kept with the moment at which it was read.

Reads lines of JSON, answers each with one: {"open": [token, …]} opens sockets (an empty token: as this computer's own browser);
{"ask": [text, …]} sends the texts in turn on all that were opened last, with "options" where they are given, and waits for the answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from time import monotonic
from typing import Any

PING, PONG, CLOSE = 9, 10, 8
PATIENCE_S = 300.0
END = b'"type":"end"'


class Phone(asyncio.Protocol):
    """One socket: the WebSocket protocol as far as a phone that reads needs it."""

    def __init__(self, token: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.token, self.port = token, port
        self.transport: asyncio.Transport
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.frames: list[tuple[float, bytes]] = []
        """When, and what: every text message since it was asked."""
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws/chat/?v=1 HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{f'Authorization: Bearer {self.token}' if self.token else 'Accept: */*'}\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        self._buffer += data
        if not self.opened.done():
            self._shake_hands()
        while (found := _frame(self._buffer)) is not None:
            code, body, size = found
            self._buffer = self._buffer[size:]
            if code == PING:
                self._send(PONG, body)
            elif code == CLOSE:
                self.transport.close()
            else:
                self.frames.append((now, body))
                if END in body and not self.ended.done():
                    self.ended.set_result(None)

    def _shake_hands(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if end:
            self._buffer = rest
            if head.startswith(b"HTTP/1.1 101"):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(head.decode("latin-1")))

    def connection_lost(self, error: Exception | None) -> None:
        for waiting in (self.opened, self.ended):
            if not waiting.done():
                waiting.set_exception(error or RuntimeError("the server has closed the connection"))

    def ask(self, text: str, options: dict[str, Any]) -> None:
        self.frames.clear()
        self.ended = asyncio.get_running_loop().create_future()
        self._send(1, json.dumps({"message": text, "options": options}).encode())

    def _send(self, code: int, body: bytes) -> None:
        mask = os.urandom(4)
        length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
        self.transport.write(bytes([0x80 | code]) + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(body)))


def _frame(data: bytes) -> tuple[int, bytes, int] | None:
    """(opcode, body, length of all) of the first whole frame; a server sends them unmasked."""
    if len(data) < 2:
        return None
    begin, length = 2, data[1]
    if length == 126:
        begin, length = 4, int.from_bytes(data[2:4], "big")
    elif length == 127:
        begin, length = 10, int.from_bytes(data[2:10], "big")
    end = begin + length
    return (data[0] & 0x0F, data[begin:end], end) if len(data) >= end else None


async def open_phones(port: int, tokens: list[str]) -> list[Phone]:
    loop = asyncio.get_running_loop()
    phones = []
    for token in tokens:
        phone = Phone(token, port)
        await loop.create_connection(lambda phone=phone: phone, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.wait_for(phone.opened, PATIENCE_S)
        phones.append(phone)
    return phones


async def ask_all(phones: list[Phone], texts: list[str], options: dict[str, Any]) -> dict[str, Any]:
    began = monotonic()
    for number, phone in enumerate(phones):
        phone.ask(texts[number % len(texts)], options)
    await asyncio.wait_for(asyncio.gather(*(phone.ended for phone in phones)), PATIENCE_S)
    ended = monotonic()
    return {"began": began, "ended": ended, "answers": [answer_of(phone.frames) for phone in phones]}


def answer_of(frames: list[tuple[float, bytes]]) -> dict[str, Any]:
    """What one phone saw of its answer. `lost`: frames whose number does not follow the one before."""
    pieces: list[tuple[int, int, float]] = []
    text, last, lost, tokens, known = "", -1, 0, 0, {}
    for when, body in frames:
        frame = json.loads(body)
        if "seq" not in frame:
            continue
        first = frame.get("first", frame["seq"])
        lost += first != last + 1
        last = frame["seq"]
        if frame["type"] == "start":
            known = frame
        elif frame["type"] == "stream":
            pieces.append((first, last, when))
            text += frame["content"]
        elif frame["type"] == "end":
            tokens = frame["usage"]["completion_tokens"]
    found = {"run": known.get("run", ""), "conversation": known.get("conversation", "")}
    return found | {"text": text, "pieces": pieces, "lost": lost, "tokens": tokens}


async def main() -> None:
    port, phones, all_phones = int(sys.argv[1]), list[Phone](), list[Phone]()
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "open" in order:
            phones = await open_phones(port, order["open"])
            all_phones += phones
            answer: dict[str, Any] = {"open": len(all_phones)}
        else:
            answer = await ask_all(phones, order["ask"], order.get("options", {}))
        answer["closed"] = sum(phone.transport.is_closing() for phone in all_phones)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
