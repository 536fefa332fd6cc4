"""A small model learns from a bigger one: `python -m micromind.distill --teacher FOLDER --size tiny --data FOLDER`.

By its logits, when both have the same tokenizer: cross entropy with the answers, and the divergence from the teacher's distribution. By its
text (--text) from any teacher: it answers the questions, and the student is fine-tuned on those answers, which stay in the stage's folder
(teacher.jsonl). The loop is trl's SFTTrainer. For the way up see micromind.move_up.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from micromind import answering, conversations, data, folders
from micromind.document import Document, Message, exchange
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.stage import Run, parser, train_on

log = logging.getLogger(__name__)

ALPHA, TEMPERATURE = 0.5, 1.5  # MiniMind's
TEXTS = "teacher.jsonl"


class LogitTrainer(conversations.ConversationTrainer):
    """alpha times the cross entropy, and the rest the divergence from the teacher."""

    teacher: PreTrainedModel
    alpha: float
    temperature: float

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        labels = inputs["labels"]
        given = {name: value for name, value in inputs.items() if name != "labels"}
        outputs = model(**given, use_cache=False)
        with torch.no_grad():
            taught = self.teacher(**given, use_cache=False).logits
        own = conversations.weighted_loss(outputs.logits, labels, count=num_items_in_batch)
        apart = divergence(outputs.logits, taught, labels, self.temperature, count=num_items_in_batch)
        loss = self.alpha * own + (1 - self.alpha) * apart
        return (loss, outputs) if return_outputs else loss


def divergence(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float, *, count: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean KL divergence of the student's next-token distribution from the teacher's, both softened; times the temperature squared, so that
    its gradients keep their size (Hinton et al. 2015).

    Args:
        student, teacher: logits [rows, length, vocabulary].
        labels: [rows, length]; only labelled tokens count.
        count: what to divide by; default: the number of labelled tokens.
    """
    aims = labels[:, 1:] != -100
    one = torch.log_softmax(student[:, :-1][aims].float() / temperature, dim=-1)
    other = torch.log_softmax(teacher[:, :-1][aims][..., : one.shape[-1]].float() / temperature, dim=-1)
    total = torch.nn.functional.kl_div(one, other, log_target=True, reduction="sum") * temperature**2
    return total / (aims.sum() if count is None else torch.as_tensor(count)).clamp(min=1)


def answered(file: Path) -> list[list[Message]]:
    """The teacher's answers so far. A kill may have come while one was written: what has no end of line is cut off."""
    if not file.is_file():
        return []
    with file.open("r+b") as lines:
        lines.truncate(lines.read().rfind(b"\n") + 1)
    return [record["messages"] for record in data.read_jsonl(file)]


def taught_texts(run: Run, documents: list[Document]) -> list[Document]:
    """The teacher's answers to the documents' first questions; kept, so that a resume asks none again."""
    file = run.folder / TEXTS
    known = answered(file)
    done = {chat[0]["content"] for chat in known}
    asked = list(dict.fromkeys(next((m["content"] for m in d.messages if m["role"] == "user"), "") for d in documents))
    waiting = [question for question in asked if question and question not in done][: max(0, run.options.questions - len(known))]
    teacher = answering.open_answerer(str(run.options.teacher)) if waiting else None
    with file.open("a", encoding="utf-8") as lines:
        for start in range(0, len(waiting), 16) if teacher else ():
            group = waiting[start : start + 16]
            replies = teacher([[Message(role="user", content=question)] for question in group], max_new_tokens=run.plan.length // 2)
            for question, reply in zip(group, replies, strict=True):
                if reply.ended and reply.text.strip():
                    known.append(list(exchange(question, reply.text)))
                    lines.write(json.dumps({"messages": known[-1]}, ensure_ascii=False) + "\n")
            lines.flush()
            log.info("the teacher has answered %d of %d questions", start + len(group), len(waiting))
    return [data.chat(chat) for chat in known]


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("distill", __doc__)
    options_parser.add_argument("--model", type=Path, help="the student: folder of the model to go on from (default: that of the sft stage)")
    options_parser.add_argument("--teacher", required=True, help="a model folder; with --text also NAME@URL of an OpenAI-compatible server")
    options_parser.add_argument("--text", action="store_true", help="learn from what the teacher writes, not from its logits")
    options_parser.add_argument("--questions", type=int, default=2000, help="with --text: questions to the teacher at most (default: %(default)s)")
    options_parser.add_argument("--alpha", type=float, default=ALPHA, help="share of the cross entropy (default: %(default)s)")
    options_parser.add_argument("--temperature", type=float, default=TEMPERATURE, help="softens both distributions (default: %(default)s)")
    run = Run("distill", options_parser.parse_args(argv), before="sft")
    if run.begin():
        learn(run)


def learn(run: Run) -> None:
    """The stage itself."""
    options = run.options
    student, tokenizer = folders.load(options.model)
    teacher = None if options.text else matching_teacher(Path(options.teacher), tokenizer)
    options.data = prepared(options.data, options.root, limit=run.limit)
    documents = data.mixture(options.data, stage="sft", seed=options.seed, limit=run.limit)
    rows = conversations.rows_of(taught_texts(run, documents) if options.text else documents, tokenizer, run.plan.length)
    run.data = {"files": data.read_from(options.data, "sft"), "conversations": len(rows), "teacher": options.teacher}
    run.extra = {"kind": "text"} if options.text else {"kind": "logits", "alpha": options.alpha, "temperature": options.temperature}

    def make() -> conversations.ConversationTrainer:
        if teacher is None:
            return conversations.sft_trainer(run, student, tokenizer, rows)
        trainer = conversations.sft_trainer(run, student, tokenizer, rows, kind=LogitTrainer)
        trainer.teacher = teacher.to(trainer.args.device).eval()
        trainer.alpha, trainer.temperature = options.alpha, options.temperature
        return trainer

    train_on(run, make)
    run.finish(student, conversations.restore(tokenizer))


def matching_teacher(folder: Path, tokenizer: Any) -> PreTrainedModel:
    """Raises StageError where its tokenizer is another: then its logits speak of other tokens."""
    teacher, its = folders.load(folder)
    if not folders.same_tokenizer(tokenizer, its):
        raise StageError(
            f"{folder} has another tokenizer ({len(its)} entries, the student's {len(tokenizer)}), so its logits mean other tokens. "
            "--text learns from what it writes instead."
        )
    return teacher


if __name__ == "__main__":
    main()
