from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.errors import BrokenModel, NotReady, TextTooLong
from inference.transformers_embedder import BATCH, TransformersEmbedder
from tests.inference.tiny_encoders import LONGEST, WIDTH, make_encoder

TEXTS = ("Hello, how are you today?", "你好，世界！", "fox")


async def started(folder: Path) -> TransformersEmbedder:
    embedder = TransformersEmbedder(folder, name="tiny", device="cpu")
    await embedder.start()
    return embedder


def hidden(folder: Path, text: str) -> Any:
    """The encoder's states of one text alone, without padding: tokens, width."""
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder).eval()(**ids).last_hidden_state[0]


@pytest.mark.parametrize(
    ("pooling", "normalize", "pool"),
    [
        ("", True, lambda states: states.mean(dim=0)),
        ("pooling_mode_mean_tokens", False, lambda states: states.mean(dim=0)),
        ("pooling_mode_cls_token", True, lambda states: states[0]),
        ("pooling_mode_lasttoken", True, lambda states: states[-1]),
    ],
)
async def test_a_batch_gives_what_each_text_gives_alone(tmp_path: Path, pooling: str, normalize: bool, pool: Any) -> None:
    folder = make_encoder(tmp_path / "m", pooling=pooling, normalize=normalize)
    found = await (await started(folder)).embed(TEXTS)
    for text, vector in zip(TEXTS, found.vectors, strict=True):
        expected = pool(hidden(folder, text))
        expected = expected / expected.norm() if normalize else expected
        torch.testing.assert_close(torch.tensor(vector), expected, atol=1e-5, rtol=1e-4)
    assert len(found.vectors[0]) == WIDTH
    assert found.tokens == sum(len(hidden(folder, text)) for text in TEXTS)


async def test_many_texts_keep_their_order(tmp_path: Path) -> None:
    embedder = await started(make_encoder(tmp_path / "m"))
    texts = tuple(f"text number {i}" for i in range(BATCH * 2 + 3))
    together = await embedder.embed(texts)
    assert len(together.vectors) == len(texts)
    last = (await embedder.embed(texts[-1:])).vectors[0]
    torch.testing.assert_close(torch.tensor(together.vectors[-1]), torch.tensor(last), atol=1e-5, rtol=1e-4)


async def test_nothing_is_cut(tmp_path: Path) -> None:
    embedder = await started(make_encoder(tmp_path / "m"))
    with pytest.raises(TextTooLong) as caught:
        await embedder.embed((*TEXTS, "word " * LONGEST))
    assert caught.value.params["number"] == 3
    assert caught.value.params["limit"] == LONGEST


async def test_who_leaves_ends_the_work_within_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = await started(make_encoder(tmp_path / "m"))
    loop, done, begun, over = asyncio.get_running_loop(), 0, asyncio.Event(), asyncio.Event()
    batch, embed = embedder._batch, embedder._embed

    def counting(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        loop.call_soon_threadsafe(begun.set)
        return batch(*arguments)

    def ending(*arguments: Any) -> Any:
        try:
            return embed(*arguments)
        finally:
            loop.call_soon_threadsafe(over.set)

    monkeypatch.setattr(embedder, "_batch", counting)
    monkeypatch.setattr(embedder, "_embed", ending)
    batches = 2000
    task = asyncio.create_task(embedder.embed(("a",) * BATCH * batches))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    await over.wait()
    assert 0 < done < batches


async def test_what_cannot_be_computed_as_it_says_is_refused(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", pooling="pooling_mode_weightedmean_tokens")
    with pytest.raises(BrokenModel, match="weightedmean"):
        await started(folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(BrokenModel, match="Dense"):
        await started(folder)
    with pytest.raises(BrokenModel):
        await started(tmp_path)


async def test_a_stopped_one_says_so(tmp_path: Path) -> None:
    embedder = await started(make_encoder(tmp_path / "m"))
    await embedder.stop()
    with pytest.raises(NotReady):
        await embedder.embed(TEXTS)
