"""The home's vault: the signed days with their openings, in a SQLite file that only its owner can read.

A day is signed once. The vault refuses a second, different commitment for a day it has, because proofs about that day
would then contradict each other.
"""

import contextlib
import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.errors import MeterError
from data.interval import IntervalMinutes, block_name
from data.meter import ALL_MEASURED, DayOpening, SignedDay, verify_opening

_MEASURED = f"measured INTEGER NOT NULL DEFAULT {ALL_MEASURED}"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS days (
    household TEXT NOT NULL, day INTEGER NOT NULL,
    commitment BLOB NOT NULL, signature BLOB NOT NULL, readings BLOB NOT NULL, blinding BLOB NOT NULL,
    {_MEASURED},
    PRIMARY KEY (household, day)
) WITHOUT ROWID
"""


class DayVault:
    """Openings by household and day. Every method is one transaction.

    A vault of quarters of an hour has a row for each block, by its number (`data.interval`).

    Raises OSError where the disk is full, MeterError for a file that is damaged.
    """

    def __init__(self, path: Path, interval: IntervalMinutes = 60) -> None:
        """Open the vault, making it (mode 0600) if it is not there. Raises MeterError if others may read it."""
        self.path, self._interval = path, interval
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise MeterError(f"{path} holds readings but others may read it: chmod 600 {path}")
        if path.stat().st_size == 0:  # SQLite takes an empty file for a new one, in which no day is signed
            raise self._damaged("it is empty")
        with self._transaction() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'days'").fetchone():
                raise self._damaged("it has no table of days")
            if not db.execute("SELECT 1 FROM pragma_table_info('days') WHERE name = 'measured'").fetchone():
                db.execute(f"ALTER TABLE days ADD COLUMN {_MEASURED}")  # an older release's: it knew no filled hours

    def __repr__(self) -> str:
        return f"DayVault({self.path})"

    def put(self, signed: SignedDay, opening: DayOpening) -> None:
        """Keep a day; the same again is fine. Raises MeterError for a wrong opening or a second commitment."""
        self.put_all([(signed, opening)])

    def put_all(self, days: Sequence[tuple[SignedDay, DayOpening]]) -> None:
        """Keep several days or, where one can't be kept, none of them; else as `put`."""
        for signed, opening in days:
            verify_opening(signed, opening, self._interval)
        with self._transaction() as db:
            for signed, opening in days:
                if not _insert(db, signed, opening):
                    name = block_name(signed.day, self._interval)
                    raise MeterError(f"{name} of household {signed.household} is already signed, differently")

    def get(self, household: str, day: int) -> tuple[SignedDay, DayOpening]:
        """A day that is kept. Raises MeterError if there is none."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT commitment, signature, readings, blinding, measured FROM days "
                "WHERE household = ? AND day = ?",
                (household, day),
            ).fetchone()
        if row is None:
            name = block_name(day, self._interval)
            raise MeterError(f"the vault {self.path} has no {name} of household {household}")
        commitment, signature, packed, blinding = (bytes(value) for value in row[:-1])
        readings = tuple(int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4))
        signed = SignedDay(household, day, commitment, signature, int(row[-1]))
        return signed, DayOpening(readings, int.from_bytes(blinding, "big"))

    def days(self, household: str) -> list[int]:
        """The days kept of a household, in order."""
        with self._transaction() as db:
            rows = db.execute("SELECT day FROM days WHERE household = ? ORDER BY day", (household,)).fetchall()
        return [int(day) for (day,) in rows]

    def erase(self, household: str) -> int:
        """Forget a household, overwriting its rows in the file; how many days there were."""
        with self._transaction() as db:
            return db.execute("DELETE FROM days WHERE household = ?", (household,)).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with _named_errors(self.path), contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db:
                db.execute("PRAGMA secure_delete = ON")
                with db:
                    yield db
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, how: str) -> MeterError:
        return MeterError(
            f"{self.path}, the vault of signed days, is damaged ({how}): restore it from a backup. Keep the damaged "
            "file, since each day in it can be signed only once"
        )


def _insert(db: sqlite3.Connection, signed: SignedDay, opening: DayOpening) -> bool:
    """Whether the day is there with this commitment, and no other."""
    readings = b"".join(value.to_bytes(4, "big") for value in opening.readings)
    blinding = opening.blinding.to_bytes(32, "big")
    row = (signed.household, signed.day, signed.commitment, signed.signature, readings, blinding, signed.measured)
    db.execute("INSERT OR IGNORE INTO days VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    kept = db.execute(
        "SELECT commitment FROM days WHERE household = ? AND day = ?", (signed.household, signed.day)
    ).fetchone()
    return bytes(kept[0]) == signed.commitment


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """What the system does not allow: OSError for a full disk, MeterError for the rest."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None
        raise MeterError(f"{path} cannot be used now ({error}): check the disk and the permissions") from None


def _make(path: Path) -> None:
    """An empty vault, there whole or not at all; one that another process has made meanwhile stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    os.close(handle)
    draft = Path(name)
    try:
        with _named_errors(path), contextlib.closing(sqlite3.connect(draft)) as db, db:
            db.execute(_SCHEMA)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
