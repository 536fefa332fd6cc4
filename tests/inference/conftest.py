from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from inference.native_build import NoCompiler, build, load
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


@pytest.fixture(scope="session")
def native_folder() -> Path | None:
    """Where the decoder in C lies, compiled; None where there is no compiler."""
    try:
        return build(Path(os.environ["LLMSITE_NATIVE"])).parent
    except NoCompiler:
        assert not os.environ.get("CI"), "CI must have a C compiler: install gcc"
        return None


@pytest.fixture(scope="session")
def native(native_folder: Path | None) -> Any:
    """The decoder in C; None where there is no compiler."""
    from inference.runner import Native

    return None if native_folder is None else Native(load(build(native_folder)), threads=2)


@pytest.fixture
def compiled(native: Any) -> Any:
    """The decoder in C, for tests that are about it."""
    return native or pytest.skip("there is no C compiler here")


@pytest.fixture(params=["torch", "native"])
def decoded_by(request: pytest.FixtureRequest, native_folder: Path | None) -> Path | None:
    """For tests that hold whoever decodes: None is torch, else the folder of the decoder in C."""
    if request.param == "torch":
        return None
    return native_folder or pytest.skip("there is no C compiler here")


@pytest.fixture
async def start_engine(tiny_folder: Path, decoded_by: Path | None) -> AsyncIterator[StartEngine]:
    """Starts engines, on the tiny model unless told otherwise, and stops them after the test."""
    engines: list[TransformersEngine] = []

    async def start(folder: Path | None = None, **settings: Any) -> TransformersEngine:
        engine = TransformersEngine(folder or tiny_folder, name="tiny", threads=1, **{"native": decoded_by, **settings})
        engines.append(engine)
        await engine.start(lambda step: None)
        return engine

    yield start
    for engine in engines:
        await engine.stop()
