"""Accounts for a gateway's days: each has a forecast, or a reason for having none in the log and the metrics.

A reason is logged when it arises, while there is still time, and again once the day's deadline has passed without a
forecast; the day is then also counted for the alert (`deploy/alerts.yml`). The newest reasons are kept in the home's
folder, for `wattproof status`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from api.gateway.not_forecast import NOT_RUNNING, REASONS
from data.atomic import write_bytes
from data.json_text import loads
from fl.deployment.telemetry import AgentMetrics

_log = logging.getLogger(__name__)
_DAY_S, _HOUR_S = 86_400, 3600
_KEEP_DAYS = 30
_KEPT_NAME = "not-forecast.json"


class DayWatch:
    """The days of one home.

    Args:
        start_hour_utc: when a day starts; `grace_s`: how long after that a forecast is due.
        has_forecast: whether a day has one.
        now: UTC seconds.
        folder: the home's own, where the reasons are kept.
    """

    def __init__(
        self,
        home: str,
        start_hour_utc: int,
        grace_s: int,
        has_forecast: Callable[[int], bool],
        now: Callable[[], float] = time.time,
        folder: Path | None = None,
    ) -> None:
        self._home, self._offset_s, self._grace_s = home, start_hour_utc * _HOUR_S, grace_s
        self._has_forecast, self._now = has_forecast, now
        self._folder = folder
        self._why: dict[int, tuple[str, str]] = {}
        self._counted: set[int] = set()
        self._last = self.today

    @property
    def today(self) -> int:
        """The community day by this machine's clock."""
        return (int(self._now()) - self._offset_s) // _DAY_S

    def because(self, day: int, code: str, reason: str) -> None:
        """Note why a day has no forecast yet; `code` is one of `not_forecast.REASONS`."""
        if self._why.get(day) == (code, reason) or self._has_forecast(day):
            return
        self._why[day] = code, reason
        self._keep()
        if day not in self._counted:
            _log.info("no forecast yet", extra={"home": self._home, "day": day, "code": code, "reason": reason})

    def settle(self, metrics: AgentMetrics) -> None:
        """Count each day whose deadline has passed without a forecast, once."""
        for reason in REASONS:
            metrics.without_forecast.labels(reason)  # Prometheus sees no increase in a series that does not exist yet
        today = self.today
        for day in range(self._last + 1, today):
            self.because(day, NOT_RUNNING, "the agent did not run that day, or its machine was asleep")
        self._last = max(self._last, today)
        for day, (code, reason) in sorted(self._why.items()):
            if day not in self._counted and self._is_over(day) and not self._has_forecast(day):
                self._counted.add(day)
                metrics.without_forecast.labels(code).inc()
                context = {"home": self._home, "day": day, "code": code, "reason": reason}
                _log.warning("day without a forecast", extra=context)
        self._why = {day: why for day, why in self._why.items() if day > today - _KEEP_DAYS}

    def _keep(self) -> None:
        if self._folder is not None and self._folder.is_dir():
            content = {str(day): {"code": code, "reason": reason} for day, (code, reason) in self._why.items()}
            write_bytes(self._folder / _KEPT_NAME, json.dumps(content).encode(), private=True)

    def _is_over(self, day: int) -> bool:
        """Whether the deadline of a day's forecast has passed."""
        return self._now() > day * _DAY_S + self._offset_s + self._grace_s


def kept_reason(folder: Path, day: int) -> str:
    """Why the day had no forecast when the home's agent last looked; empty where it has not said so."""
    try:
        return str(loads((folder / _KEPT_NAME).read_bytes())[str(day)]["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
