"""A day summed over the network by the quarter of an hour: four blocks of each register, all in one sum."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.config.settlement_settings import SettlementSettings
from api.gateway.secure_sum import contribution
from api.gateway.secure_sum.contribution import Contribution, by_class, shared_contributions
from api.gateway.secure_sum.state import SecureSumFolder
from api.gateway.shared_days import SharedDays, sign_newest_days
from api.one_machine.settlement import meters_of
from api.operator.database.tables import MeasuredTotal, SharedDay
from api.operator.running_sum import SecureSumRefused
from api.operator.shared_days import kept_record
from api.protocol.period import Key, Period, PeriodError, check
from api.protocol.secure_sum import REGISTER, STAGES, SumTerms
from data.day import DayClock
from data.errors import NoReadingsYet, TableError
from data.interval import block_numbers
from data.quarters import hourly
from data.settings import DataSettings
from data.table import QUARTER, read_table, write_table
from tests.api.quarter_homes import quarter_homes, quarters_of
from tests.api.summed_street import Street, summed_street

pytestmark = pytest.mark.slow

CLOCK, DAY = DayClock(0), 20_500
CLASSES = {f"roof-{k}": 1 + k // 3 for k in range(6)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("quarters")
    homes = quarter_homes(folder / "homes", CLOCK, DAY, 1, count=3)
    with summed_street(folder, "Quarters", homes, DAY, {"interval_minutes": 15}) as street:
        yield street


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    yield built
    built.clear()


def totals_are_the_quarters(street: Street, classes: dict[str, int]) -> None:
    with street.community.sessions() as session:
        row = session.get_one(SharedDay, DAY)
        record = kept_record(row)
        assert row.interval_minutes == 15 and session.get(MeasuredTotal, DAY) is None
    assert [block.number for block in record.blocks] == list(block_numbers(DAY, 15))
    days = {home.home.name: home.quarters.day(DAY) for home in street.homes if home.quarters}
    for number in range(1, max(classes.values()) + 1):
        mine = [days[name].import_wh for name, own in classes.items() if own == number]
        found = [wh for block in record.blocks for wh in block.imports[number - 1].values]
        assert found == [sum(column) for column in zip(*mine, strict=True)]
    assert list(record.fed_in) == [
        sum(column) for column in zip(*(own.export_wh for own in days.values()), strict=True)
    ]
    numbers = {home.household: classes[home.home.name] for home in street.homes}
    key = Key("priority", numbers) if len(set(classes.values())) > 1 else Key()
    of = Period(street.config.community.name, key, (record,), 15)
    check(of, meters_of(street.homes), fewest_days=1)
    with pytest.raises(PeriodError):
        check(replace(of, interval=60), meters_of(street.homes), fewest_days=1)


def test_a_day_s_quarters_are_summed_and_can_be_settled(street: Street) -> None:
    for _ in STAGES:
        street.run()
    assert street.row().phase == "open", street.row().reason
    totals_are_the_quarters(street, dict.fromkeys(street.names, 1))


def test_each_class_has_a_total_of_its_own_quarters(tmp_path: Path) -> None:
    homes = quarter_homes(tmp_path / "homes", CLOCK, DAY, 1, count=6)
    rules = {"interval_minutes": 15, "key": "priority", "numbers": CLASSES}
    with summed_street(tmp_path, "Classes by quarters", homes, DAY, rules) as street:
        for _ in STAGES:
            street.run()
        assert street.row().phase == "open", street.row().reason
        totals_are_the_quarters(street, CLASSES)


def test_a_gateway_takes_part_in_no_sum_by_another_interval(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    for _ in STAGES:
        street.run("roof-0", interval=60)
    assert street.row().phase == "keys" and street.row().interval_minutes == 15
    assert SecureSumFolder(street.folder / "sums", "roof-0").get("shared", DAY) is None
    reasons = [getattr(record, "reason", "") for record in caplog.records]
    assert any("by intervals of 15 minutes, this home's settings by 60" in reason for reason in reasons)


def test_a_server_that_settles_by_the_hour_gets_no_quarters(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    rules = SettlementSettings(gateways=True, late_meter_hours=0)
    street.community.config = street.config.model_copy(update={"settlement": rules})
    for _ in STAGES:
        street.run()
    assert street.row().phase == "keys" and street.row().interval_minutes == 60
    assert any("settings by 15" in getattr(record, "reason", "") for record in caplog.records)


def test_no_second_sum_of_a_day_by_the_other_interval(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    """The settings change, at the server and at two of the gateways, when masked quarters have been sent."""
    while street.phase not in ("agree", "reveal"):
        street.run()
    rules = SettlementSettings(gateways=True, late_meter_hours=0)
    street.community.config = street.config.model_copy(update={"settlement": rules})
    street.forget_sum()
    for _ in STAGES:
        street.run("roof-0", "roof-1", interval=60)
        street.run("roof-2", interval=15)
    assert street.row().phase == "keys" and street.row().interval_minutes == 60
    reasons = [getattr(record, "reason", "") for record in caplog.records]
    assert sum("masked values are in another one" in reason for reason in reasons) >= 2 * 3


def test_gateways_that_disagree_about_the_interval_share_no_mask() -> None:
    """Even where a server tells each of them what it expects."""
    terms = SumTerms("Quarters", DAY, "shared", bytes(16), ("a", "b", "c"))
    others = [
        replace(terms, interval=15),
        replace(terms, classes=(1, 1, 1)),
        replace(terms, classes=(1, 1, 1), interval=15),
    ]
    assert len({one._label() for one in (terms, *others)}) == 4
    assert [one.length for one in (terms, others[0])] == [2 * REGISTER, 8 * REGISTER]


def as_days(home: str, folder: Path, interval: int) -> dict[int, Contribution]:
    """Blocks that the meter signed as days with the blocks' numbers: commitments and totals are the same."""
    from api.gateway.home import Home

    own = Home(home, folder)
    found = shared_contributions(home, folder, 15)[DAY]
    numbers = block_numbers(DAY, 15)
    opened = [own.vault_of("load", 15).get(own.wallet.address, number)[1] for number in numbers]
    signed = [own.meter.sign_day(own.wallet.address, n, o.readings)[0] for n, o in zip(numbers, opened, strict=True)]
    return {
        DAY: replace(
            found, commitment=b"".join(each.commitment for each in signed),
            signature=b"".join(each.signature for each in signed),
        )
    }  # fmt: skip


def three_blocks(home: str, folder: Path, interval: int) -> dict[int, Contribution]:
    found = shared_contributions(home, folder, 15)[DAY]
    return {DAY: replace(found, commitment=found.commitment[:-48], signature=found.signature[:-65])}


def in_another_order(home: str, folder: Path, interval: int) -> dict[int, Contribution]:
    found = shared_contributions(home, folder, 15)[DAY]
    commitment, signature = found.commitment, found.signature
    return {
        DAY: replace(found, commitment=commitment[48:] + commitment[:48], signature=signature[65:] + signature[:65])
    }


@pytest.mark.parametrize(
    ("forge", "why"),
    [(as_days, "signed by"), (three_blocks, "4 commitments"), (in_another_order, "signed by")],
)
def test_what_are_no_blocks_of_the_day_enter_no_sum(
    street: Street, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, forge: object, why: str
) -> None:
    monkeypatch.setattr(contribution, "shared_contributions", forge)
    street.run("roof-0")
    assert street.row().phase == "keys"
    assert any(why in getattr(record, "reason", "") for record in caplog.records)
    assert "roof-0" in street.server.state(DAY, "shared").waiting_for


def test_a_home_enters_its_quarters_in_its_own_class_alone() -> None:
    vector = tuple(range(8 * REGISTER))
    half = 4 * REGISTER
    assert by_class(vector, 2, 2) == (*(0,) * half, *vector)


# -- the gateway's own table -----------------------------------------------------------------------------------------


def data_of(folder: Path, days: int, quarters_from: int) -> DataSettings:
    table = quarters_of("roof-1", 1, CLOCK, DAY, days)
    write_table(hourly(table), folder / "hours.csv")
    part = table[table["ds"] >= CLOCK.start_of(DAY + quarters_from)].reset_index(drop=True)
    write_table(part, folder / "quarters.csv", QUARTER)
    return DataSettings(
        source="files", files=(folder / "hours.csv",), quarters=(folder / "quarters.csv",), day_start_utc=0
    )


def test_a_gateway_signs_the_days_of_which_it_has_all_quarters(tmp_path: Path) -> None:
    data = data_of(tmp_path, 3, 1)
    assert sign_newest_days("roof-1", tmp_path / "roof-1", data, 15) == [DAY + 1, DAY + 2]
    assert sign_newest_days("roof-1", tmp_path / "hourly", data) == [DAY, DAY + 1, DAY + 2]


def test_a_home_that_has_no_whole_day_is_told_what_yesterday_lacks(tmp_path: Path) -> None:
    """Its meter was not read for more than a quarter of an hour each day: of these hours there are no quarters."""
    data = data_of(tmp_path, 3, 0)
    table = read_table(tmp_path / "quarters.csv", QUARTER)
    write_table(table[table["ds"].dt.hour != 5].reset_index(drop=True), tmp_path / "quarters.csv", QUARTER)
    lacks = rf"no day was measured as a whole: roof-1, day {DAY + 1} .*: 4 of its 96 .* of import"
    with pytest.raises(NoReadingsYet, match=lacks):
        sign_newest_days("roof-1", tmp_path / "roof-1", data, 15)


def test_a_home_with_hours_only_is_named_and_enters_no_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = data_of(tmp_path, 1, 0).model_copy(update={"quarters": ()})
    with pytest.raises(TableError, match=r"interval_minutes is 15, and data\.quarters names no table"):
        sign_newest_days("roof-1", tmp_path / "roof-1", data, 15)
    with caplog.at_level(logging.WARNING):
        days = SharedDays("roof-1", tmp_path / "roof-1", data, lambda job, *given: job(*given), 15)  # type: ignore[arg-type]
        assert days() == []
    assert any("data.quarters" in getattr(record, "reason", "") for record in caplog.records)
    assert not (tmp_path / "roof-1" / "export.db").exists(), "nor is anything signed by the hour in its place"


def test_no_second_sum_of_a_day_that_was_summed(street: Street) -> None:
    for _ in STAGES:
        street.run()
    with street.community.sessions.begin() as session:
        session.delete(street.row())
    with pytest.raises(SecureSumRefused, match="opened before"):
        street.server.state(DAY, "shared")
