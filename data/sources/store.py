"""Hours of a live meter: from its registers, and into the home's table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from data.sources.source import Hour, Quarters

if TYPE_CHECKING:  # an agent's main process loads no pandas
    import pandas as pd

_HOUR_S, _QUARTER_S = 3600, 900
_MAX_FILL_HOURS = 3


def hours_between(registers: list[tuple[int, int, int | None]]) -> list[Hour]:
    """The whole hours between registers (seconds since 1970, imported and exported Wh), in order of time.

    A gap of up to three hours is spread evenly and its hours are flagged; the hours of a longer one are left out. An
    hour has its quarters where no two readings are further apart than a quarter.
    """
    times = [at for at, _, _ in registers]
    if len(times) < 2:
        return []
    first, last = -(-times[0] // _HOUR_S) * _HOUR_S, times[-1] // _HOUR_S * _HOUR_S
    hours = []
    for start in range(first, last, _HOUR_S):
        gap = max(
            later - earlier for earlier, later in pairwise(times) if earlier < start + _HOUR_S and later > start
        )
        if gap > (_MAX_FILL_HOURS + 1) * _HOUR_S:
            continue
        marks = [_around(registers, at) for at in range(start, start + _HOUR_S + 1, _QUARTER_S)]
        quarters = _steps(marks)
        (imported,), exported = _steps([marks[0], marks[-1]])
        hours.append(
            Hour(
                datetime.fromtimestamp(start, UTC),
                imported,
                None if exported is None else exported[0],
                filled=gap > _HOUR_S,
                quarters=Quarters(*quarters) if gap <= _QUARTER_S else None,
            )
        )
    return hours


def _steps(marks: list[tuple[int, int | None]]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """What both registers grew by from one reading to the next; None for an export that is not known all along."""
    exports = [exported for _, exported in marks if exported is not None]
    imported = tuple(later - earlier for (earlier, _), (later, _) in pairwise(marks))
    if len(exports) < len(marks):
        return imported, None
    return imported, tuple(later - earlier for earlier, later in pairwise(exports))


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
    no home takes or feeds in so much, or less than nothing; how many came without their quarters."""

    added: int
    otherwise: int
    impossible: int
    without_quarters: int = 0


def store_hours(table: Path, home: str, hours: list[Hour], quarters: Path | None = None) -> Stored:
    """Add hours to the home's table, and their quarters to the table of `quarters`. Raises TableError.

    One impossible hour (a register that was replaced, a sensor that was reset) does not keep the others out.
    """
    from data.append import Addition, append_tables
    from data.table import HOUR, QUARTER, differing_rows, read_table

    by_start = {hour.start: hour for hour in hours}
    told = [by_start[start] for start in sorted(by_start)]
    ordered = [hour for hour in told if _all_possible(hour.imported, hour.exported, most_wh=HOUR.most_wh)]
    if not ordered:
        return Stored(0, 0, len(told))
    fine = [hour for hour in ordered if _has_quarters(hour)]
    additions = [Addition(table, _hours_table(home, ordered))]
    if quarters is not None and fine:
        additions.append(Addition(quarters, _quarters_table(home, fine), QUARTER))
    changed: set[pd.Timestamp] = set()
    for one in additions:
        if one.path.exists():
            changed |= set(differing_rows(read_table(one.path, one.step), one.rows)["ds"].dt.floor("h"))
    kept = [replace(one, rows=_without(one.rows, changed)) for one in additions]
    new = [one for one in kept if len(one.rows)]
    added = append_tables(new)[0].added if new else 0
    return Stored(added, len(changed), len(told) - len(ordered), 0 if quarters is None else len(ordered) - len(fine))


def _without(rows: pd.DataFrame, hours: set[pd.Timestamp]) -> pd.DataFrame:
    kept: pd.DataFrame = rows[~rows["ds"].dt.floor("h").isin(hours)]
    return kept.reset_index(drop=True)


def _all_possible(*readings: int | None, most_wh: int) -> bool:
    return all(0 <= wh <= most_wh for wh in readings if wh is not None)


def _has_quarters(hour: Hour) -> bool:
    """Whether its quarters were measured, are possible, and add up to it, whatever a source may say."""
    from data.table import QUARTER

    of = hour.quarters
    if of is None or hour.filled or sum(of.imported) != hour.imported:
        return False
    exported = () if of.exported is None else of.exported
    if exported and sum(exported) != hour.exported:
        return False
    return _all_possible(*of.imported, *exported, most_wh=QUARTER.most_wh)


def _hours_table(home: str, hours: list[Hour]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    from data.table import long_table

    exports = [hour.exported for hour in hours]
    return long_table(
        home,
        pd.DatetimeIndex([hour.start for hour in hours]),
        np.array([hour.imported for hour in hours], dtype=np.int64),
        np.array([hour.filled for hour in hours], dtype=bool),
        pd.Series(exports, dtype="Int64") if any(export is not None for export in exports) else None,
    )


def _quarters_table(home: str, hours: list[Hour]) -> pd.DataFrame:
    """Of hours that have quarters."""
    import numpy as np
    import pandas as pd

    from data.table import QUARTER, long_table

    parts = [hour.quarters for hour in hours if hour.quarters is not None]
    exports = [wh for part in parts for wh in part.exported or [None] * QUARTER.per_hour]
    return long_table(
        home,
        pd.DatetimeIndex([hour.start + QUARTER.length * i for hour in hours for i in range(QUARTER.per_hour)]),
        np.array([wh for part in parts for wh in part.imported], dtype=np.int64),
        False,
        pd.Series(exports, dtype="Int64") if any(export is not None for export in exports) else None,
        QUARTER,
    )
