"""Damaged state files: an error that names the file, what it should be, and a remedy that costs no data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DamagedFile, DataError, LostFile

FROM_BACKUP = "Keep it, and restore a copy from your backup in its place"
"""The remedy if nothing else can recover the content."""
_DAMAGES = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)


def check_kept(path: Path, why: str, else_: str) -> None:
    """Raises LostFile if a file is gone that must never be recreated.

    `why`: what shows that it existed, as a clause; `else_`: advice without a backup, a sentence.
    """
    if not path.exists():
        raise LostFile(f"{path} is missing, and {why}: restore it from your backup. {else_}")


@contextmanager
def whole(path: Path, what: str, remedy: str = FROM_BACKUP) -> Iterator[None]:
    """Raises DamagedFile if the block cannot parse the content of `path`.

    `what`: what it should be, with its article. OSError, for a missing or unreadable file, passes unchanged, as do
        our own errors. The message reveals nothing of the content.
    """
    try:
        yield
    except DataError:
        raise
    except _DAMAGES:
        raise DamagedFile.of(path, what, f"{remedy}.") from None
