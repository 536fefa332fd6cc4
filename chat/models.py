"""What is stored. Rows are written by services.py and read by selectors.py only."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from pydantic import ValidationError as OptionsError

from chat.protocol import MAX_MESSAGE_CHARS, Options


def validate_options(value: object) -> None:
    """Stored options are held to the same ranges as those that come over the wire."""
    try:
        Options.model_validate(value)
    except OptionsError as error:
        first = error.errors(include_url=False)[0]
        raise ValidationError(f"{'.'.join(map(str, first['loc'])) or 'options'}: {first['msg']}") from error


class Owner(models.Model):
    """A person. All devices of one owner see the same conversations; nobody else's."""

    class Kind(models.TextChoices):
        HOST = "host", "this computer"
        PERSON = "person", "a person"
        OPEN = "open", "everybody (--open)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PERSON)
    name = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changes = models.BigIntegerField(default=0, editable=False)
    """Counts what changes in their conversations: see changes.py."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind"], condition=Q(kind__in=["host", "open"]), name="one_host_one_open")]

    def __str__(self) -> str:
        return self.name or self.get_kind_display()


class Device(models.Model):
    """A phone or browser that was paired, or a key for other programs. Its token is stored as a SHA-256 only; `revoked_at` shuts it out."""

    class Kind(models.TextChoices):
        DEVICE = "device", "phone or browser"
        KEY = "key", "key for programs"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="devices")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.DEVICE, editable=False)
    """A device chats and sees what its person has written; a key opens /v1/ and nothing else."""
    name = models.CharField(max_length=100, blank=True)
    token_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Exact to a minute or so: it is not written with every request."""
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name or str(self.id)[:8]


class ApiKey(Device):
    """The devices that are keys, for the admin."""

    class Meta:
        proxy = True


class PairingCode(models.Model):
    """A code that makes one device, once, until it expires. Stored as a SHA-256."""

    code_hash = models.CharField(max_length=64, unique=True, editable=False)
    owner = models.ForeignKey(Owner, null=True, blank=True, on_delete=models.CASCADE)
    """Whose further device it makes; without one it makes a new person's."""
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL)


class Persona(models.Model):
    """A named system prompt with its sampling."""

    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=200, blank=True)
    system_prompt = models.TextField(blank=True, max_length=MAX_MESSAGE_CHARS)
    options = models.JSONField(default=dict, blank=True, validators=[validate_options])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    persona = models.ForeignKey(Persona, null=True, blank=True, on_delete=models.SET_NULL)
    model = models.CharField(max_length=200, blank=True)
    """Which of the configured models answers here; blank: the default one."""
    options = models.JSONField(default=dict, blank=True, validators=[validate_options])
    leaf = models.ForeignKey("Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The last message of the branch that is open."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)
    pinned_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    """Its person has deleted it and sees it no more. The record stays with the owner of the computer, who may remove it."""

    class Meta:
        indexes = [models.Index(fields=["owner", "-updated_at"]), models.Index(fields=["-updated_at"])]

    def __str__(self) -> str:
        return self.title or str(self.id)[:8]


class Change(models.Model):
    """The newest change of a conversation. It stays when the conversation is removed, so that phones learn that it is gone."""

    conversation = models.UUIDField(primary_key=True, editable=False)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="+")
    number = models.BigIntegerField()
    """Its place among the person's changes: Owner.changes of then."""

    class Meta:
        indexes = [models.Index(fields=["owner", "number"])]

    def __str__(self) -> str:
        return f"{self.number}: {self.conversation}"


class Message(models.Model):
    """A turn. The messages of a conversation are a tree by `parent`: edit and regenerate add a branch and keep the old."""

    class Role(models.TextChoices):
        SYSTEM = "system"
        USER = "user"
        ASSISTANT = "assistant"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    role = models.CharField(max_length=9, choices=Role.choices)
    content = models.TextField(blank=True)
    thinking = models.TextField(blank=True)
    thinking_s = models.FloatField(null=True, blank=True)
    """Seconds from the first token of thinking to the first of the answer, all runs of the message together."""
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL)
    key = models.CharField(max_length=64, null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["conversation", "created_at"])]
        constraints = [models.UniqueConstraint(fields=["device", "key"], name="message_key_once")]

    def __str__(self) -> str:
        return f"{self.role}: {self.content[:40]}"


class Run(models.Model):
    """The audit of one answer, or of one part of it: a continued answer has several runs.

    A call of /v1/ that was not to be stored is a run without a message: its figures are kept, what was said is not.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"

    class FinishReason(models.TextChoices):
        STOP = "stop"
        LENGTH = "length"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        ERROR = "error"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.CASCADE, related_name="runs")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL)
    key = models.CharField(max_length=64, null=True, editable=False)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    finish_reason = models.CharField(max_length=12, choices=FinishReason.choices, blank=True)
    options = models.JSONField(default=dict)
    """What the message itself asked for; `sampling` is what it came to."""

    model = models.CharField(max_length=200, blank=True)
    prompt = models.TextField(blank=True)
    """Exactly as the model got it."""
    template_hash = models.CharField(max_length=64, blank=True)
    sampling = models.JSONField(default=dict)
    seed = models.BigIntegerField(null=True, blank=True)
    prompt_tokens = models.IntegerField(null=True, blank=True)
    completion_tokens = models.IntegerField(null=True, blank=True)
    context_limit = models.IntegerField(null=True, blank=True)
    dropped_messages = models.IntegerField(default=0)

    queue_s = models.FloatField(null=True, blank=True)
    first_token_s = models.FloatField(null=True, blank=True)
    total_s = models.FloatField(null=True, blank=True)
    tokens_per_second = models.FloatField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)

    base_answer = models.IntegerField(default=0)
    """Characters of the answer that were there before this run: more than 0 when it continues one."""
    base_thinking = models.IntegerField(default=0)
    frames = models.TextField(blank=True)
    """The lengths of the run's stream frames, so that a finished run can be replayed frame by frame: see runlog.py."""

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status"]),
            models.Index(fields=["-created_at"]),
            # The admin's filters ask which messages; without the message in the index each run is read, behind its whole prompt.
            models.Index(fields=["model", "created_at", "message"]),
            models.Index(fields=["finish_reason", "created_at", "message"]),
            # All that the statistics need, for the same reason.
            models.Index(
                fields=["created_at", "model", "finish_reason", "prompt_tokens", "completion_tokens", "first_token_s", "tokens_per_second"],
                name="chat_run_figures",
            ),
        ]
        constraints = [models.UniqueConstraint(fields=["device", "key"], name="run_key_once")]

    def __str__(self) -> str:
        return f"{self.model} {self.finish_reason or self.status}"


class RunEvent(models.Model):
    """The durable log of a running answer: text that was streamed since the last flush. Removed when the run's text is final."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.IntegerField()
    """Of the last frame in it."""
    channel = models.CharField(max_length=8)
    content = models.TextField()
    frames = models.TextField()
    """The lengths of its frames, as in Run.frames."""

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once")]


class Feedback(models.Model):
    """What its person thinks of an answer: thumbs up or down, and why."""

    class Rating(models.IntegerChoices):
        UP = 1, "up"
        DOWN = -1, "down"

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="feedback")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL)
    rating = models.SmallIntegerField(choices=Rating.choices, db_index=True)
    comment = models.TextField(blank=True, max_length=2000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.get_rating_display()


class SearchEntry(models.Model):
    """A message's words, for search.py. The index over `text` is the database's own: FTS5, or GIN on PostgreSQL (migration 0003)."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="search")
    text = models.TextField()
    """As search.segment leaves it: each Chinese character a word of its own."""
