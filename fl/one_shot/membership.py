"""Whose sums a one-shot training is of: all homes', or those before with newcomers, or without some that leave."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from fl.errors import StatisticsRefused
from fl.one_shot.total import Total
from fl.one_shot.training import OneShot, SumOf

Change = Literal["all", "join", "leave"]


@dataclass(frozen=True)
class Membership:
    """How the total changes.

    Args:
        change: `all`: every home sums anew; `join`: homes that are not in the total `before` sum among themselves and
            are added; `leave`: `leaving` homes sum what they had entered, which is subtracted.
    """

    change: Change = "all"
    before: Total | None = None
    leaving: tuple[str, ...] = ()

    def asked(self, online: Collection[str], fewest: int) -> list[str]:
        """The homes to ask. Raises StatisticsRefused for fewer than may sum, or so many that fewer would be left."""
        if self.change == "all":
            return sorted(online)
        known = set(self._before.homes)
        if self.change == "join":
            asked = sorted(set(online) - known)
            return _enough(asked, fewest, "are new: what a few enter could be seen; wait for more")
        if missing := set(self.leaving) - set(online) | set(self.leaving) - known:
            raise StatisticsRefused(f"not here, or not in the total: {', '.join(sorted(missing))}")
        _enough(
            sorted(known - set(self.leaving)),
            fewest,
            "would be left: what they have entered could be seen; let fewer leave",
        )
        return _enough(sorted(self.leaving), fewest, "leave: what a few take out could be seen; wait for more")

    def total(self, one_shot: OneShot, sum_of: SumOf, homes: int) -> Total:
        """The total that follows; see `OneShot`."""
        if self.change == "all":
            return one_shot.total(sum_of, homes)
        if self.change == "join":
            return one_shot.joined(self._before, sum_of, homes)
        return one_shot.left(self._before, sum_of)

    @property
    def _before(self) -> Total:
        if self.before is None:
            raise StatisticsRefused(
                "there is no one-shot training yet that homes could join or leave: begin with one"
            )
        return self.before


def _enough(homes: list[str], fewest: int, why: str) -> list[str]:
    if len(homes) < fewest:
        raise StatisticsRefused(f"{len(homes)} homes {why} (secure_aggregation.fewest_homes: {fewest})")
    return homes
