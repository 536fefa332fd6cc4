"""The list of everything the model learns from, with how much of each goes into each stage.

A weight is how many times the whole of a source is read: 0.3 takes a random 30 % of its documents, 2.5 takes all of them
twice and a random half once more. They were set by hand: modern prose and conversation first, old Chinese and template
text little, our own few hundred answers very often (a model this small only knows what it has seen many times). In fine-tuning,
questions out of the world's sets mostly teach it to say that it does not know.
Left out on purpose: smile_zh (its posts come from a set given out by request only), drcd_zh and cmrc2018_zh and the test
half of gsm8k (benchmarks), and the sets written by large commercial models (gpteacher_en, llamafactory_demo but for its
identity answers).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One JSONL file below the data folder."""

    path: str
    licence: str
    pretrain: float = 0.0
    sft: float = 0.0
    unknown: float = 0.0  # fine-tuning on its first questions, answered with "I don't know"


THIRD_PARTY = (
    # Chinese prose
    Source("lctt_zh/articles_zh.jsonl", "CC BY-SA 4.0", pretrain=0.22),
    Source("cmrc2019_stories_zh/stories.jsonl", "CC BY-SA 4.0", pretrain=2),
    Source("zhwiki_sample_zh/passages.jsonl", "CC BY-SA 3.0", pretrain=1.5),
    Source("kdconv/kdconv_knowledge.jsonl", "Apache-2.0", pretrain=0.6),
    Source("howtocook_zh/recipes.jsonl", "Unlicense", pretrain=0.7),
    Source("chinese_poetry/poems.jsonl", "MIT, public domain", pretrain=0.06),
    Source("chinese_poetry/classics.jsonl", "MIT, public domain", pretrain=0.1),
    # English prose
    Source("fairytale_en/stories.jsonl", "Apache-2.0", pretrain=0.8),
    Source("lctt_en/articles_en.jsonl", "CC BY-SA 4.0", pretrain=0.5),
    Source("wiki_en/wiki_en.jsonl", "CC BY-SA 3.0", pretrain=0.7),
    Source("factbook_en/passages.jsonl", "CC0", pretrain=0.1),
    # Chinese chat
    Source("kdconv/kdconv_chat.jsonl", "Apache-2.0", pretrain=2, unknown=0.5),
    Source("crosswoz/crosswoz_chat.jsonl", "Apache-2.0", pretrain=1),
    Source("oasst_zh/oasst_sft_zh.jsonl", "Apache-2.0", pretrain=2, unknown=0.6),
    Source("ruozhiba_zh/ruozhiba_qa.jsonl", "Apache-2.0", pretrain=3, unknown=0.5),
    Source("zhwiki_sample_zh/define_qa.jsonl", "CC BY-SA 3.0", pretrain=2),
    Source("xiehouyu_zh/chat.jsonl", "MIT", pretrain=0.1),
    # English chat
    Source("synthetic_persona_chat_en/spc_chat.jsonl", "CC BY 4.0", pretrain=1.5, sft=0.06),
    Source("dolly_openqa_en/dolly_openqa.jsonl", "CC BY-SA 3.0", pretrain=1.2, unknown=0.3),
    Source("rasbt_instruct_en/instruct.jsonl", "Apache-2.0", pretrain=2, unknown=0.3),
    Source("sgd_en/sgd_chat.jsonl", "CC BY-SA 4.0", pretrain=0.2),
    Source("gsm8k/gsm8k_train_reason.jsonl", "MIT", pretrain=0.25),
    Source("factbook_en/qa.jsonl", "CC0", pretrain=0.2),
    # Both
    Source("tatoeba_en_zh/pairs.jsonl", "CC BY 2.0 FR", pretrain=0.8),
    Source("chatterbot/chatterbot.jsonl", "BSD-3-Clause", pretrain=3),
    Source("llamafactory_demo/identity.jsonl", "Apache-2.0", pretrain=4),
)

# In this package's own texts/ folder; the licence is the project's.
OWN = (
    Source("product_zh.jsonl", "own", pretrain=8, sft=16),
    Source("product_en.jsonl", "own", pretrain=8, sft=16),
    Source("smalltalk.jsonl", "own", pretrain=6, sft=15),
    Source("refusals.jsonl", "own", pretrain=4, sft=16),
    Source("knowledge.jsonl", "own", pretrain=5, sft=16),
)

# Examples made by `micromind.synthetic`: how many, for each stage.
SYNTHETIC_PRETRAIN = 4_000
SYNTHETIC_SFT = 3_000
