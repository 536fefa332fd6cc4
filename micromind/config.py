"""What every stage must agree on: the special tokens, the chat template and the shape of the network."""

from __future__ import annotations

from transformers import Qwen3Config

END_OF_TEXT = "<|endoftext|>"  # between documents; also the padding token
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
THINK_START = "<think>"
THINK_END = "</think>"

SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)
# Ordinary text for the decoder (`skip_special_tokens` keeps them): the server must see where the thinking ends.
TEXT_TOKENS = (THINK_START, THINK_END)

EMPTY_THINKING = f"{THINK_START}\n\n{THINK_END}\n\n"

CONTEXT = 1024
VOCABULARY = 6400

# ChatML with Qwen3's `enable_thinking` and `reasoning_content`, and two differences, both for the sake of a tiny model:
# thinking is off unless asked for, and every assistant turn keeps a thinking block, empty for earlier turns. So what
# the model saw in training is exactly what it sees in use, and with thinking off each prompt begins with the whole of
# the previous one (which lets a server reuse its key-value cache).
CHAT_TEMPLATE = """\
{%- set ns = namespace(last_user=-1) -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{%- set ns.last_user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('Unknown role: ' + message['role'] + '. Known roles: system, user, assistant.') -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- set content = message['content'] or '' -%}
{%- set thinking = message['reasoning_content'] or '' -%}
{%- if not thinking and '</think>' in content -%}
{%- set thinking = content.split('</think>')[0].split('<think>')[-1] -%}
{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{%- if loop.index0 < ns.last_user -%}{%- set thinking = '' -%}{%- endif -%}
{{- '<think>\\n' + thinking.strip('\\n') + '\\n</think>\\n\\n' + content -}}
{%- else -%}
{{- message['content'] -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if not (enable_thinking is defined and enable_thinking) -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}
{%- endif -%}
{%- endif -%}
"""

_ANSWER = """{{- '<think>\\n' + thinking.strip('\\n') + '\\n</think>\\n\\n' + content -}}
{%- else -%}
{{- message['content'] -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
"""
_MARKED_ANSWER = """{%- if thinking.strip('\\n') -%}
{%- generation -%}{{- '<think>\\n' + thinking.strip('\\n') + '\\n</think>\\n\\n' + content + '<|im_end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}{%- generation -%}{{- content + '<|im_end|>' -}}{%- endgeneration -%}
{%- endif -%}
{{- '\\n' -}}
{%- else -%}
{{- message['content'] + '<|im_end|>\\n' -}}
{%- endif -%}
"""
# The same text, with what the assistant says between marks: trl takes the loss on that alone. An empty thinking block is part
# of the prompt, not of the answer; a full one is what the model has to say.
TRAINING_TEMPLATE = CHAT_TEMPLATE.replace(_ANSWER, _MARKED_ANSWER)


def model_config(
    *,
    vocabulary: int = VOCABULARY,
    hidden: int = 384,
    layers: int = 4,
    heads: int = 6,
    kv_heads: int = 2,
    feed_forward: int = 1024,
    context: int = CONTEXT,
    pad_id: int = 0,
    eos_id: int = 2,
) -> Qwen3Config:
    """The network's shape. The defaults are the embedded model's; tests pass something smaller.

    Args:
        hidden, feed_forward: widths; multiples of 128 run markedly faster on a CPU than their neighbours.
        context: the longest sequence, in tokens, that positions are trained for.
    """
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=hidden // heads,
        intermediate_size=feed_forward,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        pad_token_id=pad_id,
        eos_token_id=eos_id,
        use_cache=True,
    )
