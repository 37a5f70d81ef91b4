"""What a file says: its readings, and what their times and numbers are."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from data.errors import ImportRefused, NoReadings
from data.importing import content, words
from data.importing.cells import DAY_S
from data.importing.joined import Part, joined_sheets
from data.importing.mapping import map_columns
from data.importing.options import ImportOptions
from data.importing.packed import File, Files
from data.importing.reading import Readings, day_order, read_sheet
from data.importing.sheet import Sheet, csv_sheet
from data.importing.told_zone import check_zone

_ENDS = (
    "the first time is one interval after midnight and the last is midnight: if times name the ends of intervals, "
    "import with --end-stamps; else see that the time zone is right"
)
_SEVERAL_KINDS = "is a zip archive with files of several kinds: unpack it, and import those of the meter one by one"


@dataclass(frozen=True)
class Source:
    """`stamp`: None where it does not tell."""

    readings: list[Readings] = field(repr=False)
    stamp: Literal["start", "end"] | None
    is_register: bool
    warnings: tuple[str, ...] = ()


def source_of(files: Files, options: ImportOptions, zone: ZoneInfo | None) -> Source:
    """All readings of a file, or of the files of an archive. Raises ImportRefused."""
    tables: list[tuple[File, Sheet]] = []
    others: dict[content.Kind, list[tuple[File, list[Readings]]]] = {}
    none: list[NoReadings] = []
    for file in files.all:
        try:
            kind, encoding = content.kind_of(file.path)
            if kind in ("csv", "json", "xlsx"):
                tables.append((file, _sheet(file.path, kind, encoding)))
            else:
                others.setdefault(kind, []).append((file, _readings(file.path, kind)))
        except NoReadings as refused:
            none.append(refused)
    if not tables and not others:
        raise none[0]
    if len(others) + bool(tables) > 1:
        raise ImportRefused(files.path, _SEVERAL_KINDS)
    beside = [str(files.renamed(refused)) for refused in none]
    if tables:
        source = _of_sheet(_joined(files.path, tables), options, zone)
    else:
        ((kind, read),) = others.items()
        source = Source(_one_below_the_other(read), "start", kind == "p1")
    return replace(source, warnings=(*source.warnings, *(f"not read: {told}" for told in beside)))


def _sheet(path: Path, kind: str, encoding: str) -> Sheet:
    if kind == "csv":
        return csv_sheet(path, encoding)
    if kind == "json":
        from data.importing.json_rows import json_sheet

        return json_sheet(path, encoding)
    from data.importing.workbook import workbook_sheet

    return workbook_sheet(path)


def _readings(path: Path, kind: str) -> list[Readings]:
    if kind == "xml":
        from data.importing.green_button import read_green_button

        return read_green_button(path)
    if kind == "nem12":
        from data.importing.nem12 import read_nem12

        return read_nem12(path)
    from data.importing.telegrams import read_telegrams

    return read_telegrams(path)


def _joined(path: Path, tables: Sequence[tuple[File, Sheet]]) -> Sheet:
    """The tables of an archive as one. If the files' names tell import from export, each row is told which it is."""
    flows = [words.flow_of_label(file.name.stem) for file, _ in tables]
    column = "direction" if set(flows) == {"import", "export"} else None
    parts = [
        Part(file.name.name, sheet, file.lines_before, flow)
        for (file, sheet), flow in zip(tables, flows, strict=True)
    ]
    return joined_sheets(path, parts, "file", column)


def _one_below_the_other(read: Sequence[tuple[File, list[Readings]]]) -> list[Readings]:
    """Readings of several files, those of the same columns as one; those that one file tells apart stay apart."""
    alike: dict[tuple[int, tuple[tuple[str, str, str | None], ...]], list[Readings]] = {}
    for file, parts in read:
        keys = [tuple((column.name, column.flow, column.unit) for column in part.columns) for part in parts]
        for at, (key, part) in enumerate(zip(keys, parts, strict=True)):
            lines = part.lines + file.lines_before
            alike.setdefault((keys[:at].count(key), key), []).append(replace(part, lines=lines))
    return [_concatenated(parts) for parts in alike.values()]


def _concatenated(parts: Sequence[Readings]) -> Readings:
    if len(parts) == 1:
        return parts[0]
    columns = tuple(
        replace(column, numbers=np.concatenate([part.columns[at].numbers for part in parts]))
        for at, column in enumerate(parts[0].columns)
    )
    ends = [part.ends for part in parts if part.ends is not None]
    return Readings(
        np.concatenate([part.lines for part in parts]),
        np.concatenate([part.wall for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        columns,
        np.concatenate(ends) if len(ends) == len(parts) else None,
    )


def _of_sheet(sheet: Sheet, options: ImportOptions, zone: ZoneInfo | None) -> Source:
    mapping = map_columns(sheet, options)
    with _uncollected():
        readings = read_sheet(sheet, mapping, day_order(sheet, mapping, options.dates), zone)
    zone_warnings = () if options.accept_unusual else check_zone(sheet.path, sheet, mapping, readings, zone)
    if mapping.delay_s:
        readings = [replace(part, wall=part.wall + mapping.delay_s) for part in readings]
    stamp = mapping.stamp
    if stamp is None and any(part.ends_at_24 for part in readings):
        stamp = "end"  # a day whose last time is 24:00 names ends
    is_register = mapping.is_register or options.cumulative
    doubtful = stamp is None and options.stamp == "start" and not is_register and _look_like_ends(readings)
    warnings = [*zone_warnings, *([_ENDS] if doubtful else [])]
    return Source(readings, stamp, is_register, (*warnings, *([sheet.not_read] if sheet.not_read else [])))


def _look_like_ends(readings: list[Readings]) -> bool:
    """Whether the first time is an interval after a midnight, and the last a midnight."""
    wall = np.sort(np.concatenate([part.wall for part in readings]))
    steps = np.diff(wall)
    return len(steps) > 0 and wall[-1] % DAY_S == 0 and wall[0] % DAY_S == np.median(steps)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave cycles alone: rows have none, and looking for them takes a third of the time that reading takes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
