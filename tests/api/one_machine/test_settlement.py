"""A period settled among homes with PV: what is shared is split to the watt-hour, and whoever cheats is named."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.audit.settlement import audit_settlement
from api.gateway import membership
from api.gateway.home import Home
from api.gateway.known_meters import KNOWN
from api.gateway.metered_home import MeteredHome
from api.gateway.own_shares import OwnShare, own_shares
from api.gateway.shared_energy import SETTLED, ShareProver
from api.one_machine.settlement import meters_of, proven_shares, record_period, settle_period
from api.protocol import settlement_file
from api.protocol.meters import Assignment, meter_on
from api.protocol.period import SIDES, BlockRecord, CheckedPeriod, DayRecord, Key, Period, PeriodError, check
from api.protocol.settlement import Settlement, Share, prove_share, settle, verify_share
from data.day import DayClock
from data.errors import DamagedFile, LostFile
from data.meter import Meter
from data.table import long_table
from zkp.algebra.field import MODULUS
from zkp.errors import ProofError
from zkp.statements import shared_energy
from zkp.statements.total import Total

pytestmark = pytest.mark.slow

CLOCK = DayClock(8)
DAYS = range(17_000, 17_008)
JOINED, LEFT = 17_001, 17_007
"""home-1 is a member from one day on, home-2 until the day before another."""
COMMUNITY = "Shared Street"
HOMES = [f"home-{k}" for k in range(6)]


def readings_of(number: int) -> pd.DataFrame:
    """Sun from 15 to 23 UTC (morning to evening there), on the roofs of two homes in three; hours it was a member."""
    rng = np.random.default_rng(number)
    ds = pd.date_range(CLOCK.start_of(DAYS.start), periods=24 * len(DAYS), freq="h", unit="ns")
    sun = np.where((ds.hour >= 15) & (ds.hour < 23), 1200, 0) if number % 3 else 0
    net = rng.integers(200, 2000, len(ds)) - sun
    table = long_table(f"home-{number}", ds, np.maximum(net, 0), export=pd.Series(np.maximum(-net, 0), dtype="Int64"))
    days = CLOCK.days_of(table["ds"])
    member = (days >= JOINED) if number == 1 else (days < LEFT) if number == 2 else days > 0
    return table[member].reset_index(drop=True)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[MeteredHome]:
    folder = tmp_path_factory.mktemp("settled")
    return [MeteredHome(Home(name, folder / name), readings_of(k), CLOCK) for k, name in enumerate(HOMES)]


def test_a_day_with_filled_hours_is_not_settled(tmp_path: Path) -> None:
    readings, filled = readings_of(0), DAYS[2]
    table = readings.assign(filled=readings["ds"] == CLOCK.hours(filled)[12])
    home = MeteredHome(Home("home-0", tmp_path / "home-0"), table, CLOCK)
    assert sorted(home.signed(DAYS)) == [day for day in DAYS if day != filled]
    home.home.vault.put(*home.home.meter.sign_day(home.household, filled, [1] * 24, measured=1))
    assert sorted(home.signed(DAYS)) == [day for day in DAYS if day != filled]


@pytest.fixture(scope="module")
def addresses(homes: list[MeteredHome]) -> list[str]:
    return [home.household for home in homes]


@pytest.fixture(scope="module")
def period(homes: list[MeteredHome]) -> Period:
    return record_period(COMMUNITY, homes, DAYS, Key())


@pytest.fixture(scope="module")
def meters(homes: list[MeteredHome]) -> dict[str, str]:
    return meters_of(homes)


@pytest.fixture(scope="module")
def checked(period: Period, meters: dict[str, str]) -> CheckedPeriod:
    return check(period, meters, fewest_days=len(DAYS))


@pytest.fixture(scope="module")
def settled(checked: CheckedPeriod, homes: list[MeteredHome]) -> Settlement:
    return settle(checked, proven_shares(checked, homes))


def prover(home: MeteredHome, folder: Path, **changed: Any) -> ShareProver:
    """A household's prover that has proved nothing yet."""
    return replace(home.prover, folder=folder, **changed)


def measured(homes: list[MeteredHome], column: str) -> "pd.Series[int]":
    """What all meters counted, hour by hour, from the tables themselves."""
    return pd.concat([home.readings for home in homes]).groupby("ds")[column].sum().astype("int64")


# -- what is settled -------------------------------------------------------------------------------------------------


def test_shared_energy_is_the_smaller_of_what_all_meters_counted(period: Period, homes: list[MeteredHome]) -> None:
    taken, fed_in = measured(homes, "y"), measured(homes, "export")
    assert [v for record in period.days for v in record.shared] == list(np.minimum(taken, fed_in))
    assert 0 < period.shared_wh < min(period.imported_wh, period.exported_wh)


def test_shares_and_remainder_are_what_was_shared_on_both_sides(
    settled: Settlement, homes: list[MeteredHome]
) -> None:
    shared_wh = int(np.minimum(measured(homes, "y"), measured(homes, "export")).sum())
    assert settled.late == ()
    for side in SIDES:
        assert settled.given(side) + settled.remainder(side) == shared_wh
        assert 0 <= settled.remainder(side) <= len(homes), "what rounding leaves: a watt-hour a member"


def test_who_joined_or_left_has_a_share_of_its_own_days(
    checked: CheckedPeriod, settled: Settlement, addresses: list[str]
) -> None:
    assert checked.statement(addresses[1], "import").days == tuple(range(JOINED, DAYS.stop))
    assert checked.statement(addresses[2], "import").days == tuple(range(DAYS.start, LEFT))
    assert settled.shares[addresses[1], "import"].wh > 0


def test_a_day_of_too_few_homes_is_named_and_left_out_if_that_is_meant(
    homes: list[MeteredHome], tmp_path: Path
) -> None:
    """home-1 was no member on the first day: with home-0 and home-3 that are two homes."""
    three = [replace(homes[k], home=Home(HOMES[k], tmp_path / HOMES[k])) for k in (0, 1, 3)]
    why = rf"no total on .*\(home-1, day {DAYS[0]} .*: 24 of its 24 hours of import.*nor on 0 other.*--incomplete"
    with pytest.raises(PeriodError, match=why):
        settle_period(COMMUNITY, three, DAYS, Key(), fewest_days=7)
    first = settle_period(COMMUNITY, three, DAYS, Key(), fewest_days=7, incomplete=True)
    assert [record.day for record in first.period.days] == list(range(JOINED, DAYS.stop)) and first.late == ()
    assert settle_period(COMMUNITY, three, DAYS, Key(), fewest_days=7, known=first).root == first.root
    with pytest.raises(PeriodError, match="no total"):
        settle_period(COMMUNITY, three[:2], DAYS, Key(), fewest_days=7, incomplete=True)


def test_who_was_a_member_for_a_few_days_keeps_nobody_waiting(homes: list[MeteredHome], tmp_path: Path) -> None:
    """Its share would show these days, so there is none; the others are settled."""
    four = [replace(homes[k], home=Home(HOMES[k], tmp_path / HOMES[k])) for k in (0, 3, 4, 5)]
    days = CLOCK.days_of(four[3].readings["ds"])
    four[3] = replace(four[3], readings=four[3].readings[days >= DAYS[-3]].reset_index(drop=True))
    of = settle_period(COMMUNITY, four, DAYS, Key(), fewest_days=7)
    assert of.late == (four[3].household,) and len(of.shares) == 6
    for side in SIDES:
        assert of.given(side) + of.remainder(side) == of.period.shared_wh


def test_a_share_is_no_more_than_what_the_member_counted(settled: Settlement, homes: list[MeteredHome]) -> None:
    for home in homes:
        for side, column in zip(SIDES, ("y", "export"), strict=True):
            assert settled.shares[home.household, side].wh <= home.readings[column].sum()


def test_who_is_late_keeps_nobody_waiting_and_is_settled_afterwards(
    checked: CheckedPeriod, settled: Settlement, addresses: list[str]
) -> None:
    late = addresses[3]
    without = {key: share for key, share in settled.shares.items() if key[0] != late}
    first = settle(checked, without)
    assert first.late == (late,)
    for side in SIDES:
        assert first.remainder(side) == settled.remainder(side) + settled.shares[late, side].wh
        assert all(first.shares[key] == settled.shares[key] for key in without), "nobody else's share has changed"


KEYS: dict[str, Callable[[list[str]], Key]] = {
    "priority": lambda a: Key("priority", {h: 1 if k >= 3 else 2 for k, h in enumerate(a)}),
    "static": lambda a: Key("static", {h: 1000 + 100 * k for k, h in enumerate(a)}),
    "equal": lambda a: Key("equal"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_conserves_what_was_shared(
    kind: str, homes: list[MeteredHome], meters: dict[str, str], addresses: list[str], tmp_path: Path
) -> None:
    of = check(
        record_period(COMMUNITY, homes, DAYS, KEYS[kind](addresses)), meters, fewest_days=len(DAYS), fewest_homes=1
    )
    shares: dict[Any, Share] = {}
    for home in homes:
        (tmp_path / home.home.name).mkdir()
        shares |= prover(home, tmp_path / home.home.name).shares(of)
    result = settle(of, shares)
    for side in SIDES:
        assert result.given(side) + result.remainder(side) == of.period.shared_wh
        assert result.remainder(side) >= 0
    if kind == "priority":
        assert result.remainder("import") <= len(homes)
        again, _ = settlement_file.read(settlement_file.written(result, meters))
        assert again == result


def test_the_first_class_is_served_before_the_second(homes: list[MeteredHome], addresses: list[str]) -> None:
    of = CheckedPeriod(record_period(COMMUNITY, homes, DAYS, KEYS["priority"](addresses)))
    first, second = (of.statement(addresses[k], "import").numbers for k in (4, 0))
    pairs = [(a, b) for day, other in zip(first, second, strict=True) for a, b in zip(day, other, strict=True)]
    assert any(a > 0 and b == 0 for a, b in pairs), "hours in which nothing was left for the second class"
    assert all(a == 1 << 32 for a, b in pairs if b > 0), "who comes first has all it took before the next has any"


# -- a period that is not what it claims to be -----------------------------------------------------------------------


def block(period: Period, place: int) -> BlockRecord:
    """The only one of a day by the hour."""
    (one,) = period.days[place].blocks
    return one


def with_day(period: Period, place: int, **changed: Any) -> Period:
    day = replace(period.days[place], blocks=(replace(block(period, place), **changed),))
    return replace(period, days=(*period.days[:place], day, *period.days[place + 1 :]))


def off_by_one(total: Total, by: int = 1) -> Total:
    return replace(total, values=(total.values[0] + by, *total.values[1:]))


def moved(total: Total) -> Total:
    """All of the largest hour counted in the hour before it: the day's energy stays."""
    values, hour = list(total.values), total.values.index(max(total.values))
    values[hour - 1], values[hour] = values[hour - 1] + values[hour], 0
    return replace(total, values=tuple(values))


def other_spelling(record: BlockRecord) -> dict[str, Any]:
    """The first member once more, its address in small letters: to a careless reader another member."""
    again = [replace(days[0], household=days[0].household.lower()) for days in (record.imported, record.exported)]
    return {"imported": (*record.imported, again[0]), "exported": (*record.exported, again[1])}


FALSE: dict[str, tuple[str, Callable[[Period], Period]]] = {
    "an import total that is not the sum": (
        "not the sum",
        lambda p: with_day(p, 2, imports=(off_by_one(block(p, 2).imports[0]),)),
    ),
    "an export total that is not the sum": (
        "not the sum",
        lambda p: with_day(p, 2, exports=off_by_one(block(p, 2).exports, 1000)),
    ),
    "energy moved from one hour to another": (
        "not the sum",
        lambda p: with_day(p, 2, exports=moved(block(p, 2).exports)),
    ),
    "a total with another blinding": (
        "not the sum",
        lambda p: with_day(p, 2, exports=replace(block(p, 2).exports, blinding=block(p, 2).exports.blinding ^ 1)),
    ),
    "a blinding in its other form": (
        "one form",
        lambda p: with_day(
            p,
            2,
            exports=replace(block(p, 2).exports, blinding=block(p, 2).exports.blinding + MODULUS),
        ),
    ),
    "a total below zero": (
        "below zero",
        lambda p: with_day(p, 2, exports=off_by_one(block(p, 2).exports, -1 - block(p, 2).exports.values[0])),
    ),
    "a member left out": (
        "not the sum",
        lambda p: with_day(p, 2, imported=block(p, 2).imported[1:], exported=block(p, 2).exported[1:]),
    ),
    "a member counted twice": (
        "once for each member",
        lambda p: with_day(
            p,
            2,
            imported=(block(p, 2).imported[0], *block(p, 2).imported),
            exported=(block(p, 2).exported[0], *block(p, 2).exported),
        ),
    ),
    "a member counted twice, in another spelling": (
        "checksummed",
        lambda p: with_day(p, 2, **other_spelling(block(p, 2))),
    ),
    "import shown as export": ("signed by", lambda p: with_day(p, 2, exported=block(p, 2).imported)),
    "export shown as import": ("signed by", lambda p: with_day(p, 2, imported=block(p, 2).exported)),
    "the signed days of another day": (
        "another day",
        lambda p: with_day(p, 2, imported=block(p, 3).imported, exported=block(p, 3).exported),
    ),
    "a day left out": ("follow one another", lambda p: replace(p, days=p.days[:2] + p.days[3:] + p.days[:1])),
    "a day twice": ("follow one another", lambda p: replace(p, days=(p.days[0], *p.days[:-1]))),
    "too few days": ("days at least", lambda p: replace(p, days=p.days[:1])),
    "two totals for one class": ("1 classes", lambda p: with_day(p, 2, imports=block(p, 2).imports * 2)),
    "a key without a member": ("a part for each", lambda p: replace(p, key=Key("static", {}))),
    "parts of more than the whole": (
        "more than 10000",
        lambda p: replace(p, key=Key("static", dict.fromkeys(p.households, 2000))),
    ),
    "classes with a gap": (
        "without a gap",
        lambda p: replace(p, key=Key("priority", dict.fromkeys(p.households, 2))),
    ),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_false_period_is_refused(what: str, period: Period, meters: dict[str, str]) -> None:
    says, forge = FALSE[what]
    with pytest.raises(PeriodError, match=says):
        check(forge(period), meters, fewest_days=len(DAYS))


def test_a_meter_that_is_not_enrolled_counts_for_nothing(
    period: Period, meters: dict[str, str], addresses: list[str]
) -> None:
    for others in ({h: m for h, m in meters.items() if h != addresses[0]}, meters | {addresses[0]: addresses[1]}):
        with pytest.raises(PeriodError, match=r"not enrolled|signed by"):
            check(period, others, fewest_days=len(DAYS))


def test_a_meter_counted_for_two_households_is_refused(homes: list[MeteredHome], tmp_path: Path) -> None:
    """It signs for both, and each signature holds: with a second wallet its home would be paid twice."""
    folder = tmp_path / "twin"
    folder.mkdir()
    shutil.copy(homes[4].home.folder / "meter.key", folder)
    twice = [*homes, MeteredHome(Home("twin", folder), homes[4].readings, CLOCK)]
    period, meters = record_period(COMMUNITY, twice, DAYS, Key()), meters_of(twice)
    for spelt in (meters, meters | {twice[-1].household: homes[4].home.meter.address.lower()}):
        with pytest.raises(PeriodError, match="two members have one meter"):
            check(period, spelt, fewest_days=len(DAYS))


# -- a meter that was replaced ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> list[MeteredHome]:
    """Six homes, the last of which gets another meter on the fifth day."""
    folder = tmp_path_factory.mktemp("replaced")
    homes = [MeteredHome(Home(name, folder / name), readings_of(k), CLOCK) for k, name in enumerate(HOMES)]
    old = homes[-1]
    old.signed(range(DAYS.start, DAYS[4]))
    earlier = (Assignment(0, old.home.meter.address),)
    (old.home.folder / "meter.key").write_text("0x" + "5a" * 32)
    (old.home.folder / KNOWN).unlink()  # the old meter is known from the settings: its key was never on this machine
    new = MeteredHome(Home(HOMES[-1], old.home.folder), old.readings, CLOCK, earlier, DAYS[4])
    assert new.home.meter.address != earlier[0].meter
    return [*homes[:-1], new]


def test_both_meters_of_a_home_count_each_for_its_own_days_and_no_day_twice(replaced: list[MeteredHome]) -> None:
    result = settle_period(COMMUNITY, replaced, DAYS, Key(), len(DAYS))
    home, of = replaced[-1], result.period
    assert [record.households.count(home.household) for record in of.days] == [1] * len(DAYS)
    taken, fed_in = measured(replaced, "y"), measured(replaced, "export")
    assert of.shared_wh == int(np.minimum(taken, fed_in).sum()), "as if its meter had stayed"
    for side in SIDES:
        assert result.given(side) + result.remainder(side) == of.shared_wh
    data = settlement_file.written(result, meters_of(replaced))
    assert settlement_file.read(data) == (result, meters_of(replaced))
    chain = {one.household: one.meters for one in replaced}
    assert not any(f.is_bad for f in audit_settlement(data, lambda h, day: meter_on(chain, h, day) or ""))
    late = chain | {home.household: (*home.earlier, Assignment(DAYS[5], home.home.meter.address))}
    (bad, *_) = [f for f in audit_settlement(data, lambda h, day: meter_on(late, h, day) or "") if f.is_bad]
    assert home.household in bad.what and f"on day {DAYS[4]}" in (bad.problem or "")


@pytest.mark.parametrize("since", [DAYS[3], DAYS[5]])
def test_a_meter_counts_on_none_of_the_other_ones_days(replaced: list[MeteredHome], since: int) -> None:
    period, home = record_period(COMMUNITY, replaced, DAYS, Key()), replaced[-1]
    shifted = (*home.earlier, Assignment(since, home.home.meter.address))
    with pytest.raises(PeriodError, match=f"day {min(since, DAYS[4])}: .*signed by"):
        check(period, meters_of(replaced) | {home.household: shifted}, fewest_days=len(DAYS))


def test_a_new_meter_signs_no_day_of_the_old_one(replaced: list[MeteredHome], tmp_path: Path) -> None:
    """Of which the old one's signatures were lost: who was there then did not count them."""
    fresh = MeteredHome(Home(HOMES[-1], tmp_path / HOMES[-1]), replaced[-1].readings, CLOCK, (), DAYS[4])
    assert sorted(fresh.signed(DAYS)) == list(DAYS[4:])


def test_a_home_with_both_meters_keys_lists_each_meter_once(tmp_path: Path) -> None:
    """By the settings and by the key that `replace-meter` made: one and the same change of meters."""
    folder = tmp_path / HOMES[0]
    old, new = (Meter.from_file(folder / name).address for name in ("meter.key", f"meter-{DAYS[4]}.key"))
    home = MeteredHome(Home(HOMES[0], folder), readings_of(0), CLOCK, (Assignment(0, old),), DAYS[4])
    assert home.meters == (Assignment(0, old), Assignment(DAYS[4], new))


def test_a_meter_that_moved_counts_for_one_home_on_each_day(replaced: list[MeteredHome]) -> None:
    period, meters = record_period(COMMUNITY, replaced, DAYS, Key()), meters_of(replaced)
    other = replaced[0].household
    both = meters | {other: (Assignment(0, replaced[-1].earlier[0].meter), Assignment(DAYS[1], str(meters[other])))}
    with pytest.raises(PeriodError, match=f"day {DAYS[0]}"):
        check(period, both, fewest_days=len(DAYS))


def test_a_total_of_few_homes_is_not_settled(period: Period, meters: dict[str, str]) -> None:
    with pytest.raises(PeriodError, match="each of them"):
        check(period, meters, fewest_days=len(DAYS), fewest_homes=6)


# -- shares that are not the member's --------------------------------------------------------------------------------


def refused(checked: CheckedPeriod, settled: Settlement, key: Any, share: Share) -> None:
    with pytest.raises((PeriodError, ProofError)):
        settle(checked, {**settled.shares, key: share})


def test_another_value_than_the_proven_one_is_refused(
    checked: CheckedPeriod, settled: Settlement, addresses: list[str]
) -> None:
    for side in SIDES:
        key = (addresses[4], side)
        true = settled.shares[key]
        for wh in (true.wh + 1, true.wh - 1, 0, -1):
            refused(checked, settled, key, replace(true, wh=wh))


def test_a_share_serves_no_other_member_side_or_community(
    checked: CheckedPeriod, settled: Settlement, addresses: list[str]
) -> None:
    own = settled.shares[addresses[4], "import"]
    refused(checked, settled, (addresses[5], "import"), own)
    refused(checked, settled, (addresses[4], "export"), own)
    elsewhere = CheckedPeriod(replace(checked.period, community="Another Street"))
    refused(elsewhere, settled, (addresses[4], "import"), own)


def test_a_share_serves_no_other_period_key_or_totals(
    checked: CheckedPeriod, settled: Settlement, addresses: list[str]
) -> None:
    own, period = settled.shares[addresses[4], "import"], checked.period
    key = (addresses[4], "import")
    more = with_day(period, 2, exports=off_by_one(block(period, 2).exports, 10_000))
    for other in (
        replace(period, days=period.days[1:]),
        replace(period, days=period.days[:-1]),
        replace(period, key=Key("equal")),
        more,
    ):
        refused(CheckedPeriod(other), replace(settled, shares={}), key, own)


def test_a_share_of_another_period_is_refused(
    checked: CheckedPeriod, settled: Settlement, homes: list[MeteredHome], tmp_path: Path
) -> None:
    """Of the same length, with every proof of it good: the first four days' in the place of the last four's."""
    half = len(DAYS) // 2
    first, last = (
        CheckedPeriod(replace(checked.period, days=days))
        for days in (checked.period.days[:half], checked.period.days[half:])
    )
    for side in SIDES:
        other = prover(homes[4], tmp_path, fewest_days=half).prove(first, side)
        verify_share(first, homes[4].household, side, other)
        refused(last, replace(settled, shares={}), (homes[4].household, side), other)


def test_a_share_by_numbers_of_the_members_own_choice_is_refused(
    checked: CheckedPeriod, settled: Settlement, homes: list[MeteredHome]
) -> None:
    """Each is well proven, of days that the meter signed: by better coefficients, or of the best days alone."""
    household, vault = homes[4].household, homes[4].home.vault
    of = checked.statement(household, "import")
    best = sorted(range(len(of.days)), key=lambda k: -sum(of.numbers[k]))[:5]
    places = sorted(best)
    fewer = replace(
        of, context=replace(of.context, day=of.days[places[0]]),
        **{name: tuple(getattr(of, name)[k] for k in places) for name in ("days", "commitments", "numbers")},
    )  # fmt: skip
    all_of_it = replace(of, numbers=((shared_energy.ONE,) * 24,) * len(of.days))
    for statement in (fewer, all_of_it):
        opened = [vault.get(household, day)[1] for day in statement.days]
        own = prove_share(statement, [list(each.readings) for each in opened], [each.blinding for each in opened])
        shared_energy.verify(replace(statement, share=own.wh), own.proof)
        refused(checked, settled, (household, "import"), own)


def test_somebody_who_was_no_member_has_no_share(checked: CheckedPeriod, settled: Settlement) -> None:
    stranger = Meter(b"\1" * 32).address
    refused(checked, settled, (stranger, "import"), next(iter(settled.shares.values())))


# -- what a household proves, and what it does not -------------------------------------------------------------------


def test_a_household_proves_no_second_share_of_a_day(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    """The difference of two periods, or of two keys, would tell a day from the rest."""
    own = prover(homes[4], tmp_path)
    share = own.prove(checked, "import")
    assert own.prove(checked, "import").wh == share.wh, "the same again"
    period = checked.period
    for other in (replace(period, days=period.days[1:]), replace(period, key=Key("equal"))):
        with pytest.raises(PeriodError, match="settled before"):
            own.prove(CheckedPeriod(other), "import")
    assert (tmp_path / SETTLED).stat().st_mode & 0o077 == 0
    metered = int(homes[4].readings["y"].sum())
    assert own_shares(tmp_path) == [OwnShare(DAYS[0], DAYS[-1], len(DAYS), "import", share.wh, metered)]


def test_a_household_proves_nothing_of_days_that_are_not_as_its_meter_signed_them(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    own, record = homes[4], checked.period.days[2]
    other, _ = own.home.meter.sign_day(own.household, record.day, [7] * 24, quantity="export")
    forged = tuple(other if s.household == own.household else s for s in record.blocks[0].exported)
    with pytest.raises(PeriodError, match=f"day {record.day} is in the period with another export"):
        prover(own, tmp_path).prove(CheckedPeriod(with_day(checked.period, 2, exported=forged)), "export")


def test_a_household_proves_nothing_of_a_few_days(
    checked: CheckedPeriod, homes: list[MeteredHome], addresses: list[str], tmp_path: Path
) -> None:
    """Left out of the other days' totals, its share would show the days that are left."""

    def without(record: DayRecord) -> DayRecord:
        mine = addresses[4]
        (own,) = record.blocks
        others = replace(
            own, imported=tuple(s for s in own.imported if s.household != mine),
            exported=tuple(s for s in own.exported if s.household != mine),
        )  # fmt: skip
        return replace(record, blocks=(others,))

    days = (checked.period.days[0], *map(without, checked.period.days[1:]))
    with pytest.raises(PeriodError, match="no share of fewer than 7"):
        prover(homes[4], tmp_path).prove(CheckedPeriod(replace(checked.period, days=days)), "import")


def test_what_was_settled_counts_for_a_household_that_leaves_and_comes_back() -> None:
    """With its table kept, it could have its days signed again, and be asked for a second share of them."""
    assert SETTLED in membership._KEPT


def test_a_damaged_record_of_settled_days_is_named(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    (tmp_path / SETTLED).write_text("[]")
    with pytest.raises(DamagedFile, match=r"settled\.json is damaged"):
        prover(homes[4], tmp_path).prove(checked, "import")


def test_a_record_of_settled_days_that_is_gone_is_no_empty_one(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    """With an empty one, the same days could be proven again in another period."""
    prover(homes[4], tmp_path).prove(checked, "import")
    (tmp_path / SETTLED).unlink()
    with pytest.raises(LostFile, match=r"settled\.json is missing"):
        prover(homes[4], tmp_path).prove(checked, "export")


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_settlement_is_read_as_it_was_written(settled: Settlement, meters: dict[str, str]) -> None:
    data = settlement_file.written(settled, meters)
    assert settlement_file.read(data) == (settled, meters)
    again, named = settlement_file.read(data)
    assert settle(check(again.period, named, fewest_days=len(DAYS)), again.shares).root == settled.root


def test_a_file_holds_no_reading_and_no_members_blinding(
    settled: Settlement, meters: dict[str, str], homes: list[MeteredHome]
) -> None:
    text = settlement_file.written(settled, meters).decode()
    for home in homes:
        for registers in home.signed(range(JOINED, LEFT)).values():
            for _, opening in [each for blocks in registers for each in blocks]:
                assert f"{opening.blinding:064x}" not in text
                assert ",".join(map(str, opening.readings)) not in text


@pytest.mark.parametrize("name", ["shared_wh", "import", "export"])
def test_a_stated_sum_that_does_not_follow_is_refused(name: str, settled: Settlement, meters: dict[str, str]) -> None:
    content = settlement_file.SettlementFile.model_validate_json(settlement_file.written(settled, meters))
    sums = content.remainder_wh
    wrong: dict[str, Any] = (
        {"shared_wh": content.shared_wh + 1}
        if name == "shared_wh"
        else {"remainder_wh": sums | {name: sums[name] + 1}}
    )
    with pytest.raises(PeriodError, match="and comes to"):
        settlement_file.read(content.model_copy(update=wrong).model_dump_json().encode())


def test_an_audit_finds_shares_that_two_members_have_exchanged(
    settled: Settlement, meters: dict[str, str], addresses: list[str]
) -> None:
    """All sums of the file are true, and its root is that of its shares: what is left to find it are the proofs."""
    one, other = ((addresses[k], "import") for k in (0, 4))
    shares = {**settled.shares, one: settled.shares[other], other: settled.shares[one]}  # type: ignore[index]
    data = settlement_file.written(replace(settled, shares=shares), meters)
    bad = [finding.what for finding in audit_settlement(data) if finding.is_bad]
    assert len(bad) == 2 and all("is NOT proven" in what for what in bad)
    assert not any(finding.is_bad for finding in audit_settlement(settlement_file.written(settled, meters)))


def test_a_member_with_two_shares_is_refused(settled: Settlement, meters: dict[str, str]) -> None:
    content = settlement_file.SettlementFile.model_validate_json(settlement_file.written(settled, meters))
    twice = content.model_copy(update={"shares": [*content.shares, content.shares[0]]})
    with pytest.raises(PeriodError, match="has two shares"):
        settlement_file.read(twice.model_dump_json().encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"format": 2}', b"[" * 10_000])
def test_what_is_no_settlement_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(PeriodError, match="this is no settlement"):
        settlement_file.read(data)


def _strange(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Files that are JSON of the right form, and no settlement, each by what a parser might trip over."""
    share, day, meters = content["shares"][0], content["days"][0], content["meters"]
    return {
        "a share of nobody": {"shares": [{**share, "household": "zz"}]},
        "a share of an address that is too long": {"shares": [{**share, "household": "0x" + "f" * 80}]},
        "a day without totals": {"days": [{**day, "import_totals": []}, *content["days"][1:]]},
        "a meter that is no address": {"meters": dict.fromkeys(meters, "\x1b[2J")},
        "a class of any size": {"key": {"kind": "priority", "numbers": dict.fromkeys(meters, 10**30)}},
        "a blinding of any length": {
            "days": [{**day, "export_total": {**day["export_total"], "blinding": "0x" + "f" * 9000}}]
        },
    }


@pytest.mark.parametrize("what", _strange({"shares": [{}], "days": [{"export_total": {}}], "meters": {}}))
def test_a_strange_file_is_a_finding_and_never_an_error_of_the_auditor(
    settled: Settlement, meters: dict[str, str], what: str
) -> None:
    content = json.loads(settlement_file.written(settled, meters))
    data = json.dumps(content | _strange(content)[what]).encode()
    assert any(finding.kind == "failed" for finding in audit_settlement(data))


def test_the_root_depends_on_every_share(settled: Settlement) -> None:
    roots = {settled.root}
    for key, share in settled.shares.items():
        roots.add(replace(settled, shares={**settled.shares, key: replace(share, wh=share.wh + 1)}).root)
    assert len(roots) == 1 + len(settled.shares)
    assert replace(settled, shares={}).root == bytes(32)


def test_settled_again_the_shares_that_are_there_are_kept_and_late_ones_join(
    homes: list[MeteredHome], settled: Settlement, addresses: list[str]
) -> None:
    """So that the root, which stands on the chain, stays, and changes where a late member's share has joined."""
    late = {key: share for key, share in settled.shares.items() if key != (addresses[3], "export")}
    for known in (settled, replace(settled, shares=late)):
        again = settle_period(COMMUNITY, homes, DAYS, Key(), len(DAYS), known)
        assert all(again.shares[key] == share for key, share in known.shares.items() if key[0] != addresses[3])
        assert {key: share.wh for key, share in again.shares.items()} == {
            key: share.wh for key, share in settled.shares.items()
        }
        assert (again.root == settled.root) == (known is settled)


def test_shares_of_another_period_are_not_kept(homes: list[MeteredHome], settled: Settlement) -> None:
    other = replace(settled, period=replace(settled.period, community="Another Street"))
    again = settle_period(COMMUNITY, homes, DAYS, Key(), len(DAYS), other)
    assert all(again.shares[key].proof != share.proof for key, share in settled.shares.items())
