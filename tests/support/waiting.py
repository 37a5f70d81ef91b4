"""Waiting for what is to happen, never for a time: the limit is far beyond need and only ends a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 600.0
_FIRST_POLL_S, _LAST_POLL_S = 0.05, 0.5  # asking costs processor time, and most waits are short or long
Found = TypeVar("Found")


def until(get: Callable[[], Found | None], what: Callable[[], str] | str) -> Found:
    """The first thing `get` gives that is neither None nor empty; fails the test with `what` if nothing comes."""
    deadline, pause = time.monotonic() + LIMIT_S, _FIRST_POLL_S
    while not (found := get()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {LIMIT_S:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(pause)
        pause = min(pause * 1.2, _LAST_POLL_S)
    return found
