"""Conversations as trl trains on them: loss on the assistant's turns only, several conversations packed into a row without seeing each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from micromind import config
from micromind.document import Document
from micromind.problems import StageError
from micromind.stage import Run


class PackedRows(DataCollatorForLanguageModeling):
    """Rows of packed conversations as a batch [rows, length], each conversation with positions of its own.

    trl's own way lays all rows of a batch end to end, which without flash attention costs the square of the whole batch. Where there is no
    attention mask, transformers keeps sequences apart by their positions (masking_utils.find_packed_sequence_indices).
    """

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        del batch["attention_mask"]
        batch["labels"][batch["position_ids"] == 0] = -100  # a conversation's first token follows from nothing; padding is position 0 too
        return batch


class ConversationTrainer(SFTTrainer):
    """trl's SFTTrainer with a plain cross entropy: its own computes the output layer in tiles, twice, which saves a GPU's memory and takes a
    CPU more than twice the time (0.40 s a step against 0.18 s, tiny, one thread). Tokens can be made to weigh more."""

    tags: torch.Tensor | None = None
    """Token ids."""
    tag_weight: float = 1.0

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"}, use_cache=False)
        loss = weighted_loss(outputs.logits, labels, self.tags, self.tag_weight, count=num_items_in_batch)
        return (loss, outputs) if return_outputs else loss


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, tags: torch.Tensor | None = None, weight: float = 1.0, *, count: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean cross entropy over the labelled tokens, those in `tags` counted `weight` times.

    Args:
        logits: [rows, length, vocabulary].
        labels: [rows, length], -100 where there is no loss.
        tags: token ids.
        count: what to divide by; default: the number of labelled tokens.
    """
    losses, aims = next_token_loss(logits, labels), labels[:, 1:]
    if tags is not None:
        losses = losses * torch.where(torch.isin(aims, tags.to(aims.device)), weight, 1.0)
    return losses.sum() / ((aims != -100).sum() if count is None else torch.as_tensor(count)).clamp(min=1)


def rows_of(documents: Iterable[Document], tokenizer: PreTrainedTokenizerBase, length: int) -> Dataset:
    """The conversations that fit into a row, as a datasets.Dataset of `messages`. A longer one would be cut before its end.

    Raises StageError when none is left.
    """
    messages = [[dict(message) for message in document.messages] for document in documents if document.messages]
    texts = [str(tokenizer.apply_chat_template(chat, tokenize=False)) for chat in messages]
    lengths = [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]] if texts else []
    fitting = [{"messages": chat} for chat, tokens in zip(messages, lengths, strict=True) if tokens <= length]
    if not fitting:
        raise StageError(f"None of the {len(messages)} conversations fits into {length} tokens: give a larger --length, or other data.")
    return Dataset.from_list(fitting)


def sft_trainer(
    run: Run,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    *,
    kind: type[ConversationTrainer] = ConversationTrainer,
    **more: Any,
) -> ConversationTrainer:
    """trl's trainer for conversations, set up as this module's first line says.

    The tokenizer gets the template with marks for the time of the training: give it back with `restore`.
    """
    if tokenizer.chat_template == config.CHAT_TEMPLATE:
        tokenizer.chat_template = config.TRAINING_TEMPLATE
    arguments = run.arguments(
        SFTConfig,
        max_length=run.plan.length,
        packing=True,
        packing_strategy="bfd",
        assistant_only_loss=True,
        shuffle_dataset=True,
        pad_token=tokenizer.pad_token,
        eos_token=tokenizer.eos_token,
    )
    trainer = kind(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer, **more)
    trainer.data_collator = PackedRows(pad_token_id=tokenizer.pad_token_id, return_position_ids=True)
    if len(trainer.train_dataset) < run.plan.batch:
        raise StageError(f"The data fills {len(trainer.train_dataset)} rows of {run.plan.length} tokens, and --batch is {run.plan.batch}.")
    return trainer


def restore(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer with the template that the server uses."""
    if tokenizer.chat_template == config.TRAINING_TEMPLATE:
        tokenizer.chat_template = config.CHAT_TEMPLATE
    return tokenizer


def next_token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each token, [rows, length - 1], 0 where the label is -100."""
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="none").view(
        labels.shape[0], -1
    )
