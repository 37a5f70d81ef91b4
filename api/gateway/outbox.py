"""What a gateway has submitted and has still to submit, on disk: a gateway that was killed resumes from it.

outbox/elm-3/forecast-17316.json     state, why, and the transaction once it is signed
outbox/elm-3/export-17316.json       the forecast of export, which is not on the chain
outbox/elm-3/claim-17316.json
outbox/elm-3/head-20.json            the personal head of round 20, to be pinned
outbox/elm-3/share-17316.json        the shares of the period that ends with that day
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from data.atomic import write_bytes
from data.damage import whole
from data.errors import DamagedFile
from data.json_text import read_as
from data.numbered_files import kind_and_number

_log = logging.getLogger(__name__)
Kind = Literal["head", "forecast", "export", "claim", "green", "share"]
State = Literal["waiting", "done", "refused"]
_KEEP_DAYS = 60
_NAME_BEFORE = "errands"  # the folder's name in releases before 0.2; submissions waiting there are migrated
_REMEDY = (
    "Keep it, and restore a copy from your backup, or move it away: what it was about may then be submitted anew"
)
_ORDER: tuple[Kind, ...] = ("head", "forecast", "export", "claim", "green", "share")
_KEPT: tuple[Kind, ...] = ("head", "share")


@dataclass(frozen=True)
class Submission:
    """One thing to submit.

    Args:
        number: the day; of a head the round; of a share the period's last day.
        since: when it was created, UTC seconds.
        code: the last refusal's, or the reason why it ended.
        transaction: the household's own, signed, in hexadecimal; the same one is sent again until it is stale.
        signings: how often one was signed, each of which may cost its fee.
    """

    kind: Kind
    number: int
    since: int
    state: State = "waiting"
    code: str = ""
    transaction: str | None = None
    signings: int = 0

    def ended(self, state: State, code: str = "") -> Submission:
        return replace(self, state=state, code=code)


class Outbox:
    """The outbox of one home."""

    def __init__(self, directory: Path, home: str) -> None:
        older = directory.with_name(_NAME_BEFORE)
        if older.is_dir() and not directory.exists():
            older.rename(directory)
        self._folder = directory / home

    def get(self, kind: Kind, number: int) -> Submission | None:
        path = self._path(kind, number)
        return _read(path, kind, number) if path.exists() else None

    def put(self, submission: Submission) -> None:
        """Keep a submission as it stands now."""
        write_bytes(
            self._path(submission.kind, submission.number), json.dumps(asdict(submission)).encode(), private=True
        )

    def all(self) -> list[Submission]:
        """All of them by kind, in the order of a day's; latest first, since their deadlines can still be met."""
        found = [_read(path, *named) for path in self._folder.glob("*-*.json") if (named := _named(path)) is not None]
        return sorted(found, key=lambda submission: (_ORDER.index(submission.kind), -submission.number))

    def forget_before(self, day: int) -> None:
        """Delete submissions that ended long before a day."""
        for submission in self.all():
            if (
                submission.kind not in _KEPT
                and submission.state != "waiting"
                and submission.number < day - _KEEP_DAYS
            ):
                self._path(submission.kind, submission.number).unlink(missing_ok=True)

    def unclaimed(self) -> list[int]:
        """Days whose forecast is registered and whose claim does not exist yet."""
        registered = [
            submission.number
            for submission in self.all()
            if (submission.kind, submission.state) == ("forecast", "done")
        ]
        return sorted(day for day in registered if self.get("claim", day) is None)

    def without_green_share(self) -> list[int]:
        """Days whose claim was taken, and of whose green share nothing is known yet."""
        claimed = [s.number for s in self.all() if (s.kind, s.state, s.code) == ("claim", "done", "")]
        return sorted(day for day in claimed if self.get("green", day) is None)

    def _path(self, kind: Kind, number: int) -> Path:
        return self._folder / f"{kind}-{number}.json"


def _read(path: Path, kind: Kind, number: int) -> Submission:
    """The submission in a file. An unreadable one counts as ended (`damaged`) and is logged once; the others
    proceed."""
    try:
        with whole(path, "a submission", _REMEDY):
            submission = read_as(Submission, path.read_bytes())
            if (submission.kind, submission.number) != (kind, number):
                raise ValueError("another submission")
            return submission
    except DamagedFile as damaged:
        _tell_once(str(damaged))
        return Submission(kind, number, since=0, state="refused", code="damaged")


def _named(path: Path) -> tuple[Kind, int] | None:
    """Kind and number, as the file's name says; None if it is none of ours."""
    return kind_and_number(path, _ORDER)


@cache
def _tell_once(problem: str) -> None:
    _log.error("submission skipped", extra={"reason": problem})
