"""`transformers serve` as a process: a model server of somebody else's make, without any network but loopback."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_tiny_model(folder: Path) -> None:
    """A random Qwen3 of 2 layers over bytes. Its answers are noise, which is what a test of streaming wants."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    byte_level = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=["<|im_start|>"]
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    config = Qwen3Config(
        vocab_size=len(tokenizer), max_position_embeddings=4096, eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=True, **shape
    )
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer.eos_token_id] = 0.0  # so that it hardly ever ends by itself
    model.generation_config.do_sample = True  # the server takes a temperature as a wish to sample only from a model that samples anyway
    model.save_pretrained(folder)


class RealServer:
    """`with RealServer(folder) as server`: the tiny model is in `folder`, where several may share it. `begin` does not wait until it answers."""

    def __init__(self, folder: Path, name: str = "serve") -> None:
        self.model = str(folder / "tiny")
        self._folder, self._name = folder, name
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def begin(self) -> RealServer:
        if not Path(self.model).exists():
            save_tiny_model(Path(self.model))
        hub = self._folder / "hub"
        hub.mkdir(exist_ok=True)
        offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(self._folder), "HF_HUB_CACHE": str(hub)}
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"]
        self._log = self._folder / f"{self._name}.log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "transformers.cli.transformers", "serve", self.model, *where]
            self._started = subprocess.Popen(command, env=os.environ | offline, stdout=log, stderr=subprocess.STDOUT)
        self.process = psutil.Process(self._started.pid)
        return self

    def wait(self) -> RealServer:
        deadline = time.monotonic() + 240
        while not _healthy(f"http://127.0.0.1:{self.port}/health"):
            assert self._started.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """kill -9. Idempotent."""
        self._started.kill()
        self._started.wait()

    def __enter__(self) -> RealServer:
        return self.begin().wait()

    def __exit__(self, *_: object) -> None:
        self.kill()


def _free_port() -> int:
    """One that the kernel gives to nobody who asks for any: this server takes it only when it has loaded, some ten seconds later, and by then one of
    the kernel's own choice had gone to another test.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _healthy(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
    return False
