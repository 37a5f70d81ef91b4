"""The days of which surplus hours are known, one folder each: the file to audit, with every proof, and pictures.

All of it is for everybody: sums of at least three homes, and proofs that show nothing of any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from api.operator.surplus_picture import pictures
from api.protocol import surplus_file
from api.protocol.schemas import SurplusHours
from api.protocol.surplus import SurplusDay, SurplusError, shown
from data.atomic import write_bytes
from data.day import DayClock
from data.errors import DamagedFile

FILE = "surplus.json"
_REMEDY = "Restore it from your backup: a day's sums are opened once, of the same homes."


def keep_day(folder: Path, surplus: SurplusDay, clock: DayClock) -> None:
    """Write a day's file and pictures, each whole. The file is the last, so that a listed day has all of them."""
    own = folder / str(surplus.day)
    for suffix, png in pictures(shown(surplus, clock), clock).items():
        write_bytes(own / f"surplus{suffix}.png", png)
    write_bytes(own / FILE, surplus_file.written(surplus))


@dataclass(frozen=True)
class SurplusDays:
    """The days in a folder (`ApiSettings.surplus_dir`)."""

    folder: Path
    clock: DayClock

    def days(self) -> list[int]:
        """In order."""
        return sorted(int(path.parent.name) for path in self.folder.glob(f"*/{FILE}") if path.parent.name.isdecimal())

    def file(self, day: int) -> Path | None:
        """The file to audit; None where the day's hours are not known."""
        path = self.folder / str(day) / FILE
        return path if path.is_file() else None

    def kept(self, day: int) -> SurplusDay | None:
        """A day with every proof, unchecked but for its form; None where it is not known. Raises DamagedFile."""
        path = self.file(day)
        return None if path is None else _parsed(path, day)

    def of(self, day: int) -> SurplusHours | None:
        """What is shown of a day. Raises DamagedFile."""
        path = self.file(day)
        if path is None:
            return None
        state = path.stat()
        return _read(path, day, self.clock, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, day: int, clock: DayClock, _changed_ns: int, _size: int) -> SurplusHours:
    """Read once, until the file is another."""
    return shown(_parsed(path, day), clock)


def _parsed(path: Path, day: int) -> SurplusDay:
    try:
        found = surplus_file.read(path.read_bytes())
        if found.day != day:
            raise SurplusError(f"it is of day {found.day}")
    except SurplusError:
        raise DamagedFile.of(path, "a day's surplus hours", _REMEDY) from None
    return found
