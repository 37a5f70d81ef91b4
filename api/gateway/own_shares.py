"""A home's own shares of settled periods, kept on its gateway for the people who live there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from api.protocol.period import SIDES, Side
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads

SHARES = "shares.json"


@dataclass(frozen=True)
class OwnShare:
    """What a home proved of a period on one side: its part of what was shared (Wh), of what its own meter counted.

    `days`: those of the period on which it was a member.
    """

    first_day: int
    last_day: int
    days: int
    side: Side
    share_wh: int = field(repr=False)
    metered_wh: int = field(repr=False)

    @property
    def _of(self) -> tuple[int, int, int]:
        return self.first_day, self.last_day, SIDES.index(self.side)


def keep_share(folder: Path, share: OwnShare) -> None:
    """Keep a share, in the place of the one of the same days and side. Raises DamagedFile."""
    others = [one for one in own_shares(folder) if one._of != share._of]
    kept = sorted([*others, share], key=lambda one: one._of)
    write_bytes(folder / SHARES, json.dumps([asdict(one) for one in kept]).encode(), private=True)


def own_shares(folder: Path) -> list[OwnShare]:
    """The shares of a home in the order of time. Raises DamagedFile."""
    path = folder / SHARES
    if not path.exists():
        return []
    with whole(path, "a list of a home's shares"):
        shares = [OwnShare(**one) for one in loads(path.read_bytes())]
        if not all(type(number) is int for one in shares for number in (one.first_day, one.share_wh, one.metered_wh)):
            raise ValueError("not numbers")
        return sorted(shares, key=lambda one: one._of)
