"""A household's CSV file, read line by line: `timestamp,kwh` (or `wh`), perhaps with `export_kwh` (or `export_wh`).

Only the form is judged here. No message quotes a value: it would be a reading.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from data.errors import ImportRefused

WH_PER_UNIT = {"kwh": 1000, "wh": 1}
MICRO = 1_000_000
"""Energy is counted in millionths of a Wh: sums are exact for all that a meter writes (9 decimals of a kWh)."""
_LARGEST = 1 << 62
YEARS = range(2000, 2100)
_EXAMPLE = "the first line must be timestamp,kwh or timestamp,wh, perhaps with ,export_kwh or ,export_wh"


@dataclass(frozen=True)
class Rows:
    """The file's rows in its order: line numbers, stamps as written (with an offset or without), energy in µWh."""

    lines: list[int]
    stamps: list[datetime]
    energy: list[int] = field(repr=False)
    export: list[int] | None = field(repr=False)


def read_rows(path: Path) -> Rows:
    """Read the file. Raises ImportRefused with the line of the first thing that is not as it should be."""
    if not path.is_file():
        raise ImportRefused(path, "there is no such file")
    lines: list[int] = []
    stamps: list[datetime] = []
    columns: list[list[int]] = []
    units: list[int] = []
    for line, cells in _lines(path):
        if not units:
            units = _header(path, line, cells)
            columns = [[] for _ in units]
            continue
        if len(cells) != len(units) + 1:
            problem = f"has {len(cells)} of {len(units) + 1} columns: is the file cut off here?"
            raise ImportRefused(path, problem, line)
        lines.append(line)
        stamps.append(_stamp(path, line, cells[0]))
        for column, unit, cell in zip(columns, units, cells[1:], strict=True):
            column.append(_energy(path, line, cell, unit))
    if not lines:
        raise ImportRefused(path, f"has no readings: {_EXAMPLE}, then one line for each reading")
    return Rows(lines, stamps, columns[0], columns[1] if len(columns) > 1 else None)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, with their numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, [cell.strip() for cell in cells]
        except UnicodeDecodeError:
            raise ImportRefused(path, "is not UTF-8 text: save it as CSV, UTF-8", reader.line_num + 1) from None
        except csv.Error as error:
            raise ImportRefused(path, f"is not CSV ({error})", reader.line_num) from None


def _header(path: Path, line: int, cells: list[str]) -> list[int]:
    """Wh in a unit of each energy column."""
    names = [cell.lower() for cell in cells]
    if len(names) == 1 and ";" in names[0]:
        raise ImportRefused(path, "columns are parted by semicolons: use commas, and points in numbers", line)
    if names[:1] != ["timestamp"] or not 2 <= len(names) <= 3 or names[1] not in WH_PER_UNIT:
        raise ImportRefused(path, f"these columns are not known: {_EXAMPLE}", line)
    exports = {f"export_{unit}": factor for unit, factor in WH_PER_UNIT.items()}
    if len(names) == 3 and names[2] not in exports:
        raise ImportRefused(path, f"the third column is not known: {_EXAMPLE}", line)
    return [WH_PER_UNIT[names[1]], *(exports[name] for name in names[2:])]


def _stamp(path: Path, line: int, cell: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(cell)
    except ValueError:
        problem = f"{cell[:40]!r} is not a time: write 2026-01-31 14:15 or 2026-01-31T14:15:00+01:00"
        raise ImportRefused(path, problem, line) from None
    if stamp.year not in YEARS or stamp.microsecond:
        problem = f"{cell[:40]!r} is not a time of a meter: the year is odd, or there are parts of a second"
        raise ImportRefused(path, problem, line)
    return stamp


def _energy(path: Path, line: int, cell: str, unit: int) -> int:
    """The cell's decimal number of units of so many Wh, in µWh; what a cell has beyond them is rounded."""
    try:
        value = Decimal(cell)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        problem = "the energy is not a number: correct it, or delete the line to leave a gap"
        raise ImportRefused(path, problem, line)
    if value < 0:
        raise ImportRefused(path, "the energy is negative: put what flows out into the column export_kwh", line)
    if value > _LARGEST // (unit * MICRO):
        raise ImportRefused(path, "the energy is more than any meter counts: correct it", line)
    return int((value * unit * MICRO).to_integral_value())
