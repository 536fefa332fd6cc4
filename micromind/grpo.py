"""Reinforcement with rewards that a program can check (GRPO): sums of two digits: `python -m micromind.grpo --size tiny`.

Makes its own questions. One reward for a right result, one for the form <think>…</think> and then an answer. The loop is trl's GRPOTrainer.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from micromind import config, folders, synthetic
from micromind.problems import StageError, command
from micromind.stage import Run, parser, train_on

QUESTIONS = 2_000
ANSWERS = 4  # to each question; they are compared with each other


def questions(count: int, seed: int) -> list[dict[str, Any]]:
    """{"prompt": messages, "result": "42"} each."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        sign, left, right = synthetic.two_digits(rng)
        asked = rng.choice(("{}{}{}=?", "{} {} {} = ?", "{} {} {} 等于多少？", "What is {} {} {}?")).format(left, sign, right)
        made.append({"prompt": [{"role": "user", "content": asked}], "result": str(left + right if sign == "+" else left - right)})
    return made


def last_number(text: str) -> str | None:
    """The result that an answer ends with, its commas and leading zeros taken out."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text.rpartition(config.THINK_END)[2])
    return str(found[-1]).replace(",", "").removesuffix(".0").lstrip("0") or "0" if found else None


def right_result(completions: list[list[dict[str, str]]], result: list[str], **_: Any) -> list[float]:
    """1 where the last number of the answer is the result, 0.1 where there is a number at all."""
    found = [last_number(completion[0]["content"]) for completion in completions]
    return [1.0 if number == expected else 0.1 if number else 0.0 for number, expected in zip(found, result, strict=True)]


def right_form(completions: list[list[dict[str, str]]], **_: Any) -> list[float]:
    """0.5 for one thinking block, closed, with an answer after it."""
    form = re.compile(r"\s*<think>\n?.*?</think>\s*\S.*", re.DOTALL)
    texts = [completion[0]["content"] for completion in completions]
    return [0.5 if form.fullmatch(text) and text.count(config.THINK_END) == 1 else 0.0 for text in texts]


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("grpo", __doc__)
    options_parser.add_argument("--model", type=Path, help="folder of the model to go on from (default: that of the reason stage)")
    options_parser.add_argument("--answers", type=int, default=ANSWERS, help="answers to each question (default: %(default)s)")
    options = options_parser.parse_args(argv)
    run = Run("grpo", options, before="reason")
    if run.plan.batch % options.answers:
        raise StageError(f"--batch counts answers and must be a multiple of --answers ({options.answers}), got {run.plan.batch}.")
    if not run.begin():
        return
    model, tokenizer = folders.load(options.model)
    asked = questions(QUESTIONS, options.seed)
    run.data = {"questions": len(asked), "made_by": "micromind.grpo.questions"}
    arguments = run.arguments(
        GRPOConfig,
        num_generations=options.answers,
        max_completion_length=run.plan.length,
        temperature=1.0,
        beta=0.0,
        chat_template_kwargs={"enable_thinking": True},
        logging_steps=1,
    )
    trainer = train_on(
        run,
        lambda: GRPOTrainer(
            model=model,
            reward_funcs=[right_result, right_form],
            args=arguments,
            train_dataset=Dataset.from_list(asked),
            processing_class=tokenizer,
        ),
    )
    rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    run.extra = {"first_reward": rewards[0] if rewards else None, "last_reward": rewards[-1] if rewards else None}
    run.finish(model, tokenizer)


if __name__ == "__main__":
    main()
