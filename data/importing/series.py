"""Readings in UTC: in order, each time once, of one flow of energy."""

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from data.errors import ImportRefused
from data.importing.cells import NO_OFFSET, Floats, Ints
from data.importing.reading import Readings, Values
from data.importing.times import to_utc
from data.importing.words import Flow, Unit


@dataclass(frozen=True)
class Series:
    """One column in order of time. `lines` [n], `utc` [n] seconds, `numbers` [n] in `unit`, none of them missing.
    `has_ends`: the file tells where each interval ends, so that the numbers are no register's."""

    lines: Ints
    utc: Ints
    numbers: Floats = field(repr=False)
    name: str
    flow: Flow
    unit: Unit | None
    has_ends: bool


def in_order(path: Path, readings: Readings, zone: ZoneInfo | None, *, ends: bool) -> Readings:
    """Readings with `wall` in UTC, ascending, each time once. `ends`: times are those of the ends of intervals.

    Raises ImportRefused with the line of a time that is there twice with different values.
    """
    known = np.where(readings.offsets == NO_OFFSET, 0, readings.offsets)
    steps = np.diff(readings.wall - known)
    if (steps < 0).sum() > (steps > 0).sum():
        readings = readings.where(np.arange(len(readings.wall))[::-1])
    utc, unreal = _utc(path, readings, zone, ends)
    ordered = Readings(readings.lines, utc, readings.offsets, readings.columns, readings.ends)
    if unreal.any():
        ordered = ordered.where(~unreal)
    if (np.diff(ordered.wall) < 0).any():
        ordered = ordered.where(np.argsort(ordered.wall, kind="stable"))
    return _each_once(path, ordered)


def _utc(
    path: Path, readings: Readings, zone: ZoneInfo | None, ends: bool
) -> "tuple[Ints, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]":
    """Times in UTC. The end of an interval may be the moment at which it ends, or the start and its length."""
    nothing = np.all([np.nan_to_num(c.numbers) == 0 for c in readings.columns], axis=0)
    try:
        return to_utc(path, readings.lines, readings.wall, readings.offsets, zone, nothing)
    except ImportRefused as refused:
        steps = np.diff(readings.wall)
        if not ends or zone is None or not len(steps):
            raise
        length = int(np.median(steps))
        try:
            utc, unreal = to_utc(path, readings.lines, readings.wall - length, readings.offsets, zone, nothing)
        except ImportRefused:
            raise refused from None
        return utc + length, unreal


def _each_once(path: Path, readings: Readings) -> Readings:
    twice = np.flatnonzero(np.diff(readings.wall) == 0)
    if len(twice) == 0:
        return readings
    for column in readings.columns:
        first, second = column.numbers[twice], column.numbers[twice + 1]
        other = np.flatnonzero((first != second) & ~(np.isnan(first) & np.isnan(second)))
        if len(other):
            line = int(readings.lines[twice[other[0]] + 1])
            problem = "the time appears twice, with different values: choose rows with --where COLUMN=VALUE"
            raise ImportRefused(path, problem, line)
    return readings.where(np.insert(np.diff(readings.wall) != 0, 0, True))


def of_flow(readings: list[Readings], flow: Flow, *, is_register: bool) -> list[Series]:
    """The columns of one flow without the rows in which nothing was measured.

    An empty cell beside a number of the same flow is 0 (the other tariff's), as is one of exported energy.
    """
    found = []
    for part in readings:
        columns = [column for column in part.columns if column.flow == flow]
        if not columns:
            continue
        empty = np.array([np.isnan(column.numbers) for column in columns])
        absent = empty.any(axis=0) if is_register else empty.all(axis=0)
        kept = np.logical_not(absent) | (flow == "export" and not is_register)
        found += [_series(part, column, kept) for column in columns]
    return [series for series in found if len(series.utc)]


def _series(part: Readings, column: Values, kept: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> Series:
    numbers = np.nan_to_num(column.numbers, nan=0.0)
    if kept.all():
        return Series(part.lines, part.wall, numbers, column.name, column.flow, column.unit, part.ends is not None)
    return Series(
        part.lines[kept], part.wall[kept], numbers[kept], column.name, column.flow, column.unit, part.ends is not None
    )


def summed(series: list[Series], energies: list[Ints], *, is_register: bool) -> tuple[Ints, Ints, Ints]:
    """Lines, times and the sum of several columns' µWh. Registers, and columns that mostly have the same times, count
    only where all are there. Readings of a few times that are the same in all columns are one reading."""
    if len(series) == 1:
        return series[0].lines, series[0].utc, energies[0]
    if all(np.array_equal(series[0].utc, other.utc) for other in series[1:]):
        return series[0].lines, series[0].utc, np.sum(energies, axis=0)
    utc, first, of_time, count = np.unique(
        np.concatenate([s.utc for s in series]), return_index=True, return_inverse=True, return_counts=True
    )
    total = np.zeros(len(utc), dtype=np.int64)
    np.add.at(total, of_time, np.concatenate(energies))
    lines = np.concatenate([s.lines for s in series])[first]
    if is_register or (count == len(series)).sum() * 2 > len(utc):
        whole = count == len(series)
        return lines[whole], utc[whole], total[whole]
    least, most = np.full(len(utc), np.iinfo(np.int64).max), np.zeros(len(utc), dtype=np.int64)
    np.minimum.at(least, of_time, np.concatenate(energies))
    np.maximum.at(most, of_time, np.concatenate(energies))
    if (least == most).all():  # tables that follow each other, and share the readings at which they meet
        return lines, utc, most
    return lines, utc, total
