from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from chat.mailbox import MAX_DIRECT, Mailbox
from chat.protocol import End, Frame, Pong, Queued, Start, Stream
from chat.runlog import Piece, RunLog
from tests.chat.test_runlog import log_of


class Talk:
    """A run that a test writes."""

    def __init__(self, log: RunLog) -> None:
        self.log = log
        self.place: Queued | None = None
        self.wakes: set[Callable[[], None]] = set()

    def listen(self, wake: Callable[[], None]) -> None:
        self.wakes.add(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        self.wakes.discard(wake)

    def say(self, text: str) -> None:
        self.log.append("answer", text)
        for wake in self.wakes:
            wake()


class Socket:
    """Takes frames, or blocks like a phone that reads nothing."""

    def __init__(self) -> None:
        self.got: list[Frame] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, frame: Frame) -> None:
        await self.reads.wait()
        self.got.append(frame)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_frames_come_one_by_one_to_who_keeps_up() -> None:
    socket, talk = Socket(), Talk(log_of([], end=False))
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    mailbox.watch(talk)
    for text in "abc":
        talk.say(text)
        await settle()
    assert [getattr(frame, "seq", None) for frame in socket.got] == [0, 1, 2, 3]
    task.cancel()


async def test_a_slow_socket_gets_merged_frames_and_holds_nobody_up() -> None:
    slow, fast, talk = Socket(), Socket(), Talk(log_of([], end=False))
    boxes = [Mailbox(slow.send), Mailbox(fast.send)]
    tasks = [asyncio.create_task(box.deliver()) for box in boxes]
    for box in boxes:
        box.watch(talk)
    await settle()
    slow.reads.clear()
    for text in "abcdef":
        talk.say(text)
        await settle()
    assert len(fast.got) == 7
    assert len(slow.got) == 1
    slow.reads.set()
    await settle()
    streams = [frame for frame in slow.got if isinstance(frame, Stream)]
    assert "".join(frame.content for frame in streams) == "abcdef"
    assert len(streams) == 2, "the one that was being sent, and all others in one"
    for task in tasks:
        task.cancel()


async def test_a_finished_run_is_let_go() -> None:
    socket, talk = Socket(), Talk(log_of([Piece("answer", "x")]))
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    mailbox.watch(talk)
    await settle()
    assert [type(frame) for frame in socket.got] == [Start, Stream, End]
    assert not talk.wakes
    task.cancel()


async def test_watching_again_replays_from_there() -> None:
    socket, talk = Socket(), Talk(log_of([Piece("answer", "x"), Piece("answer", "y")], end=False))
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    mailbox.watch(talk)
    await settle()
    mailbox.watch(talk, after=1)
    await settle()
    assert [frame.seq for frame in socket.got] == [0, 2, 2]  # type: ignore[attr-defined]
    assert len(talk.wakes) == 1
    task.cancel()


async def test_frames_that_a_power_cut_took_are_replaced_by_the_whole() -> None:
    socket, talk = Socket(), Talk(log_of([Piece("answer", "x")]))
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    mailbox.watch(talk, after=2)  # the client saw a frame 2 of text; stored, 2 is the end
    await settle()
    assert [type(frame) for frame in socket.got] == [Start, Stream, End]
    task.cancel()


async def test_the_place_is_sent_when_it_changes() -> None:
    socket, talk = Socket(), Talk(RunLog(uuid4()))
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    ids = {"run": talk.log.run, "conversation": uuid4(), "message": uuid4(), "parent": uuid4()}
    talk.place = Queued(position=1, **ids)
    mailbox.watch(talk)
    await settle()
    talk.wakes.copy().pop()()
    await settle()
    talk.place = Queued(position=0, **ids)
    talk.wakes.copy().pop()()
    await settle()
    assert [frame.position for frame in socket.got] == [1, 0]  # type: ignore[attr-defined]
    task.cancel()


async def test_what_is_posted_is_bounded() -> None:
    socket = Socket()
    socket.reads.clear()
    mailbox = Mailbox(socket.send)
    task = asyncio.create_task(mailbox.deliver())
    for _ in range(MAX_DIRECT * 2):
        mailbox.post(Pong())
    socket.reads.set()
    await settle()
    while len(socket.got) < MAX_DIRECT:
        await settle()
    assert len(socket.got) == MAX_DIRECT
    task.cancel()


async def test_a_closed_mailbox_listens_no_more() -> None:
    talk = Talk(log_of([], end=False))
    mailbox = Mailbox(Socket().send)
    mailbox.watch(talk)
    mailbox.close()
    assert not talk.wakes


async def test_a_log_that_has_become_shorter_is_sent_from_its_start() -> None:
    """Its process died, and less is stored of the run than this socket was sent."""
    pieces = [Piece("answer", text) for text in "abc"]
    run, socket = Talk(log_of(pieces, end=False)), Socket()
    box = Mailbox(socket.send)
    task = asyncio.create_task(box.deliver())
    box.watch(run)
    await settle()
    assert socket.got[-1].seq == 3  # type: ignore[attr-defined]
    stored = log_of(pieces[:1])
    run.log, stored.run = stored, run.log.run
    for wake in tuple(run.wakes):
        wake()
    await settle()
    assert [frame.type for frame in socket.got[-3:]] == ["start", "stream", "end"]  # type: ignore[attr-defined]
    task.cancel()
