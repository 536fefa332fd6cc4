"""The thread that decodes: reads a piece of the prompts that wait, decodes one token of every answer, and again, until there is nothing to do.

Answers join and leave between steps. Whoever wants no more sets `Answer.gone`, which is looked at before each forward pass, so that at most one
more token is decoded. Events go to the asyncio side through one `call_soon_threadsafe` per step and event loop, or per some steps that follow each
other fast.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference.errors import DecodingFailed, EngineDead, EngineError
from inference.native_runner import NativeRunner
from inference.native_sampler import NativeSampler
from inference.runner import Runner
from inference.sampler import NOT_A_NUMBER, Sampler
from inference.scheduler import Chunk, Move, Run, Scheduler
from inference.shelf import Shelf
from inference.text_stream import TextStream
from inference.types import Delta, EngineFinish, Finish, Timing, Usage

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

CHUNK = 512
"""Prompt tokens read in one step, at most."""
SMALLEST_CHUNK = 16
PAUSE_S = 0.15
"""How long the others may wait for their next token, or a short prompt for its turn, because a prompt is being read."""

SHELF_TOKENS = 32_768
"""Of answers that are over, so many tokens are kept at most, in no more than half of the cache: a laptop's memory is for other things, too."""

HOLD_S = 0.002
"""What an answer gets within this time leaves together. Nobody sees hundreds of frames a second, and each costs the computer, the air and the phone
something. First tokens and ends never wait."""

Event = Delta | Finish | Exception


@dataclass(eq=False, slots=True)
class Answer:
    """The asyncio side of a run: where its events go."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Event]
    text: TextStream
    called: float
    """When `stream` was called, by time.perf_counter."""
    gone: bool = False
    """Its reader wants no more."""
    first: float | None = None
    """When its first token was decoded."""
    pending: list[Event] = field(default_factory=list)
    """What is still to go to the queue."""


class DecodeLoop:
    """Owns runner, sampler and scheduler. `run` is the thread's main function; `submit`, `wake` and `close` may be called from any thread."""

    def __init__(self, runner: Runner, sampler: Sampler | NativeSampler, scheduler: Scheduler, *, eos_ids: frozenset[int]) -> None:
        self._runner = runner
        self._mixed = runner.mixed if isinstance(runner, NativeRunner) else None
        self._sampler = sampler
        self._scheduler = scheduler
        self._eos_ids = eos_ids
        self._shelf = Shelf(max_tokens=0)
        self._inbox: deque[Run] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._tidy = False
        """The cache is to be given back when there is nothing to do."""
        self._ended = False
        self._pending: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
        """Those with something pending."""
        self._urgent = False
        self._sent_at = 0.0
        self._read_speed = 0.0
        """Prompt tokens per second, smoothed."""
        self.dead: EngineDead | None = None
        self.decoded = 0
        """Tokens decoded since the start, by all answers."""
        self.steps = 0
        """Rounds since the start; it stands still while there is nothing to do."""
        self.reused = 0
        """Prompt tokens that were not read, because another answer had begun with them."""

    # From any thread

    def submit(self, run: Run) -> None:
        self._inbox.append(run)
        self._wake.set()
        if self._ended:  # the thread may have looked for the last time before this run came
            self._refuse_all()

    def wake(self) -> None:
        """Look at `Answer.gone` again."""
        self._wake.set()

    def limit(self, cells: int) -> None:
        """From now on answers are let in only while they reserve no more places of the cache. What it has grown to is given back once it is idle."""
        self._scheduler.max_cells = cells
        self._runner.limit(cells)
        self._tidy = True
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    # The thread

    def run(self) -> None:
        try:
            while not self._closing:
                self._wake.clear()
                self._take_in()
                if self._scheduler.idle:
                    if self._tidy:
                        self._tidy = False
                        self._runner.clear()
                        self._make_room()
                    self._send()
                    self._wake.wait()
                else:
                    self._step()
        except BaseException as error:
            log.exception("the decode loop has failed")
            self._die(error)
            raise
        finally:
            self._ended = True
            self._fail(self._scheduler.runs, self.dead or EngineDead(reason="it was switched off."))
            self._refuse_all()

    def _refuse_all(self) -> None:
        while self._inbox:
            self._post(self._inbox.popleft(), self.dead or EngineDead(reason="it was switched off."))
        self._send()

    def _take_in(self) -> None:
        while self._inbox:
            run = self._inbox.popleft()
            if self.dead is not None:
                self._post(run, self.dead)
            else:
                run.repeatable &= not self._runner.exact  # then it is the same in any pieces and company
                self._scheduler.add(run)
        self._drop_gone()
        self._scheduler.admit()
        if self._urgent:
            self._send()

    def _step(self) -> None:
        self.steps += 1
        self._begin_from_shelf()
        chunks = self._scheduler.chunks(self._budget())
        if chunks:  # that takes long
            self._send()
        if not (chunks and self._mixed is not None and self.dead is None and self._read_and_decode(chunks)):
            self._read_then_decode(chunks)
        if self._urgent or time.perf_counter() - self._sent_at >= HOLD_S:
            self._send()

    def _read_then_decode(self, chunks: list[Chunk]) -> None:
        for group in self._scheduler.together(chunks):
            wanted = [chunk for chunk in group if not chunk.run.owner.gone] if self.dead is None else []
            if len(wanted) < 2 or len(wanted) < len(group) or not self._runner.batched or not self._read_together(wanted):
                for chunk in wanted:
                    self._read(chunk)
            self._send()  # their first tokens do not wait for the next prompts
        self._drop_gone()
        if self._scheduler.decoding:
            self._decode()

    def _read_and_decode(self, chunks: list[Chunk]) -> bool:
        """Pieces of prompts and the next token of each answer in one pass: the weights are read once. False: that failed; each is tried by itself."""
        assert self._mixed is not None
        decoding = self._scheduler.rows[: self._scheduler.decoding]
        parts = [(run.row, run.output[-1:], run.computed) for run in decoding] + [(chunk.run.row, _ids(chunk), chunk.start) for chunk in chunks]
        last = [place for place, chunk in enumerate(chunks) if chunk.last]
        began = time.perf_counter()
        try:
            logits = self._mixed(parts, [*range(len(decoding)), *(len(decoding) + place for place in last)], rows=len(self._scheduler.rows))
            runs = [*decoding, *(chunks[place].run for place in last)]
            tokens = self._sampler.sample(runs, logits) if runs else []
        except Exception:
            log.exception("reading %d prompts and decoding %d answers at once failed", len(chunks), len(decoding))
            return False
        self._note_speed(sum(chunk.count for chunk in chunks), began)
        for run in decoding:  # all of them before any leaves: rows are moved by these lengths
            run.computed += 1
        for chunk in chunks:
            chunk.run.computed += chunk.count
        for run in runs[len(decoding) :]:
            self._move(self._scheduler.promote(run))
        for run, token in zip(runs, tokens, strict=True):
            self._accept(run, token)
        return True

    def _begin_from_shelf(self) -> None:
        """Prompts that begin like something that was computed before begin with that."""
        if not self._runner.reuses:
            return
        self._make_room()
        rows = self._scheduler.rows
        for run in rows[self._scheduler.decoding :]:
            if run.looked:
                continue
            run.looked = True
            found = self._shelf.find(run.ids) if run.computed == 0 and not run.repeatable else None
            if found is None:
                continue
            kept, length = found
            try:
                self._runner.restore(run.row, kept.rows, length, rows=len(rows))
            except Exception:  # as out of memory on an accelerator: it is read as if it had not been there
                log.exception("what was computed before could not be used")
                self._shelf.clear()
                return
            run.computed = length
            self.reused += length

    def _make_room(self) -> None:
        """The shelf has what the rows do not need."""
        cells = self._scheduler.max_cells
        self._shelf.max_tokens = max(0, min(SHELF_TOKENS, cells // 2, cells - max(self._scheduler.reserved, self._runner.cells)))
        self._shelf.shrink(self._shelf.max_tokens)

    def _shelve(self, run: Run) -> None:
        """Its row is about to be given away: keep what was computed."""
        ids = [*run.ids, *run.output][: run.computed]
        if not self._runner.reuses or not self._shelf.wants(ids):
            return
        try:
            self._shelf.put(ids, self._runner.keep(run.row, run.computed))
        except Exception:
            log.exception("an answer could not be kept for the next turn")
            self._shelf.clear()

    def _budget(self) -> int:
        if not self._runner.chunked:
            return 2**31
        if len(self._scheduler.rows) == 1 or not self._read_speed:
            return CHUNK
        return max(SMALLEST_CHUNK, min(CHUNK, int(self._read_speed * PAUSE_S)))

    def _read(self, chunk: Chunk) -> None:
        """Read a piece of a prompt; behind the last one, the first token of the answer is chosen."""
        run = chunk.run
        try:
            began = time.perf_counter()
            logits = self._runner.prefill(run.row, _ids(chunk), chunk.start, rows=len(self._scheduler.rows))
            self._have_read([chunk], logits)
            self._note_speed(chunk.count, began)
        except Exception:
            log.exception("reading the prompt of %s failed", run.id)
            self._fail([run], DecodingFailed())
            self._leave(run)
            self._probe()

    def _read_together(self, chunks: list[Chunk]) -> bool:
        """The same for several neighbours in one forward pass. False: that failed, and each is read by itself, to find out whose fault it is."""
        began = time.perf_counter()
        try:
            parts = [(_ids(chunk), chunk.start) for chunk in chunks]
            logits = self._runner.prefill_several(chunks[0].run.row, parts, rows=len(self._scheduler.rows))
        except Exception:
            log.exception("reading %d prompts at once failed", len(chunks))
            return False
        self._have_read(chunks, logits)
        self._note_speed(sum(chunk.count for chunk in chunks), began)
        return True

    def _have_read(self, chunks: list[Chunk], logits: Tensor) -> None:
        """Behind the last piece of a prompt, the first token of its answer is chosen."""
        for chunk in chunks:
            chunk.run.computed += chunk.count
        last = [place for place, chunk in enumerate(chunks) if chunk.last]
        if not last:
            return
        runs = [chunks[place].run for place in last]
        tokens = self._sampler.sample(runs, logits if len(last) == len(chunks) else logits[last])
        for run in runs:  # all of them before any leaves: whoever leaves makes others move
            self._move(self._scheduler.promote(run))
        for run, token in zip(runs, tokens, strict=True):
            self._accept(run, token)

    def _note_speed(self, count: int, began: float) -> None:
        speed = count / max(time.perf_counter() - began, 1e-6)
        self._read_speed = speed if not self._read_speed else 0.7 * self._read_speed + 0.3 * speed

    def _decode(self) -> None:
        runs = self._scheduler.rows[: self._scheduler.decoding]
        try:
            logits = self._runner.decode([run.output[-1] for run in runs], [run.computed for run in runs], rows=len(self._scheduler.rows))
            tokens = self._sampler.sample(runs, logits)
        except Exception:
            log.exception("decoding %s failed", ", ".join(run.id for run in runs))
            self._fail(runs, DecodingFailed())
            self._start_over()
            return
        for run in runs:  # all of them before any leaves: rows are moved by these lengths
            run.computed += 1
        for run, token in zip(runs, tokens, strict=True):
            self._accept(run, token)

    def _accept(self, run: Run, token: int) -> None:
        """A token was chosen: pass on its text, or end the answer."""
        answer: Answer = run.owner
        if token == NOT_A_NUMBER:
            log.error("the model computed numbers that are not finite, for %s", run.id)
            self._fail([run], DecodingFailed())
            self._leave(run, wipe=True)
            return
        self.decoded += 1
        run.output.append(token)
        if answer.first is None:
            answer.first = time.perf_counter()
            self._urgent = True
        reason: EngineFinish | None = None
        if token in self._eos_ids:
            reason = "stop"
        else:
            for delta in answer.text.feed(token):
                self._post(run, delta)
            if answer.text.stopped:
                reason = "stop"
            elif len(run.output) >= run.max_tokens:
                reason = "length"
        if reason is not None:
            self._finish(run, reason)

    def _finish(self, run: Run, reason: EngineFinish) -> None:
        answer: Answer = run.owner
        if not answer.text.stopped:
            for delta in answer.text.flush():
                self._post(run, delta)
            if answer.text.stopped:
                reason = "stop"
        now, count = time.perf_counter(), len(run.output)
        first = answer.first if answer.first is not None else now
        seconds = now - first
        speed = (count - 1) / seconds if count > 1 and seconds > 0 else None
        self._post(run, Finish(reason, Usage(len(run.ids), count), Timing(first - answer.called, seconds, speed)))
        self._leave(run)

    # Leaving and failing

    def _drop_gone(self) -> None:
        for run in [run for run in self._scheduler.runs if run.owner.gone]:
            self._leave(run)

    def _move(self, moves: list[Move]) -> None:
        for move in moves:
            self._runner.move(move)

    def _fail(self, runs: list[Run], error: EngineError) -> None:
        for run in runs:
            self._post(run, error)

    def _start_over(self) -> None:
        """Decoding failed: nothing in the cache can be trusted. Its runs are gone; prompts that were being read are read again."""
        self._runner.clear()
        self._shelf.clear()
        self._sampler.forget()
        for run in self._scheduler.rows:
            run.computed, run.looked = 0, False
        for run in self._scheduler.rows[: self._scheduler.decoding]:
            self._scheduler.release(run)
        self._probe()

    def _leave(self, run: Run, *, wipe: bool = False) -> None:
        """Free its row. `wipe`: what it left there would spoil the next answer in that row (0 × NaN is NaN, masked or not)."""
        if wipe:
            self._runner.wipe(run.row)
        elif run.row >= 0 and self.dead is None:
            self._shelve(run)
        self._move(self._scheduler.release(run))

    def _probe(self) -> None:
        """After a failure: does the model still compute? If not, say so to everybody and refuse what comes."""
        try:
            self._runner.probe()
        except Exception as error:
            log.exception("the model fails again: the engine gives up")
            self._die(error)

    def _die(self, error: BaseException) -> None:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        self.dead = EngineDead(reason=reason)
        runs = self._scheduler.runs
        self._fail(runs, self.dead)
        for run in reversed(runs):
            self._scheduler.release(run)
        self._send()

    # To the asyncio side

    def _post(self, run: Run, event: Event) -> None:
        answer: Answer = run.owner
        pending = answer.pending
        if not pending:
            self._pending.setdefault(answer.loop, []).append(answer)
        last = pending[-1] if pending else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.channel == event.channel:
            pending[-1] = Delta(last.text + event.text, event.channel, last.tokens + event.tokens)
        else:
            pending.append(event)
        if not isinstance(event, Delta):
            self._urgent = True

    def _send(self) -> None:
        if not self._pending:
            return
        pending, self._pending, self._urgent, self._sent_at = self._pending, {}, False, time.perf_counter()
        for loop, answers in pending.items():
            batch = []
            for answer in answers:
                batch.append((answer.queue, answer.pending))
                answer.pending = []
            try:
                loop.call_soon_threadsafe(_deliver, batch)
            except RuntimeError:  # the loop is closed: nobody is left to read
                log.debug("an event loop was closed while answers were decoded for it")


def _ids(chunk: Chunk) -> list[int]:
    return chunk.run.ids[chunk.start : chunk.start + chunk.count]


def _deliver(batch: list[tuple[asyncio.Queue[Event], list[Event]]]) -> None:
    for queue, events in batch:
        for event in events:
            queue.put_nowait(event)
