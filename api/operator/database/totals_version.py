"""Which totals the database holds, as a value: what follows from totals alone is computed once for each of them.

On a SQLite file it is compared at once: `PRAGMA data_version` tells, in microseconds, whether any other connection,
of this process or another, has committed anything since. Elsewhere the database is asked again after a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from api.operator.database.tables import CommunityTotal, ComputedTotals, MeasuredTotal

_EVERY_S = 1.0
_CONTENT = (
    select(CommunityTotal.day, CommunityTotal.blinding).order_by(CommunityTotal.day),  # a sum has its own blinding
    select(MeasuredTotal.day, MeasuredTotal.blinding).order_by(MeasuredTotal.day),
    select(ComputedTotals).order_by(ComputedTotals.day).with_only_columns(
        ComputedTotals.day, ComputedTotals.forecast, ComputedTotals.measured
    ),
)  # fmt: skip


class TotalsVersion:
    """For any thread. `sessions` is asked for when the first version is."""

    def __init__(self, sessions: Callable[[], sessionmaker[Session]]) -> None:
        self._sessions, self._lock = sessions, threading.Lock()
        self._changes: Callable[[], int | None] | None = None
        self._known: tuple[int | None, str] = None, ""

    def at_once(self) -> str | None:
        """The version, if nothing was committed since it was read; None: `read` it. Waits for nothing."""
        stamp, version = self._known
        if stamp is None or self._changes is None or self._changes() != stamp:
            return None
        return version

    def read(self) -> str:
        """The version, from the database. Raises what the database does where it is away."""
        sessions = self._sessions()
        with self._lock:
            if self._changes is None:
                self._changes = _changes_of(sessions.kw["bind"])
            stamp = self._changes()  # before the content: what is committed in between makes for another stamp
            digest = hashlib.sha256()
            with sessions() as session:
                for content in _CONTENT:
                    digest.update(repr(session.execute(content).all()).encode())
            self._known = stamp, digest.hexdigest()
            return self._known[1]


def _changes_of(engine: Engine) -> Callable[[], int | None]:
    """A function whose value changes with each commit; None where it cannot say."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        return lambda: int(time.monotonic() / _EVERY_S)
    line = sqlite3.connect(
        f"{Path(name).absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )

    def version() -> int | None:
        with contextlib.suppress(sqlite3.Error):  # somebody is about to commit; or it is damaged, as `read` will say
            return int(line.execute("PRAGMA data_version").fetchone()[0])
        return None

    return version
