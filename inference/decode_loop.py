"""The thread that decodes: reads a piece of the prompts that wait, decodes one token of every answer, and again, until there is nothing to do.

Answers join and leave between steps. Whoever wants no more sets `Answer.gone`, which is looked at before each forward pass, so that at most one
more token is decoded. Events go to the asyncio side through one `call_soon_threadsafe` per step and event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from inference.errors import DecodingFailed, EngineDead, EngineError
from inference.runner import Runner
from inference.sampler import NOT_A_NUMBER, Sampler
from inference.scheduler import Chunk, Move, Run, Scheduler
from inference.text_stream import TextStream
from inference.types import Delta, EngineFinish, Finish, Timing, Usage

log = logging.getLogger(__name__)

CHUNK = 512
"""Prompt tokens read in one step while no answer is being decoded; always as many, so that the same seed gives the same text."""
SMALLEST_CHUNK = 16
PAUSE_S = 0.15
"""How long the others may wait for their next token because a prompt is being read."""

Event = Delta | Finish | Exception
Post = tuple["asyncio.Queue[Event]", Event]


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


class DecodeLoop:
    """Owns runner, sampler and scheduler. `run` is the thread's main function; `submit`, `wake` and `close` may be called from any thread."""

    def __init__(self, runner: Runner, sampler: Sampler, scheduler: Scheduler, *, eos_ids: frozenset[int]) -> None:
        self._runner = runner
        self._sampler = sampler
        self._scheduler = scheduler
        self._eos_ids = eos_ids
        self._inbox: deque[Run] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._tidy = False
        """The cache is to be given back when there is nothing to do."""
        self._ended = False
        self._posts: dict[asyncio.AbstractEventLoop, list[Post]] = {}
        self._read_speed = 0.0
        """Prompt tokens per second, smoothed."""
        self.dead: EngineDead | None = None
        self.decoded = 0
        """Tokens decoded since the start, by all answers."""
        self.steps = 0
        """Rounds since the start; it stands still while there is nothing to do."""

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
                self._scheduler.add(run)
        self._drop_gone()
        self._scheduler.admit()
        self._send()

    def _step(self) -> None:
        self.steps += 1
        for chunk in self._scheduler.chunks(self._budget()):
            if not chunk.run.owner.gone and self.dead is None:
                self._read(chunk)
                self._send()  # its first token does not wait for the next prompt
        self._drop_gone()
        if self._scheduler.decoding:
            self._decode()
        self._send()

    def _budget(self) -> int:
        if not self._runner.chunked:
            return 2**31
        if not self._scheduler.decoding:
            return CHUNK
        return max(SMALLEST_CHUNK, min(CHUNK, int(self._read_speed * PAUSE_S)))

    def _read(self, chunk: Chunk) -> None:
        """Read a piece of a prompt; behind the last one, the first token of the answer is chosen."""
        run = chunk.run
        try:
            began = time.perf_counter()
            ids = run.ids[chunk.start : chunk.start + chunk.count]
            logits = self._runner.prefill(run.row, ids, chunk.start, rows=len(self._scheduler.rows))
            run.computed += chunk.count
            if chunk.last:
                [token] = self._sampler.sample([run], logits)
                self._move(self._scheduler.promote(run))
                self._accept(run, token)
            speed = chunk.count / max(time.perf_counter() - began, 1e-6)
            self._read_speed = speed if not self._read_speed else 0.7 * self._read_speed + 0.3 * speed
        except Exception:
            log.exception("reading the prompt of %s failed", run.id)
            self._fail([run], DecodingFailed())
            self._leave(run)
            self._probe()

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
        self._sampler.forget()
        for run in self._scheduler.rows:
            run.computed = 0
        for run in self._scheduler.rows[: self._scheduler.decoding]:
            self._scheduler.release(run)
        self._probe()

    def _leave(self, run: Run, *, wipe: bool = False) -> None:
        """Free its row. `wipe`: what it left there would spoil the next answer in that row (0 × NaN is NaN, masked or not)."""
        if wipe:
            self._runner.wipe(run.row)
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
        self._posts.setdefault(answer.loop, []).append((answer.queue, event))

    def _send(self) -> None:
        if not self._posts:
            return
        posts, self._posts = self._posts, {}
        for loop, batch in posts.items():
            try:
                loop.call_soon_threadsafe(_deliver, batch)
            except RuntimeError:  # the loop is closed: nobody is left to read
                log.debug("an event loop was closed while answers were decoded for it")


def _deliver(batch: list[Post]) -> None:
    for queue, event in batch:
        queue.put_nowait(event)
