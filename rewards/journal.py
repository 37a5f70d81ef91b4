"""The embedded chain's journal: one JSON line per event, written by one process at a time.

Two processes on one journal would each extend a separate chain and write both into one file. So the journal is locked
(flock on a file beside it) while it is open. The system releases the lock when the process ends; what is left in the
lock file means nothing.

An entry is acknowledged once it is on disk together with its line end. Anything after the last line end was being
written when the process or the machine stopped, and was never acknowledged: opening the journal drops this torn tail,
keeps a copy of it, and logs it. Any other unreadable line is damage, and the journal is refused; so is a tail longer
than an entry can be, which holds entries that were acknowledged.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.atomic import naming, rewrite
from data.json_text import loads
from rewards.errors import ChainBusy, JournalCorrupt, JournalUnwritable

log = logging.getLogger(__name__)
_LONGEST_ENTRY = 1 << 17
"""More bytes than any has: a contract's code is 48 kB at most when it is deployed (EIP-3860), in two digits each."""


class Journal:
    """An open journal, its folder made if need be, a torn tail dropped.

    Raises ChainBusy while another process has it open, JournalCorrupt.
    """

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
        try:
            rewrite(self._lock, f"process {os.getpid()} ({' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])})")
            self._end = self._without_torn_tail()
        except (OSError, JournalCorrupt):
            self.close()
            raise

    @property
    def is_empty(self) -> bool:
        """Whether the journal is empty."""
        return self._end == 0

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release it for another process."""
        self._lock.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry; it is on the disk when this returns.

        Raises JournalUnwritable, after which the journal holds what it held before, and may be written to again;
        ValueError once it is closed.
        """
        if self._lock.closed:
            raise ValueError(f"{self.path} was closed: another process may have it now")
        line = json.dumps(entry).encode() + b"\n"
        try:
            is_new = not self.path.exists()
            _write_at(self.path, self._end, line)
            if is_new:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise JournalUnwritable(
                f"{self.path} cannot be written to ({error.strerror}), so the transaction did not happen: make room "
                "or repair the disk, then send it again"
            ) from error
        self._end += len(line)

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The entries with their line numbers, from 1. Raises JournalCorrupt."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    entry = loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict):
                    raise self.corrupt(number)
                yield number, entry

    def corrupt(self, number: int) -> JournalCorrupt:
        """The error for a line that can't be what was written."""
        return JournalCorrupt(
            f"{self.path}, line {number}, is damaged and cannot be replayed. The file holds every registration "
            "and reward of the community: keep it, and restore a copy from your backup in its place"
        )

    def _without_torn_tail(self) -> int:
        """Drop what follows the last line's end, after copying it to a file beside the journal; the bytes left.

        Raises JournalCorrupt for more than an entry.
        """
        if not self.path.exists():
            return 0
        content = self.path.read_bytes()
        end = _end_of_last_line(content)
        if end == len(content):
            return end
        if len(content) - end > _LONGEST_ENTRY:
            raise self.corrupt(content.count(b"\n", 0, end) + 1)
        copy = self.path.with_name(f"{self.path.name}.torn-{end}")
        _write_at(copy, 0, content[end:])
        _sync_folder(self.path.parent)
        _write_at(self.path, end, b"")
        log.warning(
            "the journal's last line was incomplete and never acknowledged: dropped",
            extra={"journal": str(self.path), "bytes": len(content) - end, "copy": str(copy)},
        )
        return end


def _end_of_last_line(content: bytes) -> int:
    """The offset after the last line that ends.

    A machine that loses power may leave zeros in the place of what it had not written yet, even before a line's end.
    JSON has no NUL bytes, so a last line with one is incomplete.
    """
    end = content.rfind(b"\n") + 1
    start = content.rfind(b"\n", 0, max(end - 1, 0)) + 1
    return start if b"\0" in content[start:end] else end


def _write_at(path: Path, offset: int, content: bytes) -> None:
    """Have `content` on the disk as all that the file holds from `offset` on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        with naming(path):
            os.ftruncate(handle, offset)  # what a write that failed left behind
            while content:
                written = os.pwrite(handle, content, offset)
                content, offset = content[written:], offset + written
            os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Have a new file's name on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
