"""The community's SQLite file, checked before use: SQLite takes an empty file for a new database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from data.damage import FROM_BACKUP
from data.errors import DamagedFile


def check_database_file(path: Path) -> None:
    """Raises DamagedFile for an existing file that is not a complete database; a missing one is created later."""
    if not path.exists():
        return
    if path.stat().st_size == 0 or _problem(path):
        raise DamagedFile.of(path, "a whole database", f"{FROM_BACKUP}.")


def _problem(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:
        # If another process is writing, or the system refuses, opening it gives the better message.
        return error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    except sqlite3.DatabaseError:
        return True
