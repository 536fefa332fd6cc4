"""The byte-level BPE tokenizer: `python -m micromind.tokenizer --size tiny --data FOLDER`.

Reports characters per token for Chinese and English on the held-out part, beside any other tokenizer's (--compare FOLDER).
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import AddedToken as Added
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from micromind import config, data, folders, sources
from micromind.document import Document
from micromind.prepare import plain_documents, prepared
from micromind.problems import StageError, command
from micromind.sizes import SIZES
from micromind.stage import command_line

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


def language(text: str) -> str:
    """ "zh" for a text with a fair share of Chinese characters, else "en"."""
    return "zh" if len(re.findall(r"[\u4e00-\u9fff]", text)) > 0.2 * len(text) else "en"


def characters_per_token(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> dict[str, float]:
    """For each language of the texts: characters divided by tokens, over all its texts."""
    characters: dict[str, int] = defaultdict(int)
    tokens: dict[str, int] = defaultdict(int)
    for text in texts:
        spoken = language(text)
        characters[spoken] += len(text)
        tokens[spoken] += len(tokenizer.encode(text, add_special_tokens=False, verbose=False))
    return {spoken: round(characters[spoken] / tokens[spoken], 3) for spoken in sorted(characters) if tokens[spoken]}


def unseen_texts(folder: Path | None) -> list[str]:
    """The held-out part as bare text; without data, our own texts (which the tokenizer has seen)."""
    if folder is None:
        return [data.plain(document) for source in sources.OWN for document in plain_documents(data.OWN_FOLDER / source.path)]
    files = sorted((folder / "held_out").rglob("*.jsonl"))
    return [data.plain(document) for file in files if not file.name.startswith(("dpo", "oasst_dpo")) for document in plain_documents(file)]


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.tokenizer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(parser)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--root", type=Path, default=folders.ROOT)
    parser.add_argument("--output", type=Path, help="folder for its files (default: training/micromind-SIZE-tokenizer beside ROOT)")
    parser.add_argument("--vocabulary", type=int)
    parser.add_argument("--characters", type=int, help="how much text to learn from")
    parser.add_argument("--compare", type=Path, nargs="*", default=[], help="folders with other tokenizers, measured on the same text")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    size = SIZES[options.size]
    vocabulary = options.vocabulary or size.vocabulary
    if vocabulary < 256 + len(config.SPECIAL_TOKENS) + len(config.TEXT_TOKENS):
        raise StageError(
            f"--vocabulary must leave room for 256 bytes and {len(config.SPECIAL_TOKENS) + len(config.TEXT_TOKENS)} marks, got {vocabulary}."
        )
    folder = prepared(options.data, options.root, limit=size.documents)
    documents = data.mixture(folder, stage="pretrain", seed=options.seed, limit=size.documents)
    made = train(sample(documents, limit=options.characters or size.characters), vocabulary=vocabulary)
    made.model_max_length = size.context
    output = options.output or folders.stage_folder(options.root.parent / "training", options.size, "tokenizer")
    made.save_pretrained(output)
    texts = unseen_texts(folder)
    measured = {str(output): characters_per_token(made, texts)}
    measured |= {str(other): characters_per_token(folders.load_tokenizer(other), texts) for other in options.compare}
    figures = {"entries": len(made), "characters_per_token": measured, "measured_on": "held-out part" if folder else "own texts, seen in training"}
    folders.write_record(
        output,
        {"stage": "tokenizer", "size": options.size, "command": command_line("tokenizer"), "seed": options.seed, "figures": figures}
        | {"data": {"files": data.read_from(folder, "pretrain")}},
    )
    log.info("%d entries in %s", len(made), output)
    for name, values in measured.items():
        log.info("characters per token: %s  %s", ", ".join(f"{spoken} {value}" for spoken, value in values.items()), name)


if __name__ == "__main__":
    main()
