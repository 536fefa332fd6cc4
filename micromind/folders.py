"""Where a stage reads its model, and the folder that it leaves: one that `python manage.py serve --model FOLDER` takes.

data/models/micromind-tiny-sft/     config.json, model.safetensors, tokenizer, chat template, generation_config.json,
    training.json                   the command, seed, data and figures
    training.png                    its curves
    checkpoints/                    of an unfinished run; removed at the end
    tensorboard/                    the curves for TensorBoard
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from micromind import config
from micromind.problems import StageError

ROOT = Path(os.environ.get("LLMSITE_DATA", Path(__file__).parents[1] / "data")) / "models"
RECORD = "training.json"
CHECKPOINTS = "checkpoints"

# Chosen by trying them with micromind.evaluate; the model card shows the comparison.
SAMPLING = {"do_sample": True, "temperature": 0.6, "top_p": 0.85, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 256}


def stage_folder(root: Path, size: str, stage: str) -> Path:
    """The name under which the server lists it: micromind-tiny-sft."""
    return root / f"micromind-{size}-{stage}"


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Raises StageError where there is none."""
    if not (folder / "tokenizer_config.json").is_file():
        raise StageError(f"{folder} holds no tokenizer (tokenizer_config.json). `python -m micromind.tokenizer` makes one.")
    return AutoTokenizer.from_pretrained(folder)


def load(folder: Path, *, dtype: str = "float32") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model folder's network and tokenizer. Raises StageError where one is missing or the two do not belong together."""
    if not (folder / "config.json").is_file():
        hint = " Its training is not finished: run that stage's command again." if (folder / CHECKPOINTS).is_dir() else ""
        raise StageError(f"{folder} is no model folder: config.json is missing.{hint}")
    tokenizer = load_tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    check_match(model, tokenizer, folder)
    return model, tokenizer


def check_match(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Some networks have more rows than their tokenizer has entries (padding); none may have fewer."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise StageError(f"{folder}: the tokenizer has {len(tokenizer)} entries and the network only {rows}: they do not belong together.")
    if tokenizer.eos_token_id is None or not tokenizer.chat_template:
        raise StageError(f"{folder}: the tokenizer lacks an end token or a chat template, so it cannot hold a conversation.")


def same_tokenizer(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> bool:
    return bool(one.get_vocab() == other.get_vocab())


def generation_config(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """The sampling defaults, and the tokens that end an answer."""
    known = tokenizer.get_vocab()
    ends = [known[token] for token in (config.TURN_END, config.END_OF_TEXT) if token in known] or [tokenizer.eos_token_id]
    return GenerationConfig(**SAMPLING, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)


def publish(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the model into its folder. config.json, which makes it a model, comes last: what is half written is none."""
    staged = folder / ".unfinished"
    shutil.rmtree(staged, ignore_errors=True)
    model.config.use_cache = True
    model.generation_config = generation_config(tokenizer)
    model.save_pretrained(staged)
    tokenizer.save_pretrained(staged)
    for file in sorted(staged.iterdir(), key=lambda file: file.name == "config.json"):
        os.replace(file, folder / file.name)
    staged.rmdir()


def read_record(folder: Path, name: str = RECORD) -> dict[str, Any]:
    """A folder's training.json (or another of its records); {} where there is none that can be read."""
    try:
        record = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(folder: Path, record: dict[str, Any], name: str = RECORD) -> None:
    draft = folder / f".{name}"
    draft.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, folder / name)
