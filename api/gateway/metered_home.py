"""A home with both registers of its meter: its days are signed once, import and export, from its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from api.gateway.home import Home
from api.gateway.shared_energy import ShareProver
from api.protocol.meters import Assignment
from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError
from data.interval import BLOCK_VALUES, IntervalMinutes, block_numbers
from data.meter import DayOpening, SignedDay
from data.quantity import QUANTITIES, Quantity
from data.quarters import HomeQuarters, load_quarters
from data.settings import DataSettings
from data.table import EXPORT

Opened = tuple[SignedDay, DayOpening]
Blocks = tuple[Opened, ...]
"""Of one register and day: one by the hour, four by the quarter of an hour."""


@dataclass(frozen=True)
class MeteredHome:
    """A home with both registers of its meter.

    `readings`: its rows of a long table with `export`; a day on which an hour of either is missing is no day of the
    home's: it was no member then. `earlier`: the meters that were there before the present one, each from its first
    day; the present one has counted since the day `meter_since`, and signs no day before. `quarters`: where shared
    energy is settled by the quarter of an hour; what is signed are these then, and not the hours.
    """

    home: Home
    readings: pd.DataFrame
    clock: DayClock
    earlier: tuple[Assignment, ...] = ()
    meter_since: int = 0
    quarters: HomeQuarters | None = None

    def __post_init__(self) -> None:
        if EXPORT not in self.readings:
            raise TableError(
                f"{self.home.name} has no column {EXPORT}: import a file of both registers of its meter, or with "
                "--no-export that of a home that feeds nothing in (docs/meters.md)"
            )

    def __repr__(self) -> str:
        return f"MeteredHome({self.home.name})"

    @property
    def household(self) -> str:
        return str(self.home.wallet.address)

    @property
    def interval(self) -> IntervalMinutes:
        return 60 if self.quarters is None else 15

    @property
    def meters(self) -> str | tuple[Assignment, ...]:
        """The meter's address, or all meters one after the other."""
        own = self.home.meters
        if not self.earlier and len(own.first_days) == 1:
            return own.address_on(own.since)
        days = (self.meter_since, *(day for day in own.first_days if day > self.meter_since))
        return (*self.earlier, *(Assignment(day, own.address_on(day)) for day in days))

    def signed(self, days: Sequence[int]) -> dict[int, tuple[Blocks, Blocks]]:
        """Import and export of each day that the home has measured; what is not signed yet is signed now.

        What was signed stands, whatever the table says now. Raises MeterError for a damaged vault.
        """
        measured = self._hours(days) if self.quarters is None else _quarters(self.quarters, days)
        imported, exported = (self._register(quantity, measured[quantity], days) for quantity in QUANTITIES)
        return {day: (imported[day], exported[day]) for day in days if day in imported and day in exported}

    def lacking_on(self, day: int) -> str:
        """Words for why the home can't sign a day: what its meter did not measure on it; empty where it did."""
        if self.quarters is not None:
            try:
                self.quarters.day(day)
            except TableError as lacking:
                return str(lacking)
            return ""
        measured = self.readings[~self.readings["filled"] & (self.clock.days_of(self.readings["ds"]) == day)]
        for what, known in (("import", len(measured)), ("export", int(measured[EXPORT].notna().sum()))):
            if known < HOURS_PER_DAY:
                named = f"{self.home.name}, day {day} ({self.clock.date_of(day)})"
                return f"{named}: {HOURS_PER_DAY - known} of its {HOURS_PER_DAY} hours of {what} were not measured"
        return ""

    def _hours(self, days: Sequence[int]) -> dict[Quantity, dict[int, list[int]]]:
        """The hours (Wh) of each register, of the days of which all are there."""
        measured = self.readings[~self.readings["filled"]]
        known = measured[measured[EXPORT].notna()]
        registers: dict[Quantity, tuple[pd.DataFrame, str]] = {"load": (measured, "y"), "export": (known, EXPORT)}
        out: dict[Quantity, dict[int, list[int]]] = {}
        for quantity, (rows, column) in registers.items():
            hours: dict[int, list[int]] = {day: [] for day in days}  # by day, in the order of time
            for day, value in zip(self.clock.days_of(rows["ds"]).tolist(), rows[column].tolist(), strict=True):
                if day in hours:
                    hours[day].append(int(value))
            out[quantity] = {day: values for day, values in hours.items() if len(values) == HOURS_PER_DAY}
        return out

    def _register(
        self, quantity: Quantity, measured: Mapping[int, Sequence[int]], days: Iterable[int]
    ) -> dict[int, Blocks]:
        """A register's days, from the vault or signed now. `measured`: all values of each day, in order."""
        vault, household, interval = self.home.vault_of(quantity, self.interval), self.household, self.interval
        kept = set(vault.days(household))
        new = {
            number: self.home.meters.on(day).sign_block(
                household, number, values[BLOCK_VALUES * k : BLOCK_VALUES * (k + 1)], quantity, interval
            )
            for day, values in measured.items()
            if day >= self.meter_since
            for k, number in enumerate(block_numbers(day, interval))
            if number not in kept
        }
        vault.put_all(list(new.values()))
        out = {}
        for day in days:
            numbers = block_numbers(day, interval)
            if all(number in new or number in kept for number in numbers):
                out[day] = tuple(new[n] if n in new else vault.get(household, n) for n in numbers)
        return {day: blocks for day, blocks in out.items() if all(signed.is_measured for signed, _ in blocks)}

    @property
    def prover(self) -> ShareProver:
        imported, exported = (self.home.vault_of(quantity, self.interval) for quantity in QUANTITIES)
        return ShareProver(self.household, imported, exported, self.home.folder, interval=self.interval)


def quarters_table(data: DataSettings, hours: pd.DataFrame) -> pd.DataFrame:
    """The homes' quarters of an hour, to settle by. Raises TableError where the settings name none."""
    if data.source == "citylearn":
        raise TableError(
            "settlement.interval_minutes is 15, and the demo homes' data are hourly: settle them by the hour (60), "
            "or name tables of your own (data.source: files)"
        )
    if not data.quarters:
        raise TableError(
            "settlement.interval_minutes is 15, and data.quarters names no table: import quarters of an hour with "
            "`wattproof data import --quarters FILE` and name FILE there, or settle by the hour (60)"
        )
    return load_quarters(data.quarters, hours)


def _quarters(table: HomeQuarters, days: Sequence[int]) -> dict[Quantity, dict[int, Sequence[int]]]:
    """The quarters (Wh) of each register, of the days of which all of both are there."""
    whole = [table.day(day) for day in table.whole_days if day in days]
    return {
        "load": {each.day: each.import_wh for each in whole},
        "export": {each.day: each.export_wh for each in whole},
    }
