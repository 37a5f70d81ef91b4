"""The days of one home as its meter has signed them: proofs use these, never the table itself.

A day is signed once, when first needed, from the table as it is then. The table may change afterwards: a gap is
filled with real values, a day is imported again, the community's day starts at another hour. A signed day never
changes, since a week of proofs depends on it; `changes` shows where the table differs.

Hours that the table has as filled are signed as such (`data.meter`): a model may read them, nobody is paid for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError
from data.household_meters import HouseholdMeters
from data.meter import DayOpening, SignedDay, verify_opening
from data.quantity import Quantity
from data.vault import DayVault


@dataclass(frozen=True)
class Changed:
    """Hours of a signed day for which the table has other values now.

    `shift`: the table has the signed values so many hours later (earlier, if negative): it is the start of the
    community's day that has changed since. 0 where that does not explain it.
    """

    day: int
    hours: pd.DatetimeIndex
    shift: int


class SignedDays:
    """The signed days of one household.

    Args:
        home: its name, for messages.
        vault: of the quantity.
        meters: a day is signed by the one that is there on that day, whenever it is signed.
        readings: its own rows of a long table, of the quantity.
    """

    def __init__(
        self,
        home: str,
        vault: DayVault,
        meters: HouseholdMeters,
        household: str,
        readings: pd.DataFrame,
        clock: DayClock,
        quantity: Quantity = "load",
    ) -> None:
        self._home, self._vault, self._meters, self._household, self._clock = home, vault, meters, household, clock
        self._quantity = quantity
        self._table = pd.Series(readings["y"].to_numpy(), index=pd.DatetimeIndex(readings["ds"]))
        self._filled = self._table.index[readings["filled"].to_numpy()]

    def __repr__(self) -> str:
        return f"SignedDays({self._home!r})"

    def get(self, day: int) -> tuple[SignedDay, DayOpening]:
        """The signed day with its opening; signed now if it is not yet.

        Raises TableError where it can't be, for hours that the table lacks; MeterError for a damaged vault.
        """
        if self._is_signed(day):
            signed, opening = self._vault.get(self._household, day)
            verify_opening(signed, opening)
            return signed, opening
        if len(absent := self.missing(day)):
            there = HOURS_PER_DAY - len(absent)
            raise TableError(f"{self._home} has {there} of the {HOURS_PER_DAY} readings of day {day}")
        hours = self._clock.hours(day)
        values, measured = self._table.loc[hours].to_list(), ~hours.isin(self._filled)
        mask = sum(1 << hour for hour, is_measured in enumerate(measured.tolist()) if is_measured)
        signed, opening = self._meters.on(day).sign_day(self._household, day, values, mask, self._quantity)
        self._vault.put(signed, opening)
        return signed, opening

    def missing(self, day: int) -> pd.DatetimeIndex:
        """The hours that keep a day from being signed; none of a day that is."""
        hours = self._clock.hours(day)
        return hours[:0] if self._is_signed(day) else hours[~hours.isin(self._table.index)]

    def filled(self, day: int) -> pd.DatetimeIndex:
        """The hours of a day that were filled in: as it is signed, or as it would be now."""
        hours = self._clock.hours(day)
        if not self._is_signed(day):
            return hours[hours.isin(self._filled)]
        signed, _ = self._vault.get(self._household, day)
        return hours[[not signed.measured >> hour & 1 for hour in range(HOURS_PER_DAY)]]

    def is_signed_as_filled(self, day: int) -> bool:
        """Whether a day is signed with filled hours: for good, whatever is measured later."""
        return self._is_signed(day) and len(self.filled(day)) > 0

    def changes(self, day: int) -> Changed | None:
        """Where the table differs from a day that was signed; None where it does not. Hours it lacks do not count."""
        if not self._is_signed(day):
            return None
        _, opening = self._vault.get(self._household, day)
        signed = np.array(opening.readings)
        other = self._differs(day, signed, 0)
        if not other.any():
            return None
        shifts = [*range(1, HOURS_PER_DAY), *range(-1, -HOURS_PER_DAY, -1)]
        shift = next((s for s in shifts if self._covers(day, s) and not self._differs(day, signed, s).any()), 0)
        return Changed(day, self._clock.hours(day)[other], shift)

    def _is_signed(self, day: int) -> bool:
        return day in self._vault.days(self._household)

    def _covers(self, day: int, shift: int) -> bool:
        return bool(self._shifted(day, shift).isin(self._table.index).all())

    def _differs(self, day: int, signed: NDArray[np.int64], shift: int) -> NDArray[np.bool_]:
        """Which of a day's hours the table has otherwise, `shift` hours later."""
        now = self._table.reindex(self._shifted(day, shift)).to_numpy(dtype=np.float64)
        differs: NDArray[np.bool_] = ~np.isnan(now) & (now != signed)
        return differs

    def _shifted(self, day: int, shift: int) -> pd.DatetimeIndex:
        return self._clock.hours(day) + pd.Timedelta(hours=shift)
