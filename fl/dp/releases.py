"""Releases of noisy updates or sums, on disk, each with its noise, so that the privacy loss can be added up.

A ledger is one JSON file, written atomically under a lock and read again before each entry, so that two processes on
one ledger count together. It only grows: a ledger that has lost entries since this process read it is refused,
because a count that starts over would promise privacy that is already spent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data import atomic
from data.json_text import loads
from fl.errors import FederationError
from fl.file_lock import locked


class LedgerDamaged(FederationError):
    """The ledger cannot be read, or has lost entries, so the privacy spent is unknown."""


@dataclass(frozen=True)
class Release:
    """One release, made or about to be: when, the coordinator's round number, its noise."""

    at: str  # UTC, ISO 8601
    round: int | None
    sigma: float  # standard deviation of the noise in units of the sensitivity


class Releases:
    """The entries of one ledger file, readable by its owner alone.

    Args:
        form: the value of the file's `format`.
        owner: whose spending is in it, for messages: "this home", "the community".
        what: further values kept in the file beside the releases, by name, with what they start from.

    Raises LedgerDamaged for a file that is there and is no ledger of that form.
    """

    def __init__(self, path: Path, form: str, owner: str, what: dict[str, float] | None = None) -> None:
        self.path, self._form, self._owner = path, form, owner
        self.values: dict[str, float] = dict(what or {})
        self.entries: list[Release] = []
        self.refresh()

    @property
    def precision(self) -> float:
        """The sum of 1/sigma^2: releases of Gaussian noise compose to one of this precision (Dong et al. 2022)."""
        return math.fsum(release.sigma**-2 for release in self.entries)

    def refresh(self) -> None:
        """Read what other processes have written. Raises LedgerDamaged."""
        entries, values = self._read()
        if len(entries) < len(self.entries):
            raise LedgerDamaged(
                f"{self.path} has {len(entries)} releases, but had {len(self.entries)} a moment ago: restore "
                "it; until then nothing more is released"
            )
        self.entries = entries
        self.values |= values

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the file for this process, with its current content, while the block decides and writes."""
        with locked(self.path.with_suffix(".lock"), wait=True):
            self.refresh()
            yield

    def add(self, round_number: int | None, sigma: float) -> None:
        """Record one more release; it is on disk when this returns. Within `changing`. Raises OSError."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write([*self.entries, Release(now, round_number, sigma)], self.values)

    def keep(self, **values: float) -> None:
        """Record values beside the releases. Within `changing`."""
        self._write(self.entries, self.values | values)

    def _write(self, entries: list[Release], values: dict[str, float]) -> None:
        content: dict[str, Any] = {"format": self._form, **values, "releases": [asdict(each) for each in entries]}
        atomic.write_bytes(self.path, json.dumps(content, indent=1).encode(), private=True)
        self.entries, self.values = entries, values

    def _read(self) -> tuple[list[Release], dict[str, float]]:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return [], {}
        except OSError as problem:
            raise self._damaged(problem) from None
        try:
            content = loads(text)
            if content.get("format") != self._form:
                raise ValueError(f"its format is not {self._form}")
            entries = [Release(**entry) for entry in content["releases"]]
            if not all(isinstance(r.sigma, float | int) and 0 < r.sigma < math.inf for r in entries):
                raise ValueError("a release has no noise")
            values = {name: float(content[name]) for name in self.values}
            if not all(math.isfinite(value) for value in values.values()):
                raise ValueError("a value is not a finite number")
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise self._damaged(problem) from None
        return entries, values

    def _damaged(self, problem: Exception) -> LedgerDamaged:
        return LedgerDamaged(
            f"{self.path} is not a privacy ledger ({type(problem).__name__}), so what {self._owner} has spent is "
            "unknown. Restore a copy; if there is none, only its owner can decide to start over, by moving it away"
        )
