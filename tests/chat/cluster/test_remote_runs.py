"""A run mirrored from updates is frame by frame the run that lives, whatever of the updates is lost, late or doubled."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.cluster import messages
from chat.cluster.messages import Update
from chat.cluster.remote_runs import RemoteRun
from chat.identity import Client
from chat.liverun import LiveRun
from chat.models import Device, Run
from chat.protocol import End, TimingSeconds, UsageCount
from chat.services import NewRun
from inference.types import Delta


def living() -> LiveRun:
    run = LiveRun(
        NewRun(uuid4(), uuid4(), uuid4(), uuid4(), Run()), client=Client(Device(id=uuid4(), owner_id=uuid4()), "phone"), key="k", language="en"
    )
    run.set_place(2, 1.5)
    return run


def end(run: LiveRun) -> None:
    run.log.end = End(
        run=run.new.run, seq=len(run.log.pieces) + 1, finish_reason="stop", usage=UsageCount(completion_tokens=1), timing=TimingSeconds()
    )


def mirror_of(run: LiveRun) -> RemoteRun:
    return RemoteRun(run.new.run, run.conversation, run.client.owner)


def history(run: LiveRun) -> list[dict[str, Any]]:
    """What is said of a run from its place in the queue to its end, step by step."""
    update = Update(run)
    said = [update.next()]
    run.begin("fake", None)
    said.append(update.next())
    for text, channel in (("hm ", "thinking"), ("a ", "answer"), ("b ", "answer")):
        run.add(Delta(text, channel))  # type: ignore[arg-type]
        said.append(update.next())
    run.add(Delta("c ", "answer"))
    run.fail("decoding_failed", "It failed.", retryable=True)
    end(run)
    return [*said, update.next()]


def same(mirror: RemoteRun, run: LiveRun) -> bool:
    return vars(mirror.log) == vars(run.log)


def test_updates_make_the_same_log() -> None:
    run = living()
    mirror = mirror_of(run)
    steps = history(run)
    assert mirror.take(steps[0])
    assert mirror.place is not None
    assert (mirror.place.position, mirror.place.key) == (2, "k")
    assert all(mirror.take(step) for step in steps[1:])
    assert mirror.place is None
    assert same(mirror, run)


@given(order=st.lists(st.integers(0, 5), max_size=12))
def test_doubled_and_lost_updates_are_known_by_their_numbers(order: list[int]) -> None:
    """Whatever came: what there is, is a beginning of the run; a hole is never filled by what follows; and the whole run mends everything."""
    run = living()
    mirror = mirror_of(run)
    steps = history(run)
    for step in order:
        mirror.take(steps[step])
        assert mirror.log.pieces == run.log.pieces[: len(mirror.log.pieces)]
        assert mirror.log.end is None or same(mirror, run)
    assert mirror.take(messages.whole(run)["update"])
    assert same(mirror, run)


def test_a_hole_is_said() -> None:
    run = living()
    steps = history(run)
    mirror = mirror_of(run)
    assert mirror.take(steps[1])
    assert not mirror.take(steps[4])
    assert not mirror.take(steps[5])
    assert mirror.log.pieces == []


def test_nothing_new_is_nothing() -> None:
    run = living()
    update = Update(run)
    assert "place" in update.next()
    assert update.next() == {}


@pytest.mark.parametrize("name", ["run", "conversation", "owner"])
def test_a_whole_run_says_whose_it_is(name: str) -> None:
    run = living()
    expected = {"run": run.new.run, "conversation": run.conversation, "owner": run.client.owner}
    assert UUID(messages.whole(run)[name]) == expected[name]
