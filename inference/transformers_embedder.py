"""Embeddings by an encoder of the transformers format, with pooling and normalizing as its folder says (sentence-transformers' modules.json)."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

from inference.embedding import Embedded
from inference.errors import BrokenModel, EngineError, NotReady, TextTooLong

log = logging.getLogger(__name__)

BATCH = 16
"""Texts in one pass; between two of them a caller may leave."""
POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_lasttoken": "last"}
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


class TransformersEmbedder:
    """Keeps `inference.embedding.Embedder`. One batch is computed at a time, in a thread; on a GPU where there is one, in fp32 on a CPU."""

    def __init__(self, path: Path, *, name: str, device: str = "auto") -> None:
        self._path, self._name, self._device = path, name, device
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None
        self._pooling, self._normalizes, self._longest = "mean", True, 0

    async def start(self) -> None:
        await asyncio.to_thread(self._load)

    async def embed(self, texts: tuple[str, ...]) -> Embedded:
        gone = threading.Event()
        try:
            return await asyncio.to_thread(self._embed, texts, gone)
        finally:
            gone.set()

    async def stop(self) -> None:
        with self._lock:
            self._model = self._tokenizer = None

    def _load(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        from inference.loading import choose_device

        try:
            self._pooling, self._normalizes = layout(self._path)
            self._tokenizer = AutoTokenizer.from_pretrained(self._path, local_files_only=True)
            model = AutoModel.from_pretrained(self._path, local_files_only=True, dtype="float32").eval()
        except EngineError:
            raise
        except Exception as error:
            log.error("loading %s failed", self._path, exc_info=error)
            raise BrokenModel(path=str(self._path), reason=f"{type(error).__name__}: {error}") from error
        limits = [self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None), _sentence_limit(self._path)]
        self._longest = min(limit for limit in limits if limit)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = model.to(choose_device(self._device))

    def _embed(self, texts: tuple[str, ...], gone: threading.Event) -> Embedded:
        vectors: list[tuple[float, ...]] = []
        tokens = 0
        for begin in range(0, len(texts), BATCH):
            with self._lock:
                if gone.is_set():
                    break
                if self._model is None:
                    raise NotReady
                found, count = self._batch(list(texts[begin : begin + BATCH]), begin)
            vectors += found
            tokens += count
        return Embedded(tuple(vectors), tokens)

    def _batch(self, texts: list[str], begin: int) -> tuple[list[tuple[float, ...]], int]:
        import torch

        inputs = self._tokenizer(texts, padding=True, return_tensors="pt", padding_side="right")
        mask = inputs["attention_mask"]
        lengths = mask.sum(dim=1).tolist()
        if max(lengths) > self._longest:
            which = lengths.index(max(lengths))
            raise TextTooLong(number=begin + which, used=int(lengths[which]), limit=self._longest)
        device = self._model.device
        with torch.inference_mode():
            hidden = self._model(**inputs.to(device)).last_hidden_state.float()
            pooled = self._pool(hidden, mask.to(device))
            if self._normalizes:
                pooled = torch.nn.functional.normalize(pooled, dim=1)
        return [tuple(vector) for vector in pooled.cpu().tolist()], int(sum(lengths))

    def _pool(self, hidden: Any, mask: Any) -> Any:
        """`hidden`: batch, tokens, width; `mask`: batch, tokens. Gives batch, width."""
        if self._pooling == "cls":
            return hidden[:, 0]
        if self._pooling == "last":
            return hidden[range(len(hidden)), mask.sum(dim=1) - 1]
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def layout(path: Path) -> tuple[str, bool]:
    """(pooling, whether vectors get the length 1), from modules.json; the mean, and yes, where there is none. Raises BrokenModel."""
    if not (path / "modules.json").is_file():
        return "mean", True
    modules = json.loads((path / "modules.json").read_text(encoding="utf-8"))
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    if unknown := [kind for kind in kinds if kind not in KNOWN_MODULES]:
        raise BrokenModel(path=str(path), reason=f"its modules.json asks for {unknown[0]}; only {', '.join(KNOWN_MODULES)} are supported.")
    pooling = "mean"
    for module, kind in zip(modules, kinds, strict=True):
        if kind == "Pooling":
            config = json.loads((path / module["path"] / "config.json").read_text(encoding="utf-8"))
            asked = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
            if len(asked) != 1 or asked[0] not in POOLINGS:
                raise BrokenModel(path=str(path), reason=f"its pooling is {', '.join(asked) or 'not said'}; expected one of {', '.join(POOLINGS)}.")
            pooling = POOLINGS[asked[0]]
    return pooling, "Normalize" in kinds


def _sentence_limit(path: Path) -> int | None:
    file = path / "sentence_bert_config.json"
    if not file.is_file():
        return None
    limit = json.loads(file.read_text(encoding="utf-8")).get("max_seq_length")
    return int(limit) if limit else None
