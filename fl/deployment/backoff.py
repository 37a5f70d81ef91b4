"""When to retry: after growing waits, and not all gateways of a community at once.

By hand: callers ask whether an attempt is due and go on with other work; tenacity blocks in the call that it retries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened at random by up to a half."""

    def __init__(self, first_s: float, most_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._first_s, self._most_s, self._now = first_s, max(first_s, most_s), now
        self._failures, self._until = 0, 0.0

    @property
    def due(self) -> bool:
        """Whether an attempt is due."""
        return self._failures == 0 or self._now() >= self._until

    def failed(self) -> float:
        """Record a failure; returns the seconds until the next attempt."""
        wait = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 60)) * random.uniform(0.5, 1)
        self._failures += 1
        self._until = self._now() + wait
        return wait

    def worked(self) -> None:
        self._failures = 0
