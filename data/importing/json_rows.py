"""Readings in a JSON document, wherever in it they are: what portals' APIs answer.

A list of objects, a list of rows with the columns' names beside it, or an object of columns; or one such document on
each line. Tables with the same columns (one for each day, one for import and one for export) are read as one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.errors import ImportRefused
from data.importing.sheet import Row, Sheet, blocks_of, labelled
from data.importing.words import plain, says_which, unit_in
from data.json_text import loads

_DEEPEST = 12
_HOURS_OF_A_DAY = 24


@dataclass(frozen=True)
class _Table:
    """`place`: the keys that lead to it. `names`: of its columns; none: they have no names. `told`: what the objects
    around it tell of what it holds, such as a direction."""

    place: str
    names: tuple[str, ...]
    rows: list[list[Any]]
    told: str = ""


def json_sheet(path: Path, encoding: str) -> Sheet:
    """The largest table in the document; lines are counted in its entries, after the names."""
    text = path.read_text(encoding=encoding).removeprefix("\ufeff")
    try:
        document = _document(text)
    except ValueError:
        raise ImportRefused(path, "is not JSON, although it begins so: download it again") from None
    alike: dict[tuple[str, ...], list[_Table]] = {}
    for table in _tables(document, "", _DEEPEST):
        alike.setdefault(table.names, []).append(table)
    largest = max(alike.values(), key=lambda tables: sum(len(table.rows) for table in tables), default=[])
    if not largest:
        raise ImportRefused(path, "is JSON without a list of readings")
    tables = [(f"{table.place} {table.told}".strip(), _cells(table)) for table in largest]
    names, parts = labelled("list", largest[0].names, tables)
    if names and len(largest) == 1 and (told := largest[0].told):
        names, parts = [*names, "type"], [[*row, told] for row in parts]
    units = list(dict.fromkeys(_units(document, _DEEPEST)))
    if not names and len(units) == 1 and len(largest[0].rows[0]) == 2:
        names = ["time", units[0]]
    above = [["unit", unit] for unit in units] if names else []

    def rows() -> Iterator[Row]:
        head = [*above, names] if names else []
        yield from enumerate(head + parts, start=1 - len(above))

    others = [table for tables in alike.values() if tables is not largest for table in tables]
    return replace(Sheet.of(path, lambda: blocks_of(rows())), not_read=_not_read(others))


def _not_read(tables: Sequence[_Table]) -> str | None:
    """A sentence about the tables that may be of readings, too."""
    shown = [f"{table.place} ({len(table.rows)} rows)" for table in tables if len(table.rows) >= _HOURS_OF_A_DAY]
    return f"not read, as its columns are others: list {', '.join(shown)}" if shown else None


def _units(node: Any, depth: int) -> Iterator[str]:
    """The units that a document tells beside its readings: of one list, or of all."""
    children = node.values() if isinstance(node, dict) else node[:1] if isinstance(node, list) else ()
    for child in children if depth else ():
        if isinstance(child, str) and unit_in(child) and plain(child) == unit_in(child):
            yield child
        yield from _units(child, depth - 1)


def _document(text: str) -> Any:
    """A document, or the list of those that stand on a line each. Raises ValueError."""
    try:
        return loads(text.encode())
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [loads(line.encode()) for line in lines]


def _tables(node: Any, place: str, depth: int, told: str = "") -> Iterator[_Table]:
    """All tables of a document, each with what the objects around it tell of it."""
    if isinstance(node, dict):
        told = " ".join([told, *(text for key, text in node.items() if isinstance(text, str) and says_which(key))])
    yield from (replace(table, told=table.told or told.strip()) for table in _here(node, place, depth, told))


def _here(node: Any, place: str, depth: int, told: str) -> Iterator[_Table]:
    if depth == 0 or not _is_nested(node):
        return
    if isinstance(node, dict):
        yield from _columns(node, place)
        for key, child in node.items():
            headers = (one for one in node.values() if one is not child and _is_header(one, child))
            yield from _rows(child, f"{place}.{key}".lstrip("."), tuple(next(headers, ())))
            yield from _tables(child, f"{place}.{key}".lstrip("."), depth - 1, told)
        return
    if node and all(isinstance(entry, dict) for entry in node):
        names = tuple(dict.fromkeys(name for entry in node for name in entry))
        yield _Table(place, names, [[entry.get(name) for name in names] for entry in node])
    if not place:
        yield from _rows(node, place, ())
    for number, child in enumerate(node):
        yield from _tables(child, f"{place}.{number}".lstrip("."), depth - 1, told)


def _rows(node: Any, place: str, names: tuple[str, ...]) -> Iterator[_Table]:
    """A list of rows that are equally wide."""
    if isinstance(node, list) and node and all(isinstance(row, list) for row in node):
        widths = {len(row) for row in node}
        if len(widths) == 1 and widths.pop() > 1:
            yield _Table(place, names, node)


def _is_header(names: Any, rows: Any) -> bool:
    """Whether a list names the columns of another one's rows."""
    are_rows = isinstance(rows, list) and rows and isinstance(rows[0], list)
    return bool(are_rows) and isinstance(names, list) and len(names) == len(rows[0]) and all(map(_is_text, names))


def _columns(node: dict[str, Any], place: str) -> Iterator[_Table]:
    """The longest columns of an object, equally long."""
    columns = {name: one for name, one in node.items() if isinstance(one, list) and not any(map(_is_nested, one))}
    longest = max(map(len, columns.values()), default=0)
    columns = {name: column for name, column in columns.items() if len(column) == longest}
    if len(columns) > 1 and longest > 1:
        yield _Table(place, tuple(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def _is_nested(node: Any) -> bool:
    return isinstance(node, dict | list)


def _is_text(node: Any) -> bool:
    return isinstance(node, str)


def _cells(table: _Table) -> list[list[str]]:
    return [["" if value is None or _is_nested(value) else str(value).strip() for value in row] for row in table.rows]
