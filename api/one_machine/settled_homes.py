"""The homes of a settlement on this machine, from the settings: the households' tables, or the demo homes' PV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.config.community_yaml import Config, ConfigError
from api.config.settings import HouseholdEntry
from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome, quarters_table
from api.one_machine.settlement import settle_period
from api.protocol.meters import Assignment
from api.protocol.period import Key
from api.protocol.settlement import Settlement
from data import citylearn
from data.community import load_readings, readings_of
from data.day import DayClock
from data.quarters import HomeQuarters

DEMO_HOMES = "homes-with-pv"


@dataclass(frozen=True)
class SettledHomes:
    """The homes with both registers, and the settings that they are settled by."""

    config: Config
    homes: tuple[MeteredHome, ...]

    @classmethod
    def of(cls, config: Config) -> SettledHomes:
        """Homes of the settings' data; keys are made where there are none. Raises DataError, ConfigError.

        By the quarter of an hour a home of which there are only hours is refused, by its name.

        The demo homes' meters are others than those of `wattproof demo`, which count the load alone: they have keys
        and vaults of their own.
        """
        clock = DayClock(config.data.day_start_utc)
        if config.data.source == "citylearn":
            table, folder = citylearn.load_exchange(config.data.cache_dir), config.api.state_dir / DEMO_HOMES
        else:
            table, folder = load_readings(config.data), config.api.homes_dir
        names = sorted(str(name) for name in table["unique_id"].unique())[: config.federation.num_clients]
        if strangers := sorted(config.settlement.numbers.keys() - names):
            raise ConfigError(f"settlement.numbers names {strangers[0]}, of which there are no readings here")
        entries = {entry.home: entry for entry in config.community.members}
        by_quarters = config.settlement.interval_minutes == 15
        quarters = quarters_table(config.data, table) if by_quarters else None
        homes = (
            MeteredHome(
                Home(name, folder / name), readings_of(table, name), clock, *_replaced(entries.get(name), clock),
                quarters=None if quarters is None else HomeQuarters(quarters, name, clock),
            )
            for name in names
        )  # fmt: skip
        return cls(config, tuple(homes))

    @property
    def clock(self) -> DayClock:
        return self.homes[0].clock

    @property
    def names(self) -> dict[str, str]:
        """Home names by household."""
        return {home.household: home.home.name for home in self.homes}

    @property
    def key(self) -> Key:
        numbers = self.config.settlement.numbers
        by_household = {home.household: numbers[home.home.name] for home in self.homes if home.home.name in numbers}
        return Key(self.config.settlement.key, by_household)

    def settle(self, days: range, known: Settlement | None = None, *, incomplete: bool = False) -> Settlement:
        """`known`: an earlier settlement, whose shares are kept. `incomplete`: leave out days without a total.

        Raises PeriodError, DataError, MaskingRefused.
        """
        community, fewest = self.config.community.name, self.config.settlement.fewest_days
        return settle_period(community, self.homes, days, self.key, fewest, known, incomplete=incomplete)

    def absences(self, settlement: Settlement) -> list[str]:
        """Of each home that was no member on some days of the period: a sentence with the first of them, and why."""
        out, days = [], settlement.period.days
        for home in self.homes:
            absent = [record.day for record in days if home.household not in record.households]
            if absent:
                first = f"day {absent[0]} ({self.clock.date_of(absent[0])})"
                why = (
                    home.lacking_on(absent[0])
                    or f"{home.home.name}, {first}: its present meter did not count all of it"
                )
                there = len(days) - len(absent)
                too_few = f", and a share takes {home.prover.fewest_days}" if there < home.prover.fewest_days else ""
                out.append(f"A member on {there} of {len(days)} days{too_few}: {why}.")
        return out

    def self_consumed(self, days: Sequence[int]) -> list[int] | None:
        """What homes used of their own generation (Wh), day by day; None where no meter counts it."""
        if any("generation" not in home.readings for home in self.homes):
            return None
        out = dict.fromkeys(days, 0)
        for home in self.homes:
            own = home.readings["generation"] - home.readings["export"].astype("int64")
            for day, wh in own.groupby(self.clock.days_of(home.readings["ds"])).sum().items():
                if day in out:
                    out[int(str(day))] += int(wh)
        return list(out.values())


def _replaced(entry: HouseholdEntry | None, clock: DayClock) -> tuple[tuple[Assignment, ...], int]:
    """A home's earlier meters, and since which day it has the present one."""
    first_day, earlier = 0, []
    for old in () if entry is None else entry.replaced:
        earlier.append(Assignment(first_day, old.meter))
        first_day = clock.day_on(old.last_date) + 1
    return tuple(earlier), first_day
