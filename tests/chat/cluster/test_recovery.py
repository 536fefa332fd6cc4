"""What a dead engine process left: the longer of its durable log and what Redis has heard."""

from __future__ import annotations

from uuid import UUID

import pytest

from chat import services
from chat.cluster.messages import packed
from chat.cluster.recovery import texts_in
from chat.models import Device, Owner, Run
from chat.runlog import Piece


def batch(engine: str, run: UUID, first: int, *texts: str) -> dict[str, object]:
    return {"engine": engine, "n": 1, "runs": {run.hex: {"from": first, "pieces": packed([Piece("answer", text) for text in texts])}}}


@pytest.fixture
def new(db: None) -> services.NewRun:
    made = services.send(device=Device.objects.create(owner=Owner.objects.create()), content="why?")
    services.append_events([services.Event(made.run, 2, (Piece("answer", "a"), Piece("answer", "b")))])
    return made


def recovered(new: services.NewRun, *batches: dict[str, object]) -> Run:
    assert services.any_unfinished()
    assert services.recover_interrupted(texts_in(batches, "dead")) == 1
    assert not services.any_unfinished()
    return Run.objects.select_related("message").get(id=new.run)


def test_redis_knows_more_than_the_last_flush(new: services.NewRun) -> None:
    run = recovered(new, batch("dead", new.run, 1, "b", "c"), batch("other", new.run, 2, "X"), batch("dead", new.run, 3, "d"))
    assert (run.message.content, run.finish_reason, run.frames) == ("abcd", "interrupted", "a1,1,1,1")


def test_behind_a_hole_nothing_counts(new: services.NewRun) -> None:
    assert recovered(new, batch("dead", new.run, 3, "d")).message.content == "ab"


def test_what_redis_has_less_of_changes_nothing(new: services.NewRun) -> None:
    assert recovered(new, batch("dead", new.run, 0, "a")).message.content == "ab"


def test_what_was_made_final_stays(new: services.NewRun) -> None:
    """An engine process that only slept saves its end later than the one that took its place: the phones have been told already."""
    recovered(new)
    pieces = [Piece("answer", text) for text in "abcdef"]
    services.finish_run(run=new.run, pieces=pieces, base_thinking="", base_answer="", finish_reason="stop")
    run = Run.objects.select_related("message").get(id=new.run)
    assert (run.message.content, run.finish_reason) == ("ab", "interrupted")
