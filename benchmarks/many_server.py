"""`manage.py serve` with the fake engine and two clocks: when the engine gave each piece of text, and how long each write to the database took.

python -m benchmarks.many_server serve …; what is measured goes to the file BENCH_STAMPS, a line of JSON for each answer and each transaction.
python -m benchmarks.many_server devices N: makes a database with N paired phones, each of its own person, and prints their tokens.
"""

from __future__ import annotations

import json
import os
import runpy
import secrets
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import IO, Any

from inference.fake import FakeEngine
from inference.types import Delta, Finish, Prompt

ROOT = Path(__file__).resolve().parent.parent
WRITES = ("INSERT", "UPDATE", "DELETE")


def _stamp_stream(out: IO[str]) -> None:
    """At the contract, Engine.stream: the moment at which the chat gets a piece."""
    stream = FakeEngine.stream

    async def stamped(self: FakeEngine, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        yielded: list[float] = []
        async with aclosing(stream(self, prompt)) as events:
            async for event in events:
                if isinstance(event, Finish):
                    _note(out, {"run": prompt.id, "yielded": yielded})
                elif event.text:
                    yielded.append(monotonic())
                yield event

    FakeEngine.stream = stamped  # type: ignore[method-assign]


def _time_transactions(out: IO[str]) -> None:
    """Each transaction that wrote something: from before its lock is taken to after its commit."""
    from django.db import transaction
    from django.db.backends.signals import connection_created

    enter, leave = transaction.Atomic.__enter__, transaction.Atomic.__exit__
    began: dict[Any, float] = {}
    writes: dict[Any, int] = {}

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(WRITES):
            writes[context["connection"]] = writes.get(context["connection"], 0) + 1
        return execute(sql, params, many, context)

    def entered(self: transaction.Atomic) -> None:
        connection = transaction.get_connection(self.using)
        if not connection.in_atomic_block:
            began[connection], writes[connection] = monotonic(), 0
        enter(self)

    def left(self: transaction.Atomic, *error: Any) -> None:
        connection = transaction.get_connection(self.using)
        leave(self, *error)
        if not connection.in_atomic_block and writes.get(connection):
            _note(out, {"transaction": began[connection], "seconds": monotonic() - began[connection], "statements": writes[connection]})

    transaction.Atomic.__enter__, transaction.Atomic.__exit__ = entered, left  # type: ignore[method-assign]

    def count(connection: Any, **_: Any) -> None:
        if counted not in connection.execute_wrappers:  # one that comes from a pool is made again and again
            connection.execute_wrappers.append(counted)

    connection_created.connect(count, weak=False)


def _note(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


def make_devices(count: int) -> list[str]:
    """Paired phones in an empty database. Returns their tokens."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsite.settings")
    django.setup()
    from chat.identity import hash_secret
    from chat.models import Device, Owner
    from llmsite.serve.database import bring_up_to_date

    bring_up_to_date()
    tokens = [secrets.token_urlsafe(32) for _ in range(count)]
    owners = Owner.objects.bulk_create([Owner(name=f"person {number}") for number in range(count)])
    Device.objects.bulk_create(
        [Device(owner=owner, name=owner.name, token_hash=hash_secret(token)) for owner, token in zip(owners, tokens, strict=True)]
    )
    return tokens


def main() -> None:
    if sys.argv[1] == "devices":
        print(json.dumps(make_devices(int(sys.argv[2]))))
        return
    stamps = Path(os.environ["BENCH_STAMPS"]).open("a")  # noqa: SIM115 - it lives as long as the process
    _stamp_stream(stamps)
    _time_transactions(stamps)
    sys.argv = ["manage.py", *sys.argv[1:]]
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")


if __name__ == "__main__":
    main()
