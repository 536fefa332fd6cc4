# ruff: noqa: E402 - Django must be set up before channels is imported
"""The tutorial's server, to be measured against: Channels, a model, one `generate` thread with a TextIteratorStreamer per message.

Its two worst faults are mended, or there would be nothing to compare: the model is loaded once, not for every message, and the streamer is
read without blocking the event loop. The rest is the tutorial's: no memory, no storage, no queue, each message decoded for itself. A message may say
its own `max_tokens`, for the benchmarks.

uvicorn benchmarks.tutorial_server:application; BENCH_MODEL is the model's folder.
BENCH_TUTORIAL_DTYPE: float32 (the default here) or bfloat16, the precision that our engine chooses on this kind of CPU.
"""

from __future__ import annotations

import json
import os
import threading

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], INSTALLED_APPS=["channels"], SECRET_KEY="benchmark only", USE_TZ=True)
django.setup()

import torch
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from transformers import AsyncTextIteratorStreamer, AutoModelForCausalLM, AutoTokenizer

FOLDER = os.environ["BENCH_MODEL"]
MAX_TOKENS = int(os.environ["BENCH_MAX_TOKENS"])
model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=getattr(torch, os.environ.get("BENCH_TUTORIAL_DTYPE", "float32"))).eval()
tokenizer = AutoTokenizer.from_pretrained(FOLDER)


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def receive(self, text_data: str = "", bytes_data: bytes | None = None) -> None:
        asked = json.loads(text_data)
        message, max_tokens = asked["message"], asked.get("max_tokens", MAX_TOKENS)
        await self.send(json.dumps({"type": "start", "content": ""}))
        chat = [{"role": "user", "content": message}]
        inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True, enable_thinking=False)
        streamer = AsyncTextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        counted: list[int] = []
        threading.Thread(target=_generate, args=(dict(inputs), streamer, counted, max_tokens), daemon=True).start()
        async for text in streamer:
            if text:
                await self.send(json.dumps({"type": "stream", "content": text}))
        await self.send(json.dumps({"type": "end", "tokens": counted[0]}))


def _generate(inputs: dict[str, torch.Tensor], streamer: AsyncTextIteratorStreamer, counted: list[int], max_tokens: int) -> None:
    """As the tutorial's, but greedy, so that both servers decode the same text. Counts its tokens before the streamer ends."""
    end = streamer.end

    def count_and_end() -> None:
        counted.append(streamer_tokens[0] - 1)  # the first `put` is the prompt
        end()

    streamer_tokens = [0]
    put = streamer.put

    def count(value: torch.Tensor) -> None:
        streamer_tokens[0] += 1
        put(value)

    streamer.put, streamer.end = count, count_and_end  # type: ignore[method-assign]
    with torch.inference_mode():
        model.generate(**inputs, streamer=streamer, max_new_tokens=max_tokens, do_sample=False, repetition_penalty=1.0)


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


class urls:
    urlpatterns = [path("healthz", healthz)]


settings.ROOT_URLCONF = urls
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([path("ws/chat/", ChatConsumer.as_asgi())])})
