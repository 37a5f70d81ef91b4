"""A period settled by the quarter of an hour: four blocks a day, each with its number and type, no day twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.audit.settlement import audit_settlement
from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from api.one_machine.settlement import proven_shares, record_period, settle_period
from api.operator.settled_periods import shown
from api.operator.settlement_files import pictures
from api.operator.settlement_statement import Statements
from api.operator.statements import Tariff, hours_csv
from api.protocol import settlement_file
from api.protocol.period import SIDES, BlockRecord, CheckedPeriod, DayRecord, Key, Period, PeriodError, check
from api.protocol.settlement import Settlement, Share, settle
from data.day import DayClock
from data.errors import TableError
from data.interval import block_numbers, by_hour
from data.quarters import HomeQuarters
from data.table import EXPORT
from tests.api.quarter_homes import quarter_home, quarter_homes, quarters_of

pytestmark = pytest.mark.slow

CLOCK = DayClock(23)
DAYS = range(20_514, 20_521)
COMMUNITY = "Four Roofs"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[MeteredHome]:
    return quarter_homes(tmp_path_factory.mktemp("quarters"), CLOCK, DAYS[0], len(DAYS))


@pytest.fixture(scope="module")
def meters(homes: list[MeteredHome]) -> dict[str, str]:
    return {home.household: home.home.meter.address for home in homes}


@pytest.fixture(scope="module")
def period(homes: list[MeteredHome]) -> Period:
    return record_period(COMMUNITY, homes, DAYS, Key())


@pytest.fixture(scope="module")
def checked(period: Period, meters: dict[str, str]) -> CheckedPeriod:
    return check(period, meters, fewest_days=len(DAYS))


@pytest.fixture(scope="module")
def settled(checked: CheckedPeriod, homes: list[MeteredHome]) -> Settlement:
    return settle(checked, proven_shares(checked, homes))


@pytest.fixture(scope="module")
def by_the_hour(homes: list[MeteredHome]) -> list[MeteredHome]:
    """The same homes and folders, settled by their hours."""
    return [replace(home, quarters=None) for home in homes]


def counted(homes: list[MeteredHome], register: str) -> list[int]:
    """What all meters counted in each quarter, from the tables themselves."""
    rows = [
        [wh for day in DAYS for wh in getattr(home.quarters.day(day), register)] for home in homes if home.quarters
    ]
    return [sum(column) for column in zip(*rows, strict=True)]


# -- what is settled -------------------------------------------------------------------------------------------------


def test_shared_energy_is_the_smaller_of_both_in_each_quarter(period: Period, homes: list[MeteredHome]) -> None:
    taken, fed_in = counted(homes, "import_wh"), counted(homes, "export_wh")
    minima = np.minimum(taken, fed_in)
    assert [wh for record in period.days for wh in record.shared] == minima.tolist()
    hours = np.minimum(*(np.reshape(column, (-1, 4)).sum(axis=1) for column in (taken, fed_in)))
    assert 0 < minima.sum() < hours.sum(), "by the hour more would be shared: what differs within it counts"


def test_shares_and_remainder_are_what_was_shared(settled: Settlement, homes: list[MeteredHome]) -> None:
    shared = int(np.minimum(counted(homes, "import_wh"), counted(homes, "export_wh")).sum())
    assert settled.late == () and len(settled.shares) == 2 * len(homes)
    for side in SIDES:
        assert settled.given(side) + settled.remainder(side) == shared
        assert 0 <= settled.remainder(side) <= len(homes), "what rounding leaves: a watt-hour a member"


@pytest.mark.parametrize("kind", ["equal", "static", "priority"])
def test_every_key_conserves_what_was_shared(
    kind: str, homes: list[MeteredHome], meters: dict[str, str], tmp_path: Path
) -> None:
    numbers = {"static": [1000, 2000, 3000, 4000], "priority": [1, 2, 1, 2]}.get(kind, [])
    key = Key(kind, {home.household: number for home, number in zip(homes, numbers, strict=False)})  # type: ignore[arg-type]
    of = check(record_period(COMMUNITY, homes, DAYS, key), meters, fewest_days=len(DAYS), fewest_homes=1)
    shares: dict[Any, Share] = {}
    for home in homes:
        (tmp_path / home.home.name).mkdir()
        shares |= replace(home.prover, folder=tmp_path / home.home.name).shares(of)
    result = settle(of, shares)
    for side in SIDES:
        assert result.given(side) + result.remainder(side) == of.period.shared_wh and result.remainder(side) >= 0


def test_a_period_counts_days_whatever_its_blocks(
    period: Period, settled: Settlement, meters: dict[str, str]
) -> None:
    assert (period.first, period.last, period.absent) == (DAYS[0], DAYS[-1], [])
    with pytest.raises(PeriodError, match="a period has 8 days at least, and this one 7"):
        check(period, meters, fewest_days=8)
    long = replace(period, days=tuple(replace(period.days[0], day=day) for day in range(92)))
    with pytest.raises(PeriodError, match="by intervals of 15 minutes has 91 days at most"):
        check(long, meters)


def test_a_day_that_lacks_a_quarter_is_no_day_of_the_homes(tmp_path: Path) -> None:
    table = quarters_of("roof-1", 1, CLOCK, DAYS[0], 3)
    hour = CLOCK.start_of(DAYS[1])
    home = quarter_home(tmp_path, CLOCK, table[table["ds"].dt.floor("h") != hour].reset_index(drop=True))
    assert sorted(home.signed(DAYS)) == [DAYS[0], DAYS[2]]


def test_a_home_signs_a_block_once(homes: list[MeteredHome], period: Period) -> None:
    """Whatever its table says afterwards."""
    home = homes[1]
    other = quarters_of(home.home.name, 9, CLOCK, DAYS[0], len(DAYS))
    again = replace(home, quarters=HomeQuarters(other, home.home.name, CLOCK)).signed(DAYS)
    kept = [block.signed("import", home.household) for block in period.blocks]
    assert [signed for imported, _ in again.values() for signed, _ in imported] == kept


# -- blocks that are not what they are said to be --------------------------------------------------------------------


def with_block(period: Period, change: Callable[[BlockRecord], BlockRecord], place: int = 2, at: int = 1) -> Period:
    record = period.days[place]
    blocks = tuple(change(block) if k == at else block for k, block in enumerate(record.blocks))
    return replace(period, days=(*period.days[:place], replace(record, blocks=blocks), *period.days[place + 1 :]))


def with_blocks(period: Period, blocks: tuple[BlockRecord, ...], place: int = 2) -> Period:
    record = replace(period.days[place], blocks=blocks)
    return replace(period, days=(*period.days[:place], record, *period.days[place + 1 :]))


def first_left_out(block: BlockRecord) -> BlockRecord:
    return replace(block, imported=block.imported[1:], exported=block.exported[1:])


def renumbered(block: BlockRecord, number: int) -> BlockRecord:
    """What was signed of one block, said to be signed of another."""
    registers = (tuple(replace(s, day=number) for s in signed) for signed in (block.imported, block.exported))
    return BlockRecord(number, *registers, block.imports, block.exports)


def moved(block: BlockRecord) -> BlockRecord:
    """A quarter's energy counted in the quarter before: the hour's sum stays, and what is shared of it changes."""
    values = list(block.exports.values)
    place = max(range(1, len(values)), key=lambda k: values[k])
    values[place - 1], values[place] = values[place - 1] + values[place], 0
    return replace(block, exports=replace(block.exports, values=tuple(values)))


def hour_in_its_first_quarter(block: BlockRecord) -> BlockRecord:
    """The hours' totals in the place of the quarters'."""
    values = [0] * 24
    for k, wh in enumerate(block.exports.values):
        values[k - k % 4] += wh
    return replace(block, exports=replace(block.exports, values=tuple(values)))


FALSE: dict[str, tuple[str, Callable[[Period], Period]]] = {
    "three of four blocks": ("a day has", lambda p: with_blocks(p, p.days[2].blocks[:3])),
    "no block": ("a day has", lambda p: with_blocks(p, ())),
    "a block twice": ("a day has", lambda p: with_blocks(p, (p.days[2].blocks[0], *p.days[2].blocks[:3]))),
    "blocks in another order": ("a day has", lambda p: with_blocks(p, p.days[2].blocks[::-1])),
    "the blocks of another day": ("a day has", lambda p: with_blocks(p, p.days[3].blocks)),
    "a block's signatures in another block": (
        "of another day",
        lambda p: with_block(p, lambda block: replace(block, imported=p.days[2].blocks[2].imported)),
    ),
    "a block of another day, its number changed": (
        "signed by",
        lambda p: with_block(p, lambda block: renumbered(p.days[3].blocks[1], block.number)),
    ),
    "import shown as export": (
        "signed by",
        lambda p: with_block(p, lambda block: replace(block, exported=block.imported)),
    ),
    "a member of three blocks of the day": ("different members", lambda p: with_block(p, first_left_out)),
    "a member left out of the whole day": (
        "not the sum",
        lambda p: with_blocks(p, tuple(map(first_left_out, p.days[2].blocks))),
    ),
    "energy moved from one quarter to another": ("quarters 24 to 47.*not the sum", lambda p: with_block(p, moved)),
    "the hours' totals in the place of the quarters'": (
        "not the sum",
        lambda p: with_block(p, hour_in_its_first_quarter),
    ),
    "said to be by the hour": ("a day has", lambda p: replace(p, interval=60)),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_false_period_is_refused(what: str, period: Period, meters: dict[str, str]) -> None:
    says, forge = FALSE[what]
    with pytest.raises(
        PeriodError, match=rf"(?s)day {DAYS[2] if what != 'said to be by the hour' else DAYS[0]}.*{says}"
    ):
        check(forge(period), meters, fewest_homes=1, fewest_days=len(DAYS))


def test_no_block_is_taken_for_the_day_of_its_number_nor_a_day_for_a_block(
    homes: list[MeteredHome], meters: dict[str, str]
) -> None:
    """Its meter signs a day numbered as a block, and a block numbered as a day: commitment and slots are the same."""
    number = block_numbers(DAYS[0], 15)[0]

    def record(block: int, signs_blocks: bool) -> BlockRecord:
        imported, exported = [], []
        for home in sorted(homes, key=lambda one: one.household):
            meter, household = home.home.meter, home.household
            interval = 15 if signs_blocks else 60
            imported.append(meter.sign_block(household, block, [5] * 24, "load", interval)[0])  # type: ignore[arg-type]
            exported.append(meter.sign_block(household, block, [5] * 24, "export", interval)[0])  # type: ignore[arg-type]
        return BlockRecord(block, tuple(imported), tuple(exported), (), None)  # type: ignore[arg-type]

    blocks = tuple(record(each, signs_blocks=False) for each in range(number, number + 4))
    with pytest.raises(PeriodError, match="signed by"):
        check(Period(COMMUNITY, Key(), (DayRecord(DAYS[0], blocks),), 15), meters, fewest_days=1)
    as_day = DayRecord(number, (record(number, signs_blocks=True),))
    with pytest.raises(PeriodError, match="signed by"):
        check(Period(COMMUNITY, Key(), (as_day,)), meters, fewest_days=1)


# -- no day twice ----------------------------------------------------------------------------------------------------


def test_a_day_settled_by_its_quarters_is_not_settled_again_by_the_hour(
    settled: Settlement, by_the_hour: list[MeteredHome]
) -> None:
    with pytest.raises(PeriodError, match=f"day {DAYS[0]} was settled before.*another interval"):
        settle_period(COMMUNITY, by_the_hour, DAYS, Key(), len(DAYS))


def test_a_day_settled_by_the_hour_is_not_settled_again_by_its_quarters(
    checked: CheckedPeriod, homes: list[MeteredHome], by_the_hour: list[MeteredHome], tmp_path: Path
) -> None:
    """The difference would tell what is shared within the hours."""
    hourly = CheckedPeriod(record_period(COMMUNITY, by_the_hour, DAYS, Key()))
    replace(by_the_hour[1].prover, folder=tmp_path).prove(hourly, "import")
    with pytest.raises(PeriodError, match=f"day {DAYS[0]} was settled before"):
        replace(homes[1].prover, folder=tmp_path).prove(checked, "import")


def test_a_home_proves_no_share_by_another_interval_than_its_own(
    checked: CheckedPeriod, by_the_hour: list[MeteredHome], tmp_path: Path
) -> None:
    with pytest.raises(PeriodError, match=r"15 minutes, and this home by 60 .settlement\.interval_minutes"):
        replace(by_the_hour[1].prover, folder=tmp_path).prove(checked, "import")


def test_homes_of_both_intervals_are_not_settled_together(
    homes: list[MeteredHome], by_the_hour: list[MeteredHome]
) -> None:
    with pytest.raises(PeriodError, match="metered by"):
        record_period(COMMUNITY, [*homes[:3], by_the_hour[3]], DAYS, Key())


def test_a_share_is_of_seven_days_and_not_of_seven_blocks(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    two = CheckedPeriod(replace(checked.period, days=checked.period.days[:2]))
    with pytest.raises(PeriodError, match="totals of 2 days of the period: it proves no share of fewer than 7"):
        replace(homes[1].prover, folder=tmp_path).prove(two, "import")


def test_a_household_proves_nothing_of_blocks_that_are_not_as_its_meter_signed_them(
    checked: CheckedPeriod, homes: list[MeteredHome], tmp_path: Path
) -> None:
    own = homes[1]

    def forged(block: BlockRecord) -> BlockRecord:
        other, _ = own.home.meter.sign_block(own.household, block.number, [7] * 24, "export", 15)
        return replace(block, exported=tuple(other if s.household == own.household else s for s in block.exported))

    with pytest.raises(PeriodError, match=f"day {DAYS[2]}, quarters 24 to 47 is in the period with another export"):
        prover = replace(own.prover, folder=tmp_path)
        prover.prove(CheckedPeriod(with_block(checked.period, forged)), "export")


def test_another_share_than_the_proven_one_is_refused(
    checked: CheckedPeriod, settled: Settlement, homes: list[MeteredHome]
) -> None:
    key = (homes[1].household, SIDES[0])
    for changed in (
        replace(settled.shares[key], wh=settled.shares[key].wh + 1),
        settled.shares[homes[2].household, "import"],
    ):
        with pytest.raises(PeriodError, match="does not hold"):
            settle(checked, {**settled.shares, key: changed})


# -- the file, the statements and the pictures -----------------------------------------------------------------------


def test_a_settlement_is_read_as_it_was_written_and_holds_for_an_auditor(
    settled: Settlement, meters: dict[str, str]
) -> None:
    data = settlement_file.written(settled, meters)
    assert json.loads(data)["format"] == 2 and json.loads(data)["interval_minutes"] == 15
    assert settlement_file.read(data) == (settled, meters)
    found = list(audit_settlement(data))
    assert not any(finding.is_bad for finding in found) and "by the quarter of an hour" in found[0].what


def _altered(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    day, *others = content["days"]
    return {
        "another interval": {"interval_minutes": 60},
        "no interval": {"interval_minutes": None},
        "format 1": {"format": 1},
        "a day of three blocks": {"days": [{**day, "blocks": day["blocks"][:3]}, *others]},
        "a day of five blocks": {"days": [{**day, "blocks": [*day["blocks"], day["blocks"][0]]}, *others]},
        "blocks exchanged": {"days": [{**day, "blocks": day["blocks"][::-1]}, *others]},
        "days exchanged": {"days": [{**others[0], "day": day["day"]}, {**day, "day": others[0]["day"]}, *others[1:]]},
    }


@pytest.mark.parametrize("what", _altered({"days": [{"blocks": [0], "day": 0}, {"day": 1}]}))
def test_an_altered_file_does_not_hold(what: str, settled: Settlement, meters: dict[str, str]) -> None:
    content = json.loads(settlement_file.written(settled, meters))
    altered = json.dumps(content | _altered(content)[what]).encode()
    assert any(finding.kind == "failed" for finding in audit_settlement(altered))


def test_the_table_has_each_quarter_and_the_picture_each_hour(settled: Settlement) -> None:
    hours = shown("week", settled, CLOCK)
    assert hours.interval_minutes == 15 and all(len(day.shared_wh) == 96 for day in hours.hours)
    rows = hours_csv(hours).decode().splitlines()
    assert len(rows) == 1 + 96 * len(DAYS)
    assert [row.split(",")[0] for row in rows[1:4]] == [
        f"{CLOCK.start_of(DAYS[0]) + pd.Timedelta(minutes=15 * k):%Y-%m-%dT%H:%M:%SZ}" for k in range(3)
    ]
    assert sum(int(row.split(",")[3]) for row in rows[1:]) == settled.period.shared_wh
    record = settled.period.days[0]
    assert len(by_hour(record.shared)) == 24 and sum(by_hour(record.shared)) == sum(record.shared)
    assert pictures(settled, CLOCK, None)[""].startswith(b"\x89PNG")
    statements = Statements(settled, Tariff(), {}, CLOCK)
    assert any("by the quarter of an hour" in name for name, _ in statements.of_all(b"").headline)


def test_a_home_without_export_is_named(tmp_path: Path) -> None:
    table = quarters_of("roof-1", 1, CLOCK, DAYS[0], 1).drop(columns=EXPORT)
    with pytest.raises(TableError, match="roof-1 has no column export"):
        quarter_home(tmp_path, CLOCK, table)


def test_days_of_forecasts_are_signed_beside_the_blocks(homes: list[MeteredHome], tmp_path: Path) -> None:
    """The hours' vaults are others than those of the quarters."""
    home = replace(homes[0], home=Home(homes[0].home.name, tmp_path / homes[0].home.name))
    home.signed(DAYS)
    assert home.home.vault.days(home.household) == [] == home.home.export_vault.days(home.household)
    number = block_numbers(DAYS[0], 15)[0]
    signed, opening = home.home.meter.sign_day(home.household, number, [1] * 24, quantity="export")
    home.home.export_vault.put(signed, opening)
    assert number in home.home.vault_of("export", 15).days(home.household)
    assert home.home.vault_of("export", 15).get(home.household, number)[0] != signed
