"""The time that a coordinator's rounds are measured by, moved by a test: a timeout is over when the test says so."""

from __future__ import annotations

import time
from pathlib import Path

import fl.deployment.fleet_server


class RoundTime:
    """Stands in for `time` in `fl.deployment.fleet_server`: its seconds are in a file.

    They are read anew between one look for replies and the next, so that what arrived before the time was moved
    counts as arrived in time, however slow the machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now = self._read()

    @classmethod
    def rules(cls, path: Path) -> None:
        """Let the rounds of this process be measured by a file."""
        fl.deployment.fleet_server.time = cls(path)  # type: ignore[assignment, attr-defined]

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self._now = self._read()

    def _read(self) -> float:
        return float(self._path.read_text()) if self._path.exists() else 0.0
