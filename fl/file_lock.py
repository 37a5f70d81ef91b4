"""One process at a time for a file or folder, by flock: the system releases the lock when its process ends.

By hand: thirty lines that also name the process which holds the lock; filelock, which uses flock as well, does not.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.atomic import rewrite


class InUse(Exception):
    """Another process holds the lock; the text says which."""


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` (created if necessary, never deleted) while the block runs.

    Raises InUse at once if another process has it and `wait` is false; otherwise waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            raise InUse(file.read().strip() or "another process") from None
        rewrite(file, f"process {os.getpid()} ({' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])})")
        yield
