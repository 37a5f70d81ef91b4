"""Waiting for what is to happen, never for a time: the limit is far beyond need and only ends a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 300.0
_POLL_S = 0.1
Found = TypeVar("Found")


def until(get: Callable[[], Found | None], what: Callable[[], str] | str) -> Found:
    """The first thing `get` gives that is neither None nor empty; fails the test with `what` if nothing comes."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := get()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {LIMIT_S:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(_POLL_S)
    return found
