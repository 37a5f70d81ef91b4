"""Times as spreadsheets count them: days since 1899-12-30, the clock time as a fraction of a day.

They are in files that a spreadsheet saved without a format for its times. Such a number is a time only if nothing
else in the table is one, if its column is named after times, and if all of them are full minutes or seconds: numbers
with fewer decimals than that do not tell the time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from data.importing import words

SERIAL = re.compile(r"[34]\d{4}([.,]\d+)?")  # 1982 to 2036
_FRACTION = re.compile(r"0|0?[.,]\d+")
_EPOCH = datetime(1899, 12, 30)
_MINUTES, _SECONDS = 1440, 86_400
_BESIDE_MINUTE, _BESIDE_SECOND = 0.08, 0.05  # half a unit of the fourth decimal is 0.072 minutes
_MOST_SUMS = 5  # rows at the end that are no readings
_COLUMNS = 8

Block = tuple[list[int], list[list[str]]]
Part = Literal["both", "date", "clock"]
Columns = dict[int, tuple[Part, int]]
"""Columns that are times: what of a time they tell, and how many of its units a day has."""


def serial_columns(rows: Sequence[Sequence[str]]) -> Columns:
    """The columns of days and of clock times among the first rows of a table; empty if there are none."""
    columns = [_below_name(rows, at, SERIAL) for at in range(_COLUMNS)]
    for at, (name, cells) in enumerate(columns):
        if not cells or not (words.says_time(name) or (at == 0 and not name)):
            continue
        if unit := _unit_of(cells):
            is_whole = all(cell.isdigit() for cell in cells)
            return {at: ("date", unit), **_clock_column(rows, at)} if is_whole else {at: ("both", unit)}
    return {}


def _clock_column(rows: Sequence[Sequence[str]], date_at: int) -> Columns:
    """The column of fractions of a day beside one of whole days."""
    for at in range(_COLUMNS):
        name, cells = _below_name(rows, at, _FRACTION)
        if at != date_at and cells and words.says_time(name) and (unit := _unit_of(cells)):
            return {at: ("clock", unit)}
    return {}


def _below_name(rows: Sequence[Sequence[str]], at: int, form: re.Pattern[str]) -> tuple[str, list[str]]:
    """The name of a column and its cells from the first one of this form on; none if others are among them."""
    cells = [row[at] if at < len(row) else "" for row in rows]
    first = next((i for i, cell in enumerate(cells) if form.fullmatch(cell)), len(cells))
    there = [cell for cell in cells[first:] if form.fullmatch(cell)]
    sums = sum(not form.fullmatch(cell) for cell in cells[first:])
    return (cells[first - 1] if first else ""), (there if len(there) > 1 and sums <= _MOST_SUMS else [])


def _unit_of(cells: Sequence[str]) -> int | None:
    """Of which unit all times are multiples: minutes or seconds of a day."""
    days = [_number(cell) for cell in cells]
    decimals = max(len(cell.replace(",", ".").partition(".")[2]) for cell in cells)
    for unit, beside, fewest in ((_MINUTES, _BESIDE_MINUTE, 4), (_SECONDS, _BESIDE_SECOND, 6)):
        is_told = decimals == 0 or decimals >= fewest
        if is_told and all(abs(day * unit - round(day * unit)) < beside for day in days):
            return unit
    return None


def written_out(blocks: Iterable[Block], columns: Columns) -> Iterator[Block]:
    """The rows with dates and clock times in place of the numbers."""
    for lines, rows in blocks:
        whole = [list(row) for row in rows]
        for row in whole:
            for at, (part, unit) in columns.items():
                form = _FRACTION if part == "clock" else SERIAL
                if at < len(row) and form.fullmatch(row[at].strip()):
                    row[at] = _text(row[at].strip(), part, unit)
        yield lines, whole


def _text(cell: str, part: Part, unit: int) -> str:
    moment = _EPOCH + timedelta(seconds=round(_number(cell) * unit) * (_SECONDS // unit))
    if part == "date":
        return f"{moment:%Y-%m-%d}"
    if part == "clock":
        return "24:00:00" if moment > _EPOCH and moment.time() == _EPOCH.time() else f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _number(cell: str) -> float:
    return float(cell.replace(",", "."))
