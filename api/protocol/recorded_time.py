"""Recorded time: the clock of a community that is tried on days of the past (`replay:` in community.yaml)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from api.config.replay_settings import ReplaySettings


class RecordedClock:
    """A clock that runs faster than this machine's, from a moment of the past. Calling it gives UTC seconds.

    The server's is the community's: it stands while the server is off, and at a moment where it is held. Gateways set
    theirs by it. Threads may share it.
    """

    def __init__(self, settings: ReplaySettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._speed, self._monotonic = settings.speed, monotonic
        self._asked = self._held_at = math.inf  # where it is to stand, and where it does
        self.set(settings.start.timestamp())

    def set(self, moment: float) -> None:
        """It is `moment` now, UTC seconds."""
        self._set_at = moment, self._monotonic()  # one assignment: another thread sees both parts or neither

    def hold(self, moment: float) -> None:
        """It stands once it gets to `moment`, where it is later at once, until it is let go."""
        if moment != self._asked:
            now = self()
            self.set(now)
            self._asked, self._held_at = moment, max(moment, now)

    def let_go(self) -> None:
        """It goes on from where it stands."""
        if self._asked < math.inf:
            now = self()
            self._asked = self._held_at = math.inf
            self.set(now)

    def __call__(self) -> float:
        moment, at = self._set_at
        return min(moment + (self._monotonic() - at) * self._speed, self._held_at)


def clock_of(settings: ReplaySettings | None) -> Callable[[], float]:
    """The clock that a community lives by: UTC seconds of this machine, or recorded ones."""
    return time.time if settings is None else RecordedClock(settings)
