"""A table's rows as arrays: times as they are written, energy in the units in which it is written."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.errors import ImportRefused
from data.importing import words
from data.importing.cells import (
    BAD,
    DAY_S,
    FIRST,
    NO_OFFSET,
    SECOND,
    Floats,
    Ints,
    NumberReader,
    Order,
    StampReader,
    dates_in,
    days_since_1970,
    kind_of,
    numbered_hour,
)
from data.importing.mapping import Mapping
from data.importing.numbered import offsets_of_columns, offsets_of_marked, offsets_of_numbered
from data.importing.sheet import Sheet
from data.importing.sums import are_sums
from data.importing.words import Flow, Unit

_MOST_AT_THE_END = 5
_MOST_SUMS = 4_000  # of each day in eleven years
_CLOCK = re.compile(r"\d\s?[:h]\s?\d")
_NOTE = re.compile(r"[^\W\d_]{4}")
_METERS_SINCE = 14_610  # 2010: of two readings of 26/01/05, the one from when there were such meters
Mask = NDArray[np.bool_]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True)
class Values:
    """One column: [n] numbers in `unit` (None: not told), NaN where nothing was measured."""

    name: str
    flow: Flow
    unit: Unit | None
    numbers: Floats = field(repr=False)


@dataclass(frozen=True)
class Readings:
    """Rows that stand in one order of time: those of a file, or of one of its labels.

    `lines` [n]. `wall` [n]: seconds since 1970 as written; `offsets` [n]: seconds from UTC, NO_OFFSET where none is
    written. `ends` [n]: ends of the intervals as written, where the file has them. `ends_at_24`: midnights are 24:00.
    """

    lines: Ints
    wall: Ints
    offsets: Ints
    columns: tuple[Values, ...] = field(repr=False)
    ends: Ints | None = None
    ends_at_24: bool = False

    def where(self, chosen: "np.ndarray[tuple[int, ...], np.dtype[np.bool_ | np.int64]]") -> "Readings":
        """The rows of a mask or of positions."""
        columns = tuple(Values(c.name, c.flow, c.unit, c.numbers[chosen]) for c in self.columns)
        ends = None if self.ends is None else self.ends[chosen]
        return Readings(self.lines[chosen], self.wall[chosen], self.offsets[chosen], columns, ends, self.ends_at_24)


def read_sheet(sheet: Sheet, mapping: Mapping, order: Order, zone: ZoneInfo | None) -> list[Readings]:
    """All rows, parted by their label if they have one. Raises ImportRefused with the line of what is no reading."""
    reader = _Reader(sheet, mapping, order, zone)
    for lines, rows in sheet.chunks():
        reader.read(lines, rows)
    return reader.readings()


class _Reader:
    def __init__(self, sheet: Sheet, mapping: Mapping, order: Order, zone: ZoneInfo | None) -> None:
        self._sheet, self._mapping, self._zone = sheet, mapping, zone
        self._stamps, self._ends = StampReader(order), StampReader(order)
        self._numbers = [NumberReader() for _ in mapping.values]
        self._labels: list[str] = []
        self._codes: dict[str, int] = {}
        self._lines: list[Ints] = []
        self._wall, self._offsets, self._until, self._labelled = (list[Ints]() for _ in range(4))
        self._dates: list[Ints] = []  # of hours that are numbered
        self._columns = [list[Floats]() for _ in mapping.values]
        self._whole_days: list[Mask] = []  # rows with a date, and no clock time
        self._notes = set[int]()  # of these: lines of words that hold no number
        self._untimed: dict[int, str] = {}  # line -> what it has where its time should be

    def read(self, lines: list[int], rows: list[list[str]]) -> None:
        mapping = self._mapping
        for at, value in mapping.keep:
            kept = [(line, row) for line, row in zip(lines, rows, strict=True) if row[at].strip() == value]
            lines, rows = [line for line, _ in kept], [row for _, row in kept]
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        wall, offsets = self._times(self._stamps, columns, mapping.time)
        ends = None if mapping.end is None else self._times(self._ends, columns, mapping.end)[0]
        numbers = [r.read(columns[v.at]) for r, v in zip(self._numbers, mapping.values, strict=True)]
        for at in mapping.status:
            absent = [cell for cell in set(columns[at]) if words.says_missing(cell)]
            if absent:  # a zero that was not measured
                mask = np.isin(columns[at], absent)
                numbers = [np.where(mask & (column == 0), np.nan, column) for column in numbers]
        numbered: Ints = np.array(lines, dtype=np.int32)
        self._check(numbered, rows, wall, numbers)
        self._whole_days.append(self._are_whole_days(columns))
        self._lines.append(numbered)
        self._wall.append(wall)
        self._offsets.append(offsets)
        if mapping.label_at is not None:
            self._labelled.append(self._codes_of(columns[mapping.label_at]))
        for column, part in zip(self._columns, numbers, strict=True):
            column.append(part)
        if ends is not None:
            self._until.append(ends)

    def _times(self, reader: StampReader, columns: list[tuple[str, ...]], at: tuple[int, ...]) -> tuple[Ints, Ints]:
        if len(at) == 1:
            if self._mapping.clocks:
                dates = reader.dates(columns[at[0]])
                return dates, np.full_like(dates, NO_OFFSET)
            return reader.stamps(columns[at[0]])
        dates = reader.dates(columns[at[0]])
        if step := self._mapping.numbered_s:
            read = [numbered_hour(cell) for cell in columns[at[1]]]
            hours = np.array([-1 if hour is None else hour for hour, _ in read], dtype=np.int64)
            offsets = np.array([mark for _, mark in read], dtype=np.int64)
            reader.has_24 |= bool((hours == DAY_S // step).any())
            reader.has_00 |= bool((hours == 0).any())
            clocks = np.where((hours < 0) | (hours > (DAY_S + 3600) // step), BAD, hours * step)
            self._dates.append(dates)
        else:
            clocks, offsets = reader.clocks(columns[at[1]])
        return np.where((dates == BAD) | (clocks == BAD), BAD, dates + np.maximum(clocks, 0)), offsets

    def _codes_of(self, labels: tuple[str, ...]) -> Ints:
        labels = tuple(label.strip() for label in labels)
        for label in dict.fromkeys(labels):
            if label not in self._codes:
                self._codes[label] = len(self._labels)
                self._labels.append(label)
        return np.array([self._codes[label] for label in labels], dtype=np.int64)

    def _are_whole_days(self, columns: list[tuple[str, ...]]) -> Mask:
        """Rows whose time is a date alone."""
        cells = columns[self._mapping.time[0]]
        if not self._stamps.has_dates or self._mapping.clocks or len(self._mapping.time) > 1:
            return np.zeros(len(cells), dtype=bool)
        return np.array([kind_of(cell.strip()) == "date" for cell in cells])

    def _check(self, lines: Ints, rows: list[list[str]], wall: Ints, numbers: list[Floats]) -> None:
        """Refuse what is no time or no number; rows without a clock time may be sums, which shows in the end."""
        for at in np.flatnonzero(wall == BAD).tolist():
            shown = " ".join(rows[at][column] for column in self._mapping.time)
            if all(np.isnan(column[at]) for column in numbers) and _NOTE.search(rows[at][self._mapping.time[0]]):
                self._notes.add(int(lines[at]))
            elif _CLOCK.search(shown):
                self._refuse_time(int(lines[at]), shown)
            if rows[at] != [*self._sheet.names]:  # names come again where files were put together
                self._untimed[int(lines[at])] = rows[at][self._mapping.time[0]] or shown
            if len(self._untimed) > _MOST_SUMS:
                self._refuse_time(*next(iter(self._untimed.items())))
        for column in numbers:
            wrong = np.flatnonzero(np.isinf(column) & (wall != BAD))
            if len(wrong):
                problem = "the energy is not a number: correct it, or empty the cell to leave a gap"
                raise ImportRefused(self._sheet.path, problem, int(lines[wrong[0]]))

    def _refuse_time(self, line: int, shown: str) -> None:
        problem = f"{shown[:40]!r} is not a time: write 2026-01-31 14:15 or 2026-01-31T14:15:00+01:00"
        if not any(map(str.isdigit, shown)):
            problem = f"{shown[:40]!r} is neither a time nor a sum of the readings above or below it: remove the row"
        raise ImportRefused(self._sheet.path, problem, line)

    def _are_readings(self, lines: Ints, wall: Ints, columns: Sequence[Floats]) -> Mask:
        """Which rows are readings. Sums are none, nor are notes below the last reading. Raises ImportRefused for
        other rows without a time."""
        timed: Mask = wall != BAD
        whole_days = np.concatenate(self._whole_days) & (self._stamps.has_00 or self._stamps.has_24)
        candidates = np.isin(lines, list(self._untimed)) | (whole_days & timed)
        if not candidates.any():
            return timed
        is_sum = are_sums(columns, candidates) if candidates.sum() <= _MOST_SUMS else np.zeros_like(timed)
        rest = np.flatnonzero(candidates & ~timed & ~is_sum)
        last = int(np.flatnonzero(timed & ~is_sum).max(initial=-1))
        if len(rest) > _MOST_AT_THE_END or (rest < last).any() or any(self._has_digits(lines[at]) for at in rest):
            wrong = next((at for at in rest if at < last or self._has_digits(lines[at])), rest[0])
            self._refuse_time(int(lines[wrong]), self._untimed[int(lines[wrong])])
        return timed & ~is_sum

    def _has_digits(self, line: int) -> bool:
        return int(line) not in self._notes and any(map(str.isdigit, self._untimed[int(line)]))

    def readings(self) -> list[Readings]:
        if not self._wall:
            raise ImportRefused(self._sheet.path, "has no rows that match --where")
        lines, wall, offsets = _joined(self._lines), _joined(self._wall), _joined(self._offsets)
        codes = _joined(self._labelled) if self._labelled else None
        ends = _joined(self._until) if self._until else None
        numbers = [_joined(column) for column in self._columns]
        columns = tuple(
            Values(self._name(value.at), value.flow, value.unit, column)
            for value, column in zip(self._mapping.values, numbers, strict=True)
        )
        ends_at_24 = self._stamps.has_24 and not self._stamps.has_00
        kept = self._are_readings(lines, wall, numbers)
        offsets = self._told(lines, wall, offsets)
        whole = Readings(lines, wall, offsets, columns, ends, ends_at_24)
        if not kept.all():
            whole = whole.where(kept)
        if self._mapping.is_utc:
            whole = replace(whole, offsets=np.zeros_like(whole.wall))
        are_chosen = len(self._labels) < 2 and self._mapping.keep  # by a person, whatever they are called
        parts = [whole] if codes is None or are_chosen else self._by_label(whole, codes[kept])
        return [self._each_clock(part) for part in parts] if self._mapping.clocks else parts

    def _told(self, lines: Ints, wall: Ints, offsets: Ints) -> Ints:
        """Offsets with those of hours that are numbered through the day, or marked A and B. Raises ImportRefused for
        hours that did not occur so."""
        if self._dates:
            dates = _joined(self._dates)
            known = (wall != BAD) & (dates != BAD) & (offsets == NO_OFFSET)
            offsets[known], late = offsets_of_numbered(
                self._zone, dates[known], (wall - dates)[known], self._mapping.numbered_s
            )
            if late.any():
                problem = "the day has no 25th hour in this time zone, or not all of its 25 hours are there"
                raise ImportRefused(self._sheet.path, problem, int(lines[known][late.argmax()]))
        if ((offsets == FIRST) | (offsets == SECOND)).any():
            offsets, wrong = offsets_of_marked(self._zone, wall, offsets)
            if wrong.any():
                problem = "the hour is marked A or B, but did not occur twice in this time zone"
                raise ImportRefused(self._sheet.path, problem, int(lines[wrong.argmax()]))
        return offsets

    def _name(self, at: int) -> str:
        return self._sheet.names[at] if self._sheet.names else f"#{at + 1}"

    def _by_label(self, whole: Readings, codes: Ints) -> list[Readings]:
        """Readings of each label, whose columns flow as the label says. A total leaves out what it is made of, and
        rows of other quantities are left out."""
        totals = {words.without_tariff(label) for label in self._labels if words.says_total(label)}
        parts = []
        kinds: dict[tuple[Flow, str], list[Ints]] = {}
        for code, label in enumerate(self._labels):
            is_export = words.plain(label) in self._mapping.exported
            if (words.says_other_rows(label) and not is_export) or (
                words.without_tariff(label) in totals and not words.says_total(label)
            ):
                continue
            part = whole.where(codes == code)
            flow: Flow = "export" if is_export else words.flow_of_label(label) or "import"
            unit = words.unit_in(label)
            kind = label if words.says_total(label) else words.without_tariff(label)
            if unit in words.POWER:  # power, and not another tariff of the energy that rows beside it may tell
                kind = f"{kind} ({unit})"
            kinds.setdefault((flow, kind), []).append(part.wall)
            columns = tuple(Values(label, flow, c.unit or unit, c.numbers) for c in part.columns)
            parts.append(Readings(part.lines, part.wall, part.offsets, columns, part.ends, part.ends_at_24))
        self._refuse_kinds_beside_each_other(kinds)
        if not parts:
            raise ImportRefused(self._sheet.path, "has no rows of energy from the grid: choose rows with --where")
        return parts

    def _refuse_kinds_beside_each_other(self, kinds: dict[tuple[Flow, str], list[Ints]]) -> None:
        """Refuse rows of one flow that are no tariffs of one meter, and have the same times: nobody knows whether one
        is a part of the other. One below the other they may be, as those of months are."""
        times: dict[Flow, Ints] = {}
        for (flow, kind), walls in kinds.items():
            here = np.unique(np.concatenate(walls))
            before = times.get(flow, here[:0])
            if np.isin(here, before).sum() * 2 > len(here):
                problem = f"rows of several kinds have the same times ({kind!r} and others): choose rows with"
                raise ImportRefused(self._sheet.path, f"{problem} --where COLUMN=VALUE")
            times[flow] = np.concatenate([before, here])

    def _each_clock(self, days: Readings) -> Readings:
        """A row for each clock time of rows of days."""
        clocks = np.array(self._mapping.clocks, dtype=np.int64)
        order = np.argsort(days.wall, kind="stable")
        if (twice := np.flatnonzero(np.diff(days.wall[order]) == 0)).size:
            line = int(days.lines[order[twice[0] + 1]])
            raise ImportRefused(
                self._sheet.path, "this day appears twice: choose rows with --where COLUMN=VALUE", line
            )
        numbers = np.stack([column.numbers for column in days.columns], axis=1)[order]
        numbers, again = numbers[:, : len(clocks)], numbers[:, len(clocks) :]
        dates, lines = days.wall[order], np.repeat(days.lines[order], len(clocks))
        offsets, outside = offsets_of_columns(self._zone, dates, clocks, numbers)
        if (extra := outside & ~np.isnan(numbers)).any():
            problem = "the day has no 25th hour in this time zone: its last column has to be empty"
            raise ImportRefused(self._sheet.path, problem, int(lines[extra.reshape(-1).argmax()]))
        unit = days.columns[0].unit
        name = self._sheet.names[self._mapping.time[0]]
        wall = dates[:, None] + clocks
        main = Readings(
            lines, wall.reshape(-1), np.repeat(offsets, len(clocks)),
            (Values(name, days.columns[0].flow, unit, numbers.reshape(-1)),),
        ).where(~outside.reshape(-1))  # fmt: skip
        return self._with_second_hours(main, days.lines[order], wall, again)

    def _with_second_hours(self, main: Readings, lines: Ints, wall: Ints, again: Floats) -> Readings:
        """The readings with those of columns marked B, which are empty but on the day on which an hour comes twice:
        `lines` [d], `wall` [d, c], `again` [d, r]."""
        day, column = np.nonzero(~np.isnan(again))
        if not len(day):
            return main
        at = wall[day, np.array(self._mapping.repeated, dtype=np.int64)[column]]
        wall = np.concatenate([main.wall, at])
        marks = np.concatenate(
            [np.where(np.isin(main.wall, at), FIRST, main.offsets), np.full(len(at), SECOND, dtype=np.int64)]
        )
        values = replace(main.columns[0], numbers=np.concatenate([main.columns[0].numbers, again[day, column]]))
        lines = np.concatenate([main.lines, lines[day]])
        order = np.argsort(wall, kind="stable")
        return Readings(lines, wall, self._told(lines, wall, marks), (values,)).where(order)


def _joined(parts: list[NDArray[_Number]]) -> NDArray[_Number]:
    """Parts in one array, dropped from their list."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def day_order(sheet: Sheet, mapping: Mapping, given: str | None) -> Order:
    """Whether 01/02/2026 is a day in January or in February: as told, by numbers above 12, or because days follow
    each other. Raises ImportRefused where the file does not show it."""
    if given:
        return next(order for order in ("dmy", "mdy", "ymd") if order == given)
    at = mapping.time[0]
    cells = [row[at] for row in sheet.sample]
    if mapping.end:
        cells += [row[mapping.end[0]] for row in sheet.sample[-1:]]
    found = _order_of(cells)
    if found is None:  # the first rows do not show it: all of them may
        found = _order_of(row[at].strip() for _, rows in sheet.chunks() for row in rows)
    if found is None:
        _refuse_order(sheet, mapping, dates_in(cells)[0])
    return found or "dmy"


def _order_of(cells: Iterable[str]) -> Order | None:
    """The order in which all dates are dates, and follow each other most closely; None if both are the same."""
    orders: tuple[Order, ...] = ("dmy", "mdy", "ymd")
    read = [tuple(days_since_1970(text, order) for order in orders) for text in dates_in(cells)]
    read = [days for days in read if any(day is not None for day in days)]  # a sum below the readings has no date
    gaps: dict[Order, int] = {}
    for at, order in enumerate(orders):
        known = _known(read, at)
        if known and len(known) == len(read):
            gaps[order] = max((abs(later - day) for day, later in pairwise(known)), default=0)
    if len(gaps) < 2 or all(len(set(days)) == 1 for days in read):
        return next(iter(gaps), "dmy")  # if it is neither, the reader says where
    recent = {order: gap for order, gap in gaps.items() if min(_known(read, orders.index(order))) >= _METERS_SINCE}
    gaps = recent or gaps
    closest = [order for order, gap in gaps.items() if gap == min(gaps.values())]
    if len(closest) > 1 and "ymd" in closest:
        closest.remove("ymd")  # two digits of a year that stand first are rare
    return closest[0] if len({tuple(_known(read, orders.index(order))) for order in closest}) == 1 else None


def _known(read: Sequence[tuple[int | None, ...]], at: int) -> list[int]:
    """The days that dates are in one order."""
    return [day for days in read if (day := days[at]) is not None]


def _refuse_order(sheet: Sheet, mapping: Mapping, text: str) -> None:
    reader = StampReader("dmy")
    cells = [" ".join(row[at] for at in mapping.time) for row in sheet.sample[:100]]
    steps = Counter(np.diff(reader.stamps(cells)[0]).tolist())
    minutes = abs(steps.most_common(1)[0][0]) / 60 if steps else 0
    apart = (
        f" (its readings are {minutes:g} minute{'s' if minutes != 1 else ''} apart)" if 0 < minutes < DAY_S else ""
    )
    problem = f"{text} can be a day and a month or a month and a day{apart}: use --dates dmy or --dates mdy"
    raise ImportRefused(sheet.path, problem)
