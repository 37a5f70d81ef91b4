"""Tables with a row for each day and a column for each clock time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data.importing.cells import DAY_S

_RANGE = re.compile(r"(.+?)\s*(?:-|–|to|a)\s*(\d.+)")
_CLOCK = re.compile(r"(?:\w{1,12}[ _])??(\d{1,2})(?:[:.h](\d{2})(?::00)?)?\s*([ap]\.?m\.?)?", re.IGNORECASE)
_NUMBERED = re.compile(r"[a-zA-Z]{0,8}[ _]?0*(\d{1,3})")
_MARKED = re.compile(r"(.*?\d{1,2})\s?([AB])((?:[:.h]\d{2})?)|(.*\d[:.h]\d{2})\s?([AB])", re.IGNORECASE)
_HOURS = re.compile(r"(\d{1,2})\s?[-–]\s?(\d{1,2})")
_FEWEST = 23
_HOUR_S = 3600


@dataclass(frozen=True)
class ClockColumns:
    """`columns`: their numbers. `seconds`: since midnight, of each. `stamp`: what these name of the interval.
    `repeated`: columns for an hour that comes twice, marked B beside A -> which of `columns` it is the second of."""

    columns: tuple[int, ...]
    seconds: tuple[int, ...]
    stamp: Literal["start", "end"]
    repeated: dict[int, int]


def clock_columns(names: Sequence[str]) -> ClockColumns | None:
    """The columns that are named after the times of one whole day, evenly spaced; None if there are none."""
    bare, second = _without_marks(names)
    for read in (_of_ranges, _of_clocks, _of_numbers):
        found = {
            at: seconds for at, name in enumerate(bare) if at not in second and (seconds := read(name)) is not None
        }
        if len(found) < _FEWEST:
            continue
        columns, clocks = tuple(found), np.array(list(found.values()))
        length = DAY_S
        if read is _of_numbers:
            # A column more for each interval of an hour: for the day on which an hour comes twice.
            length += _HOUR_S if len(clocks) in (25, 50, 100) else 0
            clocks = (clocks - (clocks[0] == 1)) * (length // len(clocks))
        if len(clocks) > 1 and clocks[-1] == 0:  # the day's last interval ends at midnight
            clocks[-1] = DAY_S
        steps = set(np.diff(clocks).tolist())
        if len(steps) == 1 and steps.pop() * len(clocks) == length:
            stamp: Literal["start", "end"] = "start" if clocks[0] == 0 else "end"
            repeated = {at: columns.index(first) for at, first in second.items() if first in columns}
            return ClockColumns(columns, tuple(int(clock) for clock in clocks), stamp, repeated)
    return None


def _without_marks(names: Sequence[str]) -> tuple[list[str], dict[int, int]]:
    """Names without A and B, and which columns marked B are the second of which marked A."""
    marks = [_MARKED.fullmatch(name.strip()) for name in names]
    if {(mark[2] or mark[5]).upper() for mark in marks if mark} != {"A", "B"}:
        return list(names), {}
    bare = [(mark[4] or mark[1] + mark[3]) if mark else name for mark, name in zip(marks, names, strict=True)]
    first = {bare[at]: at for at, mark in enumerate(marks) if mark and (mark[2] or mark[5]) in "aA"}
    second = [at for at, mark in enumerate(marks) if mark and (mark[2] or mark[5]) in "bB"]
    return bare, {at: first[bare[at]] for at in second if bare[at] in first}


def _of_ranges(name: str) -> int | None:
    if (hours := _HOURS.fullmatch(name.strip())) and int(hours[2]) in (int(hours[1]) + 1, 0):
        return _HOUR_S * int(hours[1])
    match = _RANGE.fullmatch(name.strip())
    return _of_clocks(match[1]) if match and _of_clocks(match[2]) is not None else None


def _of_clocks(name: str) -> int | None:
    match = _CLOCK.fullmatch(name.strip())
    if not match or not (match[2] or match[3]):
        return None
    hour = int(match[1])
    if match[3]:
        hour = hour % 12 + (12 if match[3][0] in "pP" else 0)
    return 3600 * hour + 60 * int(match[2] or 0)


def _of_numbers(name: str) -> int | None:
    match = _NUMBERED.fullmatch(name.strip())
    return int(match[1]) if match else None
