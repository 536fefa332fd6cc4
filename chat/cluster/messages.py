"""What the processes of one server say to each other, as JSON values.

A run travels as *updates*: where it stands in the queue, its start, its pieces from a number on, its error, its end. What came already is known by
its number and left out; where a number is missing, the whole run is asked for again. So an update may come twice, late, or never.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chat import calls
from chat.identity import Client
from chat.limits import Exceeded
from chat.liverun import LiveRun
from chat.models import Device
from chat.protocol import Channel, End, Error, Queued, Start
from chat.runlog import Piece
from chat.runs import Rejected
from inference.errors import EngineError
from inference.types import ChatMessage, Sampling

Json = dict[str, Any]

_LETTER: dict[str, str] = {"answer": "a", "thinking": "t"}
_CHANNEL: dict[str, Channel] = {"a": "answer", "t": "thinking"}
CALL_ENDS = {kind.__name__: kind for kind in (calls.Stopping, calls.NotRecorded, calls.Interrupted, calls.Ended)}


class EngineAway(EngineError):
    """The engine process does not answer: it has ended, or Redis has."""

    code = "engine_away"
    sentence = "The model is being started again. Send this once more in a moment."
    retryable = True


class Internal(Exception):
    """Something failed in the other process, whose log has it."""


class Update:
    """What there is to say of one run, from what was said before."""

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self._place: Queued | None = None
        self._sent = 0
        self._started = self._ended = False

    def next(self) -> Json:
        """What is new since the last call; {} when nothing is."""
        run, log = self.run, self.run.log
        said: Json = {}
        if run.place is not None and run.place is not self._place:
            self._place = run.place
            said["place"] = run.place.wire()
        if log.start is not None and not self._started:
            self._started = True
            said["start"] = log.start.wire()
        if self._sent < len(log.pieces):
            said |= {"from": self._sent, "pieces": packed(log.pieces[self._sent :])}
            self._sent = len(log.pieces)
        if log.end is not None and not self._ended:
            self._ended = True
            said |= {"error": log.error.wire()} if log.error is not None else {}
            said["end"] = log.end.wire()
        return said


def whole(run: LiveRun) -> Json:
    """A run with all that there is of it."""
    return {"run": run.new.run.hex, "conversation": run.conversation.hex, "owner": run.client.owner.hex, "update": Update(run).next()}


def packed(pieces: list[Piece]) -> list[tuple[str, str]]:
    return [(_LETTER[piece.channel], piece.text) for piece in pieces]


def unpacked(pieces: list[list[str]]) -> list[Piece]:
    return [Piece(_CHANNEL[letter], text) for letter, text in pieces]


def place_in(update: Json) -> Queued | None:
    return Queued.model_validate_json(update["place"]) if "place" in update else None


def start_in(update: Json) -> Start | None:
    return Start.model_validate_json(update["start"]) if "start" in update else None


def error_in(update: Json) -> Error | None:
    return Error.model_validate_json(update["error"]) if "error" in update else None


def end_in(update: Json) -> End | None:
    return End.model_validate_json(update["end"]) if "end" in update else None


# --- who asks ------------------------------------------------------------------------------------------------------------------------


def client_said(client: Client) -> Json:
    return {"device": client.device.id.hex, "owner": client.owner.hex, "fair": client.fair}


def client_in(said: Json) -> Client:
    """The web process has found out who it is; nothing but the ids is needed of the device."""
    return Client(Device(id=UUID(said["device"]), owner_id=UUID(said["owner"])), said["fair"])


def asked_said(asked: calls.Asked) -> Json:
    messages = [(message.role, message.content, message.thinking) for message in asked.messages]
    return {
        "model": asked.model,
        "messages": messages,
        "text": asked.text,
        "sampling": asked.sampling.said(),
        "store": asked.store,
        "label": asked.label,
    }


def asked_in(said: Json) -> calls.Asked:
    sampling: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said["sampling"].items()}
    fields: Json = said | {"messages": tuple(ChatMessage(*one) for one in said["messages"]), "sampling": Sampling(**sampling)}
    return calls.Asked(**fields)


# --- what went wrong -----------------------------------------------------------------------------------------------------------------


def error_said(error: BaseException) -> Json | None:
    """None for what nobody foresaw."""
    match error:
        case Rejected():
            return {"kind": "rejected", "error": error.error.wire()}
        case Exceeded():
            return {"kind": "exceeded", "code": error.code, "retry_after_s": error.retry_after_s, "limit": error.limit}
        case EngineError():
            return {"kind": "engine", "code": error.code, "params": {name: _plain(value) for name, value in error.params.items()}}
    return {"kind": "call", "name": type(error).__name__} if type(error) in CALL_ENDS.values() else None


def error_of(said: Json) -> Exception:
    match said["kind"]:
        case "rejected":
            return Rejected(Error.model_validate_json(said["error"]))
        case "exceeded":
            return Exceeded(said["code"], said["retry_after_s"], said["limit"])
        case "engine":
            kinds = {kind.code: kind for kind in _all_kinds(EngineError)}
            return kinds.get(said["code"], EngineError)(**said["params"])
        case "call":
            return CALL_ENDS[said["name"]]()
    return Internal("the engine process failed; its log says why")


def _all_kinds(kind: type[EngineError]) -> list[type[EngineError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _all_kinds(one))]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
