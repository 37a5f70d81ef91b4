"""A period settled with all homes on this machine: signed days, one masked sum of them, shares, the settlement.

Each home's meter signs what it counted, import and export; the homes sum all hours of the period, and the blindings,
under masks that cancel; each proves its shares of what follows; the operator's part checks all of it. One process
plays everybody here, so that a day's signatures are checked once and not by each home again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.gateway.metered_home import MeteredHome, Opened
from api.protocol.meters import Meters
from api.protocol.period import FEWEST_DAYS, SIDES, CheckedPeriod, DayRecord, Key, Period, PeriodError, Side, check
from api.protocol.settlement import Settlement, Share, settle
from data.day import HOURS_PER_DAY
from fl.secagg.aggregator import Session, default_threshold, sum_in_process
from fl.secagg.rings import PrimeField
from zkp.algebra.field import MODULUS
from zkp.statements.total import Total

_ENTRIES = HOURS_PER_DAY + 1
"""Of a day in the sum: its hours, and the blinding."""


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


def meters_of(homes: Sequence[MeteredHome]) -> Meters:
    """The meter of each home; of one whose meter was replaced, all of them from the first on."""
    return {home.household: home.meters for home in homes}
