from __future__ import annotations

import asyncio

import pytest

from chat import queueing
from chat.queueing import FairQueue


class Bench:
    """Runs that hold a place until they are told to give it back."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.started: list[str] = []
        self.places: dict[str, list[int]] = {}
        self.done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def enter(self, name: str, client: str) -> None:
        self.done[name] = asyncio.Event()
        self.places[name] = []
        self.tasks[name] = asyncio.create_task(self._hold(name, client))
        await settle()

    async def _hold(self, name: str, client: str) -> None:
        async with self.queue.slot(client, lambda place, eta: self.places[name].append(place)):
            self.started.append(name)
            await self.done[name].wait()

    async def leave(self, name: str) -> None:
        self.done[name].set()
        await self.tasks[name]
        await settle()

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_client_with_many_runs_does_not_starve_another() -> None:
    bench = Bench(FairQueue(slots=1))
    for name in ("a1", "a2", "a3", "a4"):
        await bench.enter(name, "A")
    await bench.enter("b1", "B")
    assert bench.places["b1"] == [0], "B waits for the running answer only"
    await bench.leave("a1")
    assert bench.started == ["a1", "b1"]
    await bench.leave("b1")
    assert bench.started == ["a1", "b1", "a2"]
    await bench.close()


async def test_free_places_go_to_who_has_none() -> None:
    bench = Bench(FairQueue(slots=3))
    for name in ("a1", "a2", "a3", "a4", "a5"):
        await bench.enter(name, "A")
    await bench.enter("b1", "B")
    await bench.enter("b2", "B")
    await bench.leave("a1")
    await bench.leave("a2")
    assert bench.started == ["a1", "a2", "a3", "b1", "a4"], "as many each; then who was served longest ago"
    await bench.close()


async def test_places_are_announced_when_they_change() -> None:
    bench = Bench(FairQueue(slots=1))
    for name in ("a1", "b1", "c1"):
        await bench.enter(name, name[0])
    assert bench.places == {"a1": [], "b1": [0], "c1": [1]}
    await bench.leave("a1")
    assert bench.places["c1"] == [1, 0]
    await bench.close()


async def test_an_estimate_comes_once_something_is_known() -> None:
    queue = FairQueue(slots=1)
    async with queue.slot("A", lambda place, eta: None) as held:
        held.begin()
    estimates: list[float | None] = []
    async with queue.slot("A", lambda place, eta: None):
        waiting = asyncio.create_task(_pass(queue, estimates))
        await settle()
    await waiting
    assert estimates[0] is not None


async def _pass(queue: FairQueue, estimates: list[float | None]) -> None:
    async with queue.slot("B", lambda place, eta: estimates.append(eta)):
        pass


async def test_who_gives_up_waiting_frees_the_way() -> None:
    bench = Bench(FairQueue(slots=1))
    await bench.enter("a1", "A")
    await bench.enter("b1", "B")
    await bench.enter("c1", "C")
    bench.tasks["b1"].cancel()
    await settle()
    assert bench.places["c1"][-1] == 0
    await bench.leave("a1")
    assert bench.started == ["a1", "c1"]
    await bench.close()
    assert len(bench.queue) == 0
    assert not bench.queue.active


async def test_cancelled_in_the_instant_of_the_grant_gives_the_place_back() -> None:
    queue = FairQueue(slots=1)
    bench = Bench(queue)
    await bench.enter("a1", "A")
    await bench.enter("b1", "B")
    bench.done["a1"].set()
    for _ in range(20):
        await asyncio.sleep(0)
        if queue.active["B"]:
            break
    bench.tasks["b1"].cancel()  # granted, and not yet running
    with pytest.raises(asyncio.CancelledError):
        await bench.tasks["b1"]
    assert queue.active.total() == 0
    await bench.close()


async def test_more_slots_let_more_in() -> None:
    bench = Bench(FairQueue(slots=0))
    await bench.enter("a1", "A")
    await bench.enter("a2", "A")
    assert bench.started == []
    bench.queue.resize(2)
    await settle()
    assert bench.started == ["a1", "a2"]
    await bench.close()


async def test_estimates_count_answers_and_not_what_was_loaded_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = FairQueue(slots=1)
    told: list[float | None] = []
    now = [100.0]
    monkeypatch.setattr(queueing, "monotonic", lambda: now[0])

    async def answers(begins: bool, somebody_waits: asyncio.Event) -> None:
        async with queue.slot("A", lambda place, eta: None) as held:
            now[0] += 30
            if begins:
                held.begin()
            await somebody_waits.wait()
            now[0] += 10

    async def waits() -> None:
        async with queue.slot("B", lambda place, eta: told.append(eta)):
            pass

    for begins in (False, True, True):
        somebody_waits = asyncio.Event()
        running = asyncio.create_task(answers(begins, somebody_waits))
        await settle()
        waiting = asyncio.create_task(waits())
        await settle()
        somebody_waits.set()
        await asyncio.gather(running, waiting)
    first, second, third = told
    assert (first, second) == (None, None), "nothing is known before the first answer, and a model that could not be loaded teaches nothing"
    assert third == pytest.approx(10)
