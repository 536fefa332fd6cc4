"""The models that are compared: the embedded one, and the shape of a Qwen2.5-0.5B with random weights, both so that no answer ends early.

Every server must make the same number of tokens, so each model is given an end that it never says: speed is compared, not what is said.
"""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|never|>"]
TEMPLATE = (
    "{%- for message in messages -%}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
HALF_B = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
}
NEVER_WRITTEN = "Ā"
"""How a byte-level BPE writes the byte 0: no text that a model learned from holds it."""


def half_b(folder: Path, **shape: Any) -> Path:
    """A Qwen2 of the shape HALF_B (`shape` changes it) with random bfloat16 weights and a vocabulary of words, in transformers' format.

    All its weights are drawn from one seed. It always says words of the vocabulary and never a special token or half a character: the rows of
    these in the embedding, which is the head as well, are a hundredth of the others', so their logits are never the greatest.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    settings = HALF_B | {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": SPECIAL.index("<|never|>")} | shape
    tokenizer = word_tokenizer(settings["vocab_size"])
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**settings)).to(torch.bfloat16)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".bias"):
                weight.normal_(0.0, 0.02)
        model.get_input_embeddings().weight[: first_word()] *= 0.01
    model.generation_config.eos_token_id = settings["eos_token_id"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def words(count: int) -> list[str]:
    """The first `count` words of the vocabulary, each one token when a space stands before it: a … z, aa … zz, aaa …"""
    found: list[str] = []
    length = 0
    while len(found) < count:
        length += 1
        found += ["".join(letters) for letters in product(ascii_lowercase, repeat=length)]
    return found[:count]


def first_word() -> int:
    """The number of the first token that is a word."""
    return len(SPECIAL) + 256


def word_tokenizer(size: int) -> Any:
    """A byte-level BPE whose tokens beyond the bytes are a space and up to four letters, each made from a shorter one and a letter.

    So what the model says, token by token, is cut into the same tokens again when it comes back in the next turn of a conversation.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    said = ["Ġ" + word for word in words(size - first_word())]
    vocabulary = {text: number for number, text in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *said])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[(text[:-1], text[-1]) for text in said]))
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=SPECIAL[0], eos_token=SPECIAL[3], additional_special_tokens=SPECIAL[1:3], model_max_length=32_768
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def endless(model: Path, folder: Path) -> Path:
    """A copy of `model` (with a byte-level BPE) whose end is a token that it never says."""
    folder.mkdir(parents=True)
    for file in model.iterdir():
        if file.suffix in (".safetensors", ".json", ".jinja"):
            shutil.copy(file, folder / file.name)
    number = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"][NEVER_WRITTEN]
    _change(folder / "tokenizer_config.json", eos_token=NEVER_WRITTEN)
    _change(folder / "config.json", eos_token_id=number)
    # Greedy, and no penalties: what this file says holds where a server is not told otherwise.
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": number, "do_sample": False}), encoding="utf-8")
    return folder


def is_endless(folder: Path) -> bool:
    """It was made by `half_b` or `endless`."""
    file = folder / "tokenizer_config.json"
    return file.is_file() and json.loads(file.read_text(encoding="utf-8")).get("eos_token") in (SPECIAL[3], NEVER_WRITTEN)


def _change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | values, indent=1), encoding="utf-8")
