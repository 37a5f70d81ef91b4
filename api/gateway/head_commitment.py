"""The public side of a home's personal heads, on the home's disk: commitment, digest, time of pinning.

    homes/HOME/heads/0020.json     the head of round 20

The agent's main process reads this without a proof system. The head itself: `api.gateway.personal_head`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads

_REMEDY = (
    "Keep it, and restore a copy from your backup, or wait for the next round: the registry wants this "
    "round's forecasts to be made with the head"
)


@dataclass(frozen=True)
class HeadCommitment:
    """A committed head: rows (48 bytes each) and digest, hexadecimal with 0x; UTC seconds of its pinning, or None."""

    round: int
    rows: tuple[str, ...]
    digest: str
    pinned_at: int | None = None

    def is_in_force(self, day_start: int) -> bool:
        """Whether the registry requires the forecast of a day that starts then to be made with this head."""
        return self.pinned_at is not None and self.pinned_at < day_start


def heads_folder(home_folder: Path) -> Path:
    return home_folder / "heads"


def read_head_commitment(home_folder: Path, number: int) -> HeadCommitment | None:
    """The note of a round's head; None where the home has not committed to one. Raises DamagedFile."""
    path = _path(home_folder, number)
    if not path.exists():
        return None
    with whole(path, "the note of a personal head", _REMEDY):
        content = loads(path.read_bytes())
        return HeadCommitment(**content | {"rows": tuple(content["rows"])})


def write_head_commitment(home_folder: Path, note: HeadCommitment) -> None:
    write_bytes(_path(home_folder, note.round), json.dumps(asdict(note)).encode(), private=True)


def _path(home_folder: Path, number: int) -> Path:
    return heads_folder(home_folder) / f"{number:04d}.json"
