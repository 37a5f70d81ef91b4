"""An outage: when to retry, and how often to log it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from fl.deployment.backoff import Backoff

_FIRST_S = 0.5
_AGAIN_S = 3600.0


class Outage:
    """Logs each reason of an outage once, and once more every hour it lasts; also its end.

    Args:
        log, what: the logger and the subject of its records: "connection to the coordinator".
        most_s: the longest wait, since an outage may last for days.
    """

    def __init__(
        self, log: logging.Logger, what: str, now: Callable[[], float] = time.monotonic, most_s: float = 30.0
    ) -> None:
        self._log, self._what, self._now = log, what, now
        self._logged_at: dict[str, float] = {}  # reason -> when it was logged last
        self._since: float | None = None
        self._wait = Backoff(min(_FIRST_S, most_s), most_s, now)

    @property
    def active(self) -> bool:
        return self._since is not None

    def failed(self, reason: str) -> float:
        """Record a failure; returns the seconds to wait before the next attempt, spread at random over agents."""
        now = self._now()
        if self._since is None:
            self._since = now
        if now - self._logged_at.get(reason, -_AGAIN_S) >= _AGAIN_S:
            self._logged_at[reason] = now
            self._log.warning("%s down", self._what, extra={"reason": reason, "for_s": round(now - self._since)})
        return self._wait.failed()

    def over(self) -> None:
        """Record that it works again."""
        if self._since is not None:
            self._log.info("%s up again", self._what, extra={"for_s": round(self._now() - self._since)})
        self._logged_at, self._since = {}, None
        self._wait.worked()
