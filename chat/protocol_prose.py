"""The words and examples of docs/protocol.md. The examples are frames, so they cannot be invalid."""

from __future__ import annotations

from uuid import UUID

from chat.protocol import (
    Changed,
    Context,
    Continue,
    Edit,
    End,
    Error,
    Frame,
    Notice,
    Options,
    Ping,
    Pong,
    Queued,
    Regenerate,
    Resume,
    SendMessage,
    Start,
    Stop,
    Stream,
    TimingSeconds,
    UsageCount,
)

RUN = UUID("5f0c2a4e-0000-4000-8000-000000000001")
SECOND_RUN = UUID("5f0c2a4e-0000-4000-8000-000000000002")
CONVERSATION = UUID("c0a80001-0000-4000-8000-000000000001")
QUESTION = UUID("a11ce000-0000-4000-8000-000000000001")
ANSWER = UUID("a11ce000-0000-4000-8000-000000000002")
KEY = "phone-7-0001"

INTRO = """
One WebSocket, JSON objects in text messages, at

    ws://ADDRESS:8000/ws/chat/?v={version}&lang=en

`v` is the version of this document. `lang` (`en` or `zh-hans`) is the language of the sentences in `error` and `notice`; without it the
`Accept-Language` of the handshake decides.

**A client that states no version** gets only what the smallest client understands. It sends `{{"message": "…"}}` and receives

```json
{{"type": "start", "content": ""}}
{{"type": "stream", "content": "Hel"}}
{{"type": "stream", "content": "lo"}}
{{"type": "end"}}
```

Such a client sets its current line to `content` on `start`, appends on `stream`, and keeps the line on `end`. Thinking reaches it inside the text
as `<think>…</think>`, an error as an answer that holds the sentence. Each of its connections is one conversation. The frames may carry
further fields of this document, which it can ignore.

The same, for machines: [protocol.schema.json](protocol.schema.json).
"""

RULES = """
- **A run is one answer being written.** It belongs to the server, not to a socket: a client that goes away changes nothing about it.
- **`seq` counts a run's frames** from 0 (`start`) without a gap. `queued`, `error`, `notice` and `changed` have none: they may come again and
  then say the same.
- **Merged frames.** For a slow or late reader the server joins consecutive `stream` frames of one channel. The joined frame has the `seq`
  of the last and, as `first`, that of the first. A reader that has seen up to `n` applies a frame whose `first` (or else `seq`) is `n + 1`,
  ignores one whose `seq` is at most `n`, and answers any other with `resume`: where the borders inside a merged frame lie is not known.
- **`resume`** `{run, after}` sends the frames behind `after`, then goes on live. `after: -1` replays the run from its start, a finished one
  too (from its stored text, so perhaps in fewer and larger frames). `resume` after each reconnect, for each run that has not ended.
- **An `end` with a `seq` that was already passed** says that the server lost the last moments in a crash. What it has now is the truth:
  `resume` with `after: -1`.
- **A client may choose a conversation's id.** A `message` to an id that is not in use begins that conversation, so that what is said offline
  knows where it belongs before the server has heard of it.
- **`start` carries the text so far** (`content`, `thinking`): empty for a new answer, everything before the cut for a continued one. The
  pieces of `stream` go behind it.
- **Exactly one `end` per run.** An `error` with a `run` comes before that run's `end`; one with the code `no_run` says that there is no such run.
- **A message is stored when `queued` or `start` has come** with its `key` (or `notice`, for `/system`). Until then the client keeps it and
  may send it again with the same `key`: the same key twice is the same message. An `error` with the `key` says that it was refused; try
  again later only when `retryable`.
- **`changed` names a conversation** that was written in, renamed, pinned, deleted or begun by another socket or over HTTP. All sockets of its
  person get it; what it is now is at `/api/conversations/{id}`. A client that misses one loses nothing that its next look does not show.
- **Unknown fields and unknown types** in frames from the server are to be ignored: there may be more of them. The server refuses unknown
  fields, with an `error` that names the field.
- **Who is not paired** gets an `error` with the code `not_paired`, and the connection is closed with 4401. Connecting again at once does not
  help.
- **`ping`** is answered with `pong` at once. Phones lose connections without noticing: a client that heard nothing for a while should ask.
"""

CLIENT_INTRO = "An `id` is a UUID that came from the server. Every frame that creates a run may carry a `key`."

SERVER_INTRO = "A field that says nothing is left out; null is never sent."

SEQUENCE_INTRO = "`→` goes to the server, `←` comes from it."

EXAMPLES: dict[type[Frame], Frame] = {
    SendMessage: SendMessage(message="Hello", conversation=CONVERSATION, key=KEY, options=Options(temperature=0.7, max_tokens=512)),
    Stop: Stop(type="stop", run=RUN),
    Resume: Resume(type="resume", run=RUN, after=41),
    Regenerate: Regenerate(type="regenerate", message=ANSWER, key=KEY),
    Continue: Continue(type="continue", message=ANSWER, key=KEY),
    Edit: Edit(type="edit", message=QUESTION, content="Hello again", key=KEY),
    Ping: Ping(type="ping"),
    Queued: Queued(run=RUN, conversation=CONVERSATION, message=ANSWER, parent=QUESTION, key=KEY, position=2, eta_s=6.5),
    Start: Start(
        run=RUN,
        conversation=CONVERSATION,
        message=ANSWER,
        parent=QUESTION,
        key=KEY,
        model="micromind",
        context=Context(used=34, limit=1024, dropped=0),
    ),
    Stream: Stream(run=RUN, seq=5, first=3, content=" there"),
    End: End(
        run=RUN,
        seq=6,
        finish_reason="stop",
        usage=UsageCount(prompt_tokens=34, completion_tokens=5),
        timing=TimingSeconds(queue_s=0.0, first_token_s=0.12, total_s=0.31, tokens_per_second=26.3),
    ),
    Error: Error(code="empty", message="The message is empty.", key=KEY),
    Notice: Notice(code="system_set", message="The system prompt is set.", conversation=CONVERSATION, key=KEY, stored=QUESTION),
    Changed: Changed(conversation=CONVERSATION),
    Pong: Pong(),
}

SEQUENCE: list[Frame | str] = [
    SendMessage(message="Tell me a long story", key=KEY),
    Queued(run=RUN, conversation=CONVERSATION, message=ANSWER, parent=QUESTION, key=KEY, position=1, eta_s=3.0),
    Start(run=RUN, conversation=CONVERSATION, message=ANSWER, parent=QUESTION, key=KEY, model="micromind"),
    Stream(run=RUN, seq=1, channel="thinking", content="A story, "),
    Stream(run=RUN, seq=2, channel="thinking", content="then."),
    Stream(run=RUN, seq=3, content="Once "),
    "  … the phone falls asleep, the connection is gone, the answer grows on; later, on a new connection:",
    Resume(type="resume", run=RUN, after=3),
    Stream(run=RUN, seq=9, first=4, content="upon a time there was"),
    Stream(run=RUN, seq=10, content=" a"),
    Stop(type="stop", run=RUN),
    End(run=RUN, seq=11, finish_reason="stopped", usage=UsageCount(prompt_tokens=21, completion_tokens=10), timing=TimingSeconds(total_s=1.9)),
    "  … and on:",
    Continue(type="continue", message=ANSWER, key="phone-7-0002"),
    Start(
        run=SECOND_RUN,
        conversation=CONVERSATION,
        message=ANSWER,
        parent=QUESTION,
        key="phone-7-0002",
        model="micromind",
        content="Once upon a time there was a",
        thinking="A story, then.",
    ),
    Stream(run=SECOND_RUN, seq=1, content=" fox."),
    End(run=SECOND_RUN, seq=2, finish_reason="stop", usage=UsageCount(prompt_tokens=31, completion_tokens=2), timing=TimingSeconds(total_s=0.2)),
]
