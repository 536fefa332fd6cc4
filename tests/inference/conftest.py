from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from inference.transformers_engine import TransformersEngine
from inference.vocabulary import Vocabulary
from tests.inference.tiny_models import CHATML, make_tokenizer, save_model

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch comes: spinning threads make a shared machine ten times slower

StartEngine = Callable[..., Awaitable[TransformersEngine]]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small gain nothing from a second one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3-style model with everything that belongs to it."""
    return save_model(tmp_path_factory.mktemp("qwen3"))


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary(make_tokenizer(CHATML), path="tiny", eos_ids=[2])


@pytest.fixture
async def start_engine(tiny_folder: Path) -> AsyncIterator[StartEngine]:
    """Starts engines, on the tiny model unless told otherwise, and stops them after the test."""
    engines: list[TransformersEngine] = []

    async def start(folder: Path | None = None, **settings: Any) -> TransformersEngine:
        engine = TransformersEngine(folder or tiny_folder, name="tiny", threads=1, **settings)
        engines.append(engine)
        await engine.start(lambda step: None)
        return engine

    yield start
    for engine in engines:
        await engine.stop()
