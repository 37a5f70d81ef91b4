"""A home's part in a masked sum, on disk before anything of it is sent: one-time secrets survive a restart.

sums/elm-3/forecast-17316.json     private; the secrets leave it as soon as they have served
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from api.sum_protocol import Kind
from data.atomic import write_bytes

_KEEP_DAYS = 60  # far longer than a sum is asked about (`api.sum_member`)


@dataclass
class SumPart:
    """Args:
    nonce, members: of the sum it is in.
    stage: the last one it has answered, "" for none; `message` is that answer, to be sent again as it was.
    secrets: what the member keeps between stages.
    survivors: in the end, who is in the sum as far as this home was told.
    ended: open, failed, or refused.
    """

    nonce: str
    members: list[str]
    stage: str = ""
    message: dict[str, Any] | None = field(default=None, repr=False)
    secrets: str = field(default="", repr=False)
    survivors: list[str] = field(default_factory=list)
    ended: str = ""

    @property
    def bound(self) -> bool:
        """Whether the masked vector is out: from then on this home is in no other sum of the day and kind."""
        return self.stage in ("mask", "reveal")

    def end(self, how: str) -> None:
        """It is over: secrets and messages have served."""
        self.ended, self.secrets, self.message = how, "", None


class SumFolder:
    """The parts of one home."""

    def __init__(self, directory: Path, home: str) -> None:
        self._folder = directory / home

    def get(self, kind: Kind, day: int) -> SumPart | None:
        path = self._path(kind, day)
        return SumPart(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def put(self, kind: Kind, day: int, part: SumPart) -> None:
        write_bytes(self._path(kind, day), json.dumps(asdict(part)).encode(), private=True)

    def forget_before(self, day: int) -> None:
        """Delete the parts of days long before a day."""
        for path in self._folder.glob("*-*.json"):
            if int(path.stem.rpartition("-")[2]) < day - _KEEP_DAYS:
                path.unlink(missing_ok=True)

    def _path(self, kind: Kind, day: int) -> Path:
        return self._folder / f"{kind}-{day}.json"
