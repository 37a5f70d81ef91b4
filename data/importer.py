"""A household's own file becomes the long table: whole UTC hours, whole Wh, energy conserved, no gap hidden.

Intervals of 15, 30 or 60 minutes, or readings of a cumulative register. A short gap is filled and its hours flagged
(interpolated; where a register tells the energy of the gap, that energy is spread over it); a long one is cut out, as
are hours that the file has in part only.

Sums are exact (`csv_rows.MICRO`), and rounding to whole Wh looks at nothing but the hour itself, so that the same
meter gives the same hours wherever an export of it starts. A register is rounded at each full hour: its hours add up
to its own difference within 1 Wh, however many they are. Intervals have no such fixed points: each hour's sum is
rounded by itself, halves to even. That is off by up to half a Wh an hour, up and down by chance: by 27 Wh over a year
(standard deviation, the root of 8760/12), and by nothing where the meter counts in whole Wh.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.csv_rows import MICRO, Rows, read_rows
from data.errors import DataError, ImportRefused
from data.home_name import HOME_NAME_RULE, is_home_name
from data.local_time import to_utc
from data.table import MAX_WH_PER_HOUR, long_table

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
INTERVALS_S = (900, 1800, 3600)
HOUR_S = 3600
_RUN = 4
"""That many equal steps in a row, longer than the interval, are not gaps but another interval."""


@dataclass(frozen=True)
class ImportOptions:
    """What the file does not say itself.

    `unique_id`: the home. `timezone`: IANA name, for times without an offset. `stamp`: whether a time names the start
    or the end of its interval. `cumulative`: values are a register's readings at the times. `max_fill_hours`: the
    longest gap that is filled.
    """

    unique_id: str
    timezone: str | None = None
    stamp: Literal["start", "end"] = "start"
    cumulative: bool = False
    max_fill_hours: int = 3

    def __post_init__(self) -> None:
        if not is_home_name(self.unique_id):
            raise DataError(f"home {self.unique_id!r} can't be imported: {HOME_NAME_RULE}")
        if self.max_fill_hours < 0:
            raise DataError("max_fill_hours must be at least 0")


@dataclass(frozen=True)
class Imported:
    """What came in: long tables of consumption and, if the file has it, of export; what was filled and cut."""

    readings: pd.DataFrame = field(repr=False)
    export: pd.DataFrame | None = field(repr=False)
    interval_minutes: int
    filled_hours: int
    cut_hours: int


@dataclass(frozen=True, repr=False)
class _Grid:
    """One column on the grid of its intervals: µWh in each, whether that is `known`, and whether it is `filled`.

    `first`: the first interval's start, UTC seconds. `register`: the register's reading there, µWh; None where the
    file has none.
    """

    first: int
    interval: int
    energy: Ints
    known: Mask
    filled: Mask
    register: int | None = None


def import_file(path: Path, options: ImportOptions) -> Imported:
    """Import a file of readings. Raises ImportRefused saying what is wrong, on which line, and what to do."""
    rows = read_rows(path)
    seconds = np.array([int(m.timestamp()) for m in to_utc(path, rows.lines, rows.stamps, options.timezone)])
    interval = _interval(path, rows, seconds)
    tables = []
    for column in (rows.energy, rows.export):
        if column is not None:
            grid = _grid(path, rows, seconds, np.array(column), interval, options)
            tables.append(_hours(path, grid, options.unique_id))
    readings, cut = tables[0]
    return Imported(
        readings=readings,
        export=tables[1][0] if len(tables) > 1 else None,
        interval_minutes=interval // 60,
        filled_hours=int(readings["filled"].sum()),
        cut_hours=cut,
    )


def _interval(path: Path, rows: Rows, seconds: NDArray[np.int64]) -> int:
    """The file's interval in seconds: its most common step, to whose UTC grid all times must keep."""
    steps = np.diff(seconds)
    if len(steps) == 0:
        raise ImportRefused(path, "has a single reading: the interval cannot be told", rows.lines[0])
    sizes, counts = np.unique(steps, return_counts=True)
    interval = int(sizes[np.argmax(counts)])
    if interval not in INTERVALS_S:
        raise ImportRefused(path, f"readings are {interval / 60:g} minutes apart: 15, 30 and 60 are understood")
    off = np.flatnonzero(seconds % interval)
    if len(off):
        problem = f"the time is not on the {interval // 60}-minute grid of UTC hours: export at full intervals"
        raise ImportRefused(path, problem, rows.lines[off[0]])
    _check_steady(path, rows.lines, steps, interval)
    return interval


def _check_steady(path: Path, lines: list[int], steps: NDArray[np.int64], interval: int) -> None:
    """Refuse a file whose interval changes: its longer intervals would pass for gaps, and their energy be doubled."""
    for other in INTERVALS_S:
        if other > interval and len(steps) >= _RUN:
            runs = np.convolve(steps == other, np.ones(_RUN), mode="valid") == _RUN
            if runs.any():
                minutes = f"{other // 60} minutes apart from here on, elsewhere {interval // 60}"
                raise ImportRefused(path, f"readings are {minutes}: import each part", lines[int(runs.argmax())])


def _grid(path: Path, rows: Rows, seconds: Ints, values: Ints, interval: int, options: ImportOptions) -> _Grid:
    """Lay one column out on the grid and fill its short gaps."""
    longest = options.max_fill_hours * HOUR_S // interval
    slots = (seconds - seconds[0]) // interval
    if options.cumulative:
        _check_register(path, rows, slots, values, interval)
        return _Grid(int(seconds[0]), interval, *_spread(slots, values, longest), register=int(values[0]))
    _check_size(path, rows.lines, values, np.ones_like(values), interval)
    first = int(seconds[0]) - (interval if options.stamp == "end" else 0)
    return _Grid(first, interval, *_interpolate(slots, values, longest))


def _check_size(path: Path, lines: list[int], energy: Ints, intervals: Ints, interval: int) -> None:
    """Refuse more energy in so many intervals than a home can take."""
    limit = MAX_WH_PER_HOUR * interval / HOUR_S
    over = np.flatnonzero(energy > limit * MICRO * intervals)
    if len(over):
        problem = f"more than {limit / 1000:.0f} kWh in {interval // 60} minutes: is it Wh, or a cumulative register?"
        raise ImportRefused(path, problem, lines[over[0]])


def _check_register(path: Path, rows: Rows, slots: Ints, values: Ints, interval: int) -> None:
    down = np.flatnonzero(np.diff(values) < 0)
    if len(down):
        problem = "the register goes down: the meter was changed or reset; import the part before and the part after"
        raise ImportRefused(path, problem, rows.lines[down[0] + 1])
    _check_size(path, rows.lines[1:], np.diff(values), np.diff(slots), interval)


def _spread(slots: Ints, register: Ints, longest: int) -> tuple[Ints, Mask, Mask]:
    """Energy between register readings, evenly over the intervals between them; known over at most `longest` + 1."""
    steps = np.diff(slots)
    whole, rest = (np.repeat(part, steps) for part in divmod(np.diff(register), steps))
    place, length = np.arange(len(whole)) - np.repeat(slots[:-1], steps), np.repeat(steps, steps)
    energy = whole + (rest * (place + 1) // length - rest * place // length)
    known = length <= longest + 1
    return energy, known, known & (length > 1)


def _interpolate(slots: Ints, values: Ints, longest: int) -> tuple[Ints, Mask, Mask]:
    """Fill gaps of at most `longest` intervals along a straight line between their neighbours."""
    energy = np.zeros(int(slots[-1]) + 1, dtype=np.int64)
    known = np.zeros(len(energy), dtype=bool)
    energy[slots], known[slots] = values, True
    filled = np.zeros_like(known)
    steps = np.diff(slots)
    for at in np.flatnonzero((steps > 1) & (steps <= longest + 1)):
        inside = np.arange(1, steps[at])
        gap = slots[at] + inside
        energy[gap] = values[at] + (values[at + 1] - values[at]) * inside // steps[at]
        known[gap] = filled[gap] = True
    return energy, known, filled


def _hours(path: Path, grid: _Grid, unique_id: str) -> tuple[pd.DataFrame, int]:
    """The whole hours as a long table, and the number of hours between its ends that are cut out."""
    per_hour = HOUR_S // grid.interval
    before = grid.first % HOUR_S // grid.interval
    after = -(before + len(grid.energy)) % per_hour
    energy, known, filled = (
        np.pad(part, (before, after)).reshape(-1, per_hour) for part in (grid.energy, grid.known, grid.filled)
    )
    whole = np.asarray(known.all(axis=1))
    if not whole.any():
        raise ImportRefused(path, "does not cover a single whole hour")
    starts = grid.first - grid.first % HOUR_S + HOUR_S * np.arange(len(energy))
    table = long_table(
        unique_id,
        pd.to_datetime(starts[whole], unit="s", utc=True),
        _whole_wh(energy.sum(axis=1), grid.register)[whole],
        np.asarray(filled.any(axis=1))[whole],
    )
    return table, int((~whole).sum())


def _whole_wh(hours: Ints, register: int | None) -> Ints:
    """Hours in µWh rounded to Wh: each by itself, or at the register's readings between them."""
    if register is None:
        return _rounded(hours)
    return np.diff(_rounded(register + np.cumsum(np.concatenate(([0], hours)))))


def _rounded(micro: Ints) -> Ints:
    """µWh to whole Wh, halves to even."""
    whole, rest = micro // MICRO, micro % MICRO
    rounded: Ints = whole + ((2 * rest > MICRO) | ((2 * rest == MICRO) & (whole % 2 == 1)))
    return rounded
