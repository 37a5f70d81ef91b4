"""The next day's surplus hours as a home keeps them, for its own people: when to run what takes much."""

from __future__ import annotations

from pathlib import Path

from api.protocol.schemas import SurplusHours
from data.atomic import write_bytes
from data.damage import whole

SURPLUS = "surplus.json"
_REMEDY = "Move it away: it is made or fetched again with the next day's"


def keep_surplus(folder: Path, surplus: SurplusHours) -> None:
    """Keep a day's, in place of the one before."""
    write_bytes(folder / SURPLUS, surplus.model_dump_json().encode(), private=True)


def own_surplus(folder: Path) -> SurplusHours | None:
    """What is kept; None where nothing is. Raises DamagedFile."""
    path = folder / SURPLUS
    if not path.exists():
        return None
    with whole(path, "a day's surplus hours", _REMEDY):
        return SurplusHours.model_validate_json(path.read_bytes())
