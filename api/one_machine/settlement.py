"""A period settled with all homes on this machine: signed days, one masked sum of them, shares, the settlement.

Each home's meter signs what it counted, import and export; the homes sum all hours of the period, and the blindings,
under masks that cancel; each proves its shares of what follows; the operator's part checks all of it. One process
plays everybody here, so that a day's signatures are checked once and not by each home again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.gateway.metered_home import Blocks, MeteredHome
from api.protocol.meters import Meters
from api.protocol.period import (
    FEWEST_DAYS,
    FEWEST_HOMES,
    SIDES,
    BlockRecord,
    CheckedPeriod,
    DayRecord,
    Key,
    Period,
    PeriodError,
    Side,
    check,
)
from api.protocol.settlement import Settlement, Share, settle
from data.interval import BLOCK_VALUES, IntervalMinutes, block_numbers, day_of_block
from fl.secagg.aggregator import Session, default_threshold, sum_in_process
from fl.secagg.rings import PrimeField
from zkp.algebra.field import MODULUS
from zkp.statements.total import Total

_ENTRIES = BLOCK_VALUES + 1
"""Of a block in the sum: its values, and the blinding."""
_Members = Mapping[str, Mapping[int, tuple[Blocks, Blocks]]]
_SHOWN = 3
_Row = tuple[Side, int, int]
"""Side, block and class."""


def record_period(
    community: str,
    homes: Sequence[MeteredHome],
    days: Sequence[int],
    key: Key,
    *,
    fewest_homes: int = 1,
    incomplete: bool = False,
) -> Period:
    """Sign the days and open their totals by one masked sum. Raises PeriodError, MaskingRefused, as `signed` does.

    `incomplete`: leave out days that fewer than `fewest_homes` (of each class) have measured; else they are refused.
    """
    interval: IntervalMinutes = homes[0].interval if homes else 60
    if other := next((home for home in homes if home.interval != interval), None):
        raise PeriodError(f"{other.home.name} is metered by {other.interval} minutes, and others by {interval}")
    signed = {home.household: home.signed(days) for home in sorted(homes, key=lambda home: home.household)}
    few = [day for day in days if _fewest([h for h, own in signed.items() if day in own], key) < fewest_homes]
    if few and (not incomplete or len(few) == len(days)):
        raise PeriodError(_too_few(few, len(days), homes, signed, fewest_homes))
    days = [day for day in days if day not in few]
    own_days = {household: {day: own[day] for day in days if day in own} for household, own in signed.items()}
    members = {household: own for household, own in own_days.items() if own}
    if key.kind == "priority":  # a class has a sum of its own
        key.check(sorted(members))
    blocks = [number for day in days for number in block_numbers(day, interval)]
    rows: list[_Row] = [("import", block, number) for block in blocks for number in key.classes]
    rows += [("export", block, 1) for block in blocks]
    label = f"{community}/shared/{days[0]}-{days[-1]}" + ("" if interval == 60 else f"/{interval}")
    totals = _summed(label, members, rows, key, interval)
    return Period(community, key, tuple(_record(day, members, totals, key, interval) for day in days), interval)


def _fewest(households: Sequence[str], key: Key) -> int:
    """How many homes are in the smallest total of a day: by the key `priority` each class has its own."""
    if key.kind != "priority":
        return len(households)
    classes = [key.numbers[household] for household in households if household in key.numbers]
    return min((classes.count(number) for number in key.classes), default=0)


def _too_few(few: Sequence[int], days: int, homes: Sequence[MeteredHome], signed: _Members, fewest: int) -> str:
    """Which days too few homes have measured, and what homes lack on the first of them."""
    first = few[0]
    lacking = [home.lacking_on(first) for home in homes if first not in signed[home.household]]
    why = "; ".join([words for words in lacking if words][:_SHOWN])
    return (
        f"there is no total on {homes[0].clock.date_of(first)}{f' ({why})' if why else ''}, nor on {len(few) - 1} "
        f"other days of {days}: it takes both registers of a whole day from {fewest} homes, of each class. Import "
        "what is missing, and with --no-export the homes that feed nothing in; or leave such days out for good with "
        "--incomplete"
    )


def _summed(
    label: str, members: _Members, rows: Sequence[_Row], key: Key, interval: IntervalMinutes
) -> dict[_Row, Total]:
    """Totals by side, block and class: all in one sum, in which a home enters zeros where it is no member."""

    def vector(household: str) -> list[int]:
        out: list[int] = []
        for side, block, number in rows:
            day = day_of_block(block, interval)
            mine = members[household].get(day)
            if mine is None or (side == "import" and key.class_of(household) != number):
                out += [0] * _ENTRIES
                continue
            place = block - block_numbers(day, interval).start
            _, opening = mine[SIDES.index(side)][place]
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
    day: int, members: _Members, totals: Mapping[_Row, Total], key: Key, interval: IntervalMinutes
) -> DayRecord:
    there = [own[day] for _, own in sorted(members.items()) if day in own]
    blocks = (
        BlockRecord(
            block,
            tuple(imported[place][0] for imported, _ in there),
            tuple(exported[place][0] for _, exported in there),
            tuple(totals["import", block, number] for number in key.classes),
            totals["export", block, 1],
        )
        for place, block in enumerate(block_numbers(day, interval))
    )
    return DayRecord(day, tuple(blocks))


def settle_period(
    community: str,
    homes: Sequence[MeteredHome],
    days: Sequence[int],
    key: Key,
    fewest_days: int = FEWEST_DAYS,
    known: Settlement | None = None,
    *,
    incomplete: bool = False,
) -> Settlement:
    """Settle a period of these homes. Raises PeriodError, DataError, MaskingRefused.

    `known`: an earlier settlement. Its shares are kept where it is of the same period, so that its root stays; days
    that it left out stay out. `incomplete`: as in `record_period`.
    """
    days = days if known is None else known.period.day_numbers
    period = record_period(community, homes, days, key, fewest_homes=FEWEST_HOMES, incomplete=incomplete)
    checked = check(period, meters_of(homes), fewest_days=fewest_days)
    kept = known.shares if known is not None and known.period == checked.period else {}
    missing = [home for home in homes if any((home.household, side) not in kept for side in SIDES)]
    return settle(checked, proven_shares(checked, missing) | dict(kept))


def proven_shares(checked: CheckedPeriod, homes: Sequence[MeteredHome]) -> dict[tuple[str, Side], Share]:
    """Both shares of every home that was a member for long enough; the others' part stays in the remainder."""
    shares: dict[tuple[str, Side], Share] = {}
    for home in homes:
        days = sum(home.household in record.households for record in checked.period.days)
        if days >= (prover := home.prover).fewest_days:
            shares |= prover.shares(checked)
    return shares


def meters_of(homes: Sequence[MeteredHome]) -> Meters:
    """The meter of each home; of one whose meter was replaced, all of them from the first on."""
    return {home.household: home.meters for home in homes}
