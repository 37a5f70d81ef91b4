"""The first sheet of an Excel workbook that has readings (openpyxl)."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from data.errors import DataError, ImportRefused
from data.importing.extras import library
from data.importing.sheet import Row, Sheet, blocks_of


def workbook_sheet(path: Path) -> Sheet:
    """The table in a workbook. Raises ImportRefused for one that can't be read, or has no table of readings."""
    openpyxl = library(path, "openpyxl", "an Excel workbook (xlsx)")
    try:
        names = openpyxl.load_workbook(path, read_only=True, data_only=True).sheetnames
    except Exception:  # noqa: BLE001 - the library raises what its zip and XML readers raise
        raise ImportRefused(path, "is a damaged Excel workbook (xlsx): save it again, or save it as CSV") from None
    refused: DataError | None = None
    for name in names:
        try:
            return Sheet.of(path, lambda name=name: blocks_of(_rows(path, openpyxl, name)))  # type: ignore[misc]
        except ImportRefused as problem:
            refused = refused or problem
    raise refused or ImportRefused(path, "is an Excel workbook (xlsx) without a sheet")


def _rows(path: Path, openpyxl: Any, name: str) -> Iterator[Row]:
    workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for line, cells in enumerate(workbook[name].iter_rows(values_only=True), start=1):
            if any(cell is not None for cell in cells):
                yield line, [_cell(cell) for cell in cells]
    finally:
        workbook.close()


def _cell(value: Any) -> str:
    """A cell as text: times in ISO form, to the second, as a workbook's fractions of a day are not exact."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        rounded = value + timedelta(microseconds=500_000)
        return rounded.replace(microsecond=0).isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    return repr(value) if isinstance(value, float) else str(value).strip()
