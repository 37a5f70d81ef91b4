"""A household's meters one after the other: each signs the days from its first one until the next one's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from data.errors import LostFile
from data.meter import Meter


@dataclass(frozen=True)
class HouseholdMeters:
    """By the first day that each one counts; the oldest also signs the days before.

    `lost`: the addresses of those whose keys are gone, by the same; `lost_in`: where the keys should be.
    """

    by_first_day: Mapping[int, Meter]
    lost: Mapping[int, str] = field(default_factory=dict)
    lost_in: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for none."""
        if not self.by_first_day:
            raise ValueError("a household has a meter")

    def on(self, day: int) -> Meter:
        """The meter that signs a day. Raises LostFile where its key is gone: no other meter may sign its days."""
        first = self._first_on(day)
        if first in self.lost:
            raise LostFile(
                f"the key of the meter {self.lost[first]}, which counts from day {first} on, is not in "
                f"{self.lost_in}: restore it from your backup (meter.key, or meter-DAY.key by its first day). If it "
                "is lost for good, the household needs another meter: `wattproof replace-meter` makes its key"
            )
        return self.by_first_day[first]

    def address_on(self, day: int) -> str:
        """The address of the meter that signs a day, also where its key is gone."""
        first = self._first_on(day)
        return self.lost[first] if first in self.lost else self.by_first_day[first].address

    def _first_on(self, day: int) -> int:
        begun = [first for first in self.first_days if first <= day]
        return begun[-1] if begun else self.first_days[0]

    @property
    def first_days(self) -> tuple[int, ...]:
        """The first day of each, in order."""
        return tuple(sorted({*self.by_first_day, *self.lost}))

    @property
    def since(self) -> int:
        """The first day of the newest."""
        return self.first_days[-1]

    @property
    def newest(self) -> Meter:
        """Raises LostFile."""
        return self.on(self.since)
