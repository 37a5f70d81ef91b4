"""Add readings to a table on disk: new hours are added, equal ones change nothing, different ones need `replace`.

A measured value takes the place of a filled one, never the other way round.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import TableError
from data.table import differing_rows, merge_tables, named_rows, read_table, validate_table, write_table


@dataclass(frozen=True)
class Appended:
    """What became of a table. `added`: hours that it did not have; `measured`: hours that were filled and are now
    measured; `replaced`: measured hours with another value than before; `hours`: all that it has."""

    added: int
    measured: int
    replaced: int
    hours: int


def append_table(path: Path, new: pd.DataFrame, *, replace: bool = False) -> Appended:
    """Add one home's long table to the file at `path`, created if missing; other processes doing so wait.

    With `replace`, measured values replace different ones. Raises TableError, and leaves the file unchanged, if it
    holds anything but a long table of this home, or different values without `replace`.
    """
    validate_table(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _turn(path.parent):
        if not path.exists():
            write_table(new, path)
            return Appended(len(new), 0, 0, len(new))
        kept = _kept(path, new)
        changed = differing_rows(kept, new)
        if len(changed) and not replace:
            raise TableError(
                f"{path} has different values for {named_rows(changed)}, and was not changed. If the new ones are "
                "right, import them with --replace"
            )
        merged = merge_tables(kept, new)
        if not merged.equals(kept):
            write_table(merged, path)
    confirmed = kept[kept["filled"]].merge(merged[~merged["filled"]], on=["unique_id", "ds"])
    return Appended(len(merged) - len(kept), len(confirmed), len(changed), len(merged))


def _kept(path: Path, new: pd.DataFrame) -> pd.DataFrame:
    """The table at `path`. Raises TableError if it is not one, or another home's."""
    if not path.is_file():
        raise TableError(f"{path} is not a file: name one with --out")
    try:
        kept = read_table(path)
    except TableError as problem:
        raise TableError(f"{problem}; nothing was written: name another file with --out") from None
    if others := sorted(set(kept["unique_id"]) - set(new["unique_id"])):
        raise TableError(
            f"{path} has readings of {', '.join(others)}, and was not changed: each home has its own table, name "
            "another file with --out"
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
