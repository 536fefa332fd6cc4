"""The engine alone, without a server: what the same model costs and gives in a process that only decodes.

Reads lines of JSON {"prompts": […], "max_tokens": N}, decodes them all at once, and answers each line with one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import monotonic
from typing import Any

from inference.engine import Engine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, Sampling
from llmsite.config import load_config
from llmsite.engines import build_engine


async def answer(engine: Engine, places: asyncio.Semaphore, text: str, max_tokens: int) -> dict[str, Any]:
    began = monotonic()
    sampling = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=max_tokens)
    async with places:
        prompt = await engine.prepare(GenerationRequest("bare", (ChatMessage("user", text),), sampling))
        first, tokens = None, 0
        async for event in engine.stream(prompt):
            if isinstance(event, Delta) and event.text and first is None:
                first = monotonic() - began
            elif isinstance(event, Finish):
                tokens = event.usage.completion_tokens
    return {"first_s": first, "tokens": tokens}


async def main() -> None:
    engine = build_engine(load_config())
    await engine.start(lambda step: None)
    places = asyncio.Semaphore(engine.info.max_streams)  # the chat's queue does this for the server
    print(json.dumps({"max_streams": engine.info.max_streams}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        began = monotonic()
        answers = await asyncio.gather(*(answer(engine, places, text, asked["max_tokens"]) for text in asked["prompts"]))
        print(json.dumps({"answers": answers, "wall_s": monotonic() - began}), flush=True)
    await engine.stop()


if __name__ == "__main__":
    asyncio.run(main())
