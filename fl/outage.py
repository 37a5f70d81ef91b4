"""Something that is away for a while: when to try again, and how often to say so."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping

_WAITS_S = (0.5, 1, 2, 4, 8, 15, 30)  # and so on each 30 s, for days if need be
_AGAIN_S = 3600.0


class Outage:
    """Each reason of an outage is logged once, and once more each hour that it lasts; so is its end.

    Args:
        log, what: the logger and the subject of its records: "line to the coordinator".
    """

    def __init__(self, log: logging.Logger, what: str, now: Callable[[], float] = time.monotonic) -> None:
        self._log, self._what, self._now = log, what, now
        self._told: dict[str, float] = {}  # reason -> when it was logged last
        self._since: float | None = None
        self._attempts = 0

    @property
    def active(self) -> bool:
        return self._since is not None

    def failed(self, reason: str, extra: Mapping[str, object] | None = None) -> float:
        """Note a failure; seconds to wait before the next try, spread at random over agents."""
        now = self._now()
        if self._since is None:
            self._since = now
        if now - self._told.get(reason, -_AGAIN_S) >= _AGAIN_S:
            self._told[reason] = now
            fields = {"reason": reason, "for_s": round(now - self._since), **(extra or {})}
            self._log.warning("%s down", self._what, extra=fields)
        wait = _WAITS_S[min(self._attempts, len(_WAITS_S) - 1)]
        self._attempts += 1
        return wait * random.uniform(0.75, 1.25)

    def over(self) -> None:
        """Note that it works."""
        if self._since is not None:
            self._log.info("%s up again", self._what, extra={"for_s": round(self._now() - self._since)})
        self._told, self._since, self._attempts = {}, None, 0
