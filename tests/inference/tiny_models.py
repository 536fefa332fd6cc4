"""Models made on the spot: random weights, a byte-level BPE trained on a few sentences, a chat template with a thinking switch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SENTENCES = [
    "The quick brown fox jumps over the lazy dog. Hello, how are you today?",
    "你好，世界！今天天气怎么样？我很高兴认识你。",
    "user assistant system think END stop \n\n 1234567890 😀🎉 é à ü",
    "print('hello') # a comment <b>bold</b> | pipe",
] * 4

_THOUGHTS = """{%- if message.role == 'assistant' and message.reasoning_content %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif %}
"""
_SWITCH = """{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
"""
CHATML = (
    """{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
"""
    + _THOUGHTS
    + """{{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
"""
    + _SWITCH
    + "{%- endif %}"
)
"""As Qwen3's: thinks unless told not to; then an empty block is put there."""

PLAIN = CHATML.replace(_THOUGHTS, "").replace(_SWITCH, "")
"""Knows nothing of thinking."""

OPENS = PLAIN.replace("{{- '<|im_start|>assistant\\n' }}", "{{- '<|im_start|>assistant\\n<think>\\n' }}")
"""As DeepSeek-R1's: opens the tag in the prompt, always."""

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<think>", "</think>"]

SHAPES: dict[str, dict[str, Any]] = {
    "qwen3": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "qwen2": {"num_attention_heads": 4, "num_key_value_heads": 1},
    "llama": {"num_attention_heads": 4, "num_key_value_heads": 4},
}


def make_tokenizer(template: str | None = CHATML, vocabulary: int = 400) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def make_model(kind: str = "qwen3", *, vocabulary: int = 402, seed: int = 0, **overrides: Any) -> Any:
    """Weights drawn wide enough that the likeliest token is likeliest by far: rounding in another order must not change it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **SHAPES.get(kind, {}),
        **overrides,
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings))
    return model.float().eval()


def save_model(
    folder: Path, kind: str = "qwen3", *, template: str | None = CHATML, generation: dict[str, Any] | None = None, **overrides: Any
) -> Path:
    tokenizer = make_tokenizer(template)
    model = make_model(kind, vocabulary=len(tokenizer), **overrides)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0], **(generation or {})}))
    return folder
