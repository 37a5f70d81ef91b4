"""A home with both registers of its meter: its days are signed once, import and export, from its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from api.gateway.home import Home
from api.gateway.shared_energy import ShareProver
from api.protocol.meters import Assignment
from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError
from data.export import sign_export
from data.household_meters import HouseholdMeters
from data.meter import DayOpening, SignedDay
from data.table import EXPORT
from data.vault import DayVault

Opened = tuple[SignedDay, DayOpening]
Sign = Callable[[str, int, Sequence[int]], Opened]


@dataclass(frozen=True)
class MeteredHome:
    """A home with both registers of its meter.

    `readings`: its rows of a long table with `export`; a day on which an hour of either is missing is no day of the
    home's: it was no member then. `earlier`: the meters that were there before the present one, each from its first
    day; the present one has counted since the day `meter_since`, and signs no day before.
    """

    home: Home
    readings: pd.DataFrame
    clock: DayClock
    earlier: tuple[Assignment, ...] = ()
    meter_since: int = 0

    def __post_init__(self) -> None:
        if EXPORT not in self.readings:
            raise TableError(f"{self.home.name} has no column {EXPORT}: without it there is nothing to share out")

    def __repr__(self) -> str:
        return f"MeteredHome({self.home.name})"

    @property
    def household(self) -> str:
        return str(self.home.wallet.address)

    @property
    def meters(self) -> str | tuple[Assignment, ...]:
        """The meter's address, or all meters one after the other."""
        own = self.home.meters
        if not self.earlier and len(own.first_days) == 1:
            return own.newest.address
        first, *later = own.first_days
        known = (Assignment(day, own.on(day).address) for day in (max(first, self.meter_since), *later))
        return (*self.earlier, *known)

    @property
    def exported(self) -> DayVault:
        return self.home.export_vault

    def signed(self, days: range) -> dict[int, tuple[Opened, Opened]]:
        """Import and export of each day that the home has measured; what is not signed yet is signed now.

        What was signed stands, whatever the table says now. Raises MeterError for a damaged vault.
        """
        meters, measured = self.home.meters, self.readings[~self.readings["filled"]]
        known = measured[measured[EXPORT].notna()]
        imported = self._register(self.home.vault, measured["ds"], measured["y"], days, partial(_signed, meters))
        exported = self._register(self.exported, known["ds"], known[EXPORT], days, partial(_signed_export, meters))
        return {day: (imported[day], exported[day]) for day in days if day in imported and day in exported}

    def _register(
        self, vault: DayVault, ds: pd.Series[pd.Timestamp], wh: pd.Series[int], days: range, sign: Sign
    ) -> dict[int, Opened]:
        """A register's days, from the vault or signed now: those of which all hours are there."""
        hours: dict[int, list[int]] = {day: [] for day in days}  # by day, in the order of time
        for day, value in zip(self.clock.days_of(ds).tolist(), wh.tolist(), strict=True):
            if day in hours:
                hours[day].append(int(value))
        kept = set(vault.days(self.household))
        new = {
            day: sign(self.household, day, values)
            for day, values in hours.items()
            if day not in kept and day >= self.meter_since and len(values) == HOURS_PER_DAY
        }
        vault.put_all(list(new.values()))
        found = {day: vault.get(self.household, day) for day in days if day in kept}
        return {day: opened for day, opened in found.items() if opened[0].is_measured} | new

    @property
    def prover(self) -> ShareProver:
        return ShareProver(self.household, self.home.vault, self.exported, self.home.folder)


def _signed(meters: HouseholdMeters, household: str, day: int, values: Sequence[int]) -> Opened:
    return meters.on(day).sign_day(household, day, values)


def _signed_export(meters: HouseholdMeters, household: str, day: int, values: Sequence[int]) -> Opened:
    return sign_export(meters.on(day), household, day, values)
