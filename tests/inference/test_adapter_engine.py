"""An adapter beside its base, against what peft computes and what merging gives."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from inference import low_rank
from inference.adapter_engine import AdapterEngine
from inference.errors import CannotAdapt
from inference.transformers_engine import TransformersEngine
from inference.types import ChatMessage, Delta, GenerationRequest, Sampling
from tests.inference.conftest import StartEngine

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # said by peft to transformers

GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=24)
QUESTIONS = ("Hello, how are you?", "今天天气怎么样？")


@pytest.fixture(scope="module")
def adapter_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny model as peft saves it, large enough to change every answer."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32),
        LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
    )
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def merged_folder(tiny_folder: Path, adapter_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with the adapter added to its weights by peft."""
    folder = tmp_path_factory.mktemp("merged")
    shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
    _peft(tiny_folder, adapter_folder).merge_and_unload().save_pretrained(folder)
    return folder


def _peft(base: Path, adapter: Path) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)


async def answer(engine: TransformersEngine, question: str, sampling: Sampling = GREEDY) -> str:
    prompt = await engine.prepare(GenerationRequest(question, (ChatMessage("user", question),), sampling))
    return "".join([event.text async for event in engine.stream(prompt) if isinstance(event, Delta)])


async def start_adapter(base: TransformersEngine, folder: Path) -> AdapterEngine:
    engine = AdapterEngine(base, folder, name="adapter")
    await engine.start(lambda step: None)
    return engine


def test_the_logits_are_those_of_peft(tiny_folder: Path, adapter_folder: Path) -> None:
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    before = base(input_ids=ids).logits
    model, _ = low_rank.adapted(base, adapter_folder)
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=ids).logits, _peft(tiny_folder, adapter_folder)(input_ids=ids).logits, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(model(input_ids=ids).logits, before, atol=0.1)
        assert torch.equal(base(input_ids=ids).logits, before)


async def test_both_answer_at_once_and_the_base_as_if_alone(start_engine: StartEngine, adapter_folder: Path, merged_folder: Path) -> None:
    base = await start_engine(dtype="fp32")
    merged = await start_engine(merged_folder, dtype="fp32")
    alone = [await answer(base, question) for question in QUESTIONS]
    engine = await start_adapter(base, adapter_folder)
    try:
        answers = await asyncio.gather(*(answer(one, question) for one in (base, engine, merged) for question in QUESTIONS))
    finally:
        await engine.stop()
    assert answers[:2] == alone
    assert answers[2:4] == answers[4:]
    assert answers[2:4] != alone
    assert await answer(base, QUESTIONS[0]) == alone[0], "the base goes on when the adapter has gone"


async def test_the_weights_lie_in_memory_once(start_engine: StartEngine, adapter_folder: Path) -> None:
    base = await start_engine(dtype="fp32")
    engine = await start_adapter(base, adapter_folder)
    try:
        assert base.loaded is not None
        assert engine.loaded is not None
        own = {tensor.data_ptr() for tensor in _tensors(base.loaded.model)}
        more = [tensor for tensor in _tensors(engine.loaded.model) if tensor.data_ptr() not in own]
        adapter = load_file(adapter_folder / low_rank.WEIGHTS)
        assert sorted(tensor.shape for tensor in more) == sorted(tensor.shape for tensor in adapter.values())
        assert engine.info.memory_bytes == sum(tensor.nbytes for tensor in more) < (base.info.memory_bytes or 0) / 2
    finally:
        await engine.stop()


def _tensors(model: Any) -> list[torch.Tensor]:
    """All that its modules hold, packed weights too, each once."""
    found = {
        id(value): value
        for module in model.modules()
        for value in [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        if isinstance(value, torch.Tensor) and value.layout == torch.strided
    }
    return list(found.values())


async def test_a_quantised_base_has_no_weights_to_share(start_engine: StartEngine, adapter_folder: Path, decoded_by: Path | None) -> None:
    if decoded_by is None:
        pytest.skip("torch quantises nothing")
    base = await start_engine(quantize=8)
    with pytest.raises(CannotAdapt, match="adapter cannot be served on tiny: a quantised model gives its weights up"):
        await start_adapter(base, adapter_folder)
    assert await answer(base, QUESTIONS[0])


def _broken(folder: Path, adapter: Path, how: str) -> None:
    shutil.copytree(adapter, folder, dirs_exist_ok=True)
    settings = json.loads((folder / low_rank.SETTINGS).read_text())
    tensors = load_file(folder / low_rank.WEIGHTS)
    name = next(key for key in tensors if "lora_A" in key)
    if how == "kind":
        settings["peft_type"] = "IA3"
    elif how == "dora":
        settings["use_dora"] = True
    elif how == "wide":
        tensors[name] = torch.zeros(4, 72)
    elif how == "half":
        del tensors[name]
    elif how == "embedding":
        tensors["base_model.model.model.embed_tokens.lora_embedding_A"] = torch.zeros(4, 402)
    elif how == "elsewhere":
        tensors = {key.replace("layers.0", "layers.7"): tensor for key, tensor in tensors.items()}
    (folder / low_rank.SETTINGS).write_text(json.dumps(settings))
    save_file(tensors, folder / low_rank.WEIGHTS)
    if how == "cut":
        (folder / low_rank.WEIGHTS).write_bytes((folder / low_rank.WEIGHTS).read_bytes()[:100])
    if how == "missing":
        (folder / low_rank.SETTINGS).unlink()


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("kind", "it is of the kind IA3, and LORA is expected"),
        ("dora", "it uses use_dora, which is not supported"),
        ("wide", "as a layer of 64 x 72 numbers, and here it has 64 x 96"),
        ("half", "the two parts for model.layers.0.mlp.down_proj do not belong together"),
        ("embedding", "lora_embedding_A, which is no low-rank part of a linear layer"),
        ("elsewhere", "it changes model.layers.7.[a-z_.]+, and this model has no such linear layer"),
        ("cut", r"adapter_model.safetensors cannot be read"),
        ("missing", r"adapter_config.json cannot be used \(FileNotFoundError"),
    ],
)
def test_what_is_no_adapter_for_this_model_is_refused_in_a_sentence(
    tiny_folder: Path, adapter_folder: Path, tmp_path: Path, how: str, sentence: str
) -> None:
    _broken(tmp_path, adapter_folder, how)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    with pytest.raises(low_rank.NoAdapter, match=sentence):
        low_rank.adapted(base, tmp_path)
