"""A period that gateways settle: members bring their own shares, once; late ones join, and all of it adds up."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select, update
from web3.contract import Contract

from api.config.community_yaml import Config, ConfigError
from api.config.settlement_settings import SettlementSettings
from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from api.gateway.own_shares import own_shares
from api.gateway.period_shares import OwnRules, Places, prove_period, shares_file
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from api.http.server import make_app
from api.one_machine.settlement import record_period
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import CONTRACTS, Community
from api.operator.database.members import keep_meters, meter_at, meters_of
from api.operator.database.tables import AssignedMeter, Household, MaskedSum, ProvenShare, SettledPeriod, SharedDay
from api.operator.membership import erase
from api.operator.open_periods import OpenPeriods, ShareRefused, meters_on, side_of
from api.operator.period_keeper import PeriodKeeper
from api.operator.settlement_files import HOMES, SettlementFolder
from api.operator.settlement_payment import rates
from api.operator.settlement_root import REGISTRY, is_published, registry_address
from api.operator.shared_days import keep_shared
from api.protocol import merkle, settlement_file
from api.protocol.meters import Assignment
from api.protocol.period import SIDES, Key, PeriodError, Side
from api.protocol.settlement import Settlement, Share, prove_share
from api.protocol.share_check import checked_terms
from data.day import DayClock
from data.meter import Meter
from data.table import long_table
from rewards.compile import artefact
from rewards.settlements import root_of, settlements_at
from tests.api.conftest import ThisProcess
from tests.api.operator.test_database import at_once
from tests.rewards.conftest import account
from tests.support.documented import DocumentedClient
from tests.support.waiting import LIMIT_S
from zkp.statements.period import PeriodStatement

pytestmark = pytest.mark.slow

CLOCK = DayClock(8)
DAYS = range(17_287, 17_295)
NAME = "2017-05-01..2017-05-08"
JOINED = DAYS[1]
"""The fourth home is a member from the second day on."""
ROOFS = [f"roof-{k}" for k in range(4)]


def metered(folder: Path, number: int) -> MeteredHome:
    ds = pd.date_range(CLOCK.start_of(DAYS[0]), periods=24 * len(DAYS), freq="h", unit="ns")
    sun = (ds.hour > 14) & (ds.hour < 23)
    net = np.random.default_rng(number).integers(100, 900, len(ds)) - np.where(sun, number % 3 * 600, 0)
    name = ROOFS[number]
    table = long_table(name, ds, np.maximum(net, 0), export=pd.Series(np.maximum(-net, 0), dtype="Int64"))
    if number == 3:
        table = table[CLOCK.days_of(table["ds"]) >= JOINED].reset_index(drop=True)
    return MeteredHome(Home(name, folder / "homes" / name), table, CLOCK)


@dataclass
class Street:
    """The server of four homes whose days were summed, and the files of their gateways."""

    folder: Path
    community: Community
    chain_session: ChainSession
    client: DocumentedClient
    homes: list[MeteredHome]
    proven: dict[str, bytes]

    @property
    def periods(self) -> OpenPeriods:
        return OpenPeriods(self.community)

    def terms(self) -> bytes:
        return self.periods.terms(NAME)

    def places(self, home: MeteredHome) -> Places:
        return Places(home.home.name, home.home.folder, self.folder / "sums", self.folder / "shares")

    def post(self, content: dict[str, Any]) -> str:
        """What the server answers: ok, or the refusal's code."""
        answer = self.client.post(f"/v1/shared-energy/{NAME}/shares", json=content)
        return "ok" if answer.is_success else str(answer.json()["error"])

    def body(self, k: int) -> dict[str, Any]:
        """What the gateway of a home submits."""
        content: dict[str, Any] = json.loads(self.proven[ROOFS[k]])
        del content["period"]
        for share in content["shares"]:
            del share["leaf"]
        return content

    def statement(self, k: int, side: Side) -> PeriodStatement:
        return checked_terms(self.terms()).statement(self.homes[k].household, side)

    def forged(self, k: int, side: Side, statement: PeriodStatement, days: range = DAYS) -> dict[str, Any]:
        """A share that home `k` can prove: of another statement than its own in this period."""
        own = self.homes[k].signed(days)
        opened = [own[day][SIDES.index(side)][0][1] for day in statement.days]
        share = prove_share(statement, [list(o.readings) for o in opened], [o.blinding for o in opened])
        return one_share(self.homes[k].household, side, share)

    def settlement(self) -> Settlement:
        """As it was written, and is audited."""
        file = self.community.config.api.settlements_dir / NAME / "settlement.json"
        return settlement_file.read(file.read_bytes())[0]

    def forget_periods(self) -> None:
        """As if none had been opened."""
        with self.community.sessions.begin() as session:
            session.execute(delete(SettledPeriod))

    def look(self) -> None:
        PeriodKeeper(self.community, self.chain_session).look()

    def status(self) -> dict[str, Any]:
        (one,) = self.client.get("/v1/shared-energy/open").json()
        return dict(one)


def one_share(household: str, side: Side, share: Share) -> dict[str, Any]:
    told = {"side": side, "share_wh": share.wh, "proof": "0x" + share.proof.hex()}
    return {"household": household, "shares": [told]}


def _entry(home: MeteredHome) -> dict[str, str]:
    return {"household": home.household, "meter": home.home.meter.address, "home": home.home.name}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("roofs")
    homes = [metered(folder, k) for k in range(4)]
    config = Config.model_validate({
        "community": {"name": "Four Roofs", "members": [_entry(home) for home in homes]},
        "data": {"source": "none", "day_start_utc": 8},
        "rewards": {"clock": "standing"},
        "api": {"state_dir": folder},
        "settlement": {"gateways": True, "fewest_days": 7, "share_days": 1, "premium": "11.0"},
    })  # fmt: skip
    community = Community(config)
    chain_session = open_chain_session(community, DAYS[-1] + 1)
    period = record_period("Four Roofs", homes, DAYS, Key())
    with community.sessions.begin() as session:
        for home in homes:
            session.add(Household(address=home.household, meter=home.home.meter.address))
        for record in period.days:
            keep_shared(session, record)
    for home in homes:
        sums = SecureSumFolder(folder / "sums", home.home.name)
        for record in period.days:
            if home.household in record.households:
                there = sorted(other.home.name for other in homes if other.household in record.households)
                sums.put("shared", record.day, SecureSumState("00", there, "reveal", survivors=there, ended="open"))
    app = make_app(community, chain_session)
    app.state.work.share_checker = ThisProcess(1)
    with app.state.work:
        yield Street(folder, community, chain_session, DocumentedClient(app).ready(), homes, {})
    chain_session.chain.close()


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    """The period is open, each gateway has proven its shares, and none has come in."""
    built.periods.open(NAME, DAYS)
    for home in built.homes:
        if home.home.name not in built.proven:
            assert prove_period(built.places(home), OwnRules("Four Roofs", 3, 7), NAME, built.terms()) is None
            built.proven[home.home.name] = shares_file(built.folder / "shares", DAYS[-1], home.home.name).read_bytes()
    yield built
    shutil.rmtree(built.community.config.api.settlements_dir, ignore_errors=True)
    with built.community.sessions.begin() as session:
        session.execute(delete(ProvenShare))
        session.execute(update(SettledPeriod).values(settled=None, closes_at=None))


# -- what comes out --------------------------------------------------------------------------------------------------


def test_a_period_is_settled_when_all_shares_are_in_and_every_watt_hour_is_somebodys(street: Street) -> None:
    for k in range(4):
        street.look()
        assert street.status() | {"missing": 8 - 2 * k, "is_closed": False} == street.status()
        assert street.post(street.body(k)) == "ok"
    street.look()
    assert street.status() | {"missing": 0, "is_closed": True} == street.status()
    settled = street.settlement()
    assert settled.late == () and len(settled.shares) == 8
    for side, column in zip(SIDES, ("y", "export"), strict=True):
        assert settled.given(side) + settled.remainder(side) == settled.period.shared_wh
        assert 0 <= settled.remainder(side) <= 4, f"rounding: a watt-hour a member ({column})"
    registry = settlements_at(street.chain_session.chain, registry_address(street.folder / REGISTRY))
    assert root_of(registry, DAYS[0], DAYS[-1]) == settled.root
    listed = street.client.get("/v1/shared-energy").json()
    assert [(one["period"], one["late"]) for one in listed] == [(NAME, 0)]
    for home in street.homes:
        own = {share.side: share.share_wh for share in own_shares(home.home.folder)}
        assert own == {side: settled.shares[home.household, side].wh for side in SIDES}, "what its own page shows"


def test_who_is_late_keeps_nobody_waiting_and_its_share_joins_by_a_second_root(street: Street) -> None:
    for k in (0, 1, 3):
        assert street.post(street.body(k)) == "ok"
    street.look()
    assert not street.status()["is_closed"]
    street.chain_session.chain.advance_to(street.status()["closes_at"])
    street.look()
    first = street.settlement()
    assert first.late == (street.homes[2].household,) and street.status()["is_closed"]
    street.look()
    assert street.post(street.body(2)) == "ok"
    street.look()
    last = street.settlement()
    assert last.late == () and all(last.shares[key] == share for key, share in first.shares.items())
    for side in SIDES:
        late = last.shares[street.homes[2].household, side].wh
        assert first.remainder(side) - last.remainder(side) == late, "its part was kept in the remainder"
    registry = settlements_at(street.chain_session.chain, registry_address(street.folder / REGISTRY))
    assert root_of(registry, DAYS[0], DAYS[-1]) == last.root != first.root


def test_a_member_sees_that_its_share_is_under_the_root_and_others_learn_nothing(street: Street) -> None:
    for k in (0, 1):
        assert street.post(street.body(k)) == "ok"
    street.chain_session.chain.advance_to(street.chain_session.chain.now + 2 * 86_400)
    street.look()
    street.chain_session.chain.advance_to(street.status()["closes_at"])
    street.look()
    root = street.settlement().root

    def told(leaf: str) -> Any:
        return street.client.get(f"/v1/shared-energy/{NAME}/paths/{leaf}").json()

    for k in range(4):
        for share in json.loads(street.proven[ROOFS[k]])["shares"]:
            found = told(share["leaf"])
            if k > 1:
                assert found["error"] == "no-share", "it has not come in"
                continue
            path = [bytes.fromhex(node[2:]) for node in found["path"]]
            assert found["root"] == "0x" + root.hex() and merkle.root(bytes.fromhex(share["leaf"][2:]), path) == root
    assert told("0x" + "00" * 32)["error"] == "no-share"


def test_who_joined_within_the_period_has_a_share_of_its_own_days(street: Street) -> None:
    assert street.statement(3, "import").days == tuple(range(JOINED, DAYS.stop))
    assert street.statement(0, "import").days == tuple(DAYS)


def test_periods_are_kept_on_every_database_and_a_share_that_comes_many_times_at_once_is_kept_once(
    street: Street, database_url: str, tmp_path: Path
) -> None:
    """Days, terms, shares and what was settled: all of it through the database, on SQLite and PostgreSQL."""
    config = street.community.config
    api = config.api.model_copy(update={"database_url": SecretStr(database_url), "state_dir": tmp_path})
    community = Community(config.model_copy(update={"api": api}))
    for name in {REGISTRY, CONTRACTS, "operator.key"} & {path.name for path in street.folder.iterdir()}:
        shutil.copy(street.folder / name, tmp_path / name)
    with street.community.sessions() as known, community.sessions.begin() as session:
        for table in (Household, SharedDay):
            for row in known.scalars(select(table)):
                session.merge(row)
    periods = OpenPeriods(community)
    assert at_once(*[lambda: periods.open(NAME, DAYS)] * 4) == [periods.get(NAME)] * 4
    assert periods.terms(NAME) == street.terms()

    def bring(k: int) -> str:
        shares = {
            side_of(one["side"]): Share(one["share_wh"], bytes.fromhex(one["proof"][2:]))
            for one in street.body(k)["shares"]
        }
        try:
            periods.take(NAME, street.homes[k].household, shares)
        except ShareRefused as refused:
            return refused.code
        return "ok"

    keeper = PeriodKeeper(community, street.chain_session)
    for late, brought in ((1, (0, 1, 2)), (0, (3,))):
        for k in brought:
            told = {str(one) for one in at_once(*[lambda k=k: bring(k)] * 4)}
            assert "ok" in told and told <= {"ok", "share-exists"}
        street.chain_session.chain.advance_to(street.chain_session.chain.now + 2 * 86_400)
        keeper.look()
        if late:
            (one,) = periods.all()
            assert one.closes_at is not None and not one.is_closed
            street.chain_session.chain.advance_to(one.closes_at)
            keeper.look()
        (one,) = periods.all()
        assert (one.missing, one.settled, one.is_final) == (2 * late, 8 - 2 * late, True)
        settlement, _ = periods.settlement(NAME)
        assert len(settlement.late) == late
        assert is_published(community, street.chain_session.chain, settlement)
    community.sessions.kw["bind"].dispose()


def test_a_damaged_period_is_named_and_keeps_no_other_from_being_settled(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody had expected ended the round, and with it every later period's."""
    with street.community.sessions.begin() as session:
        session.add(
            SettledPeriod(
                name="2017-03", first_day=DAYS[0] - 60, last_day=DAYS[0] - 40, members=0, terms=b"{}", closes_at=1
            )
        )
        session.flush()
    try:
        for k in range(4):
            assert street.post(street.body(k)) == "ok"
        street.look()
        told = {
            vars(record)["period"]: vars(record)["reason"] for record in caplog.records if "reason" in vars(record)
        }
        assert "this is no settlement" in told["2017-03"] and NAME not in told
        assert len(street.settlement().shares) == 8
    finally:
        with street.community.sessions.begin() as session:
            session.execute(delete(SettledPeriod).where(SettledPeriod.name == "2017-03"))


# -- in tokens -------------------------------------------------------------------------------------------------------

TREASURY = account(77)


@pytest.fixture
def token(street: Street) -> Iterator[Contract]:
    """A token of the treasury's, in which the community pays 2 cents a kWh, 60 per cent of them to who fed in."""
    chain, config = street.chain_session.chain, street.community.config
    chain.fund(TREASURY.address)
    made = chain.deploy(TREASURY, artefact("reward_token"))
    chain.send(TREASURY, made.functions.propose_minter(TREASURY.address))
    price = {"tokens_per_kwh": Decimal("0.02"), "producers_percent": 60, "token": str(made.address)}
    rules = config.settlement.model_copy(update=price)
    street.community.config = config.model_copy(update={"settlement": rules})
    yield made
    street.community.config = config


def test_shares_are_paid_once_and_late_ones_when_they_come(
    street: Street, token: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    chain, rate = street.chain_session.chain, {"import": 8 * 10**12, "export": 12 * 10**12}

    def has(holder: str) -> int:
        return int(token.functions.balanceOf(holder).call())

    for k in (0, 1, 3):
        assert street.post(street.body(k)) == "ok"
    street.look()
    chain.advance_to(street.status()["closes_at"])
    street.look()
    assert street.status()["is_closed"] and "transfer" in vars(caplog.records[-1])["reason"], (
        "it is settled, not paid"
    )
    shared_wh = street.settlement().period.shared_wh
    chain.send(TREASURY, token.functions.mint(street.community.operator.address, shared_wh * sum(rate.values())))
    street.look()
    street.look()
    assert [has(home.household) > 0 for home in street.homes] == [True, True, False, True]
    assert street.post(street.body(2)) == "ok"
    street.look()
    block = chain.block
    street.look()
    assert chain.block == block, "nothing is left to pay"
    settled = street.settlement()
    for home in street.homes:
        assert has(home.household) == sum(
            share.wh * rate[side] for (of, side), share in settled.shares.items() if of == home.household
        )
    left = sum(settled.remainder(side) * rate[side] for side in SIDES)
    told = street.client.get(f"/v1/shared-energy/{NAME}").json()["tokens"]
    assert told["funded"] == str(shared_wh * sum(rate.values()))
    assert has(told["contract"]) == int(told["funded"]) - int(told["paid"]) == left


@pytest.mark.parametrize("price", ["0", "0.000000000000001"])
def test_a_price_that_comes_to_nothing_is_refused_with_the_least_that_does(price: str) -> None:
    with pytest.raises(ConfigError, match=r"set it to 0\.000000000000002 at least"):
        rates(SettlementSettings(tokens_per_kwh=Decimal(price)), 18)
    assert rates(SettlementSettings(tokens_per_kwh=Decimal("0.000000000000002")), 18) == (1, 1)
    assert rates(SettlementSettings(tokens_per_kwh=Decimal("0.11"), producers_percent=0), 6) == (110, 0)


# -- shares that are not the member's --------------------------------------------------------------------------------


def best_days(of: PeriodStatement) -> PeriodStatement:
    """Without the first day."""
    context = replace(of.context, day=of.days[1])
    return replace(of, context=context, days=of.days[1:], commitments=of.commitments[1:], numbers=of.numbers[1:])


def in_full(of: PeriodStatement) -> PeriodStatement:
    """By coefficients of the member's own choice."""
    return replace(of, numbers=tuple((1 << 32,) * 24 for _ in of.days))


OTHERS: dict[str, Callable[[PeriodStatement], PeriodStatement]] = {
    "of other days": best_days,
    "by other coefficients": in_full,
    "of another community": lambda of: replace(of, context=replace(of.context, community=bytes(32))),
    "of another household": lambda of: replace(of, context=replace(of.context, household=bytes(20))),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_share_of_something_else_is_refused(street: Street, what: str) -> None:
    body = street.forged(1, "export", OTHERS[what](street.statement(1, "export")))
    assert street.post(body) == "invalid-proof"
    assert street.status()["missing"] == 8


def test_a_share_of_another_period_is_refused(street: Street) -> None:
    """Of the week inside this period, as if that had been settled."""
    week = checked_terms(street.terms()).period
    shorter = settlement_file.written(
        Settlement(replace(week, days=week.days[1:]), {}), settlement_file.read(street.terms())[1]
    )
    statement = checked_terms(shorter).statement(street.homes[1].household, "import")
    assert street.post(street.forged(1, "import", statement)) == "invalid-proof"


def test_a_share_under_another_members_name_is_refused(street: Street) -> None:
    """By whoever has seen it, and by who would have another's share."""
    body = street.body(1) | {"household": street.homes[2].household}
    assert street.post(body) == "invalid-proof"
    assert street.post(street.body(1) | {"household": "0x" + "11" * 20}) == "not-in-period"


def test_a_share_that_is_larger_or_of_the_other_side_is_refused(street: Street) -> None:
    body = street.body(1)
    body["shares"][0]["share_wh"] += 1
    assert street.post(body) == "invalid-proof"
    swapped = street.body(1)
    for share in swapped["shares"]:
        share["side"] = "export" if share["side"] == "import" else "import"
    assert street.post(swapped) == "invalid-proof"
    doubled = street.body(1)
    doubled["shares"] = [doubled["shares"][0]] * 2
    assert street.post(doubled) == "malformed-request"
    assert street.status()["missing"] == 8, "nothing of it is kept"


def test_a_share_counts_once_and_the_first_proof_of_it_stays(street: Street) -> None:
    assert street.post(street.body(1)) == "ok"
    before = street.periods.settlement(NAME)[0]
    again = street.forged(1, "import", street.statement(1, "import"))
    assert again["shares"][0] != street.body(1)["shares"][0], "another proof of the same share"
    assert street.post(street.body(1)) == "ok", "the very same gets the first answer"
    assert street.post(again) == "share-exists"
    assert street.periods.settlement(NAME)[0] == before


def test_shares_are_checked_apart_from_sums_and_one_that_was_taken_is_checked_no_more(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody could have every proof checked, as often as one likes, by the workers of the day's sums."""
    assert street.post(street.body(1)) == "ok"
    forged = street.forged(1, "import", street.statement(1, "import"))
    work, waits, free = street.client.app.state.work, threading.Event(), threading.Event()  # type: ignore[attr-defined]

    def hold(*_: object) -> None:
        waits.set()
        assert free.wait(LIMIT_S)

    monkeypatch.setattr(work.shares, "_most", 1)
    monkeypatch.setattr(work.share_checker, "check_shares", hold)
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(street.post, street.body(2))
        try:
            assert waits.wait(LIMIT_S)
            assert street.post(street.body(1)) == "ok"
            assert street.post(forged) == "share-exists"
            assert street.post(street.body(1) | {"household": "0x" + "11" * 20}) == "not-in-period"
            assert street.post(street.body(3)) == "busy"
            assert street.client.get(f"/v1/sums/{DAYS[0]}/shared").json()["error"] == "already-open"
        finally:
            free.set()
        assert checked.result() == "ok"


def test_a_period_that_was_not_opened_takes_no_share(street: Street) -> None:
    for path in ("shares", "terms"):
        url = f"/v1/shared-energy/2017-06/{path}"
        answer = street.client.post(url, json=street.body(0)) if path == "shares" else street.client.get(url)
        assert answer.json()["error"] == "no-open-period"


# -- what a gateway proves -------------------------------------------------------------------------------------------


def test_terms_hold_no_share_and_are_the_same_whenever_they_are_asked_for(street: Street) -> None:
    terms = street.client.get(f"/v1/shared-energy/{NAME}/terms").content
    street.periods.open(NAME, range(DAYS[2], DAYS[-1] + 1))
    assert street.client.get(f"/v1/shared-energy/{NAME}/terms").content == terms
    assert settlement_file.read(terms)[0].shares == {}


def test_a_gateway_that_was_killed_while_it_proved_comes_to_the_same_shares(street: Street) -> None:
    home = street.homes[0]
    file = shares_file(street.folder / "shares", DAYS[-1], home.home.name)
    before = json.loads(file.read_bytes())
    file.unlink()
    assert prove_period(street.places(home), OwnRules("Four Roofs", 3, 7), NAME, street.terms()) is None
    after = json.loads(file.read_bytes())
    assert [one["share_wh"] for one in after["shares"]] == [one["share_wh"] for one in before["shares"]]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (OwnRules("Five Roofs", 3, 7), "is one of"),
        (OwnRules("Four Roofs", 5, 7), "each of them"),
        (OwnRules("Four Roofs", 3, 28), "28 days at least"),
    ],
)
def test_a_gateway_proves_nothing_below_its_own_rules(street: Street, rules: OwnRules, why: str) -> None:
    refused = prove_period(street.places(street.homes[0]), rules, NAME, street.terms())
    assert refused is not None and why in refused


def test_a_gateway_proves_nothing_of_a_day_to_which_members_were_added(street: Street) -> None:
    """An operator with meters of its own could move each coefficient, and with it what a share tells."""
    terms = checked_terms(street.terms()).period
    meters = dict(settlement_file.read(street.terms())[1])
    stranger, meter = "0xFFcf8FDEE72ac11b5c542428B35EEF5769C409f0", Meter(bytes([7]) * 32)
    taken, mine = meter.sign_day(stranger, terms.first, [9_000] * 24)
    fed_in, other = meter.sign_day(stranger, terms.first, [9_000] * 24, quantity="export")
    day = terms.days[0]

    def more(total: Any, opening: Any) -> Any:
        values = tuple(a + b for a, b in zip(total.values, opening.readings, strict=True))
        from zkp.algebra.field import MODULUS

        return replace(total, values=values, blinding=(total.blinding + opening.blinding) % MODULUS)

    (block,) = day.blocks
    added = replace(
        block, imported=tuple(sorted((*block.imported, taken), key=lambda s: s.household)),
        exported=tuple(sorted((*block.exported, fed_in), key=lambda s: s.household)),
        imports=(more(block.imports[0], mine),), exports=more(block.exports, other),
    )  # fmt: skip
    forged = replace(terms, days=(replace(day, blocks=(added,)), *terms.days[1:]))
    data = settlement_file.written(Settlement(forged, {}), meters | {stranger: meter.address})
    assert checked_terms(data).period.days[0].shared != day.shared, "every signature and total of it holds"
    refused = prove_period(street.places(street.homes[0]), OwnRules("Four Roofs", 3, 7), NAME, data)
    assert refused is not None and f"day {terms.first} has 4 members, and this home agreed to a sum of 3" in refused


# -- what is opened --------------------------------------------------------------------------------------------------


def test_a_day_without_totals_is_named_and_left_out_only_when_asked(street: Street) -> None:
    street.forget_periods()
    later = range(DAYS[0], DAYS[-1] + 3)
    with pytest.raises(PeriodError, match=r"2 days have no totals.*2017-05-09 \(no gateway has asked"):
        street.periods.open("2017-05-01..2017-05-10", later)
    assert street.periods.get("2017-05-01..2017-05-10") is None
    with street.community.sessions.begin() as session:
        row = session.get_one(SharedDay, DAYS[3])
        content = {column.name: getattr(row, column.name) for column in SharedDay.__table__.columns}
        session.delete(row)
    try:
        street.periods.open("2017-05-01..2017-05-09", range(DAYS[0], DAYS[-1] + 2), incomplete=True)
        terms = street.periods.terms("2017-05-01..2017-05-09")
        assert checked_terms(terms).period.absent == [DAYS[3]]
    finally:
        with street.community.sessions.begin() as session:
            session.add(SharedDay(**content))
            session.execute(delete(SettledPeriod).where(SettledPeriod.name == "2017-05-01..2017-05-09"))


def test_a_day_is_in_one_period(street: Street) -> None:
    """Its shared energy would count in both, and who was late in the first could prove a share of the second."""
    for name, days in (("2017-05-02..2017-05-08", DAYS[1:]), ("2017-05-01..2017-05-07", DAYS[:-1])):
        with pytest.raises(PeriodError, match=rf"7 days are in the period {NAME}, .* {name[:10]}: a day is settled"):
            street.periods.open(name, days)
        assert street.periods.get(name) is None
    assert street.periods.open(NAME, DAYS).name == NAME, "which stays as it is"


def test_meters_are_those_that_the_registry_assigned_each_from_its_day_on(street: Street) -> None:
    chain, contracts = street.chain_session.chain, street.chain_session.contracts
    household, meter, other = street.homes[2].household, street.homes[2].home.meter.address, account(78).address
    with street.community.sessions() as session:
        assert meters_of(session, household) == (Assignment(0, meter),)
    later = DAYS[-1] + 500
    chain.send(street.community.operator, contracts.forecast_registry.functions.assign_meter(household, other, later))
    with street.community.sessions.begin() as session:
        keep_meters(session, contracts)
        keep_meters(session, contracts)
        assert meters_of(session, household) == (Assignment(0, meter), Assignment(later, other))


def test_a_meter_that_was_replaced_counts_until_its_last_day_and_the_next_one_from_then_on(street: Street) -> None:
    household, meter = street.homes[0].household, street.homes[0].home.meter.address
    other, week = Meter(bytes([9]) * 32).address, "2017-05-01..2017-05-07"
    days = [
        (DAYS[0], {household: other}),
        (DAYS[1], {}),
        (DAYS[2], {household: meter}),
        (DAYS[3], {household: meter}),
    ]
    assert meters_on(days) == {household: (Assignment(0, other), Assignment(DAYS[2], meter))}
    assert meters_on(days[2:]) == {household: meter}
    with street.community.sessions.begin() as session:
        row = session.get_one(SharedDay, DAYS[0])
        before = dict(row.meters)
        row.meters = before | {household: other}
    with pytest.raises(PeriodError, match=f"day {DAYS[0]}: .*signed by"):
        street.periods.open(week, DAYS[:-1])
    with street.community.sessions.begin() as session:
        session.get_one(SharedDay, DAYS[0]).meters = before
        session.add(AssignedMeter(household=household, first_day=DAYS[4], meter=other))
        assert [meter_at(session, household, day) for day in (DAYS[3], DAYS[4])] == [meter, other]
        session.execute(delete(AssignedMeter).where(AssignedMeter.first_day == DAYS[4]))


def test_who_left_before_the_period_was_opened_is_settled_with_the_others(street: Street) -> None:
    """What the server kept of it is erased; its days are in totals that stay."""
    street.forget_periods()
    week, gone = "2017-05-01..2017-05-07", street.homes[0].household
    with street.community.sessions.begin() as session:
        meter = session.get_one(Household, gone).meter
        erase(session, gone)
        assert session.get(Household, gone) is None
        assert not session.scalars(select(AssignedMeter).where(AssignedMeter.household == gone)).all()
    try:
        street.periods.open(week, DAYS[:-1])
        assert gone in checked_terms(street.periods.terms(week)).period.households
    finally:
        with street.community.sessions.begin() as session:
            session.add(Household(address=gone, meter=meter))
            session.execute(delete(SettledPeriod).where(SettledPeriod.name == week))


def test_who_is_no_longer_in_the_settings_is_settled_with_its_part_of_then(street: Street) -> None:
    """It kept the whole period from being opened: the key had no part for it."""
    street.forget_periods()
    week, gone, before = "2017-05-01..2017-05-07", street.homes[0], street.community.config
    members = tuple(entry for entry in before.community.members if entry.home != gone.home.name)
    community = before.community.model_copy(update={"members": members})
    numbers = dict.fromkeys(ROOFS, 2_500)
    told = {home.home.name: {"household": home.household, "identity": ""} for home in street.homes}
    try:
        with street.community.sessions.begin() as session:
            for day in DAYS:
                row = MaskedSum(day=day, kind="shared", nonce="00", members=told, phase="open", until=0)
                session.add(row)
        for listed in (numbers, {name: part for name, part in numbers.items() if name != gone.home.name}):
            rules = before.settlement.model_copy(update={"key": "static", "numbers": listed})
            street.community.config = before.model_copy(update={"community": community, "settlement": rules})
            if gone.home.name not in listed:
                with pytest.raises(
                    PeriodError, match=f"nothing of {gone.home.name}, a member on 2017-05-01: list it"
                ):
                    street.periods.open(week, DAYS[:-1])
                continue
            street.periods.open(week, DAYS[:-1])
            period = checked_terms(street.periods.terms(week)).period
            assert period.key.numbers == {home.household: 2_500 for home in street.homes}
            with street.community.sessions.begin() as session:
                session.execute(delete(SettledPeriod).where(SettledPeriod.name == week))
        for home in street.homes:
            told[home.home.name] = told[home.home.name] | {"class": "1"}
        rules = before.settlement.model_copy(update={"key": "priority", "numbers": {ROOFS[3]: 1}})
        street.community.config = before.model_copy(update={"community": community, "settlement": rules})
        with street.community.sessions.begin() as session:
            session.execute(update(MaskedSum).values(members=told))
        street.periods.open(week, DAYS[:-1])
        period = checked_terms(street.periods.terms(week)).period
        assert period.key.numbers == {home.household: 1 for home in street.homes}, "as the sums counted them"
    finally:
        street.community.config = before
        with street.community.sessions.begin() as session:
            session.execute(delete(MaskedSum))
            session.execute(delete(SettledPeriod).where(SettledPeriod.name == week))


def test_a_statement_of_who_is_no_longer_in_the_settings_has_its_address(street: Street, tmp_path: Path) -> None:
    gone, config = street.homes[0], street.community.config
    members = tuple(entry for entry in config.community.members if entry.home != gone.home.name)
    community = config.community.model_copy(update={"members": members})
    street.community.config = config.model_copy(update={"community": community})
    try:
        files = replace(SettlementFolder.of(street.community, NAME), folder=tmp_path)
    finally:
        street.community.config = config
    files.draw(street.periods.settlement(NAME)[0], None, pdf=True)
    written = {path.stem for path in (tmp_path / HOMES).iterdir()}
    assert written == {gone.household, *ROOFS[1:]}
