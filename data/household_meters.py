"""A household's meters one after the other: each signs the days from its first one until the next one's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data.meter import Meter


@dataclass(frozen=True)
class HouseholdMeters:
    """By the first day that each one counts; the oldest also signs the days before."""

    by_first_day: Mapping[int, Meter]

    def __post_init__(self) -> None:
        """Raises ValueError for none."""
        if not self.by_first_day:
            raise ValueError("a household has a meter")

    def on(self, day: int) -> Meter:
        """The meter that signs a day."""
        begun = [first for first in self.first_days if first <= day]
        return self.by_first_day[begun[-1] if begun else self.first_days[0]]

    @property
    def first_days(self) -> tuple[int, ...]:
        """The first day of each, in order."""
        return tuple(sorted(self.by_first_day))

    @property
    def since(self) -> int:
        """The first day of the newest."""
        return self.first_days[-1]

    @property
    def newest(self) -> Meter:
        return self.by_first_day[self.since]
