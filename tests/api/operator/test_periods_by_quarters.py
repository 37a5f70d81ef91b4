"""A period that gateways settle by the quarter of an hour: from summed days to a file that an auditor accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from api.audit.settlement import audit_settlement
from api.config.community_yaml import Config
from api.gateway.metered_home import MeteredHome
from api.gateway.period_shares import OwnRules, Places, prove_period, shares_file
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from api.one_machine.settlement import record_period
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import Community
from api.operator.database.tables import Household, SettledPeriod, SharedDay
from api.operator.open_periods import OpenPeriods, side_of
from api.operator.period_keeper import PeriodKeeper
from api.operator.settled_periods import FILE
from api.operator.shared_days import keep_shared
from api.protocol import settlement_file
from api.protocol.period import SIDES, Key, Period, PeriodError
from api.protocol.settlement import Settlement, Share
from data.day import DayClock
from tests.api.quarter_homes import quarter_homes

pytestmark = pytest.mark.slow

CLOCK = DayClock(0)
DAYS = range(20_514, 20_521)
NAME = "2026-03-02..2026-03-08"
RULES = OwnRules("Three Roofs", 3, 7)


@dataclass
class Street:
    folder: Path
    community: Community
    chain_session: ChainSession
    homes: list[MeteredHome]
    period: Period

    @property
    def periods(self) -> OpenPeriods:
        return OpenPeriods(self.community)

    def prove(self, home: MeteredHome, rules: OwnRules = RULES) -> str | None:
        places = Places(home.home.name, home.home.folder, self.folder / "sums", self.folder / "shares")
        return prove_period(places, rules, NAME, self.periods.terms(NAME))

    def submit(self, home: MeteredHome) -> bool:
        """What the gateway has proven, as its outbox brings it."""
        content = json.loads(shares_file(self.folder / "shares", DAYS[-1], home.home.name).read_bytes())
        shares = {
            side_of(one["side"]): Share(one["share_wh"], bytes.fromhex(one["proof"][2:])) for one in content["shares"]
        }
        return self.periods.take(NAME, home.household, shares)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("periods")
    homes = quarter_homes(folder / "homes", CLOCK, DAYS[0], len(DAYS), count=3)
    members = [{"household": h.household, "meter": h.home.meter.address, "home": h.home.name} for h in homes]
    config = Config.model_validate({
        "community": {"name": "Three Roofs", "members": members},
        "data": {"source": "none", "day_start_utc": 0},
        "rewards": {"clock": "standing"},
        "api": {"state_dir": folder},
        "settlement": {"gateways": True, "fewest_days": 7, "share_days": 1, "interval_minutes": 15},
    })  # fmt: skip
    community = Community(config)
    chain_session = open_chain_session(community, DAYS[-1] + 1)
    period = record_period("Three Roofs", homes, DAYS, Key())
    names = [home.home.name for home in homes]
    with community.sessions.begin() as session:
        session.add_all([Household(address=h.household, meter=h.home.meter.address) for h in homes])
        for record in period.days:
            keep_shared(session, record, 15)
            for name in names:
                agreed = SecureSumState("00", names, "reveal", survivors=names, ended="open")
                SecureSumFolder(folder / "sums", name).put("shared", record.day, agreed)
    yield Street(folder, community, chain_session, homes, period)
    chain_session.chain.close()


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    """No period is open."""
    config = built.community.config
    yield built
    built.community.config = config
    with built.community.sessions.begin() as session:
        session.execute(delete(SettledPeriod))


def test_days_are_settled_by_the_interval_that_they_were_summed_by(street: Street) -> None:
    """In a community that settles by the hour by now: a month is opened when days of the next one are summed."""
    rules = street.community.config.settlement.model_copy(update={"interval_minutes": 60})
    street.community.config = street.community.config.model_copy(update={"settlement": rules})
    street.periods.open(NAME, DAYS)
    terms, _ = settlement_file.read(street.periods.terms(NAME))
    assert terms.period == street.period and terms.period.interval == 15


def test_days_of_two_intervals_are_no_one_period(street: Street) -> None:
    with street.community.sessions.begin() as session:
        session.get_one(SharedDay, DAYS[2]).interval_minutes = 60
    try:
        with pytest.raises(PeriodError, match=r"1 days were summed by another interval .*2026-03-04"):
            street.periods.open(NAME, DAYS)
    finally:
        with street.community.sessions.begin() as session:
            session.get_one(SharedDay, DAYS[2]).interval_minutes = 15


def test_a_day_that_lacks_a_block_s_total_is_not_opened(street: Street) -> None:
    with street.community.sessions.begin() as session:
        row = session.get_one(SharedDay, DAYS[2])
        content = {column.name: getattr(row, column.name) for column in SharedDay.__table__.columns}
        session.delete(row)
    with pytest.raises(PeriodError, match=r"1 days have no totals.*2026-03-04"):
        street.periods.open(NAME, DAYS)
    with street.community.sessions.begin() as session:
        session.add(SharedDay(**content))


def test_a_gateway_proves_nothing_by_another_key_than_its_settings_name(street: Street) -> None:
    """A server could divide what others shared as it likes, once it has seen the totals."""
    street.periods.open(NAME, DAYS)
    terms, meters = settlement_file.read(street.periods.terms(NAME))
    homes = [home.household for home in street.homes]
    unfair = Key("static", dict(zip(homes, (1, 1, 9_998), strict=True)))
    places = Places(street.homes[1].home.name, street.homes[1].home.folder, street.folder / "sums", street.folder)
    for key, rules in (
        (unfair, RULES),
        (unfair, replace(RULES, key="static", number=3_333)),
        (Key("equal"), RULES),
        (Key(), replace(RULES, key="equal")),
    ):
        data = settlement_file.written(Settlement(replace(terms.period, key=key), {}), meters)
        why = prove_period(places, rules, NAME, data)
        assert why is not None and f"is split by the key {key.kind}" in why and f"settings say {rules.key}" in why
    assert not (street.homes[1].home.folder / "settled.json").exists()


def test_a_period_is_settled_by_its_quarters_and_the_file_holds(street: Street) -> None:
    street.periods.open(NAME, DAYS)
    terms, _ = settlement_file.read(street.periods.terms(NAME))
    assert terms.period == street.period, "as it was summed"
    for home in street.homes:
        assert street.prove(home) is None
        assert street.submit(home) and not street.submit(home)
    PeriodKeeper(street.community, street.chain_session).look()
    data = (street.community.config.api.settlements_dir / NAME / FILE).read_bytes()
    settled, _ = settlement_file.read(data)
    assert settled.late == () and settled.period.interval == 15
    for side in SIDES:
        assert settled.given(side) + settled.remainder(side) == street.period.shared_wh
        assert 0 <= settled.remainder(side) <= len(street.homes)
    assert not any(finding.kind == "failed" for finding in audit_settlement(data))
    own = json.loads((street.homes[1].home.folder / "settled.json").read_bytes())
    assert {side: list(days) for side, days in own.items()} == {side: [str(day) for day in DAYS] for side in SIDES}
