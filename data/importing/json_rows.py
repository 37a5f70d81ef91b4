"""Readings as a list of JSON objects, wherever in the document it is: what portals' APIs answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import ImportRefused
from data.importing.sheet import Row, Sheet, blocks_of


def json_sheet(path: Path, encoding: str) -> Sheet:
    """The longest list of objects in the document as a table; lines are counted in objects, after the names."""
    try:
        document = json.loads(path.read_text(encoding=encoding).removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise ImportRefused(path, "is not JSON, although it begins so: download it again") from None
    objects = max(_lists(document, 6), key=len, default=[])
    if not objects:
        raise ImportRefused(path, "is JSON without a list of readings")
    names = list(dict.fromkeys(name for entry in objects for name in entry))

    def rows() -> Iterator[Row]:
        yield 1, names
        for line, entry in enumerate(objects, start=2):
            yield line, [_cell(entry.get(name)) for name in names]

    return Sheet.of(path, lambda: blocks_of(rows()))


def _lists(node: Any, depth: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of objects inside a document."""
    if depth == 0:
        return
    if isinstance(node, list):
        objects = [entry for entry in node if isinstance(entry, dict)]
        if objects and len(objects) == len(node):
            yield objects
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(child, dict | list):
            yield from _lists(child, depth - 1)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).strip()
