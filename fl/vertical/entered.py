"""Up to which day a home's columns are in a sum, over restarts.

Two sums over nearly the same days, one with a home and one without it, show that home's part by their difference. So
a home enters another sum only once it has new days, and writes down which before its part leaves.
"""

from __future__ import annotations

import json
from pathlib import Path

from data import atomic
from data.json_text import loads
from fl.vertical.errors import VerticalRefused


class Entered:
    """The record of one home and one partner. `path`: None keeps it in memory, for one machine that plays all."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last_day = None if path is None or not path.exists() else _read(path)

    def enter(self, last_day: int, fresh_days: int) -> None:
        """Write down that the days up to this one are in a sum. Raises VerticalRefused where too few are new."""
        before = self._last_day
        if before is not None and last_day < before + fresh_days:
            raise VerticalRefused(
                f"this home has {max(last_day - before, 0)} days that are new since the last sum with this partner, "
                f"and enters another after {fresh_days}: two sums of the same days would show their difference"
            )
        if self._path is not None:
            atomic.write_bytes(self._path, json.dumps({"last_day": last_day}).encode(), private=True)
        self._last_day = last_day


def _read(path: Path) -> int:
    try:
        return int(loads(path.read_bytes())["last_day"])
    except (ValueError, KeyError, TypeError) as problem:
        raise VerticalRefused(
            f"{path} is damaged ({type(problem).__name__}): it says which days of this home are in a sum. Put a copy "
            "back; without one, wait until the home has as many new days as it asks for, then delete the file"
        ) from None
