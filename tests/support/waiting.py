"""Waiting for what is to happen, never for a time: the limit is far beyond need and only ends a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeVar

LIMIT_S = 600.0
_FIRST_POLL_S, _LAST_POLL_S = 0.05, 0.5  # asking costs processor time, and most waits are short or long
Found = TypeVar("Found")


class Process(Protocol):
    """Its exit code, once it has ended."""

    def poll(self) -> int | None: ...


def until(
    get: Callable[[], Found | None], what: Callable[[], str] | str, over: Callable[[], str] = lambda: ""
) -> Found:
    """The first thing `get` gives that is neither None nor empty; fails the test with `what` if nothing comes.

    `over`: why nothing will come any more, which fails the test at once; empty as long as something may.
    """
    deadline, pause = time.monotonic() + LIMIT_S, _FIRST_POLL_S
    while True:
        why = over()  # first: what a process did before it ended is found
        if found := get():
            return found
        if time.monotonic() > deadline:
            why = f"not in {LIMIT_S:.0f} s"
        if why:
            raise AssertionError(f"{why}: {what if isinstance(what, str) else what()}")
        time.sleep(pause)
        pause = min(pause * 1.2, _LAST_POLL_S)


def ended(processes: Mapping[str, Process], by_itself: Collection[str] = ()) -> str:
    """Which of the processes have ended, and with what code; empty if none has. Those of `by_itself` may, with 0."""
    codes = {name: process.poll() for name, process in processes.items()}
    over = {name: code for name, code in codes.items() if code is not None and (code or name not in by_itself)}
    return ", ".join(f"{name} has ended with {code}" for name, code in over.items())
