"""State files that are damaged: an error that names the file, what it should be, and a remedy that costs no data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DamagedFile, DataError, LostFile

FROM_BACKUP = "Keep it, and put a copy from your backup in its place"
"""The remedy where nothing else brings the content back."""
_DAMAGES = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)


def check_kept(path: Path, why: str, else_: str) -> None:
    """Raises LostFile if a file is gone that is never to be made anew.

    `why`: what shows that it was there, as a clause; `else_`: a sentence for who has no copy of it.
    """
    if not path.exists():
        raise LostFile(f"{path} is missing, and {why}: put a copy from your backup in its place. {else_}")


@contextmanager
def whole(path: Path, what: str, remedy: str = FROM_BACKUP) -> Iterator[None]:
    """Raises DamagedFile where the block can make nothing of what `path` holds.

    `what`: what it should be, with its article. A file that is missing, or that the system does not give, is another
    matter: OSError passes, as our own errors do. What the content was is not told.
    """
    try:
        yield
    except DataError:
        raise
    except _DAMAGES:
        raise DamagedFile.of(path, what, f"{remedy}.") from None
