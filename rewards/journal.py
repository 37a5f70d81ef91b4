"""The embedded chain's journal: a JSON line for each thing that happened, and one process at a time that writes it.

Two processes on one journal would each play a chain of its own and write both into one file. So the journal is locked
(flock on a file beside it) for as long as it is open. The system lets go of the lock when its process ends, however
it ends; what is left in the lock file then means nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rewards.errors import ChainBusy, JournalCorrupt


class Journal:
    """An open journal, its folder made if need be. Raises ChainBusy while another process has it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_suffix(".lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "another process"
            self._lock.close()
            raise ChainBusy(
                f"{path} is in use by {owner}: wait for it or stop it. The embedded chain is one process's "
                "at a time; for several, set rewards.rpc_url to a node"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} ({' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])})")
        self._lock.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry; it is on the disk when this returns. Raises ValueError once the journal is closed."""
        if self._lock.closed:
            raise ValueError(f"{self.path} was closed: another process may have it now")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The entries with their line numbers, from 1. Raises JournalCorrupt."""
        if not self.path.exists():
            return
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                raise self.corrupt(number)
            yield number, entry

    def corrupt(self, number: int) -> JournalCorrupt:
        """The error for a line that can't be what was written."""
        return JournalCorrupt(
            f"{self.path}, line {number}, cannot be played again; delete the file to start a new chain"
        )
