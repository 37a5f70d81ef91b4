"""Energy on the grid of its intervals, and from there in whole UTC hours: conserved, no gap hidden.

A short gap is filled and its hours flagged (interpolated; where a register tells the energy of the gap, that is
spread over it); a long one is cut out, as are hours that the file has in part only. A gap is filled only between
readings that last as long as itself on either side: a home of which one hour in four is known is not known. An hour
at whose start and end a register was read is measured, whatever it lacks in between.

Sums are exact, and rounding to whole Wh looks at nothing but the hour itself, so that the same
meter gives the same hours wherever an export of it starts. A register is rounded at each full hour: its hours add up
to its own difference within 1 Wh, however many they are. Intervals have no such fixed points: each hour's sum is
rounded by itself, halves to even. That is off by up to half a Wh an hour, up and down by chance: by 27 Wh over a year
(standard deviation, the root of 8760/12), and by nothing where the meter counts in whole Wh.

The quarters of an hour are rounded at the quarters, a register's readings or the sums since the full hour, so that
they add up to the hour exactly. Only an hour that was measured as a whole has them.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.importing.cells import Ints
from data.importing.plausible import HOUR_S, MICRO
from data.table import HOUR, QUARTER, Step

Mask = NDArray[np.bool_]
QUARTER_S = HOUR_S // QUARTER.per_hour


@dataclass(frozen=True)
class Hours:
    """Whole hours, or their quarters. `starts` [n]: UTC seconds. `wh` [n]. `filled` [n]: whether a part of the hour
    was not measured. `cut`: how many hours are there in part only, or not at all between the first and the last."""

    starts: Ints
    wh: Ints = field(repr=False)
    filled: Mask
    cut: int


@dataclass(frozen=True, repr=False)
class Grid:
    """µWh in each interval, whether that is `known`, and whether it is `filled`.

    `first`: the first interval's start, UTC seconds. `register`: the register's reading there, µWh; None where the
    file has none. `read`: whether the register was read at the start of each interval, and at the end of the last;
    None where that is not what tells what was measured.
    """

    first: int
    interval: int
    energy: Ints
    known: Mask
    filled: Mask
    register: int | None = None
    read: Mask | None = None


def interval_grid(first: int, interval: int, slots: Ints, energy: Ints, longest: int) -> Grid:
    """Energies (µWh) of the intervals `slots` after `first`; gaps of at most `longest` intervals are interpolated."""
    whole = np.zeros(int(slots[-1]) + 1, dtype=np.int64)
    known = np.zeros(len(whole), dtype=bool)
    whole[slots], known[slots] = energy, True
    filled = np.zeros_like(known)
    steps = np.diff(slots)
    for at in np.flatnonzero((steps > 1) & _may_fill(steps, longest)):
        inside = np.arange(1, steps[at])
        gap = slots[at] + inside
        whole[gap] = energy[at] + (energy[at + 1] - energy[at]) * inside // steps[at]
        known[gap] = filled[gap] = True
    return Grid(first, interval, whole, known, filled)


def register_grid(first: int, interval: int, slots: Ints, register: Ints, longest: int) -> Grid:
    """Energy between register readings (µWh), evenly over the intervals between them."""
    steps = np.diff(slots)
    whole, rest = (np.repeat(part, steps) for part in divmod(np.diff(register), steps))
    place, length = np.arange(len(whole)) - np.repeat(slots[:-1], steps), np.repeat(steps, steps)
    energy = whole + (rest * (place + 1) // length - rest * place // length)
    known = np.repeat(_may_fill(steps, longest), steps)
    read = np.zeros(len(whole) + 1, dtype=bool)
    read[slots - slots[0]] = True
    return Grid(first, interval, energy, known, known & (length > 1), register=int(register[0]), read=read)


def polled_grid(utc: Ints, register: Ints, longest_hours: int, step: Step = HOUR) -> Grid:
    """A register that was read at any times, at the full hours (or quarters) between them: interpolated between the
    two readings around each. An hour counts as filled if it has a whole hour without a reading in it or about it; a
    quarter likewise, if it has a whole quarter."""
    length = HOUR_S // step.per_hour
    starts = np.arange(-(-int(utc[0]) // length), int(utc[-1]) // length + 1) * length
    after = np.searchsorted(utc, starts, side="left").clip(1, len(utc) - 1)
    t0, t1 = utc[after - 1], utc[after]
    at_start = register[after - 1] + (register[after] - register[after - 1]) * (starts - t0) // np.maximum(t1 - t0, 1)
    exact = utc[after] == starts
    at_start = np.where(exact, register[after], at_start)
    gaps = np.diff(utc)
    longest = np.zeros(max(len(starts) - 1, 0), dtype=np.int64)
    first, last = (np.searchsorted(starts, edge, side="right") - 1 for edge in (utc[:-1], utc[1:] - 1))
    for at in np.flatnonzero(gaps > length):
        touched = slice(max(int(first[at]), 0), int(last[at]) + 1)
        longest[touched] = np.maximum(longest[touched], gaps[at])
    known = longest <= (longest_hours + 1) * HOUR_S
    register_at_first = int(at_start[0]) if len(at_start) else 0
    first_start = int(starts[0]) if len(starts) else int(utc[0])
    return Grid(first_start, length, np.diff(at_start), known, known & (longest > length), register=register_at_first)


def _may_fill(steps: Ints, longest: int) -> Mask:
    """Which steps between readings (in intervals) are none, or are gaps that may be filled."""
    may: Mask = steps == 1
    gaps = np.flatnonzero(~may)
    missing = steps[gaps] - 1
    before, after = np.diff(gaps, prepend=-1), np.diff(gaps, append=len(steps))  # readings on either side
    may[gaps] = (missing <= longest) & (before >= missing) & (after >= missing)
    return may


def whole_hours(grid: Grid, step: Step = HOUR) -> Hours | None:
    """The whole hours of a grid, or their quarters, where its interval divides them; None if it covers none."""
    per_hour = HOUR_S // grid.interval
    before = grid.first % HOUR_S // grid.interval
    after = -(before + len(grid.energy)) % per_hour
    energy, known, filled = (
        np.pad(part, (before, after)).reshape(-1, per_hour) for part in (grid.energy, grid.known, grid.filled)
    )
    whole: Mask = np.asarray(known.all(axis=1))
    is_filled: Mask = np.asarray(filled.any(axis=1))
    if grid.read is not None:
        read = np.pad(grid.read, (before, after))
        whole |= _all_read(read, per_hour, 1)
        is_filled = ~_all_read(read, per_hour, step.per_hour)
    if not whole.any():
        return None
    starts = grid.first - grid.first % HOUR_S + HOUR_S * np.arange(len(energy))
    parts = energy.reshape(len(energy), step.per_hour, -1).sum(axis=2)
    wh = _whole_wh(parts, grid.register)[whole]
    begins = starts[whole, None] + HOUR_S // step.per_hour * np.arange(step.per_hour)
    return Hours(begins.ravel(), wh.ravel(), np.repeat(is_filled[whole], step.per_hour), int((~whole).sum()))


def _all_read(read: Mask, per_hour: int, parts: int) -> Mask:
    """Of each hour, whether the register was read at its start, its end, and between each of its parts."""
    at = read[:: per_hour // parts]
    return np.asarray((at[:-1] & at[1:]).reshape(-1, parts).all(axis=1))


def _whole_wh(parts: Ints, register: int | None) -> Ints:
    """Parts of hours in µWh [hours, parts] rounded to Wh: at the sums since the full hour, or at the register's
    readings, so that an hour is the sum of its parts."""
    if register is None:
        return np.diff(_rounded(np.cumsum(np.pad(parts, ((0, 0), (1, 0))), axis=1)), axis=1)
    return np.diff(_rounded(register + np.cumsum(np.concatenate(([0], parts.ravel()))))).reshape(parts.shape)


def _rounded(micro: Ints) -> Ints:
    """µWh to whole Wh, halves to even."""
    whole, rest = micro // MICRO, micro % MICRO
    rounded: Ints = whole + ((2 * rest > MICRO) | ((2 * rest == MICRO) & (whole % 2 == 1)))
    return rounded
