"""Hours that are numbered through the day: on a day of 25 hours from 1 to 25, on one of 23 from 1 to 23.

Their numbers count what has passed since local midnight, also where clocks change: the number is no wall time there.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.importing.cells import DAY_S, FIRST, NO_OFFSET, SECOND, Ints

_HOUR_S = 3600
Numbers = NDArray[np.float64]


def day_lengths(zone: ZoneInfo | None, dates: Ints) -> tuple[Ints, Ints]:
    """Of days (wall seconds of their midnights [n]) the offset at their start and their length, in seconds [n]."""
    unique, at = np.unique(dates, return_inverse=True)
    begins, ends = (
        np.array([_offset(zone, int(day) + later) for day in unique], dtype=np.int64) for later in (0, DAY_S)
    )
    return begins[at], (DAY_S + begins - ends)[at]


def offsets_of_numbered(
    zone: ZoneInfo | None, dates: Ints, seconds: Ints, step: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """Offsets [n] of hours, or other intervals of `step` seconds, that count from midnight (`seconds` [n]) on days on
    which clocks change, NO_OFFSET for all others; and which rows [n] lie after their day's end."""
    offsets = np.full(len(dates), NO_OFFSET)
    begins, lengths = day_lengths(zone, dates)
    for day in np.unique(dates[lengths != DAY_S]).tolist():
        rows = dates == day
        length = int(lengths[rows][0])
        there = set(seconds[rows].tolist())
        if there in (set(range(0, length, step)), set(range(step, length + 1, step))):
            offsets[rows] = begins[rows]
    return offsets, (seconds > DAY_S) & (offsets == NO_OFFSET)


def offsets_of_columns(
    zone: ZoneInfo | None, dates: Ints, seconds: Ints, numbers: Numbers
) -> tuple[Ints, NDArray[np.bool_]]:
    """The same for tables with a row for each day: dates [d], seconds of the columns [c], numbers [d, c], NaN for
    empty cells; offsets [d], and which cells [d, c] are none of the day's."""
    begins, lengths = day_lengths(zone, dates)
    step = int(seconds[1] - seconds[0])
    first = int(seconds[0])  # 0, or a step where columns name ends
    beyond = seconds[None, :] - first >= lengths[:, None]
    empty = np.isnan(numbers)
    is_numbered = (lengths != DAY_S) & (empty == beyond).all(axis=1) & ((seconds[-1] - first + step) != DAY_S)
    is_numbered |= (lengths < DAY_S) & (empty == beyond).all(axis=1)
    outside = np.where(is_numbered[:, None], beyond, (seconds - first >= DAY_S)[None, :])
    return np.where(is_numbered, begins, NO_OFFSET), outside


def offsets_of_marked(zone: ZoneInfo | None, wall: Ints, offsets: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Offsets [n] with those of hours that are marked A and B, and which marked ones [n] did not occur twice. A time
    may be the hour's start or its end. Without a zone the marks say nothing."""
    marked = np.flatnonzero((offsets == FIRST) | (offsets == SECOND))
    found, wrong = offsets.copy(), np.zeros(len(wall), dtype=bool)
    for at in marked.tolist():
        both = [[_offset(zone, int(wall[at]) - back, fold) for fold in (0, 1)] for back in (0, _HOUR_S)]
        repeated = next((pair for pair in both if pair[0] > pair[1]), None)
        wrong[at] = zone is not None and repeated is None
        found[at] = repeated[int(offsets[at] == SECOND)] if repeated else NO_OFFSET
    return found, wrong


def _offset(zone: ZoneInfo | None, wall: int, fold: int = 0) -> int:
    if zone is None:
        return 0
    delta = datetime.fromtimestamp(wall, UTC).replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if delta is None else int(delta.total_seconds())
