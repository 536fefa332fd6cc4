"""A made-up record to measure the admin on: conversations in Chinese and English, their runs, ratings and search entries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from chat.models import Conversation, Device, Feedback, Message, Owner, Run, SearchEntry
from chat.search import segment

PER_CONVERSATION = 10
LONG = 500
"""Messages of the one long conversation."""
DAYS = 180
RARE_EN, RARE_ZH = "zeppelin", "飞艇"
"""In one message of a thousand."""
ENGLISH = [
    "the", "phone", "connects", "to", "computer", "over", "hotspot", "and", "model", "answers", "there", "so", "nothing", "leaves", "room", "when",
    "you", "ask", "about", "rivers", "mountains", "poems", "recipes", "code", "tables", "homework", "weather", "music", "history", "letters",
    "numbers",
    "travel", "plans", "gardens", "books", "science", "light", "water", "stone",
]  # fmt: skip
CHINESE = [
    "手机通过热点连接到电脑", "模型在本机回答问题", "春天的花园里开满了花", "请帮我写一封简短的信", "这道数学题应该怎么做",
    "我们明天去图书馆看书", "天空为什么是蓝色的", "学习英语需要每天练习", "这段代码有一个小错误", "把西红柿和鸡蛋一起炒",
]  # fmt: skip
REASONS = ["stop"] * 90 + ["length"] * 4 + ["stopped"] * 3 + ["interrupted"] * 2 + ["error"]
MODELS = ["micromind"] * 7 + ["qwen3-4b"] * 2 + ["deepseek-r1-7b"]


class Filler:
    """Fills an empty database. The same seed, so the same record each time."""

    def __init__(self, messages: int) -> None:
        self.dice = random.Random(7)
        self.messages = messages
        self.now = timezone.now()
        self.devices = self._people(max(2, messages // 2000))

    def fill(self) -> UUID:
        """Returns the long conversation."""
        long = self._conversations([LONG])[0]
        left = self.messages - LONG
        while left > 0:
            batch = [PER_CONVERSATION] * min(200, -(-left // PER_CONVERSATION))
            self._conversations(batch)
            left -= sum(batch)
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA optimize")
        return long

    def _people(self, count: int) -> list[Device]:
        owners = Owner.objects.bulk_create([Owner(name=f"person {n}") for n in range(count)])
        return Device.objects.bulk_create([Device(owner=owner, name=name) for owner in owners for name in ("iPhone", "iPad")])

    def _conversations(self, lengths: list[int]) -> list[UUID]:
        rows: dict[str, list[Any]] = {"conversations": [], "messages": [], "runs": [], "feedback": []}
        for length in lengths:
            self._conversation(length, rows)
        leaves = {row.id: row.leaf_id for row in rows["conversations"]}
        for row in rows["conversations"]:
            row.leaf_id = None
        with transaction.atomic():
            Conversation.objects.bulk_create(rows["conversations"])
            Message.objects.bulk_create(rows["messages"], batch_size=500)
            Run.objects.bulk_create(rows["runs"], batch_size=500)
            Feedback.objects.bulk_create(rows["feedback"])
            SearchEntry.objects.bulk_create([SearchEntry(message=row, text=segment(row.content)) for row in rows["messages"]], batch_size=500)
            for row in rows["conversations"]:
                row.leaf_id = leaves[row.id]
            Conversation.objects.bulk_update(rows["conversations"], ["leaf"])
        return [row.id for row in rows["conversations"]]

    def _conversation(self, length: int, rows: dict[str, list[Any]]) -> None:
        device = self.dice.choice(self.devices)
        chinese = self.dice.random() < 0.5
        when = self.now - timedelta(days=self.dice.random() * DAYS)
        model = self.dice.choice(MODELS)
        conversation = Conversation(owner_id=device.owner_id, created_at=when)
        parent: Message | None = None
        said = ""
        for turn in range(length // 2):
            question = Message(
                conversation=conversation, parent=parent, role="user", content=self.text(chinese, 1, 3), device=device, created_at=when
            )
            when += timedelta(seconds=20)
            answer = Message(conversation=conversation, parent=question, role="assistant", content=self.text(chinese, 6, 30), created_at=when)
            if turn == 0:
                conversation.title = question.content[:60]
            said = f"{said}<|user|>{question.content}"[-12_000:]
            rows["messages"] += [question, answer]
            rows["runs"].append(self._run(answer, device, model, when, said))
            said += f"<|assistant|>{answer.content}"
            if self.dice.random() < 0.05:
                rows["feedback"].append(Feedback(message=answer, device=device, rating=self.dice.choice([1, 1, 1, -1]), comment=""))
            parent, when = answer, when + timedelta(seconds=60)
        conversation.leaf_id, conversation.updated_at = (parent.id if parent else None), when
        conversation.deleted_at = when if self.dice.random() < 0.02 else None
        rows["conversations"].append(conversation)

    def _run(self, answer: Message, device: Device, model: str, when: datetime, prompt: str) -> Run:
        tokens = len(answer.content) // 3
        speed = self.dice.uniform(20, 150)
        return Run(
            message=answer, device=device, status="done", finish_reason=self.dice.choice(REASONS), model=model, prompt=prompt,
            template_hash="0" * 64, sampling={"temperature": 0.7, "top_p": 0.9, "top_k": 50}, prompt_tokens=len(prompt) // 3,
            completion_tokens=tokens, context_limit=4096, queue_s=self.dice.expovariate(2), first_token_s=self.dice.expovariate(1.5),
            total_s=tokens / speed, tokens_per_second=speed, frames="a8," * 40, created_at=when, started_at=when, ended_at=when,
        )  # fmt: skip

    def text(self, chinese: bool, least: int, most: int) -> str:
        count = self.dice.randint(least, most)
        if chinese:
            words = "，".join(self.dice.choice(CHINESE) for _ in range(count)) + "。"
        else:
            words = " ".join(self.dice.choice(ENGLISH) for _ in range(count * 6)) + "."
        if self.dice.random() < 0.001:
            words += f" {RARE_ZH if chinese else RARE_EN}"
        return words


def sizes() -> Iterator[tuple[str, int]]:
    for model in (Conversation, Message, Run, Feedback):
        yield model.__name__, model.objects.count()
