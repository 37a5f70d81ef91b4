"""A period settled with all homes on this machine: signed days, one masked sum of them, shares, the settlement.

Each home's meter signs what it counted, import and export; the homes sum all hours of the period, and the blindings,
under masks that cancel; each proves its shares of what follows; the operator's part checks all of it. One process
plays everybody here, so that a day's signatures are checked once and not by each home again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd

from api.gateway.home import Home
from api.gateway.shared_energy import ShareProver
from api.protocol.period import FEWEST_DAYS, SIDES, CheckedPeriod, DayRecord, Key, Period, PeriodError, Side, check
from api.protocol.settlement import Settlement, Share, settle
from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError
from data.export import EXPORT_VAULT, sign_export
from data.meter import DayOpening, SignedDay
from data.table import EXPORT
from data.vault import DayVault
from fl.secagg.aggregator import Session, default_threshold, sum_in_process
from fl.secagg.rings import PrimeField
from zkp.algebra.field import MODULUS
from zkp.statements.total import Total

_ENTRIES = HOURS_PER_DAY + 1
"""Of a day in the sum: its hours, and the blinding."""
Opened = tuple[SignedDay, DayOpening]
Sign = Callable[[str, int, Sequence[int]], Opened]


@dataclass(frozen=True)
class MeteredHome:
    """A home with both registers of its meter.

    `readings`: its rows of a long table with `export`; a day on which an hour of either is missing is no day of the
    home's: it was no member then.
    """

    home: Home
    readings: pd.DataFrame
    clock: DayClock

    def __post_init__(self) -> None:
        if EXPORT not in self.readings:
            raise TableError(f"{self.home.name} has no column {EXPORT}: without it there is nothing to share out")

    def __repr__(self) -> str:
        return f"MeteredHome({self.home.name})"

    @property
    def household(self) -> str:
        return str(self.home.wallet.address)

    @cached_property
    def exported(self) -> DayVault:
        _ = self.home.vault  # made after both keys
        return DayVault(self.home.folder / EXPORT_VAULT)

    def signed(self, days: range) -> dict[int, tuple[Opened, Opened]]:
        """Import and export of each day that the home has measured; what is not signed yet is signed now.

        What was signed stands, whatever the table says now. Raises MeterError for a damaged vault.
        """
        meter, measured = self.home.meter, self.readings[~self.readings["filled"]]
        known = measured[measured[EXPORT].notna()]
        imported = self._register(self.home.vault, measured["ds"], measured["y"], days, meter.sign_day)
        exported = self._register(self.exported, known["ds"], known[EXPORT], days, partial(sign_export, meter))
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
            if day not in kept and len(values) == HOURS_PER_DAY
        }
        vault.put_all(list(new.values()))
        found = {day: vault.get(self.household, day) for day in days if day in kept}
        return {day: opened for day, opened in found.items() if opened[0].is_measured} | new

    @property
    def prover(self) -> ShareProver:
        return ShareProver(self.household, self.home.vault, self.exported, self.home.folder)


def record_period(community: str, homes: Sequence[MeteredHome], days: range, key: Key) -> Period:
    """Sign the days and open their totals by one masked sum. Raises PeriodError, MaskingRefused, as `signed` does."""
    signed = {home.household: home.signed(days) for home in sorted(homes, key=lambda home: home.household)}
    members = {household: own for household, own in signed.items() if own}
    if not members:
        raise PeriodError(f"no home has readings and export of a whole day from {days[0]} to {days[-1]}")
    if key.kind == "priority":  # a class has a sum of its own
        key.check(sorted(members))
    rows = [("import", day, number) for day in days for number in key.classes] + [("export", day, 1) for day in days]
    totals = _summed(f"{community}/shared/{days[0]}-{days[-1]}", members, rows, key)
    return Period(community, key, tuple(_record(day, members, totals, key) for day in days))


def _summed(
    label: str,
    members: Mapping[str, Mapping[int, tuple[Opened, Opened]]],
    rows: Sequence[tuple[str, int, int]],
    key: Key,
) -> dict[tuple[str, int, int], Total]:
    """Totals by side, day and class: all in one sum, in which a home enters zeros where it is no member."""

    def vector(household: str) -> list[int]:
        out: list[int] = []
        for side, day, number in rows:
            mine = members[household].get(day)
            if mine is None or (side == "import" and key.class_of(household) != number):
                out += [0] * _ENTRIES
                continue
            _, opening = mine[0] if side == "import" else mine[1]
            out += [*opening.readings, opening.blinding % MODULUS]
        return out

    session = Session(
        label=label.encode(), members=tuple(sorted(members)), threshold=default_threshold(len(members)),
        length=len(rows) * _ENTRIES, ring=PrimeField(MODULUS),
    )  # fmt: skip
    opened, _ = sum_in_process(session, {household: vector(household) for household in members})
    values = [int(v) for v in opened]
    cut = [values[k : k + _ENTRIES] for k in range(0, len(values), _ENTRIES)]
    return {row: Total(tuple(part[:-1]), part[-1]) for row, part in zip(rows, cut, strict=True)}


def _record(
    day: int,
    members: Mapping[str, Mapping[int, tuple[Opened, Opened]]],
    totals: Mapping[tuple[str, int, int], Total],
    key: Key,
) -> DayRecord:
    there = [own[day] for _, own in sorted(members.items()) if day in own]
    return DayRecord(
        day,
        tuple(imported for (imported, _), _ in there),
        tuple(exported for _, (exported, _) in there),
        tuple(totals["import", day, number] for number in key.classes),
        totals["export", day, 1],
    )


def settle_period(
    community: str,
    homes: Sequence[MeteredHome],
    days: range,
    key: Key,
    fewest_days: int = FEWEST_DAYS,
    known: Settlement | None = None,
) -> Settlement:
    """Settle a period of these homes. Raises PeriodError, DataError, MaskingRefused.

    `known`: an earlier settlement. Its shares are kept where it is of the same period, so that its root stays.
    """
    checked = check(record_period(community, homes, days, key), meters_of(homes), fewest_days=fewest_days)
    kept = known.shares if known is not None and known.period == checked.period else {}
    missing = [home for home in homes if any((home.household, side) not in kept for side in SIDES)]
    return settle(checked, proven_shares(checked, missing) | dict(kept))


def proven_shares(checked: CheckedPeriod, homes: Sequence[MeteredHome]) -> dict[tuple[str, Side], Share]:
    """Both shares of every home that was a member."""
    shares: dict[tuple[str, Side], Share] = {}
    for home in homes:
        if home.household in checked.period.households:
            shares |= home.prover.shares(checked)
    return shares


def meters_of(homes: Sequence[MeteredHome]) -> dict[str, str]:
    return {home.household: home.home.meter.address for home in homes}
