"""The servers that are compared: each a process on a port of its own that stands still while another is measured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from benchmarks.contenders import ROOT, Contender
from benchmarks.gguf_file import renamed
from benchmarks.talk import Heard, Turns, ask_llmsite, ask_openai, ask_tutorial, open_socket


@dataclass(frozen=True)
class Setup:
    """What all sides serve."""

    folder: Path
    """The model in transformers' format."""
    gguf: dict[str, Path]
    """The same weights for llama.cpp, by the name of their type."""
    precision: str
    """16bit, int8 or int4."""
    context: int
    """Tokens that one conversation may have."""
    work: Path
    """For databases and logs."""
    llama_python: str
    threads: int


class Peer(Contender):
    """A contender that is asked for several kinds of things. `title`: its name in the report."""

    title = ""
    about = ""
    """What a reader must know to judge its figures."""
    by_default = True
    has_memory = True
    """It can be given a conversation."""
    gguf: dict[str, str] = {}
    """The file that llama.cpp gets at each precision; empty for everybody else."""
    precisions: tuple[str, ...] = ("16bit",)

    def __init__(self, setup: Setup) -> None:
        super().__init__(str(setup.folder), 64, setup.work)
        self.setup = setup
        # Each runs as its users run it; only our server chooses how its threads wait.
        self.environment = {name: value for name, value in self.environment.items() if name != "OMP_WAIT_POLICY"}
        self.environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(setup.work / "hub"), "HF_HUB_CACHE": str(setup.work / "hub")}

    @property
    def ready_path(self) -> str:
        return "/healthz"

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready_path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def file(self) -> str:
        """What llama.cpp serves."""
        return str(self.setup.gguf[self.gguf[self.setup.precision]])

    def talk(self) -> Conversation:
        """A conversation that begins. It is closed by whoever opened it."""
        raise NotImplementedError

    def tree(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            one = psutil.Process(self.process.pid)
            return [one, *one.children(recursive=True)]
        return []

    def memory(self) -> int:
        """Bytes: the most that its processes held at any time, where the system says it, else what they hold now."""
        return sum(_peak(process) for process in self.tree())

    def cpu_s(self) -> float:
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def stand_still(self, still: bool) -> None:
        if os.name == "posix":
            for process in self.tree():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP if still else signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        super().__exit__()
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            if pipe is not None:
                pipe.close()

    def close(self) -> None:
        """Its log as well, which `__exit__` leaves to whoever wants to read why it ended."""
        self.__exit__()
        self._log.close()


def _peak(process: psutil.Process) -> int:
    with contextlib.suppress(OSError, StopIteration):
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


class Conversation:
    """Turns with one server, one after the other."""

    async def open(self) -> None:
        """What is done before the first question, and not measured."""

    async def say(self, text: str, max_tokens: int, heard: Heard | None = None) -> Heard:
        raise NotImplementedError

    async def again(self, max_tokens: int) -> Heard:
        """The last answer once more."""
        raise NotImplementedError

    go_on: Callable[[int], Awaitable[Heard]] | None = None
    """The last answer goes on from its end; None where the server has no such thing."""

    async def close(self) -> None:
        pass


class LlmsiteConversation(Conversation):
    def __init__(self, port: int) -> None:
        self.port = port
        self.id = str(uuid4())
        self.last = ""
        self.go_on = self._go_on

    async def open(self) -> None:
        self.socket = await open_socket(self.port, "/ws/chat/?v=1")

    async def say(self, text: str, max_tokens: int, heard: Heard | None = None) -> Heard:
        frame = {"type": "message", "message": text, "conversation": self.id, "options": _greedy(max_tokens)}
        return self._keep(await ask_llmsite(self.socket, frame, heard))

    async def again(self, max_tokens: int) -> Heard:
        return self._keep(await ask_llmsite(self.socket, {"type": "regenerate", "message": self.last, "options": _greedy(max_tokens)}))

    async def _go_on(self, max_tokens: int) -> Heard:
        return self._keep(await ask_llmsite(self.socket, {"type": "continue", "message": self.last, "options": _greedy(max_tokens)}))

    def _keep(self, heard: Heard) -> Heard:
        self.last = heard.message
        return heard

    async def close(self) -> None:
        await self.socket.close()


def _greedy(max_tokens: int) -> dict[str, Any]:
    return {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": max_tokens}


class OpenAIConversation(Conversation):
    def __init__(self, port: int, model: str) -> None:
        self.port, self.model = port, model
        self.turns: Turns = []

    async def say(self, text: str, max_tokens: int, heard: Heard | None = None) -> Heard:
        self.turns.append({"role": "user", "content": text})
        heard = await ask_openai(self.port, self.model, self.turns, max_tokens, heard)
        self.turns.append({"role": "assistant", "content": heard.text})
        return heard

    async def again(self, max_tokens: int) -> Heard:
        del self.turns[-1]
        heard = await ask_openai(self.port, self.model, self.turns, max_tokens)
        self.turns.append({"role": "assistant", "content": heard.text})
        return heard


class TutorialConversation(Conversation):
    """It knows only the message that it is given."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> None:
        self.socket = await open_socket(self.port, "/ws/chat/")

    async def say(self, text: str, max_tokens: int, heard: Heard | None = None) -> Heard:
        return await ask_tutorial(self.socket, text, max_tokens, heard)

    async def close(self) -> None:
        await self.socket.close()


class Llmsite(Peer):
    name = "llmsite"
    title = "llmsite"
    about = "the whole server: every message and every answer is stored on the disk while it is measured"
    precisions = ("16bit", "int8", "int4")

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        if setup.precision != "16bit":
            self.environment["LLMSITE_QUANTIZE"] = setup.precision

    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--no-qr"]

    def talk(self) -> Conversation:
        return LlmsiteConversation(self.port)


LLAMA_FILES = {"16bit": "f16", "int8": "q8_0", "int4": "q4_0"}


class LlamaServer(Peer):
    name = "llama.cpp"
    title = "llama.cpp's server"
    gguf = LLAMA_FILES
    about = "of llama-cpp-python: one answer at a time, the others wait for a lock; a prompt is read only from where it differs from the last one"
    precisions = ("16bit", "int8", "int4")

    def command(self) -> list[str]:
        threads = str(self.setup.threads)
        settings = {"model": self.file, "host": "127.0.0.1", "port": str(self.port), "n_ctx": str(self.setup.context)}
        settings |= {"n_threads": threads, "n_threads_batch": threads, "logits_all": "False", "interrupt_requests": "False", "verbose": "False"}
        return [self.setup.llama_python, "-m", "llama_cpp.server", *(part for name, value in settings.items() for part in (f"--{name}", value))]

    @property
    def ready_path(self) -> str:
        return "/v1/models"

    def talk(self) -> Conversation:
        return OpenAIConversation(self.port, self.file)


class TransformersServe(Peer):
    name = "serve"
    title = "transformers serve"
    about = "without --continuous-batching"
    flags: tuple[str, ...] = ()

    def command(self) -> list[str]:
        start = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(self.setup.folder), "--host", "127.0.0.1"]
        return [*start, "--port", str(self.port), "--device", "cpu", "--dtype", "bfloat16", *self.flags]

    @property
    def ready_path(self) -> str:
        return "/health"

    def talk(self) -> Conversation:
        return OpenAIConversation(self.port, str(self.setup.folder))


class TransformersBatching(TransformersServe):
    name = "batching"
    title = "transformers serve, batching"
    about = "with --continuous-batching, and a tenth of the memory for its cache (it would take much more, and fills it at the start)"
    flags = ("--continuous-batching", "--cb-max-memory-percent", "0.1")


class TutorialServer(Peer):
    name = "tutorial"
    title = "the tutorial's way"
    about = "benchmarks/tutorial_server.py, in bfloat16; it knows only the last message, so it has no conversation"
    has_memory = False

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.environment["BENCH_TUTORIAL_DTYPE"] = "bfloat16"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "uvicorn", "benchmarks.tutorial_server:application", "--port", str(self.port), "--no-access-log"]

    def talk(self) -> Conversation:
        return TutorialConversation(self.port)


class LlamaBatched(Peer):
    """Not a server: asked over its standard input, one request at a time."""

    name = "llama.cpp-batched"
    title = "llama.cpp, batched (no server)"
    about = (
        "benchmarks/llama_batched.py: all answers in one llama_decode a step; no server, no sockets, no storage, and all questions known at the start"
    )
    gguf = LLAMA_FILES
    has_memory = False
    precisions = ("16bit", "int8", "int4")
    ROOM = 4096
    """Tokens of all conversations together."""

    def command(self) -> list[str]:
        start = [self.setup.llama_python, "-m", "benchmarks.llama_batched", self.file, "--threads", str(self.setup.threads)]
        return [*start, "--streams", "16", "--context", str(max(self.ROOM, self.setup.context))]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.stdout is not None
        return bool(self.process.stdout.readline())

    async def decode(self, questions: Sequence[str], max_tokens: int) -> list[Heard]:
        return await asyncio.to_thread(self._decode, [self.prompt(question) for question in questions], max_tokens)

    def prompt(self, question: str) -> str:
        """The model's own template, as the servers fill it in."""
        from transformers import AutoTokenizer

        if not hasattr(self, "tokenizer"):
            self.tokenizer = AutoTokenizer.from_pretrained(self.setup.folder)
        text = self.tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False)
        return renamed(str(text))

    def _decode(self, prompts: list[str], max_tokens: int) -> list[Heard]:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = time.monotonic()
        self.process.stdin.write(json.dumps({"prompts": prompts, "max_tokens": max_tokens}).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("its process has ended")
        said = json.loads(line)
        return [
            Heard(asked, times, times[-1], len(times), self.tokenizer.decode(tokens, skip_special_tokens=True))
            for times, tokens in zip(said["times"], said["tokens"], strict=True)
        ]


class LlamaServerBf16(LlamaServer):
    name = "llama.cpp-bf16"
    title = "llama.cpp's server, bf16"
    by_default = False
    about = "the same with bf16 weights instead of f16"
    gguf = {"16bit": "bf16"}
    precisions = ("16bit",)


class LlamaBatchedBf16(LlamaBatched):
    name = "llama.cpp-batched-bf16"
    title = "llama.cpp, batched, bf16 (no server)"
    about = "the same with bf16 weights instead of f16"
    gguf = {"16bit": "bf16"}
    precisions = ("16bit",)


PEERS: tuple[type[Peer], ...] = (
    Llmsite,
    LlamaServer,
    LlamaServerBf16,
    LlamaBatched,
    LlamaBatchedBf16,
    TransformersServe,
    TransformersBatching,
    TutorialServer,
)


@contextlib.contextmanager
def only(peer: Peer, peers: Sequence[Peer]) -> Iterator[None]:
    """The others stand still, so that nothing of them is on the cores."""
    for other in peers:
        other.stand_still(other is not peer)
    yield
