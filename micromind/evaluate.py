"""Asks a model a fixed list of questions: `python -m micromind.evaluate --model DIR`.

Counted are the answers that end by themselves, those that run into a loop, and those that contain what they should.
Of the questions (texts/questions.jsonl) a quarter stands in the training texts word for word; the report counts the others apart.
An honest "I can't" counts as right where it is (sums, names told before).
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from micromind import data, sources
from micromind.document import Message

log = logging.getLogger(__name__)

QUESTIONS = data.OWN_FOLDER / "questions.jsonl"
# Twelve times the same one to three characters, or three times the same longer piece ("哈哈哈" is no loop).
_LOOP = re.compile(r"(.{1,3}?)\1{11,}|(.{4,80}?)\2{2,}", re.DOTALL)


@dataclass
class Dialogue:
    """One test case: user turns to be asked in order; the model's own answers stand between them."""

    group: str
    turns: list[str]
    system: str = ""
    expect: str = ""  # a pattern that the last answer must contain
    answers: list[str] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)

    def prompt(self) -> list[Message]:
        """The messages up to the next turn that has no answer yet."""
        messages = [Message(role="system", content=self.system)] if self.system else []
        for question, answer in zip(self.turns, [*self.answers, None], strict=False):
            messages.append(Message(role="user", content=question))
            if answer is not None:
                messages.append(Message(role="assistant", content=answer))
        return messages

    @property
    def right(self) -> bool | None:
        return bool(re.search(self.expect, self.answers[-1])) if self.expect else None


def loops(text: str) -> bool:
    """Whether the text repeats itself over and over."""
    return _LOOP.search(text) is not None


def questions(path: Path = QUESTIONS) -> list[Dialogue]:
    return [Dialogue(**record) for record in data.read_jsonl(path)]


def trained_on() -> set[str]:
    """All questions of our own training texts."""
    files = (data.OWN_FOLDER / source.path for source in sources.OWN)
    return {question for file in files for record in data.read_jsonl(file) for question in record.get("ask", ())}


def ask(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dialogues: list[Dialogue], *, batch: int = 16, thinking: bool = False, **sampling: Any
) -> None:
    """Let the model answer every turn of every dialogue; fills `answers` and `stopped`."""
    for turn in range(max(len(dialogue.turns) for dialogue in dialogues)):
        waiting = [dialogue for dialogue in dialogues if len(dialogue.turns) > turn]
        for start in range(0, len(waiting), batch):
            _answer(model, tokenizer, waiting[start : start + batch], thinking, sampling)


@torch.inference_mode()
def _answer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dialogues: list[Dialogue], thinking: bool, sampling: dict[str, Any]) -> None:
    prompts = [tokenizer.apply_chat_template(d.prompt(), tokenize=False, add_generation_prompt=True, enable_thinking=thinking) for d in dialogues]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)
    output = model.generate(**inputs, **sampling)[:, inputs["input_ids"].shape[1] :]
    ends = set(model.generation_config.eos_token_id)
    for dialogue, ids in zip(dialogues, output.tolist(), strict=True):
        end = next((place for place, token in enumerate(ids) if token in ends), None)
        dialogue.stopped.append(end is not None)
        dialogue.answers.append(tokenizer.decode(ids[:end], skip_special_tokens=True))


def summary(dialogues: list[Dialogue]) -> dict[str, Any]:
    """Rates over all answers, and the share of right ones for each group that can be checked."""
    answers = [answer for dialogue in dialogues for answer in dialogue.answers]
    stopped = [ended for dialogue in dialogues for ended in dialogue.stopped]
    known = trained_on()
    groups: dict[str, list[bool]] = defaultdict(list)
    for dialogue in dialogues:
        if dialogue.right is not None:
            groups[dialogue.group].append(dialogue.right)
            groups["(seen in training)" if dialogue.turns[0] in known else "(not seen)"].append(dialogue.right)
    return {
        "answers": len(answers),
        "stopped": round(sum(stopped) / len(stopped), 4),
        "loops": round(sum(map(loops, answers)) / len(answers), 4),
        "empty": sum(not answer.strip() for answer in answers),
        "characters": round(sum(map(len, answers)) / len(answers), 1),
        "right": {group: f"{sum(right)}/{len(right)}" for group, right in groups.items()},
    }


def show(dialogues: list[Dialogue]) -> None:
    for dialogue in dialogues:
        log.info(
            "\n[%s]%s%s", dialogue.group, f" system: {dialogue.system}" if dialogue.system else "", "" if dialogue.right is not False else "  MISSED"
        )
        for question, answer, ended in zip(dialogue.turns, dialogue.answers, dialogue.stopped, strict=True):
            log.info("  > %s\n  %s%s", question, answer.replace("\n", "\n  "), "" if ended else "  … (cut)")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1], help="one round of sampling each")
    parser.add_argument("--greedy", action="store_true", help="one round without sampling, after the others")
    parser.add_argument("--thinking", action="store_true", help="enable_thinking")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="sampling options other than the model's own, e.g. temperature=0.8"
    )
    parser.add_argument("--quiet", action="store_true", help="only the summaries")
    parser.add_argument("--output", type=Path, help="write all answers as JSON lines")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype="float32")
    changes = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in options.set)}
    rounds = [(f"seed {seed}", seed, changes) for seed in options.seeds]
    if options.greedy:
        rounds.append(("greedy", 0, changes | {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}))
    for name, seed, sampling in rounds:
        set_seed(seed)
        dialogues = questions()
        ask(model, tokenizer, dialogues, thinking=options.thinking, **sampling)
        if not options.quiet:
            show(dialogues)
        log.info("\n%s: %s", name, json.dumps(summary(dialogues)))
        if options.output:
            with options.output.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps({"round": name, **asdict(dialogue)}, ensure_ascii=False) + "\n" for dialogue in dialogues)


if __name__ == "__main__":
    main()
