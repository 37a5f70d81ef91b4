"""A file as a table: the names of its columns and its rows, whatever stands above them."""

import csv
import io
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any

from data.errors import ImportRefused, NoReadings
from data.importing.cells import have_times, kinds_of, times_at
from data.importing.serial_days import SERIAL, serial_columns, written_out
from data.importing.words import plain, unit_in

Row = tuple[int, list[str]]
"""A line number, counted from 1, and the cells of that line."""
Block = tuple[list[int], list[list[str]]]
"""Some thousand rows: their line numbers, and their cells. Blank rows have none, or only empty ones."""
BLOCK_ROWS = 20_000
_SAMPLE = 2_000
_HEAD_CHARACTERS = 1 << 18
_FEWEST_TIMES = 12  # in the first line of a table with a column for each time
_WORD = re.compile(r"[^\W\d_]{4}")
_DELIMITERS = ";\t|,"
_FORMULA = re.compile('^="(.*)"$')  # by which exporters keep Excel from reading a text as a number


@dataclass(frozen=True)
class Sheet:
    """`names`: of the columns (empty where the file has no header). `above`: the rows before the header.
    `sample`: the first rows of data. `not_read`: a sentence about tables beside it that are not
    read. `labels`: of the tables that were joined, which the last column tells of each row."""

    path: Path
    names: tuple[str, ...]
    above: tuple[tuple[str, ...], ...]
    sample: tuple[list[str], ...] = field(repr=False)
    width: int
    _blocks: Callable[[], Iterator[Block]] = field(repr=False)
    _first: int
    not_read: str | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, blocks: Callable[[], Iterator[Block]]) -> "Sheet":
        """The table in `blocks`, which starts anew with each call. Raises ImportRefused if there is none."""
        start = [
            (line, [cell.strip() for cell in cells])
            for line, cells in islice(chain.from_iterable(zip(*block, strict=True) for block in blocks()), _SAMPLE)
            if any(cells)
        ]
        if not start:
            raise NoReadings(path, "is empty: there are no readings in it")
        width = _width(start)
        at = _time_at([cells for _, cells in start], width)
        first = next((i for i, (_, cells) in enumerate(start) if _is_data(cells, width, at)), None)
        if first is None and (columns := serial_columns([cells for _, cells in start])):
            return cls.of(path, lambda: written_out(blocks(), columns))
        if first is None:
            raise NoReadings(
                path, "has no readings: only a header, or no row has a time and a number" + _shown(start)
            )
        header = _header(start[:first])
        if header and _are_units(start[header - 1][1], start[header][1]):
            line, units = start[header]
            start[header] = line, [" ".join(both).strip() for both in zip(start[header - 1][1], units, strict=True)]
        above = tuple(tuple(cells) for _, cells in start[: header or 0])
        sample = tuple(_fitted(path, line, cells, width) for line, cells in start[first:])
        names = () if header is None else _names(path, *start[header], width, sample)
        return cls(path, names, above, sample, width, blocks, start[first][0])

    def in_memory(self) -> "Sheet":
        """The same table, whose rows are read once."""
        blocks = list(self.chunks())
        return replace(self, _blocks=lambda: iter(blocks))

    def chunks(self) -> Iterator[Block]:
        """The rows of data in blocks, all of the same width."""
        for block in self._blocks():
            skipped = bisect_left(block[0], self._first)
            lines, rows = (block[0][skipped:], block[1][skipped:]) if skipped else block
            if set(map(len, rows)) - {self.width}:
                kept = [(line, cells) for line, cells in zip(lines, rows, strict=True) if any(cells)]
                lines = [line for line, _ in kept]
                rows = [_fitted(self.path, line, cells, self.width) for line, cells in kept]
            yield lines, rows


def labelled(
    column: str, names: Sequence[str], tables: Sequence[tuple[str, list[list[str]]]]
) -> tuple[list[str], list[list[str]]]:
    """Names and rows of tables with the same columns, each with its label; several get a column for their labels, by
    which import and export are told apart, and which rows can be chosen by."""
    if len(tables) == 1 or not names:
        return list(names), [row for _, rows in tables for row in rows]
    return [*names, column], [[*row, label] for label, rows in tables for row in rows]


def _shown(start: list[Row]) -> str:
    """What stands where a time should be, for a refusal; empty for a header alone."""
    if len(start) < 2:
        return ""
    first = next((cell for cell in start[-1][1] if cell), "")[:40]
    if SERIAL.fullmatch(first):
        return f"; {first!r} is a day as spreadsheets count them: format that column as date and time, and save again"
    return f"; {first!r} is no time that is known: write 2026-01-31 14:15 or 31/01/2026 14:15"


def csv_sheet(path: Path, encoding: str) -> Sheet:
    """The table in a text file, whatever separates its columns."""
    with path.open(encoding=encoding, newline="") as file:
        head = file.read(_HEAD_CHARACTERS)
    head = head.removeprefix("\ufeff")
    declared = head[4:5] if head[:4].lower() == "sep=" else ""
    delimiter = declared if declared and declared in _DELIMITERS else _delimiter(path, head)
    are_formulas = '="' in head

    def blocks() -> Iterator[Block]:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
            line = 1
            while rows := _next_rows(path, reader):
                if reader.line_num - line + 1 == len(rows):
                    lines = list(range(line, reader.line_num + 1))
                else:  # a cell has a line end in it
                    heights = (1 + sum(cell.count("\n") for cell in cells) for cells in rows)
                    lines = list(accumulate(heights, initial=line))[:-1]
                line = reader.line_num + 1
                if lines[0] == 1 and rows[0]:
                    rows[0][0] = rows[0][0].removeprefix("\ufeff")
                if are_formulas:
                    rows = [[_FORMULA.sub(r"\1", cell) for cell in cells] for cells in rows]
                yield lines, rows

    return _turned(path, blocks) or Sheet.of(path, blocks)


def _turned(path: Path, blocks: Callable[[], Iterator[Block]]) -> Sheet | None:
    """The table with a row for each time, of one that has a column for each; None if it is not such a one."""
    _, rows = next(blocks(), ([], []))
    kinds = kinds_of(rows[0]) if rows else []
    if kinds.count("stamp") < _FEWEST_TIMES:
        return None
    first = kinds.index("stamp")
    _, rows = (list(chain.from_iterable(part)) for part in zip(*blocks(), strict=True))
    rows = [_fitted(path, line, cells, len(rows[0])) for line, cells in enumerate(rows, start=1) if any(cells)]
    names = ["time", *(" ".join(cells[:first]) for cells in rows[1:])]
    turned = [[rows[0][at], *(cells[at] for cells in rows[1:])] for at in range(first, len(rows[0]))]
    return Sheet.of(path, lambda: blocks_of(enumerate([names, *turned], start=1)))


def _next_rows(path: Path, reader: Any) -> list[list[str]]:
    try:
        return list(islice(reader, BLOCK_ROWS))
    except csv.Error as error:
        raise ImportRefused(path, f"is not CSV ({error})", reader.line_num) from None


def blocks_of(rows: Iterable[Row]) -> Iterator[Block]:
    """Rows in blocks."""
    rest = iter(rows)
    while block := list(islice(rest, BLOCK_ROWS)):
        yield [line for line, _ in block], [cells for _, cells in block]


def _delimiter(path: Path, head: str) -> str:
    """What separates the columns: what parts the most lines into as many cells each."""
    lines = head.splitlines(keepends=True)
    whole = "".join(lines[:-1] if len(lines) > 1 and len(head) == _HEAD_CHARACTERS else lines)
    best, most = "", 0
    for delimiter in _DELIMITERS:
        widths: Counter[int] = Counter()
        try:
            for cells in csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter, skipinitialspace=True):
                widths[len(cells)] += len(cells) > 1
        except csv.Error:
            continue
        count = max(widths.values(), default=0)
        if count > most:
            best, most = delimiter, count
    if not best:
        raise NoReadings(path, "is not a table: no line has two cells separated by a comma, a semicolon or a tab")
    return best


def _width(start: list[Row]) -> int:
    """The number of columns that most rows with a time have."""
    rows = [cells for _, cells in start]
    timed = Counter(len(cells) for cells, is_timed in zip(rows, have_times(rows), strict=True) if is_timed)
    widths = timed or Counter(map(len, rows))
    return max(widths, key=lambda width: (widths[width], width))


def _time_at(rows: list[list[str]], width: int) -> int | None:
    """Where most rows of that width have their first time; None where none has."""
    firsts = Counter(times_at([cells for cells in rows if len(cells) == width]))
    del firsts[None]
    return max(firsts, key=lambda at: firsts[at], default=None)


def _is_data(cells: list[str], width: int, at: int | None) -> bool:
    """Whether a row is one of readings: its time is in the column `at`. A date above the header, as that of the
    export, is elsewhere."""
    if len(cells) != width or at is None or times_at([cells]) != [at]:
        return False
    return not {"number", "empty", "epoch"}.isdisjoint(kinds_of(cells))


def _header(before: list[Row]) -> int | None:
    """Where the header is: the last row before the data that has names."""
    for at in range(len(before) - 1, -1, -1):
        cells = before[at][1]
        if any(cells) and not have_times([cells])[0]:
            return at if len(cells) >= 2 else None
    return None


def _are_units(names: list[str], cells: list[str]) -> bool:
    """Whether cells are the units of the names above them."""
    units = [cell for cell in cells[1:] if cell and plain(cell).strip("()[]") == unit_in(cell)]
    return len(names) == len(cells) and all(names[1:]) and len(units) * 2 > len(cells[1:])


def _names(path: Path, line: int, cells: list[str], width: int, sample: tuple[list[str], ...]) -> tuple[str, ...]:
    """The names of all columns; those that none has are empty. Raises ImportRefused where there are too few names."""
    if any(any(row[len(cells) :]) for row in sample):
        problem = (
            f"there are {len(cells)} names, and {width} cells in the rows below: are these numbers with a decimal "
            "comma between commas? Export with semicolons, or with a decimal point"
        )
        raise ImportRefused(path, problem, line)
    return (*cells[:width], *[""] * (width - len(cells)))


def _fitted(path: Path, line: int, cells: list[str], width: int) -> list[str]:
    """Cells of one row made `width`: empty ones more or less do not matter. Raises ImportRefused otherwise."""
    if len(cells) > width and not any(cells[width:]):
        return cells[:width]
    is_note = bool(_WORD.search(cells[0])) or not any(map(str.isdigit, cells[0]))  # below the readings, as a sum is
    if len(cells) < width and (is_note or (len(cells) == width - 1 and width > 2)):
        return cells + [""] * (width - len(cells))
    if len(cells) == width:
        return cells
    if len(cells) < width:
        problem = f"has {len(cells)} of {width} columns: is the file cut off here?"
    else:
        problem = f"has {len(cells)} cells, and the others {width}: is a decimal comma between commas?"
    raise ImportRefused(path, problem, line)
