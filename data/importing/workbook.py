"""The sheets of an Excel workbook that have readings (openpyxl)."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from data.errors import DataError, ImportRefused
from data.importing.cells import kind_of
from data.importing.extras import library
from data.importing.joined import Part, joined_sheets
from data.importing.sheet import Row, Sheet, blocks_of

_JUDGED_ROWS = 200


def workbook_sheet(path: Path) -> Sheet:
    """The table in a workbook. Raises ImportRefused for one that can't be read, or has no table of readings."""
    openpyxl = library(path, "openpyxl", "an Excel workbook (xlsx)")
    try:
        with path.open("rb") as file:  # whatever the file's name ends with
            names = openpyxl.load_workbook(file, read_only=True, data_only=True).sheetnames
    except Exception:  # noqa: BLE001 - the library raises what its zip and XML readers raise
        raise ImportRefused(path, "is a damaged Excel workbook (xlsx): save it again, or save it as CSV") from None
    refused: DataError | None = None
    found: dict[str, Sheet] = {}
    for name in names:
        try:
            found[name] = Sheet.of(path, lambda name=name: blocks_of(_rows(path, openpyxl, name)))  # type: ignore[misc]
        except ImportRefused as problem:
            refused = refused or problem
    if not found:
        raise refused or ImportRefused(path, "is an Excel workbook (xlsx) without a sheet")
    if len(found) == 1:
        return next(iter(found.values()))
    parts: list[Part] = []
    before = 0
    for name, sheet in found.items():
        parts.append(Part(name, sheet.in_memory(), before, name))
        before += max(lines[-1] for lines, _ in parts[-1].sheet.chunks() if lines)
    return joined_sheets(path, parts, "sheet", "sheet")


def _rows(path: Path, openpyxl: Any, name: str) -> Iterator[Row]:
    with path.open("rb") as file:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        rows = enumerate(workbook[name].iter_rows(values_only=True), start=1)
        first = list(islice(rows, _JUDGED_ROWS))
        dates = _date_columns([cells for _, cells in first])
        for line, cells in chain(first, rows):
            if any(cell is not None for cell in cells):
                yield line, [_cell(cell, is_date=at in dates) for at, cell in enumerate(cells)]
        workbook.close()


def _date_columns(rows: list[tuple[Any, ...]]) -> set[int]:
    """Columns that hold dates, which a workbook keeps as midnights; the clock time stands beside them."""
    stamps: dict[int, list[datetime]] = {}
    clocks = set[int]()
    for cells in rows:
        for at, cell in enumerate(cells):
            if isinstance(cell, datetime):
                stamps.setdefault(at, []).append(cell)
            elif isinstance(cell, time) or (isinstance(cell, str) and kind_of(cell.strip()) == "clock"):
                clocks.add(at)
    return {at for at, seen in stamps.items() if clocks and all(cell.time() == time() for cell in seen)}


def _cell(value: Any, *, is_date: bool) -> str:
    """A cell as text: times in ISO form, to the second, as a workbook's fractions of a day are not exact."""
    if value is None:
        return ""
    if isinstance(value, datetime) and is_date and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime):
        rounded = value + timedelta(microseconds=500_000)
        return rounded.replace(microsecond=0).isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    return repr(value) if isinstance(value, float) else str(value).strip()
