from __future__ import annotations

import pytest

from inference.backend_health import FIRST_PAUSE_S, LONGEST_PAUSE_S, Health
from inference.errors import BackendBusy, BackendFailed, BackendTimeout, BackendUnreachable

FAILED = BackendFailed(url="u", status=500)
SILENT = BackendTimeout(url="u", seconds="5")
NOBODY = BackendUnreachable(url="u")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def test_a_failure_shuts_it_out_for_a_moment_and_each_further_one_for_twice_as_long(health: Health, clock: Clock) -> None:
    pauses = []
    for _ in range(10):
        health.failed(FAILED)
        pauses.append(health.retry_s())
        clock.now = health.retry_at
        assert health.looked(clock.now, None) is True, "it has answered a look"
        assert health.state == "trying"
        assert health.retry_s() is None
    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_only_an_answer_makes_it_whole_again(health: Health) -> None:
    assert health.failed(FAILED) is True
    assert health.failed(FAILED) is False, "it was down already"
    health.looked(0, None)
    assert (health.state, health.error) == ("trying", FAILED)
    assert health.answered() is True
    assert (health.state, health.error) == ("up", None)
    health.failed(FAILED)
    assert health.retry_s() == FIRST_PAUSE_S, "old failures are forgotten"


def test_the_wait_that_a_server_asks_for_holds(health: Health) -> None:
    health.failed(BackendBusy(url="u"), 17.0)
    assert health.retry_s() == 17.0
    health.failed(BackendBusy(url="u"), 9999.0)
    assert health.retry_s() == LONGEST_PAUSE_S


def test_nobody_there_is_down_at_once_and_silence_when_it_lasts(health: Health) -> None:
    assert health.looked(101, SILENT) is False
    assert health.state == "up"
    assert health.looked(102, SILENT) is True
    assert (health.state, health.gone) == ("down", 1)
    other = Health(lambda: 100.0)
    assert other.looked(101, NOBODY) is True
    assert (other.state, other.gone) == ("down", 1)


def test_a_server_that_was_heard_meanwhile_is_only_slow(health: Health, clock: Clock) -> None:
    for _ in range(5):
        began = clock.now
        clock.now += 5
        health.heard()
        assert health.looked(began, SILENT) is False
    assert health.state == "up"


def test_what_stays_away_is_gone_once(health: Health) -> None:
    for _ in range(3):
        health.looked(100, NOBODY)
    assert health.gone == 1
    assert health.retry_s() == 4 * FIRST_PAUSE_S
