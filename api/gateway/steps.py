"""When the steps of a day's work began and ended; loads nothing, for the process that proves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A step that is over; times in nanoseconds since 1970."""

    name: str
    began_ns: int
    ended_ns: int


class Steps:
    """The steps that are done, in order."""

    def __init__(self) -> None:
        self.done: list[Step] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block; a step that fails is none."""
        began = time.time_ns()
        yield
        self.done.append(Step(name, began, time.time_ns()))
