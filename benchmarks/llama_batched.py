"""llama.cpp without a server: it decodes several prompts together, one `llama_decode` a step. Asked over its standard input.

LLAMA_PYTHON -m benchmarks.llama_batched FILE.gguf --threads 2 --streams 16

The server of llama-cpp-python takes one answer at a time, so this is the stronger opponent for many clients. A request is a line of JSON,
{"prompts": [text, …], "max_tokens": n}; so is its answer. Times are seconds by the monotonic clock.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
from time import monotonic, process_time
from typing import Any

import llama_cpp
import numpy as np

N_BATCH = 2048


class Batched:
    def __init__(self, file: str, *, threads: int, streams: int, context: int) -> None:
        """`context`: tokens of all streams together, prompts and answers."""
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(file.encode(), llama_cpp.llama_model_default_params())
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_seq_max, settings.kv_unified = context, N_BATCH, streams, True
        settings.n_threads = settings.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._size = llama_cpp.llama_vocab_n_tokens(self._vocabulary)
        self._batch = llama_cpp.llama_batch_init(N_BATCH, 0, 1)

    def tokenize(self, text: str) -> list[int]:
        raw = text.encode()
        room = (llama_cpp.llama_token * (len(raw) + 8))()
        return list(room[: llama_cpp.llama_tokenize(self._vocabulary, raw, len(raw), room, len(room), False, True)])

    def decode(self, prompts: list[list[int]], max_tokens: int) -> dict[str, Any]:
        """Greedy. The times of every token of every prompt; the prompts are read one after the other, as each comes to its first token."""
        began, cpu = monotonic(), process_time()
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)
        said, times = [], []
        for number, prompt in enumerate(prompts):
            said.append([self._read(number, prompt)])
            times.append([monotonic()])
        for step in range(1, max_tokens):
            rows = [(tokens[-1], len(prompt) + step - 1, number, True) for number, (prompt, tokens) in enumerate(zip(prompts, said, strict=True))]
            self._decode(rows)
            for number, tokens in enumerate(said):
                tokens.append(self._likeliest(number))
                times[number].append(monotonic())
        return {"began": began, "times": times, "tokens": said, "cpu_s": process_time() - cpu}

    def _read(self, number: int, prompt: list[int]) -> int:
        for begin in range(0, len(prompt), N_BATCH):
            part = prompt[begin : begin + N_BATCH]
            self._decode([(token, begin + place, number, begin + place == len(prompt) - 1) for place, token in enumerate(part)])
        return self._likeliest(len(part) - 1)

    def _decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """(token, place, stream, whether its logits are wanted) of each row."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for row, (token, place, stream, wanted) in enumerate(rows):
            batch.token[row], batch.pos[row], batch.n_seq_id[row], batch.logits[row] = token, place, 1, wanted
            batch.seq_id[row][0] = stream
        if code := llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode: {code}")

    def logits(self, row: int) -> Any:
        found = llama_cpp.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(ctypes.cast(found, ctypes.POINTER(ctypes.c_float)), shape=(self._size,))

    def _likeliest(self, row: int) -> int:
        return int(self.logits(row).argmax())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--context", type=int, default=4096)
    options = parser.parse_args()
    batched = Batched(options.file, threads=options.threads, streams=options.streams, context=options.context)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(batched.decode([batched.tokenize(text) for text in asked["prompts"]], asked["max_tokens"])), flush=True)


if __name__ == "__main__":
    main()
