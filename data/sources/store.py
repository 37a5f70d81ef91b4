"""Hours of a live meter: from its registers, and into the home's table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from data.sources.source import Hour

_HOUR_S = 3600
_MAX_FILL_HOURS = 3


def hours_between(registers: list[tuple[int, int, int | None]]) -> list[Hour]:
    """The whole hours between registers (seconds since 1970, imported and exported Wh), in order of time.

    A gap of up to three hours is spread evenly and its hours are flagged; the hours of a longer one are left out.
    """
    times = [at for at, _, _ in registers]
    if len(times) < 2:
        return []
    first, last = -(-times[0] // _HOUR_S) * _HOUR_S, times[-1] // _HOUR_S * _HOUR_S
    hours = []
    for start in range(first, last, _HOUR_S):
        begin, end = _around(registers, start), _around(registers, start + _HOUR_S)
        gaps = [later - earlier for earlier, later in pairwise(times) if earlier < start + _HOUR_S and later > start]
        if max(gaps) > (_MAX_FILL_HOURS + 1) * _HOUR_S:
            continue
        exported = None if begin[1] is None or end[1] is None else end[1] - begin[1]
        hours.append(Hour(datetime.fromtimestamp(start, UTC), end[0] - begin[0], exported, max(gaps) > _HOUR_S))
    return hours


def _around(registers: list[tuple[int, int, int | None]], moment: int) -> tuple[int, int | None]:
    """The registers at `moment`, interpolated between the readings around it."""
    after = next(index for index, (at, _, _) in enumerate(registers) if at >= moment)
    t1, i1, e1 = registers[after]
    if t1 == moment:
        return i1, e1
    t0, i0, e0 = registers[after - 1]
    exported = None if e0 is None or e1 is None else e0 + (e1 - e0) * (moment - t0) // (t1 - t0)
    return i0 + (i1 - i0) * (moment - t0) // (t1 - t0), exported


@dataclass(frozen=True)
class Stored:
    """How many hours a table has gained; how many it has measured otherwise, which stay; how many were left out, for
    no home takes or feeds in so much, or less than nothing."""

    added: int
    otherwise: int
    impossible: int


def store_hours(table: Path, home: str, hours: list[Hour]) -> Stored:
    """Add hours to the home's table. Raises TableError.

    One impossible hour (a register that was replaced, a sensor that was reset) does not keep the others out.
    """
    import numpy as np
    import pandas as pd

    from data.append import append_table
    from data.table import MAX_WH_PER_HOUR, differing_rows, long_table, read_table

    by_start = {hour.start: hour for hour in hours}
    told = [by_start[start] for start in sorted(by_start)]
    ordered = [
        hour
        for hour in told
        if all(0 <= wh <= MAX_WH_PER_HOUR for wh in (hour.imported, hour.exported) if wh is not None)
    ]
    impossible = len(told) - len(ordered)
    if not ordered:
        return Stored(0, 0, impossible)
    exports = [hour.exported for hour in ordered]
    new = long_table(
        home,
        pd.DatetimeIndex([hour.start for hour in ordered]),
        np.array([hour.imported for hour in ordered], dtype=np.int64),
        np.array([hour.filled for hour in ordered], dtype=bool),
        pd.Series(exports, dtype="Int64") if any(export is not None for export in exports) else None,
    )
    otherwise = 0
    if table.exists():
        changed = differing_rows(read_table(table), new)
        otherwise = len(changed)
        new = new[~new["ds"].isin(changed["ds"])].reset_index(drop=True)
    return Stored(append_table(table, new).added if len(new) else 0, otherwise, impossible)
