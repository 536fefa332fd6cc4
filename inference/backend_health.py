"""Whether one of several model servers is asked: a circuit breaker, fed by its answers and by looks at it. No network and no clock of its own here.

Michael T. Nygard, Release It! (2nd edition, 2018), chapter 5: closed, open and half open are called up, down and trying here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from inference.errors import BackendTimeout, BackendUnreachable, EngineError
from inference.types import BackendState

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""How long a server is left alone after a failure: the first pause, twice as long with each further one, never longer than the longest."""
SILENCES = 2
"""So many looks in a row must be left without an answer before a server counts as gone: one that computes hard may be late once."""


class Health:
    """`up`: it answers. `down`: it is left alone until `retry_at`. `trying`: it has answered a look, and one question at a time shows whether it
    answers those, too. Times are `clock`'s, in seconds; `since` is time.time(), for people."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.state: BackendState = "up"
        self.since = time.time()
        self.error: EngineError | None = None
        """Why it is not up."""
        self.retry_at = 0.0
        self.heard_at = clock()
        """When it last said anything."""
        self.gone = 0
        """Counts how often a look found nobody there: what still waits for its first token then, waits in vain."""
        self._failures = 0
        self._silences = 0

    def heard(self) -> None:
        self.heard_at = self._clock()

    def answered(self) -> bool:
        """A question was answered, at least begun to be. True when it was not up before."""
        self.heard()
        self._failures = self._silences = 0
        self.error = None
        return self._become("up")

    def failed(self, error: EngineError, after_s: float | None = None) -> bool:
        """A question was not answered. `after_s`: the wait that the server asked for. True when it was not down before."""
        self._failures += 1
        pause = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 16), after_s or 0.0))
        self.retry_at = self._clock() + pause
        self.error = error
        return self._become("down")

    def looked(self, began: float, error: EngineError | None) -> bool:
        """A look that began at `began` has ended. True when the state is another one."""
        if error is None:
            self.heard()
            self._silences = 0
            return self.state == "down" and self._become("trying")
        if isinstance(error, BackendTimeout):
            self._silences += 1
            if self.state != "down" and (self.heard_at >= began or self._silences < SILENCES):
                return False
        if isinstance(error, BackendTimeout | BackendUnreachable) and self.state != "down":
            self.gone += 1
        return self.failed(error)

    def retry_s(self) -> float | None:
        """Seconds until it is looked at again; None when it is not down."""
        return max(0.0, self.retry_at - self._clock()) if self.state == "down" else None

    def _become(self, state: BackendState) -> bool:
        if state == self.state:
            return False
        self.state, self.since = state, time.time()
        return True
