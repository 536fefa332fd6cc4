"""The byte-level BPE tokenizer: `python -m micromind.tokenizer --output DIR`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import AddedToken as Added
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from micromind import config, data
from micromind.document import Document

log = logging.getLogger(__name__)

# Qwen2's pattern: single digits (sums are learnt digit by digit), and a run of line breaks is one piece whatever
# follows it, so the end of the generation prompt is cut the same way as in training.
SPLIT = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def train(texts: Iterable[str], *, vocabulary: int = config.VOCABULARY) -> PreTrainedTokenizerFast:
    """Learn the merges from `texts` and wrap them with the special tokens and the chat template."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(SPLIT, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[
            *(Added(token, special=True, normalized=False) for token in config.SPECIAL_TOKENS),
            *(Added(token, special=False, normalized=False) for token in config.TEXT_TOKENS),
        ],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=24,  # bytes: eight Chinese characters; longer merges are one document's phrases
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    # The trainer marks everything it was handed as special; these two are text (see config.TEXT_TOKENS).
    bpe.add_tokens([Added(token, special=False, normalized=False) for token in config.TEXT_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=config.TURN_END,
        pad_token=config.END_OF_TEXT,
        additional_special_tokens=[config.TURN_START],
        chat_template=config.CHAT_TEMPLATE,
        model_max_length=config.CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def sample(mixture: Iterable[Document], *, limit: int) -> Iterator[str]:
    """Plain text of the mixture, up to `limit` characters."""
    seen = 0
    for document in mixture:
        text = data.plain(document)
        seen += len(text)
        yield text
        if seen >= limit:
            return


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.tokenizer", description=__doc__)
    data.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder that receives the tokenizer's files")
    parser.add_argument("--vocabulary", type=int, default=config.VOCABULARY)
    parser.add_argument("--characters", type=int, default=15_000_000, help="how much text to learn from")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    documents = data.mixture(options.data, stage="pretrain", seed=options.seed)
    tokenizer = train(sample(documents, limit=options.characters), vocabulary=options.vocabulary)
    tokenizer.save_pretrained(options.output)
    log.info("%s entries in %s", len(tokenizer), options.output)


if __name__ == "__main__":
    main()
