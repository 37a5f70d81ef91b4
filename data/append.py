"""Add readings to a table on disk: new hours are added, equal ones change nothing, different ones need `replace`.

A measured value takes the place of a filled one, never the other way round.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from data.errors import TableError
from data.table import (
    HOUR,
    Step,
    differing_rows,
    merge_tables,
    named_rows,
    read_table,
    validate_table,
    write_table,
)


@dataclass(frozen=True)
class Addition:
    """Rows of one home for the table at `path`: a long table of that step."""

    path: Path
    rows: pd.DataFrame = field(repr=False)
    step: Step = HOUR


@dataclass(frozen=True)
class Appended:
    """What became of a table. `added`: hours that it did not have; `measured`: hours that were filled and are now
    measured; `replaced`: measured hours with another value than before; `hours`: all that it has. In a table of
    quarters all of these count quarters."""

    added: int
    measured: int
    replaced: int
    hours: int


@dataclass(frozen=True)
class _Merged:
    """What a table will be: None where that is what it is."""

    table: pd.DataFrame | None = field(repr=False)
    result: Appended


def append_table(path: Path, new: pd.DataFrame, *, replace: bool = False) -> Appended:
    """Add one home's long table to the file at `path`, created if missing; other processes doing so wait.

    With `replace`, measured values replace different ones. Raises TableError, and leaves the file unchanged, if it
    holds anything but a long table of this home, or different values without `replace`.
    """
    return append_tables([Addition(path, new)], replace=replace)[0]


def append_tables(additions: Sequence[Addition], *, replace: bool = False) -> list[Appended]:
    """As `append_table`, several tables: where one is refused, none is changed.

    If the machine stops between two of them, the same addition again completes it.
    """
    for one in additions:
        validate_table(one.rows, one.step)
        one.path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as turns:
        for folder in sorted({one.path.parent.resolve() for one in additions}):
            turns.enter_context(_turn(folder))
        merged = [_merged(one, replace=replace) for one in additions]
        for one, new in zip(additions, merged, strict=True):
            if new.table is not None:
                write_table(new.table, one.path, one.step)
    return [new.result for new in merged]


def _merged(new: Addition, *, replace: bool) -> _Merged:
    """Raises TableError."""
    rows, step = new.rows, new.step
    if not new.path.exists():
        return _Merged(rows, Appended(len(rows), 0, 0, len(rows)))
    kept = _kept(new)
    changed = differing_rows(kept, rows)
    if len(changed) and not replace:
        raise TableError(
            f"{new.path} has different values for {named_rows(changed, step)}, and was not changed. If the new ones "
            "are right, import them with --replace"
        )
    merged = merge_tables(kept, rows, step)
    confirmed = kept[kept["filled"]].merge(merged[~merged["filled"]], on=["unique_id", "ds"])
    result = Appended(len(merged) - len(kept), len(confirmed), len(changed), len(merged))
    return _Merged(None if merged.equals(kept) else merged, result)


def _kept(new: Addition) -> pd.DataFrame:
    """The table that is there. Raises TableError if it is not one of that step, or another home's."""
    path, option = new.path, "--out" if new.step == HOUR else "--quarters"
    if not path.is_file():
        raise TableError(f"{path} is not a file: name one with {option}")
    try:
        kept = read_table(path, new.step)
    except TableError as problem:
        raise TableError(f"{problem}; nothing was written: name another file with {option}") from None
    if others := sorted(set(kept["unique_id"]) - set(new.rows["unique_id"])):
        raise TableError(
            f"{path} has readings of {', '.join(others)}, and was not changed: each home has its own table, name "
            f"another file with {option}"
        )
    return kept


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process at a time appends to tables in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
