"""A tokenizer and a network of a few thousand parameters, made in a second."""

from __future__ import annotations

from functools import cache

from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from micromind import pretrain, tokenizer

TEXT = ("你好！我是 MicroMind，很高兴认识你。", "Hello! I am MicroMind. How are you today?", "1 + 1 = 2", "请用手机扫二维码。")


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer.train(TEXT * 4, vocabulary=320)


def tiny_model() -> Qwen3ForCausalLM:
    return pretrain.new_model(tiny_tokenizer(), hidden=16, layers=1, heads=2, kv_heads=1, feed_forward=32, context=64)
