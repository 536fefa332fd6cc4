"""Runs: one task per answer, independent of every socket.

`RunManager.submit` stores what a frame asks for and starts the task; sockets watch `LiveRun`s through their mailboxes. The task waits for its
conversation's turn and for a place at the engine, decodes, and makes the text final. A single writer flushes the logs of all running
answers together, every FLUSH_S: that is the most a power cut can take.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from functools import partial
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from chat import metrics, selectors, services, sockets
from chat.database import Ending, in_database
from chat.identity import Client
from chat.liverun import LiveRun, StoredRun, Watched
from chat.presets import sampling_of
from chat.protocol import Context, Continue, Edit, End, Error, FinishReason, Regenerate, SendMessage, TimingSeconds, UsageCount
from chat.queueing import FairQueue
from chat.runlog import RunLog
from chat.sentences import sentence
from chat.storing import Storing
from inference.engine import Engine
from inference.errors import EmptyPrompt, EngineError, NoModel, NotReady, UnsupportedParameter
from inference.types import ChatMessage, Finish, GenerationRequest, Prompt, Sampling

log = logging.getLogger(__name__)

FLUSH_S = 0.15
SAVE_TRIES = 5
SYSTEM_COMMAND = "/system"

Submission = SendMessage | Regenerate | Continue | Edit
Submitted = Watched | services.SystemSet
SubmittedHere = LiveRun | StoredRun | services.SystemSet


class Rejected(Exception):
    """A frame that was refused before anything was stored: `error` says why, in the client's language."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class Models(Protocol):
    """The models that can answer, by name."""

    def name_of(self, asked: str) -> str:
        """The name of the model that is meant; "" is the default one. Raises NoModel."""
        ...

    def ready(self) -> Mapping[str, Engine]:
        """The engines that are loaded just now; any of them may be unloaded at any time."""
        ...

    def use(self, name: str, since: float) -> AbstractAsyncContextManager[Engine]:
        """Hold the engine: loaded where it is not, and kept until the end of the block. Raises the EngineError that the loading fails with, or has
        failed with after `since` (time.monotonic)."""
        ...


class Runs(Protocol):
    """The runs as sockets know them: those of this process (RunManager), or of another (chat/cluster/remote_runs.py)."""

    @property
    def live(self) -> Mapping[UUID, Watched]:
        """Those that are not over, as far as this process knows of them."""
        ...

    async def submit(self, frame: Submission, client: Client, language: str, conversation: UUID | None = None) -> Submitted: ...
    async def watch(self, run: UUID, client: Client, language: str) -> Watched: ...
    def stop_now(self, run: UUID, client: Client | None) -> bool: ...


class RunManager:
    """All runs of the process that has the engines."""

    def __init__(self, models: Models, *, system_prompt: str = "") -> None:
        self.models = models
        self._system_prompt = system_prompt
        self.live: dict[UUID, LiveRun] = {}
        self.begun: list[Callable[[LiveRun], None]] = []
        """Called with each run as it begins to live."""
        self.queues: defaultdict[str, FairQueue] = defaultdict(FairQueue)
        """One for each model that was asked for, by name. Until it is loaded, it has one place: whoever has that waits for the loading."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest: dict[UUID, LiveRun] = {}
        """The newest run of each conversation: the next one there waits until it is over and its text is stored."""
        self._storing: Storing[LiveRun] = Storing(system_prompt)
        self._writer: asyncio.Task[None] | None = None
        self._stopping = False

    # --- what sockets ask for ---

    async def submit(self, frame: Submission, client: Client, language: str, conversation: UUID | None = None) -> SubmittedHere:
        """Store what `frame` asks for and start its run. Returns the run to watch; for `/system …`, what it set.

        `conversation` is where a message goes that names none. The same key again returns the same run. Raises Rejected.
        """
        if self._stopping:
            raise Rejected(_error("stopping", language, key=frame.key, retryable=True))
        if isinstance(frame, SendMessage) and frame.conversation is None and conversation is not None:
            frame = frame.model_copy(update={"conversation": conversation})
        try:
            if isinstance(frame, SendMessage) and (prompt := is_system(frame.message)) is not None:
                return await self._set_system(frame, prompt, client)
            frame = self._named(frame)
            await self._check(frame, client)
            return await self._storing.store(_write(frame, client), partial(self._begin, client=client, key=frame.key, language=language))
        except services.AlreadyDone as done:
            return await self._again(done, client, language, frame.key)
        except services.Refused as refused:
            raise Rejected(_error(refused.code, language, key=frame.key, **refused.params)) from refused
        except EngineError as error:
            raise Rejected(_engine_error(error, language, key=frame.key)) from error

    async def watch(self, run: UUID, client: Client, language: str) -> LiveRun | StoredRun:
        """A run of the client's owner, live or stored. Raises Rejected."""
        live = self.live.get(run)
        if live is not None and live.client.owner == client.owner:
            return live
        row = await in_database(_stored, client, run)
        if row is None:
            raise Rejected(_error("no_run", language).model_copy(update={"run": run}))
        # It may have begun between the look at the living and the look at the stored.
        return self.live.get(run) or StoredRun(row)

    def stop_now(self, run: UUID, client: Client | None) -> bool:
        """End a living run of the client's owner at once; False when there is none."""
        live = self.live.get(run)
        if live is None or client is None or live.client.owner != client.owner:
            return False
        live.stop("stopped")
        return True

    async def shutdown(self) -> None:
        """End all running answers as interrupted and save them."""
        self._stopping = True
        await self._storing.finish()
        for run in list(self.live.values()):
            run.stop("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.5)
        if self._writer is not None:
            self._writer.cancel()

    def save_now(self) -> None:
        """Make the text of all living runs final, in this thread: for a process that ends without a word to its event loop."""
        self._stopping = True
        for run in list(self.live.values()):
            run.closing = True
            services.finish_run(
                run=run.new.run,
                pieces=list(run.log.pieces),
                base_thinking=run.new.base_thinking,
                base_answer=run.new.base_answer,
                finish_reason="interrupted",
                thinking_s=run.thinking_s(),
                **run.unsaved_start | run.audit | {"completion_tokens": run.tokens},
            )

    # --- storing ---

    def _named(self, frame: Submission) -> Submission:
        """The frame with the model's own name, where it names one. Raises NoModel. "" is left for a conversation: whichever is the default one."""
        if isinstance(frame, Continue) or not frame.model:
            return frame
        return frame.model_copy(update={"model": self.models.name_of(frame.model)})

    async def _check(self, frame: Submission, client: Client) -> None:
        """Refuse what the engine could not take, while the text is still the client's. Says nothing while the model is not loaded."""
        content = frame.message if isinstance(frame, SendMessage) else frame.content if isinstance(frame, Edit) else None
        if content is not None and not content.strip():
            raise EmptyPrompt
        asked = sampling_of(frame.options and frame.options.model_copy(update={"preset": None}))
        doubtful = {name: engine for name, engine in self.models.ready().items() if _may_refuse(engine, content or "", asked)}
        if doubtful and (engine := doubtful.get(await self._name_for(frame, client))):
            with suppress(NotReady):  # it is being unloaded just now
                await _try(engine, content, asked)

    async def _name_for(self, frame: Submission, client: Client) -> str:
        """Which model is going to answer. Raises NoModel where the conversation's is gone."""
        model = None if isinstance(frame, Continue) else frame.model
        if model is None:
            place = {"conversation": frame.conversation} if isinstance(frame, SendMessage) else {"message": frame.message}
            model = await in_database(selectors.model_of, device=client.device, **place)
        return self.models.name_of(model)

    async def _set_system(self, frame: SendMessage, prompt: str, client: Client) -> services.SystemSet:
        return await in_database(services.set_system_prompt, device=client.device, content=prompt, conversation=frame.conversation, key=frame.key)

    async def _again(self, done: services.AlreadyDone, client: Client, language: str, key: str | None) -> SubmittedHere:
        if done.run is None:
            return services.SystemSet(await in_database(selectors.conversation_of, done.message), done.message)
        try:
            return await self.watch(done.run, client, language)
        except Rejected as rejected:
            raise Rejected(rejected.error.model_copy(update={"key": key})) from rejected

    # --- the life of a run ---

    def _begin(self, new: services.NewRun, found: selectors.ModelInput, *, client: Client, key: str | None, language: str) -> LiveRun:
        """It is stored: from here on it lives, whether or not the socket that asked for it still does."""
        run = LiveRun(new, client=client, key=key, language=language, input=found)
        ahead = 0
        with suppress(NoModel):  # `_decode` says so
            run.answers(self.models.name_of(run.model))
            ahead = len(self.queues[run.model])
        run.set_place(ahead, None)
        self._supervise(run)
        return run

    def _supervise(self, run: LiveRun) -> None:
        self.live[run.new.run] = run
        for tell in self.begun:
            tell(run)
        before, self._newest[run.new.conversation] = self._newest.get(run.new.conversation), run
        if before is not None:
            run.input = None
        run.decoding = asyncio.create_task(self._decode(run, before), name=f"decode {run.new.run}")
        task = asyncio.create_task(self._live(run), name=f"run {run.new.run}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._flush_for_ever(), name="run log writer")

    async def _live(self, run: LiveRun) -> None:
        """The task that owns a run: whatever decoding comes to, the run ends in exactly one `end`."""
        assert run.decoding is not None
        await asyncio.wait([run.decoding])
        reason: FinishReason
        if run.decoding.cancelled():
            reason = run.stop_reason or "interrupted"
        elif (error := run.decoding.exception()) is not None:
            reason = "error"
            self._explain(run, error)
        else:
            reason = run.decoding.result()
        await self._end(run, reason)

    def _explain(self, run: LiveRun, error: BaseException) -> None:
        if isinstance(error, EngineError):
            told = _engine_error(error, run.language)
            run.fail(told.code, told.message, retryable=told.retryable)
        else:
            log.error("run %s failed", run.new.run, exc_info=error)
            run.fail("internal", sentence("internal", run.language), retryable=True)

    async def _decode(self, run: LiveRun, before: LiveRun | None) -> FinishReason:
        """Wait for the turn, then stream. Cancelled by `LiveRun.stop`."""
        if before is not None:
            await before.over.wait()
        name = self.models.name_of(run.model)
        queue = self.queues[name]
        async with queue.slot(run.client.fair, run.set_place) as held, self.models.use(name, run.submitted) as engine:
            held.begin()
            queue.resize(engine.info.max_streams)
            return await self._stream(run, engine)

    async def _stream(self, run: LiveRun, engine: Engine) -> FinishReason:
        prompt = await self._prompt(run, engine)
        run.audit["prompt_tokens"] = prompt.context.used
        run.audit["queue_s"] = round(monotonic() - run.submitted, 4)
        run.begin(run.model, Context(used=prompt.context.used, limit=prompt.context.limit, dropped=prompt.context.dropped))
        run.unsaved_start = {"model": run.model, **start_audit(prompt)}
        async with aclosing(engine.stream(prompt)) as events:
            async for event in events:
                if isinstance(event, Finish):
                    run.tokens = event.usage.completion_tokens
                    run.audit |= _figures(event)
                    return event.reason
                if "first_token_s" not in run.audit:
                    run.audit["first_token_s"] = round(monotonic() - run.submitted - run.audit["queue_s"], 4)
                run.add(event)
        raise RuntimeError("the engine's stream ended without a Finish")

    async def _prompt(self, run: LiveRun, engine: Engine) -> Prompt:
        found, run.input = run.input, None
        if found is None:
            found = await in_database(selectors.stored_input, run.new.run, self._system_prompt)
        understood = {name: value for name, value in found.layered.said().items() if name in engine.info.parameters}
        if "stop" in understood:
            understood["stop"] = tuple(understood["stop"])
        sampling = found.asked.over(Sampling(**understood))
        return await engine.prepare(GenerationRequest(str(run.new.run), found.messages, sampling, found.prefill))

    async def _end(self, run: LiveRun, reason: FinishReason) -> None:
        """Make the text final, then say so: whoever has seen `end` can rely on what is stored."""
        run.closing = True
        if run.log.start is None:
            run.begin(run.model, None)
        total_s = round(monotonic() - run.submitted, 4)
        run.audit |= {"total_s": total_s, "completion_tokens": run.tokens}
        thinking_s = run.thinking_s()
        try:
            await self._save_end(run, reason)
        except Ending:
            return  # it stays among the living: `save_now` stores it
        metrics.run_ended(run.log.start.model if run.log.start else "", reason, run.audit)
        run.log.end = End(
            run=run.new.run,
            seq=len(run.log.pieces) + 1,
            finish_reason=reason,
            usage=UsageCount(
                prompt_tokens=run.log.start.context.used if run.log.start and run.log.start.context else None, completion_tokens=run.tokens
            ),
            timing=TimingSeconds(
                queue_s=run.audit.get("queue_s"),
                first_token_s=run.audit.get("first_token_s"),
                thinking_s=thinking_s,
                total_s=total_s,
                tokens_per_second=run.audit.get("tokens_per_second"),
            ),
        )
        self.live.pop(run.new.run, None)
        if self._newest.get(run.new.conversation) is run:
            del self._newest[run.new.conversation]
        run.over.set()
        run.changed()
        sockets.changed(run.client.owner, run.new.conversation)

    async def _save_end(self, run: LiveRun, reason: FinishReason) -> None:
        for attempt in range(SAVE_TRIES):
            try:
                await in_database(
                    services.finish_run,
                    run=run.new.run,
                    pieces=list(run.log.pieces),
                    base_thinking=run.new.base_thinking,
                    base_answer=run.new.base_answer,
                    finish_reason=reason,
                    thinking_s=run.thinking_s(),
                    **run.unsaved_start | run.audit,
                )
                return
            except Ending:
                raise
            except Exception as error:
                log.exception("run %s could not be stored, attempt %d", run.new.run, attempt + 1)
                if attempt + 1 == SAVE_TRIES:
                    run.fail("storage", sentence("storage", run.language, reason=str(error)), retryable=False)
                else:
                    await asyncio.sleep(0.2 * 2**attempt)

    async def _flush_for_ever(self) -> None:
        """The one writer of the durable logs; ends when no run lives."""
        with suppress(Ending):  # what there is, `save_now` stores
            while self.live:
                await asyncio.sleep(FLUSH_S)
                await self._flush()

    async def _flush(self) -> None:
        due = [(run, len(run.log.pieces), run.unflushed()) for run in self.live.values() if not run.closing]
        events = [event for _, _, its in due for event in its]
        starts = {run.new.run: run.unsaved_start for run, _, _ in due if run.unsaved_start}
        if not events and not starts:
            return
        try:
            await in_database(services.flush, starts, events)
        except Ending:
            raise
        except Exception:
            # The text is still in memory and goes out with the next flush.
            log.exception("the logs of %d runs could not be flushed", len(due))
            return
        for run, count, _ in due:
            run.flushed = count
            if run.new.run in starts:
                run.unsaved_start = {}


def _write(frame: Submission, client: Client) -> Callable[[], services.NewRun]:
    common: dict[str, Any] = {
        "device": client.device,
        "key": frame.key,
        "options": frame.options.model_dump(exclude_none=True) if frame.options else {},
    }
    match frame:
        case SendMessage():
            place: dict[str, Any] = {"conversation": frame.conversation, "parent": frame.parent, "model": frame.model, "persona": frame.persona}
            return partial(services.send, content=frame.message, **place, **common)
        case Edit():
            return partial(services.edit, message=frame.message, content=frame.content, model=frame.model, **common)
        case Regenerate():
            return partial(services.regenerate, message=frame.message, model=frame.model, **common)
        case Continue():
            return partial(services.continue_answer, message=frame.message, **common)


def _may_refuse(engine: Engine, content: str, asked: Sampling) -> bool:
    try:
        info = engine.info
    except NotReady:
        return False
    # A token is at least one byte: what has few bytes need not be counted.
    return not info.parameters.issuperset(asked.said()) or (info.context_window is not None and len(content.encode()) > info.context_window // 2)


async def _try(engine: Engine, content: str | None, asked: Sampling) -> None:
    """Would the engine take it? Raises UnsupportedParameter, ContextOverflow, NotReady."""
    for name in asked.said():
        if name not in engine.info.parameters:
            raise UnsupportedParameter(name=name)
    if content is not None:
        await engine.prepare(GenerationRequest("check", (ChatMessage("user", content),), asked))


def start_audit(prompt: Prompt) -> dict[str, Any]:
    """What is known of an answer when its decoding begins: columns of models.Run."""
    return {
        "started_at": timezone.now(),
        "prompt": prompt.text,
        "template_hash": prompt.template_hash,
        "sampling": prompt.sampling.said(),
        "seed": prompt.sampling.seed,
        "context_limit": prompt.context.limit,
        "dropped_messages": prompt.context.dropped,
    }


def _stored(client: Client, run: UUID) -> RunLog | None:
    row = selectors.find_run(device=client.device, run=run)
    return selectors.stored_log(row) if row is not None else None


def is_system(text: str) -> str | None:
    """The system prompt in a message that starts with `/system`; None where it does not."""
    head, _, rest = text.lstrip().partition(SYSTEM_COMMAND)
    return rest.strip() if not head and (not rest or rest[0].isspace()) and SYSTEM_COMMAND in text else None


def _figures(finish: Finish) -> dict[str, Any]:
    figures: dict[str, Any] = {"prompt_tokens": finish.usage.prompt_tokens or None, "tokens_per_second": finish.timing.tokens_per_second}
    return {name: value for name, value in figures.items() if value is not None}


def _error(code: str, language: str, *, key: str | None = None, retryable: bool = False, **params: Any) -> Error:
    return Error(code=code, message=sentence(code, language, **params), retryable=retryable, key=key)


def _engine_error(error: EngineError, language: str, *, key: str | None = None) -> Error:
    message = sentence(error.code, language, str(error), **error.params)
    return Error(code=error.code, message=message, retryable=error.retryable, key=key)
