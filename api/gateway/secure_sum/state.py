"""A home's state in a masked sum, on disk before any of it is sent: one-time secrets survive a restart.

A commitment to a sum is final: a state whose file cannot be read, or was deleted with its day, counts as one whose
masked vector has been sent. A lock lets one process of the home answer at a time.

sums/elm-3/forecast-17316.json     private; the secrets leave it as soon as they have served
sums/elm-3/past/forecast-17000     empty: there was a part, and it was deleted with time
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from api.protocol.secure_sum import KINDS, STAGES, Kind
from data.atomic import write_bytes
from data.json_text import loads
from data.numbered_files import kind_and_number

_KEEP_DAYS = 60  # far longer than a sum is asked about (`api.gateway.secure_sum.client`)
_KEEP_SHARED_DAYS = 2 * 366
"""A period's shares are proven of what the sums of its days agreed to: a period of a year, and a year to be late."""


@dataclass
class SecureSumState:
    """Args:
    nonce, members: of the sum it is in.
    stage: the last one it has answered, "" for none; `message` is that answer, to be sent again unchanged.
    secrets: what the member keeps between stages.
    survivors: who is in the sum, once this home has agreed to it.
    ended: open, failed, or refused.
    left: nonces of the sums of this day and kind that were left for this one; none of them is entered again.
    lost: why it is unknown which sum it is in; "" if it is known.
    """

    nonce: str
    members: list[str]
    stage: str = ""
    message: dict[str, Any] | None = field(default=None, repr=False)
    secrets: str = field(default="", repr=False)
    survivors: list[str] = field(default_factory=list)
    ended: str = ""
    left: list[str] = field(default_factory=list)
    lost: str = ""

    @classmethod
    def from_json(cls, content: Any) -> SecureSumState:
        """Raises ValueError, TypeError for content that is not a state."""
        part = cls(**content)
        lists = (part.members, part.survivors, part.left)
        if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists):
            raise ValueError("not a list of names")
        if not all(isinstance(text, str) for text in (part.nonce, part.secrets, part.ended, part.lost)):
            raise ValueError("not a text")
        if part.stage not in ("", *STAGES):
            raise ValueError("no such stage")
        return part

    @property
    def bound(self) -> bool:
        """Whether the masked vector has been sent, or may have been: this home then enters no other sum of the day
        and kind."""
        return bool(self.lost) or self.reached >= STAGES.index("mask")

    @property
    def reached(self) -> int:
        """The place of its last stage among the stages; -1 before the first."""
        return -1 if self.stage == "" else STAGES.index(self.stage)

    def end(self, how: str) -> None:
        """It is over: secrets and messages are no longer needed."""
        self.ended, self.secrets, self.message = how, "", None


class SecureSumFolder:
    """The parts of one home."""

    def __init__(self, directory: Path, home: str) -> None:
        self._folder = directory / home
        self._forgotten_before = -1

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether this process may read and write states until the block ends; False: another process holds the
        lock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def get(self, kind: Kind, day: int) -> SecureSumState | None:
        """The part of a sum, None if there is none; `lost` where it can't be read or was forgotten."""
        path = self._path(kind, day)
        try:
            return SecureSumState.from_json(loads(path.read_bytes()))
        except FileNotFoundError:
            past = self._past(kind, day).exists()
            return SecureSumState("", [], lost="its state in that day's sum has been deleted since") if past else None
        except (OSError, ValueError, TypeError, RecursionError):
            return SecureSumState("", [], lost=f"{path} is damaged")

    def put(self, kind: Kind, day: int, part: SecureSumState) -> None:
        write_bytes(self._path(kind, day), json.dumps(asdict(part)).encode(), private=True)

    def states(self) -> list[Path]:
        """The files of all states, and copies beside them: they have secrets as well."""
        return sorted(self._folder.glob("*-*.json"))

    def forget_before(self, day: int) -> None:
        """Delete the states of days long before a day; a mark that this home was in their sums is kept.

        Those of shared energy that are over stay until nobody can settle their days any more: they have no secrets.
        """
        if day == self._forgotten_before:
            return
        for path in self.states():
            if (named := _named(path)) is None:
                continue
            kind, number = named
            is_settled_by = kind == "shared" and number >= day - _KEEP_SHARED_DAYS
            if number < day - _KEEP_DAYS and not (is_settled_by and self._is_over(kind, number)):
                self._forget(path)
        self._forgotten_before = day

    def entered(self) -> set[tuple[Kind, int]]:
        """Kind and day of every sum that this home is, or may be, in."""
        files = (*self.states(), *(self._folder / "past").glob("*-*"))
        return {named for path in files if (named := _named(path)) is not None}

    def forget_all(self) -> None:
        """Delete every state; the marks are kept."""
        for path in self.states():
            self._forget(path)

    def _forget(self, path: Path) -> None:
        if (named := _named(path)) is not None:
            write_bytes(self._past(*named), b"", private=True)
        path.unlink(missing_ok=True)

    def mark_past(self, kinds: Iterable[Kind], days: Iterable[int]) -> None:
        """Count this home as having been in the sums of these days: it enters them no more."""
        for day in days:
            for kind in kinds:
                write_bytes(self._past(kind, day), b"", private=True)

    def _is_over(self, kind: Kind, day: int) -> bool:
        part = self.get(kind, day)
        return part is not None and bool(part.ended)

    def _path(self, kind: Kind, day: int) -> Path:
        return self._folder / f"{kind}-{day}.json"

    def _past(self, kind: str, day: int) -> Path:
        return self._folder / "past" / f"{kind}-{day}"


def _named(path: Path) -> tuple[Kind, int] | None:
    """Kind and day of a state or mark, as its file's name says; None if it is none of ours."""
    return kind_and_number(path, KINDS)
