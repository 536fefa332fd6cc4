"""The local engine: a model of the transformers format, loaded once, in a thread that decodes all answers together (decode_loop.py).

Importing this module does not import torch; `start` does, in the engine's thread.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from inference.detokenizer import Detokenizer
from inference.errors import BrokenModel, CannotQuantize, EngineDead, EngineError, NotReady, UnsupportedParameter
from inference.fit import NATIVE_FAMILIES
from inference.native_build import NoCompiler, find_compiler
from inference.native_build import build as build_native
from inference.native_build import load as load_native
from inference.prompt import PromptBuilder, Rendered
from inference.reasoning import ThinkingSplitter
from inference.sampler_settings import SamplerSettings
from inference.scheduler import Run, Scheduler
from inference.stop_strings import StopStrings
from inference.text_stream import TextStream
from inference.types import SAMPLING_NAMES, Delta, EngineInfo, Finish, GenerationRequest, LoadProgress, ProgressCallback, Prompt, Sampling

if TYPE_CHECKING:
    from inference.decode_loop import DecodeLoop, Event
    from inference.loading import Loaded
    from inference.native_sampler import NativeSampler
    from inference.runner import Runner
    from inference.sampler import Sampler
    from inference.vocabulary import Vocabulary

log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_CONTEXT = 32_768
"""A longer window only when it is asked for: reading such a prompt takes a computer at home too long."""
SMALLEST_CONTEXT = 64
JOIN_S = 30.0


class TransformersEngine:
    """Any decoder in the transformers format, from a folder; it keeps the contract in engine.py.

    `dtype`: "auto", or bf16, fp16, fp32. `max_context`: the window, at most the model's own. `offload`: a folder for weights that fit neither on the
    GPU nor in RAM; without one such a model is refused. `threads`: how many compute; None chooses. `native`: the folder where the decoder in C is
    kept, compiled; None: torch decodes everything. `quantize`: the bits of a weight, 8 or 4; None keeps them as `dtype` says.
    `thinking=False` has no effect on a model that always thinks.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str,
        max_streams: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        max_context: int | None = None,
        defaults: Sampling | None = None,
        threads: int | None = None,
        offload: Path | None = None,
        native: Path | None = None,
        quantize: int | None = None,
    ) -> None:
        self._path = Path(path)
        self._name = name
        self._max_streams = max_streams
        self._device = device
        self._dtype = dtype
        self._max_context = max_context
        self._defaults = defaults or Sampling()
        self._threads = threads
        self._offload = offload
        self._native = native
        self._compiler_failed = ""
        self._quantize = quantize
        self._info: EngineInfo | None = None
        self._builder: PromptBuilder
        self._vocabulary: Vocabulary
        self._loop: DecodeLoop | None = None
        self._loaded: Loaded | None = None
        self._cells = self._cell_bytes = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise NotReady
        return self._info

    @property
    def loaded(self) -> Loaded | None:
        """The model as torch has it, for adapters on it. None where its weights were given up for quantised ones. Raises NotReady."""
        if self._loop is None:
            raise NotReady
        return self._loaded

    @property
    def decoded(self) -> int:
        """Tokens decoded since the start, by all streams: tests look here to see that a stop stops."""
        return self._loop.decoded if self._loop is not None else 0

    @property
    def cache_bytes(self) -> int:
        """What the conversations' cache may grow to while no other model shares the memory."""
        return self._cells * self._cell_bytes

    def share_cache(self, models: int) -> None:
        """So many models share the memory now. One conversation that fills the window always fits."""
        if self._loop is not None and self._info is not None:
            self._loop.limit(max(self._cells // models, self._info.context_window or 0))

    @property
    def steps(self) -> int:
        """Rounds of the decode loop since the start; it stands still while there is nothing to do."""
        return self._loop.steps if self._loop is not None else 0

    # Loading

    async def start(self, progress: ProgressCallback) -> None:
        loop = asyncio.get_running_loop()
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # so that a caller who stops waiting cannot cancel it under the thread
        self._stopping = False

        def report(step: LoadProgress) -> None:
            loop.call_soon_threadsafe(progress, step)

        self._thread = threading.Thread(target=self._main, args=(report, done), name=f"engine {self._name}", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(done)

    def _main(self, report: ProgressCallback, done: Future[None]) -> None:
        """The engine's thread, from loading to the end."""
        try:
            report(LoadProgress("starting torch"))
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's idle threads would spin on the cores that the web server needs
            library = in_background(self._library)  # the first time it takes a C compiler some seconds
            import torch

            from inference.light_imports import import_transformers

            report(LoadProgress("starting transformers"))
            import_transformers()
            with torch.inference_mode():
                decode_loop = self._load(report, library)
                if self._stopping:
                    raise NotReady
                report(LoadProgress("ready", 1.0))
                self._loop = decode_loop
                done.set_result(None)
                decode_loop.run()
        except BaseException as error:
            if done.done():
                log.exception("the engine's thread has ended")
            else:
                done.set_exception(error if isinstance(error, EngineError) else _unexpected(error, self._path))

    def _library(self) -> ctypes.CDLL | None:
        """The decoder in C; None where it is not wanted or cannot be made."""
        if self._native is None:
            return None
        try:
            return load_native(build_native(self._native))
        except (NoCompiler, OSError) as reason:
            log.warning("torch decodes: %s", reason)
            if find_compiler():
                self._compiler_failed = str(reason)
            return None

    def _load(self, report: ProgressCallback, native: Future[ctypes.CDLL | None]) -> DecodeLoop:
        import torch

        from inference.decode_loop import DecodeLoop
        from inference.loading import choose_threads, eos_ids
        from inference.vocabulary import Vocabulary

        library = native.result()
        loaded = self._read_model(report, native=library is not None)
        torch.set_num_threads(self._threads or choose_threads(loaded.weight_bytes))  # for this thread, which decodes
        self._vocabulary = Vocabulary(loaded.tokenizer, path=str(self._path), eos_ids=eos_ids(loaded.generation, loaded.model))
        cells = max(loaded.cache_bytes // loaded.cell_bytes, SMALLEST_CONTEXT)
        window = min(self._max_context or DEFAULT_CONTEXT, loaded.context or DEFAULT_CONTEXT, cells)
        self._builder = PromptBuilder(self._vocabulary, window=window)
        report(LoadProgress("warming up"))
        self._cells, self._cell_bytes = cells, loaded.cell_bytes
        runner = self._choose_runner(loaded, library, cells)
        loaded = replace(loaded, weight_bytes=runner.weight_bytes or loaded.weight_bytes)
        info = self._describe(loaded, window)
        if not self._stopping:
            self._info = info
            self._loaded = None if self._quantize else loaded
        scheduler = Scheduler(max_rows=self._max_streams, max_cells=cells)
        return DecodeLoop(runner, _sampler(runner), scheduler, eos_ids=self._vocabulary.eos_ids)

    def _read_model(self, report: ProgressCallback, *, native: bool) -> Loaded:
        from inference.loading import load

        return load(self._path, name=self._name, device=self._device, dtype=self._dtype, offload=self._offload, progress=report, native=native)

    def _choose_runner(self, loaded: Loaded, library: ctypes.CDLL | None, cells: int) -> Runner:
        from inference.loading import native_threads
        from inference.runner import Native, Unquantized, choose_runner

        native = Native(library, self._threads or native_threads(loaded.weight_bytes)) if library is not None else None
        try:
            return choose_runner(
                loaded.model, max_rows=self._max_streams, max_cells=cells, native=native, bits=self._quantize, pack=not loaded.shared
            )
        except Unquantized as reason:
            raise CannotQuantize(model=self._name, bits=self._quantize, reason=str(reason)) from reason

    def _describe(self, loaded: Loaded, window: int) -> EngineInfo:
        from inference.loading import model_defaults

        defaults = self._defaults.over(model_defaults(loaded.generation)).over(Sampling(thinking=self._builder.thinks_by_default))
        in_c = self._native is not None and loaded.device == "cpu" and loaded.model.config.model_type in NATIVE_FAMILIES
        return EngineInfo(
            name=self._name,
            model=self._path.resolve().name,
            kind="transformers",
            device=loaded.device,
            dtype=f"int{self._quantize}" if self._quantize else str(loaded.dtype).removeprefix("torch."),
            context_window=window,
            memory_bytes=loaded.weight_bytes,
            max_streams=self._max_streams,
            parameters=frozenset(SAMPLING_NAMES),
            defaults=replace(defaults, max_tokens=min(defaults.max_tokens or window, window)),
            thinking=self._builder.thinking,
            compiler_missing=in_c and not find_compiler(),
            compiler_failed=self._compiler_failed if in_c else "",
        )

    # Answering

    async def prepare(self, request: GenerationRequest) -> Prompt:
        info = self.info
        for name in request.sampling.said():
            if name not in info.parameters:
                raise UnsupportedParameter(name=name)
        sampling = request.sampling.over(info.defaults)
        repeatable = sampling.seed is not None
        if sampling.seed is None:
            sampling = replace(sampling, seed=secrets.randbits(31))
        rendered = replace(await asyncio.to_thread(self._render, request, sampling), repeatable=repeatable)
        sampling = replace(sampling, max_tokens=rendered.max_tokens)
        return Prompt(request.id, rendered.text, self._vocabulary.template_hash, sampling, rendered.context, rendered)

    def _render(self, request: GenerationRequest, sampling: Sampling) -> Rendered:
        max_tokens = sampling.max_tokens or 1
        if request.text is not None:
            return self._builder.build_text(request.text, max_tokens=max_tokens)
        return self._builder.build(request.messages, max_tokens=max_tokens, thinking=bool(sampling.thinking), prefill=request.prefill)

    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        return self._events(prompt, time.perf_counter())

    async def _events(self, prompt: Prompt, called: float) -> AsyncGenerator[Delta | Finish, None]:
        from inference.decode_loop import Answer

        await self.check()
        decode_loop = self._loop
        assert decode_loop is not None
        queue: asyncio.Queue[Event] = asyncio.Queue()
        answer = Answer(asyncio.get_running_loop(), queue, self._text_stream(prompt), called)
        decode_loop.submit(self._run(prompt, answer))
        try:
            while True:
                event = await queue.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if isinstance(event, Finish):
                    return
        finally:
            answer.gone = True
            decode_loop.wake()

    def _run(self, prompt: Prompt, owner: object) -> Run:
        rendered: Rendered = prompt.payload
        settings = SamplerSettings.of(prompt.sampling)
        return Run(prompt.id, rendered.ids, prompt.sampling.max_tokens or 1, settings, owner, repeatable=rendered.repeatable)

    def _text_stream(self, prompt: Prompt) -> TextStream:
        rendered: Rendered = prompt.payload
        vocabulary = self._vocabulary
        detokenizer = Detokenizer(vocabulary.decode, vocabulary.hidden_ids, rendered.tail)
        return TextStream(detokenizer, ThinkingSplitter(rendered.state), StopStrings(prompt.sampling.stop or ()))

    async def check(self) -> None:
        if self._info is None or self._loop is None:
            raise NotReady
        if self._loop.dead is not None:
            raise self._loop.dead
        if self._thread is None or not self._thread.is_alive():
            raise EngineDead(reason="its thread has ended.")

    async def stop(self) -> None:
        self._stopping = True
        decode_loop, thread = self._loop, self._thread
        self._loop = self._info = self._loaded = None
        if decode_loop is not None:
            decode_loop.close()
        self._thread = None
        if thread is not None and decode_loop is not None:
            await asyncio.to_thread(thread.join, JOIN_S)


def _sampler(runner: Runner) -> Sampler | NativeSampler:
    from inference.native_runner import NativeRunner
    from inference.native_sampler import NativeSampler
    from inference.sampler import Sampler

    return NativeSampler(runner.library) if isinstance(runner, NativeRunner) else Sampler()


def in_background(work: Callable[[], T]) -> Future[T]:
    """Work that goes on beside, in a thread of its own."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def _unexpected(error: BaseException, path: Path) -> EngineError:
    """What nobody foresaw while loading, as a sentence; the log has the traceback."""
    log.error("loading %s failed", path, exc_info=error)
    if isinstance(error, MemoryError):
        from inference.errors import OutOfMemory

        return OutOfMemory(model=path.name, needed="more", available="too little")
    return BrokenModel(path=str(path), reason=f"{type(error).__name__}: {error}")
