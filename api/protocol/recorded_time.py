"""Recorded time: the clock of a community that is tried on days of the past (`replay:` in community.yaml)."""

from __future__ import annotations

import time
from collections.abc import Callable

from api.config.replay_settings import ReplaySettings


class RecordedClock:
    """A clock that runs faster than this machine's, from a moment of the past. Calling it gives UTC seconds.

    The server's is the community's: it stands while the server is off. Gateways set theirs by it. Threads may
    share it.
    """

    def __init__(self, settings: ReplaySettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._speed, self._monotonic = settings.speed, monotonic
        self.set(settings.start.timestamp())

    def set(self, moment: float) -> None:
        """It is `moment` now, UTC seconds."""
        self._set_at = moment, self._monotonic()  # one assignment: another thread sees both parts or neither

    def __call__(self) -> float:
        moment, at = self._set_at
        return moment + (self._monotonic() - at) * self._speed


def clock_of(settings: ReplaySettings | None) -> Callable[[], float]:
    """The clock that a community lives by: UTC seconds of this machine, or recorded ones."""
    return time.time if settings is None else RecordedClock(settings)
