"""The engine alone against transformers' `generate` and the roofline, on whatever device there is: a GPU, where one is lent, or the processor.

    python -m benchmarks.device                                  # the shape of Qwen2.5-0.5B, 1, 8, 32 and 128 streams
    python -m benchmarks.device --model seven-b --device cuda    # the shape of Qwen2.5-7B, random weights made on the spot

Both decode greedily from short prompts, in bfloat16, in turns within one process each; `generate` gets all streams as one padded batch, which is the
most it can do. Tokens per second count from the call to the last token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.roofline import matrix_weights
from benchmarks.shapes import half_b, words

Json = dict[str, Any]
SEVEN_B = {
    "vocab_size": 152_064,
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}
"""Qwen2.5-7B, with its head tied to its embedding."""
SHAPES: dict[str, Json] = {"half-b": {}, "seven-b": SEVEN_B}
READS, READ_BYTES = 10, 2**30


def questions(streams: int) -> list[str]:
    return [f"{words(500)[100 + i]} by the river and a mountain, in words" for i in range(streams)]


def bandwidth(device: str) -> float:
    """Bytes per second that the device reads of its memory: the best of ten sums over 1 GiB."""
    import torch

    values, best = torch.ones(READ_BYTES // 4, device=device), 0.0
    for _ in range(READS):
        _wait(device)
        began = time.perf_counter()
        values.sum()
        _wait(device)
        best = max(best, READ_BYTES / (time.perf_counter() - began))
    return best


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


# Two processes, each with the model, that take turns


def engine_process(pipe: Any, folder: str, device: str, native: str, tokens: int, most: int) -> None:
    from inference.transformers_engine import TransformersEngine
    from inference.types import ChatMessage, Finish, GenerationRequest, Sampling

    sampling = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=tokens, stop=())

    async def one(engine: Any, text: str) -> int:
        prompt = await engine.prepare(GenerationRequest(text, (ChatMessage("user", text),), sampling))
        async for event in engine.stream(prompt):
            if isinstance(event, Finish):
                return event.usage.completion_tokens
        raise RuntimeError("an answer has no end")

    async def main() -> None:
        engine = TransformersEngine(folder, name="model", device=device, dtype="bf16", native=Path(native), max_streams=most)
        await engine.start(lambda step: None)
        pipe.send(engine.info.device)
        while streams := await asyncio.to_thread(pipe.recv):
            began = time.perf_counter()
            counts = await asyncio.gather(*(one(engine, text) for text in questions(streams)))
            pipe.send(sum(counts) / (time.perf_counter() - began))
        await engine.stop()

    asyncio.run(main())


def generate_process(pipe: Any, folder: str, device: str, native: str, tokens: int, most: int) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device).eval()
    pipe.send(str(model.device))
    while streams := pipe.recv():
        chats = [[{"role": "user", "content": text}] for text in questions(streams)]
        inputs = tokenizer.apply_chat_template(chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True).to(device)
        began = time.perf_counter()
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        _wait(device)
        pipe.send(streams * (out.shape[1] - inputs["input_ids"].shape[1]) / (time.perf_counter() - began))


def measure(folder: Path, device: str, streams: list[int], *, tokens: int, rounds: int, native: Path) -> Json:
    """Median tokens per second of both for each number of streams, and the medians of their ratios within a round."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, target in (("engine", engine_process), ("generate", generate_process)):
        pipes[name], theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, str(folder), device, str(native), tokens, max(streams)), daemon=True)
        process.start()
        processes.append(process)
        where = pipes[name].recv()  # it has loaded
    found: dict[int, dict[str, list[float]]] = {count: {name: [] for name in pipes} for count in streams}
    for number in range(rounds + 1):  # the first warms up
        for count in streams:
            for name, pipe in pipes.items():
                pipe.send(count)
                speed = pipe.recv()
                if number:
                    found[count][name].append(speed)
    for pipe in pipes.values():
        pipe.send(0)
    for process in processes:
        process.join(60)
    limit = bandwidth(device) / (matrix_weights(folder) * 2)
    rows = [_row(count, speeds, limit) for count, speeds in found.items()]
    return {"device": where, "tokens": tokens, "rounds": rounds, "roofline": limit, "streams": rows}


def _row(count: int, speeds: dict[str, list[float]], limit: float) -> Json:
    ours, theirs = statistics.median(speeds["engine"]), statistics.median(speeds["generate"])
    ratio = statistics.median(a / b for a, b in zip(speeds["engine"], speeds["generate"], strict=True))
    return {"streams": count, "engine": ours, "generate": theirs, "ratio": ratio, "of_roofline": ours / limit if count == 1 else None}


def table(result: Json) -> str:
    lines = [
        f"On {result['device']}, {result['rounds']} rounds, {result['tokens']} tokens an answer; "
        f"the roofline of one stream: {result['roofline']:.1f} tokens/s.",
        "",
        "| streams | tokens/s, engine | tokens/s, `generate` | ratio | of the roofline |",
        "|---:|---:|---:|---:|---:|",
    ]
    for row in result["streams"]:
        share = f"{row['of_roofline']:.2f}" if row["of_roofline"] is not None else "–"
        lines.append(f"| {row['streams']} | {row['engine']:.1f} | {row['generate']:.1f} | {row['ratio']:.2f} × | {share} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(SHAPES), default="half-b")
    parser.add_argument("--device", help="cuda, cpu … (default: a GPU where there is one)")
    parser.add_argument("--streams", default="1,8,32,128")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder for the model, kept (default: a temporary one)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    import torch

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory(prefix="llmsite-benchmark-") as temporary:
        work = options.work or Path(temporary)
        folder = work / options.model
        if not folder.is_dir():
            half_b(folder, **SHAPES[options.model])
        streams = [int(count) for count in options.streams.split(",")]
        result = measure(folder, device, streams, tokens=options.tokens, rounds=options.rounds, native=work / "native")
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
