"""Several tables with the same columns as one: the sheets of a workbook, the files of an archive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.importing.sheet import Block, Sheet


@dataclass(frozen=True)
class Part:
    """`label`: what tells its rows from others, in a column for labels. `lines_before`: where its lines begin, when
    all are counted through."""

    name: str
    sheet: Sheet
    lines_before: int
    label: str | None = None


def joined_sheets(path: Path, parts: Sequence[Part], kind: str, column: str | None = None) -> Sheet:
    """The parts that have the columns of the longest, one below the other; the others are named as not read.

    `kind`: what a part is called. `column`: the name of a column for labels; None: there are none.
    """
    if len(parts) == 1:
        return parts[0].sheet
    rows = [sum(len(lines) for lines, _ in part.sheet.chunks()) for part in parts]
    longest = parts[rows.index(max(rows))].sheet
    alike = [part for part in parts if (part.sheet.names, part.sheet.width) == (longest.names, longest.width)]
    labels = [column] if column and longest.names and len(alike) > 1 else []
    names = [*longest.names, *labels]
    head = [[*cells, *[""] * (len(names) - len(cells))] for cells in longest.above] + ([names] if names else [])

    def blocks() -> Iterator[Block]:
        yield list(range(-len(head), 0)), head
        for part in alike:
            for lines, cells in part.sheet.chunks():
                whole = [[*row, part.label or ""] for row in cells] if labels else cells
                yield [part.lines_before + line for line in lines], whole

    others = [f"{part.name!r} ({count} rows)" for part, count in zip(parts, rows, strict=True) if part not in alike]
    not_read = f"not read, as its columns are others: {kind} {', '.join(others)}" if others else None
    told = tuple(dict.fromkeys(part.label or "" for part in alike)) if labels else ()
    return replace(Sheet.of(path, blocks), not_read=not_read, labels=told)
