"""The community's SQLite file, looked at before it is used: SQLite takes an empty file for a new database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from data.damage import FROM_BACKUP
from data.errors import DamagedFile


def check_database_file(path: Path) -> None:
    """Raises DamagedFile for a file that is there and is no whole database; a missing one is made later."""
    if not path.exists():
        return
    if path.stat().st_size == 0 or _problem(path):
        raise DamagedFile.of(path, "a whole database", f"{FROM_BACKUP}.")


def _problem(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:
        # Another process that writes, or a system that refuses, is told better by opening it.
        return error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    except sqlite3.DatabaseError:
        return True
