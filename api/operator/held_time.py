"""In a replay the clock waits for homes that are late, as a day does not: a recorded day takes minutes, and on a busy
machine a proof takes as long as that.

Recorded time stands shortly before a day's forecasts close, as long as a home is awaited: one that forecast the day
before, or every member if none did. It waits no longer than a day takes, so that one that was stopped costs
this once.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.tables import Departure, Forecast, ModelRound
from api.operator.watching import watched
from api.protocol.recorded_time import RecordedClock

_log = logging.getLogger(__name__)
_EVERY_S = 0.5
_BEFORE_S = 2 * 3600
"""Recorded seconds before forecasts close: gateways, whose clocks are set every five seconds, are ahead by less."""


class HeldTime:
    """Looks again and again whether recorded time is to stand."""

    def __init__(self, community: Community, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._community, self._monotonic = community, monotonic
        self._held: tuple[int, float] | None = None  # the day that is waited for, and since when
        self._over = -1  # the last day that is waited for no more
        self._model_since: float | None = None
        self._has_looked = False

    def look(self) -> None:
        """Hold recorded time where a home is awaited, or let it go on."""
        clock, replay = self._community.now, self._community.config.replay
        if not isinstance(clock, RecordedClock) or replay is None:
            return
        model_since = self._has_model(clock())  # also on a day that is over: the next one's model may come today
        day = self._community.clock.day_of(datetime.fromtimestamp(clock(), UTC))
        if day <= self._over:
            return
        starts, grace_s = self._community.start_of(day), self._community.config.rewards.grace_seconds
        closes, stands = starts + grace_s, starts + grace_s - min(_BEFORE_S, grace_s / 2)
        awaited = self._awaited(day) if model_since <= starts else set()
        waited_s = 0.0 if self._held is None else self._monotonic() - self._held[1]
        if awaited and clock() < closes and waited_s < 60 * replay.day_minutes:
            clock.hold(stands)
            if clock() >= stands and self._held is None:
                self._held = day, self._monotonic()
                _log.info("recorded time waits", extra={"day": day, "homes": len(awaited)})
            return
        clock.let_go()
        if self._held is not None or clock() >= stands:
            self._over, self._held = day, None

    def _has_model(self, now: float) -> float:
        """Since when there is a model to forecast with; infinity while there is none."""
        if self._model_since is None:
            with self._community.sessions() as session:
                is_there = session.scalar(select(ModelRound.number).limit(1)) is not None
            if is_there:
                self._model_since = now if self._has_looked else -math.inf
        self._has_looked = True
        return math.inf if self._model_since is None else self._model_since

    def _awaited(self, day: int) -> set[str]:
        """Households whose forecast of the day has not come."""
        with self._community.sessions() as session:
            before, now = (
                set(session.scalars(select(Forecast.household).where(Forecast.day == one))) for one in (day - 1, day)
            )
            left = set(session.scalars(select(Departure.household)))
        return (before or self._community.meters().keys() - left) - now

    def watch(self) -> AbstractContextManager[object]:
        """Look twice a second while the block runs, in a replay."""
        if self._community.config.replay is None:
            return nullcontext()
        return watched(self.look, _EVERY_S, name="waiting for late homes", log=_log)
