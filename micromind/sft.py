"""Fine-tuning on conversations, loss on the assistant's words only: `python -m micromind.sft --model DIR --output DIR --minutes 20`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from micromind import config, data, training

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.sft", description=__doc__)
    data.add_arguments(parser)
    training.add_arguments(parser, rate=6e-4, batch=4, minutes=20)
    parser.add_argument("--model", type=Path, required=True, help="folder of the pretrained model, tokenizer included")
    parser.add_argument("--length", type=int, default=config.CONTEXT, help="tokens a row")
    options = parser.parse_args(argv)
    training.start_logging(options.output)
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype="float32")
    documents = data.mixture(options.data, stage="sft", seed=options.seed)
    ids, labels = data.pack_chats(data.encode(documents, tokenizer), tokenizer, options.length)
    log.info("%d chats, %.2f M tokens, %.2f M of them answers", len(documents), ids.size / 1e6, (labels != data.IGNORED).sum() / 1e6)
    training.fit(model, tokenizer, training.Rows(ids, labels), options, context=options.length)


if __name__ == "__main__":
    main()
