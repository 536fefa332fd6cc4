"""Asks a model: a folder, through transformers, or any engine behind an OpenAI-compatible address (NAME@URL)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from micromind import folders
from micromind.document import Message
from micromind.problems import StageError

KEY_VARIABLE = "MICROMIND_API_KEY"


@dataclass(frozen=True)
class Answer:
    text: str
    """With its thinking, if it wrote any."""
    ended: bool
    """It came to an end by itself, before the limit."""


class Answerer(Protocol):
    def __call__(self, prompts: Sequence[Sequence[Message]], *, thinking: bool = False, **sampling: Any) -> list[Answer]: ...


class LocalAnswerer:
    """A model in this process, several prompts at once."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch: int = 16) -> None:
        self.model, self.tokenizer, self.batch = model.eval(), tokenizer, batch
        self.tokenizer.padding_side = "left"

    def __call__(self, prompts: Sequence[Sequence[Message]], *, thinking: bool = False, **sampling: Any) -> list[Answer]:
        texts = [
            self.tokenizer.apply_chat_template([dict(m) for m in prompt], tokenize=False, add_generation_prompt=True, enable_thinking=thinking)
            for prompt in prompts
        ]
        return self.go_on(texts, **sampling)

    def go_on(self, texts: Sequence[str], **sampling: Any) -> list[Answer]:
        """Continue bare texts, without the chat template."""
        groups = (texts[start : start + self.batch] for start in range(0, len(texts), self.batch))
        return [answer for group in groups for answer in self._some(group, sampling)]

    @torch.inference_mode()
    def _some(self, texts: Sequence[str], sampling: dict[str, Any]) -> list[Answer]:
        limit = self.model.config.max_position_embeddings - sampling.get("max_new_tokens", 256)
        inputs = self.tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=max(16, limit), return_token_type_ids=False
        )
        output = self.model.generate(**inputs.to(self.model.device), **sampling)[:, inputs["input_ids"].shape[1] :]
        ends = self.model.generation_config.eos_token_id
        known = set(ends if isinstance(ends, list) else [ends])
        answers = []
        for ids in output.tolist():
            end = next((place for place, token in enumerate(ids) if token in known), None)
            answers.append(Answer(self.tokenizer.decode(ids[:end], skip_special_tokens=True), end is not None))
        return answers


class RemoteAnswerer:
    """An OpenAI-compatible server, this project's own included. Its key comes from MICROMIND_API_KEY."""

    def __init__(self, name: str, url: str) -> None:
        from openai import OpenAI

        self.name = name
        self._client = OpenAI(base_url=url, api_key=os.environ.get(KEY_VARIABLE) or "none", timeout=120, max_retries=2)

    def __call__(self, prompts: Sequence[Sequence[Message]], *, thinking: bool = False, **sampling: Any) -> list[Answer]:
        from openai import OpenAIError

        answers = []
        for prompt in prompts:
            try:
                reply = self._client.chat.completions.create(
                    model=self.name,
                    messages=[{"role": message["role"], "content": message["content"]} for message in prompt],  # type: ignore[misc]
                    max_tokens=sampling.get("max_new_tokens", 256),
                    temperature=sampling.get("temperature", 0.0),
                )
            except OpenAIError as error:
                raise StageError(f"{self.name} at {self._client.base_url} gave no answer: {error}") from error
            choice = reply.choices[0]
            answers.append(Answer(choice.message.content or "", choice.finish_reason == "stop"))
        return answers


def open_answerer(named: str) -> Answerer:
    """`named` is a model folder or NAME@URL. Raises StageError for neither."""
    name, at, url = named.partition("@")
    if at and url.startswith(("http://", "https://")):
        return RemoteAnswerer(name, url)
    model, tokenizer = folders.load(Path(named))
    if torch.cuda.is_available():
        model = model.to("cuda")
    return LocalAnswerer(model, tokenizer)
