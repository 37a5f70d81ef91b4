"""The community's totals by gateways over HTTP: what comes out, who drops out, and who tries to cheat."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import delete

from api.config.community_yaml import Config, ConfigError, parse
from api.config.settlement_settings import SettlementSettings
from api.gateway.client import SumStatus
from api.gateway.outbox import Outbox, Submission
from api.gateway.secure_sum.client import SecureSumClient
from api.gateway.secure_sum.contribution import Contribution
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from api.operator.database.tables import MaskedSum, MaskedSumMessage, SharedDay
from api.operator.shared_days import kept_record
from api.protocol.secure_sum import KINDS, LENGTHS, MASKED, SIGNED, STAGES, Kind, Stage, SumMessage, SumTerms
from data.export import EXPORT_VAULT
from data.interval import block_numbers, by_hour
from data.meter import SignedDay, verify_signed_day
from data.quantity import QUANTITIES
from data.vault import DayVault
from fl.deployment.keys import load_agent_key
from fl.deployment.telemetry import AgentMetrics
from fl.secagg.aggregator import Member, PublicKeys, Session, complaint, masked_statement, survivors_statement
from fl.secagg.roster import Roster, identity_of, sign
from tests.api.community_fixture import DAY, PHASE_S, CommunityFixture, build, community_config, open_fixture
from tests.support.laws import examples
from tests.support.shared import built_once
from zkp.algebra.field import MODULUS
from zkp.statements.total import Total, verify_measured

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> CommunityFixture:
    return open_fixture(built_once(tmp_path_factory, "street", build))


@pytest.fixture
def street(built: CommunityFixture) -> Iterator[CommunityFixture]:
    with built.once_closed():
        yield built


def test_missing_public_keys_are_logged_once_each_kind(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    keys = street.folder / "keys" / "agents"
    away = keys.rename(street.folder / "away")
    try:
        told = [street.get(f"/sums/{DAY}/forecast")["error"] for _ in range(3)]
        keys.mkdir()
        (keys / "elm-9.pub").write_text("no key")
        told += [street.get(f"/sums/{DAY}/forecast")["error"] for _ in range(3)]
    finally:
        shutil.rmtree(keys, ignore_errors=True)
        away.rename(keys)
    assert told == ["no-sum"] * 6
    reasons = [vars(r)["reason"] for r in caplog.records if r.msg.startswith("no sums without")]
    assert len(reasons) == len(set(reasons)) == 2
    assert street.phase() == "keys", "and with the keys in their place sums begin"


def expected(street: CommunityFixture, names: list[str]) -> list[int]:
    """The sum of the means."""
    sealed = [home.sealed(DAY) for home in street.community.homes if home.name in names]
    return [sum(hour) for hour in zip(*(s.values[24:] for s in sealed if s is not None), strict=True)]


def addresses(street: CommunityFixture, names: list[str]) -> list[str]:
    return sorted(home.wallet.address for home in street.community.homes if home.name in names)


def open_forecast(street: CommunityFixture) -> None:
    for _ in STAGES:
        street.run()
    assert street.phase() == "open"


def run_until(street: CommunityFixture, stage: Stage) -> None:
    """All gateways answer, as often as it takes until a stage is asked for."""
    while street.phase() != stage:
        street.run()


# -- what comes out --------------------------------------------------------------------------------------------------


def test_gateways_open_the_total_of_the_forecasts_they_registered(street: CommunityFixture) -> None:
    open_forecast(street)
    told = street.get(f"/days/{DAY}/forecast")
    assert told["values_wh"] == expected(street, street.names)
    assert sorted(told["households"]) == addresses(street, street.names)
    street.run()
    assert [street.part(name).ended for name in street.names] == ["open"] * len(street.names)


def test_the_measured_total_follows_when_the_day_is_over(street: CommunityFixture) -> None:
    open_forecast(street)
    street.run()
    assert street.get(f"/sums/{DAY}/measured")["error"] == "too-early"
    street.end_day()
    for _ in STAGES:
        street.run()
    assert street.phase("measured") == "open"
    told, hours = street.get(f"/days/{DAY}/measured"), street.community.clock.hours(DAY)
    readings = street.community.readings
    mine = readings[readings["unique_id"].isin(street.names) & readings["ds"].isin(hours)]
    assert told["values_wh"] == mine.groupby("ds")["y"].sum().sort_index().tolist()
    signed = [SignedDay.from_json(day) for day in told["signed_days"]]
    meters = {h["address"]: h["meter"] for h in street.get("/households")}
    for one in signed:
        verify_signed_day(one, meters[one.household])
    verify_measured(DAY, [s.commitment for s in signed], Total(tuple(told["values_wh"]), int(told["blinding"], 16)))


def test_both_registers_of_a_day_are_summed_and_are_the_measured_total_of_the_same_homes(
    street: CommunityFixture,
) -> None:
    open_forecast(street)
    street.end_day()
    street.settle_by_gateways()
    rng = np.random.default_rng(1)
    fed_in = {home.name: rng.integers(0, 900, 24) for home in street.community.homes}
    for home in street.community.homes:
        vault = DayVault(home.folder / EXPORT_VAULT)
        vault.put(*home.meter.sign_day(home.wallet.address, DAY, fed_in[home.name].tolist(), quantity="export"))
    try:
        for _ in STAGES:
            street.run()
        assert street.phase("shared") == "open"
        street.run()
        assert street.get(f"/sums/{DAY}/measured")["error"] == "no-sum"
        with street.community.sessions() as session:
            row = session.get_one(SharedDay, DAY)
        assert row.export_total["values_wh"] == sum(fed_in.values()).tolist()  # type: ignore[union-attr]
        told = street.get(f"/days/{DAY}/measured")
        assert told["values_wh"] == row.import_total["values_wh"]
        assert [day["household"] for day in row.exported] == addresses(street, street.names)
    finally:
        street.settle_by_gateways(False)


def sign_quarters(street: CommunityFixture) -> None:
    """Each meter signs the day's quarters of an hour beside its hours, which they come to."""
    for home in street.community.homes:
        household, hours = home.wallet.address, home.vault.get(home.wallet.address, DAY)[1].readings
        quarters = [(wh + k) // 4 for wh in hours for k in range(4)]
        for quantity in QUANTITIES:
            vault = home.vault_of(quantity, 15)
            if not vault.days(household):
                blocks = enumerate(block_numbers(DAY, 15))
                parts = ((number, quarters[24 * k : 24 * k + 24]) for k, number in blocks)
                vault.put_all([home.meter.sign_block(household, n, wh, quantity, 15) for n, wh in parts])


def test_hours_are_summed_once_the_quarters_of_the_same_homes_are_open(street: CommunityFixture) -> None:
    """They tell nothing more, and forecasts are judged by them."""
    open_forecast(street)
    street.end_day()
    sign_quarters(street)
    street.settle_by_gateways(interval=15)
    try:
        assert "quarters" in street.get(f"/sums/{DAY}/measured")["message"]
        for _ in STAGES:
            street.run()
        assert street.phase("shared") == "open"
        with street.community.sessions() as session:
            taken = by_hour(kept_record(session.get_one(SharedDay, DAY)).taken)
        assert "error" in street.get(f"/days/{DAY}/measured")
        for _ in STAGES:
            street.run()
        assert street.phase("measured") == "open"
        assert street.get(f"/days/{DAY}/measured")["values_wh"] == list(taken)
    finally:
        street.settle_by_gateways(False)


def test_hours_are_not_summed_before_the_quarters_or_of_other_homes(street: CommunityFixture) -> None:
    """Over other homes, the difference would be a home's own. The server asks for it all the same."""
    open_forecast(street)
    street.end_day()
    sign_quarters(street)
    street.rules = SettlementSettings(gateways=True, late_meter_hours=0, interval_minutes=15)
    try:
        for _ in STAGES:
            street.run()
        assert street.phase("measured") == "keys"
        assert all(street.counted(name, "refused", "measured") for name in street.names)
        street.settle_by_gateways(interval=15)
        there = street.names[1:]
        for _ in STAGES:
            street.run(*there)
            street.now += PHASE_S + 1
            street.get(f"/sums/{DAY}/shared")
        assert street.phase("shared") == "open"
        street.settle_by_gateways(False)
        for _ in STAGES:
            street.run()
        assert street.phase("measured") == "keys", "it would be of one home more"
    finally:
        street.settle_by_gateways(False)
        street.rules = None


def test_no_sum_begins_while_forecasts_can_come(built: CommunityFixture) -> None:
    with built.serving():
        assert built.get(f"/sums/{DAY}/forecast")["error"] == "too-early"
        built.run()
    assert not built.received()


def test_the_server_sees_no_homes_values_and_disks_keep_no_secret_after_the_sum(street: CommunityFixture) -> None:
    open_forecast(street)
    street.run()
    seen = b"".join(item for message in street.received() for item in message.items.values())
    told = str(street.get(f"/sums/{DAY}/forecast")) + str(street.get(f"/days/{DAY}/forecast"))
    for home in street.community.homes:
        sealed = home.sealed(DAY)
        assert sealed is not None
        vector = [value % MODULUS for value in (*sealed.values, sealed.blinding)]
        assert all(value.to_bytes(32, order) not in seen for value in vector[-1:] for order in ("little", "big"))
        masked = next(m for m in street.received() if (m.home, m.stage) == (home.name, "mask")).items[MASKED]
        entries = [int.from_bytes(masked[at : at + 32], "little") for at in range(0, len(masked), 32)]
        assert not set(entries) & set(vector) and str(list(sealed.values)) not in told
        assert (street.part(home.name).secrets, street.part(home.name).message) == ("", None)


# -- those that drop out, and restarts -------------------------------------------------------------------------------


def test_a_gateway_that_drops_out_after_its_shares_is_left_out_and_does_not_stop_the_others(
    street: CommunityFixture,
) -> None:
    gone, *others = street.names
    run_until(street, "mask")
    street.run(*others)
    assert (street.phase(), street.get(f"/sums/{DAY}/forecast")["waiting_for"]) == ("mask", [gone])
    street.now += PHASE_S + 1
    street.run(*others)
    street.run(*others)
    assert street.phase() == "open"
    told = street.get(f"/days/{DAY}/forecast")
    assert (told["values_wh"], told["households"]) == (expected(street, others), addresses(street, others))
    street.run()  # too late
    assert street.get(f"/days/{DAY}/forecast") == told
    street.end_day()
    assert street.get(f"/sums/{DAY}/measured")["members"] == others


def test_below_the_threshold_the_sum_waits_and_shows_nothing(street: CommunityFixture) -> None:
    run_until(street, "mask")
    street.run(*street.names[:2])
    street.now += 100 * PHASE_S
    street.run(*street.names[:2])
    assert street.phase() == "mask"
    for _ in range(3):
        street.run()
    assert street.phase() == "open"


def test_a_server_that_is_restarted_after_each_stage_goes_on_with_the_same_sum(street: CommunityFixture) -> None:
    nonces = set()
    for _ in STAGES:
        with street.serving():
            street.run()
            nonces.add(street.get(f"/sums/{DAY}/forecast")["nonce"])
    assert len(nonces) == 1
    with street.serving():
        assert street.get(f"/days/{DAY}/forecast")["values_wh"] == expected(street, street.names)


def test_an_answer_that_was_lost_goes_out_again_as_it_was(street: CommunityFixture) -> None:
    name = street.names[0]
    street.run(name)
    with street.community.sessions.begin() as session:  # as if the server had fallen before it kept the message
        session.execute(delete(MaskedSumMessage))
    said = street.part(name).message
    street.run(name)
    (received,) = street.received()
    assert received.to_json() == said
    assert street.say(received) == "ok"


def test_a_gateway_whose_disk_is_lost_is_left_out(street: CommunityFixture) -> None:
    lost, *others = street.names
    street.run()
    (street.folder / "sums" / lost / f"forecast-{DAY}.json").unlink()
    for _ in STAGES:
        street.run()
        street.now += PHASE_S + 1
    assert street.phase() == "open"
    assert street.get(f"/days/{DAY}/forecast")["values_wh"] == expected(street, others)


# -- those that cheat ------------------------------------------------------------------------------------------------


def forget_sum(street: CommunityFixture) -> None:
    """The server asks for another sum of the same day."""
    with street.community.sessions.begin() as session:
        for table in (MaskedSum, MaskedSumMessage):
            session.execute(delete(table))


def test_a_second_sum_of_a_day_gets_nothing_from_those_whose_values_are_in_the_first(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    early, late = street.names[:3], street.names[3:]
    run_until(street, "mask")
    street.run(*early)
    forget_sum(street)
    for _ in range(2):
        street.run()
        street.now += PHASE_S + 1
    assert {message.home for message in street.received()} == set(late)
    assert all(street.counted(name, "refused") > 0 for name in early)
    assert any("reveal the difference" in record.__dict__.get("reason", "") for record in caplog.records)


def test_a_sum_lost_before_any_value_is_in_it_may_be_asked_for_anew(street: CommunityFixture) -> None:
    street.run()
    street.run()
    forget_sum(street)
    open_forecast(street)
    assert street.get(f"/days/{DAY}/forecast")["values_wh"] == expected(street, street.names)


def test_a_gateway_takes_no_part_below_its_minimum(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    careful = street.names[0]
    # Of four, one that drops out may be missing in the sum.
    street.run(careful, fewest_in_total=4)
    assert not street.received() and street.counted(careful, "refused") == 1
    assert any("fewest_in_total" in record.__dict__.get("reason", "") for record in caplog.records)


def test_a_gateway_sums_with_nobody_that_is_not_in_its_roster(street: CommunityFixture) -> None:
    name, stranger = street.names[0], street.names[-1]
    own = Roster.read(street.folder / "roster.json").members
    invented = ec.generate_private_key(ec.SECP384R1()).public_key()
    Roster({n: i for n, i in own.items() if n != stranger}).write(street.folder / "without.json")
    Roster(own | {stranger: identity_of(invented)}).write(street.folder / "other.json")
    street.run(name, roster=street.folder / "without.json")
    assert not street.received()
    # Another key under the name: it is another sum that this gateway signs, which nobody else is in.
    street.run(name, roster=street.folder / "other.json")
    assert not street.received() and street.counted(name, "refused") == 2


def terms_of(street: CommunityFixture, kind: Kind = "forecast") -> SumTerms:
    told = street.get(f"/sums/{DAY}/{kind}")
    return SumTerms("Test street", DAY, kind, bytes.fromhex(told["nonce"]), tuple(told["members"]))


def session_of(street: CommunityFixture) -> Session:
    return terms_of(street).session(Roster.read(street.folder / "roster.json").members)


def key_of(street: CommunityFixture, name: str) -> ec.EllipticCurvePrivateKey:
    return load_agent_key(street.folder / "keys" / "agents" / f"{name}.key")


def test_only_its_own_key_speaks_for_a_home_and_only_once_in_a_stage(street: CommunityFixture) -> None:
    name, other = street.names[:2]
    session = session_of(street)
    keys = Member(session, name, key_of(street, name)).keys().to_bytes()
    message = SumMessage(name, "keys", {"keys": keys})
    assert street.say(message) == "forged-message"
    assert street.say(message.signed(session, key_of(street, other))) == "forged-message"
    assert street.say(SumMessage("mal-1", "keys", {"keys": keys})) == "not-a-member"
    swapped = SumMessage(name, "keys", {"keys": Member(session, name, key_of(street, other)).keys().to_bytes()})
    assert street.say(swapped.signed(session, key_of(street, name))) == "malformed-message"
    assert street.say(SumMessage(name, "mask", {}).signed(session, key_of(street, name))) == "wrong-stage"
    assert not street.received()
    good = message.signed(session, key_of(street, name))
    assert street.say(good) == "ok"
    tampered = SumMessage(name, "keys", good.items | {"more": b"x"}, good.signature)
    assert street.say(tampered) == "forged-message"
    second = SumMessage(name, "keys", {"keys": Member(session, name, key_of(street, name)).keys().to_bytes()})
    assert street.say(second.signed(session, key_of(street, name))) == "second-message"


@pytest.mark.parametrize(
    ("stage", "items"),
    [
        ("share", {}),
        ("check", {"home-02": bytes(96)}),
        ("check", {"nobody": bytes(96)}),
        ("mask", {"masked": bytes(32), "signed": b""}),
        ("mask", {"masked": bytes(32 * 49), "signed": bytes(96)}),
        ("mask", {"masked": bytes(32 * 49)}),
        ("agree", {"signed": bytes(96)}),
        ("reveal", {}),
    ],
)
def test_items_that_are_not_what_the_stage_asks_for_are_refused(
    street: CommunityFixture, stage: Stage, items: dict[str, bytes]
) -> None:
    run_until(street, stage)
    name = street.names[0]
    message = SumMessage(name, stage, items).signed(session_of(street), key_of(street, name))
    assert street.say(message) == "malformed-message"
    assert len([m for m in street.received() if m.stage == stage]) == 0


def member_of(street: CommunityFixture, name: str) -> Member:
    """The gateway's side of the sum, as it stands on its disk, in hands of its own."""
    return Member.load(session_of(street), name, bytes.fromhex(street.part(name).secrets), key_of(street, name))


def needs_of(street: CommunityFixture, name: str) -> dict[str, bytes]:
    items = street.get(f"/sums/{DAY}/forecast?home={name}")["items"]
    return {peer: bytes.fromhex(item) for peer, item in items.items()}


def say_as(street: CommunityFixture, name: str, stage: Stage, items: dict[str, bytes]) -> str:
    return street.say(SumMessage(name, stage, items).signed(session_of(street), key_of(street, name)))


def test_who_forges_an_envelope_is_named_and_left_out_of_the_sum(
    street: CommunityFixture, caplog: pytest.LogCaptureFixture
) -> None:
    forger, *others = street.names
    run_until(street, "share")
    street.run(*others)
    keys = {peer: PublicKeys.from_bytes(item) for peer, item in needs_of(street, forger).items()}
    envelopes = member_of(street, forger).share(keys)
    victim = others[0]
    envelopes[victim] = envelopes[victim][:-100] + bytes(100)
    assert say_as(street, forger, "share", envelopes) == "ok"
    street.run(*others)
    assert say_as(street, forger, "check", {}) == "ok"
    assert (street.phase(), street.get(f"/sums/{DAY}/forecast")["waiting_for"]) == ("answer", [forger])
    street.now += PHASE_S + 1
    for _ in range(3):
        street.run(*others)
    told = street.get(f"/sums/{DAY}/forecast")
    assert (told["phase"], told["reason"].split(":")[0]) == ("open", f"{forger} is left out")
    assert street.get(f"/days/{DAY}/forecast")["values_wh"] == expected(street, others)
    assert any(vars(record).get("gateway") == forger for record in caplog.records)


def test_who_complains_of_a_good_envelope_is_named_and_left_out_of_the_sum(street: CommunityFixture) -> None:
    slanderer, accused, *others = street.names
    run_until(street, "check")
    street.run(accused, *others)
    envelope, session = needs_of(street, slanderer)[accused], session_of(street)
    lie = complaint(session, slanderer, accused, hashlib.sha256(envelope).digest())
    assert say_as(street, slanderer, "check", {accused: sign(key_of(street, slanderer), lie)}) == "ok"
    for _ in range(4):
        street.run(accused, *others)
    told = street.get(f"/sums/{DAY}/forecast")
    assert (told["phase"], told["reason"].split(":")[0]) == ("open", f"{slanderer} is left out")
    assert street.get(f"/days/{DAY}/forecast")["values_wh"] == expected(street, [accused, *others])


def test_too_many_that_cheat_end_the_sum_before_any_vector_is_out(street: CommunityFixture) -> None:
    forgers, others = street.names[:2], street.names[2:]
    run_until(street, "share")
    for forger in forgers:
        keys = {peer: PublicKeys.from_bytes(item) for peer, item in needs_of(street, forger).items()}
        forged = {peer: bytes(len(e)) for peer, e in member_of(street, forger).share(keys).items()}
        assert say_as(street, forger, "share", forged) == "ok"
    street.run(*others)
    for forger in forgers:
        assert say_as(street, forger, "check", {}) == "ok"
    street.run(*others)
    street.now += PHASE_S + 1
    told = street.get(f"/sums/{DAY}/forecast")
    assert told["phase"] == "failed" and told["reason"].startswith("2 gateways are left, 3 must be. ")
    assert all(f"{forger} is left out" in told["reason"] for forger in forgers)
    assert not [message for message in street.received() if message.stage == "mask"]


def test_one_key_can_not_be_given_twice(street: CommunityFixture) -> None:
    copied, copier = street.names[:2]
    street.run(copied)
    session = session_of(street)
    (message,) = street.received()
    own = Member(session, copier, key_of(street, copier)).keys()
    theirs = replace(own, mask_key=message.items["keys"][:32])
    signed = replace(theirs, signature=sign(key_of(street, copier), theirs.signed_part(session, copier)))
    assert say_as(street, copier, "keys", {"keys": signed.to_bytes()}) == "malformed-message"


def test_a_home_that_enters_something_else_than_it_registered_spoils_the_total_but_forges_none(
    street: CommunityFixture,
) -> None:
    liar = street.names[0]
    run_until(street, "mask")
    member = member_of(street, liar)
    masked = member.mask([1] * 49, needs_of(street, liar))
    assert say_as(street, liar, "mask", {MASKED: masked.vector, SIGNED: masked.signature}) == "ok"
    street.run(*street.names[1:])
    assert say_as(street, liar, "agree", {SIGNED: member.agree(needs_of(street, liar))}) == "ok"
    street.run(*street.names[1:])
    assert say_as(street, liar, "reveal", member.reveal(needs_of(street, liar))) == "ok"
    street.run(*street.names[1:])
    told = street.get(f"/sums/{DAY}/forecast")
    assert told["phase"] == "failed" and "not the sum" in told["reason"]
    assert street.get(f"/days/{DAY}/forecast")["error"] == "no-forecast"


def test_a_measured_total_of_other_homes_than_the_forecasts_is_refused(street: CommunityFixture) -> None:
    open_forecast(street)
    street.run()
    street.end_day()
    with street.community.sessions.begin() as session:
        gone = session.get(MaskedSumMessage, (DAY, "forecast", "mask", street.names[0]))
        session.delete(gone)
    assert street.get(f"/sums/{DAY}/measured")["members"] == street.names[1:]
    street.run(street.names[1])
    assert not [m for m in street.received() if m.stage == "keys" and len(m.items) > 1]
    assert street.counted(street.names[1], "refused", "measured") == 1


# -- laws ------------------------------------------------------------------------------------------------------------

VICTIM, PEERS = "ada", ("bob", "cyd", "dee", "eve")
KEY = {name: ec.generate_private_key(ec.SECP384R1()) for name in (VICTIM, *PEERS)}
ROSTER = Roster({name: identity_of(key.public_key()) for name, key in KEY.items()})
EVERYBODY = set(KEY)


class Colluders:
    """A server colluding with all the other members, which asks the victim whatever it likes."""

    def __init__(self, kind: Kind = "forecast") -> None:
        self.kind = kind
        self.said: list[tuple[bytes, SumMessage]] = []
        self.asked = SumStatus(b"", (), "", frozenset(), {})
        self._keys: dict[bytes, dict[str, PublicKeys]] = {}
        self._boxes: dict[bytes, dict[str, bytes]] = {}
        self._signed: dict[bytes, bytes] = {}  # the victim's own word on its masks
        self._shared: dict[bytes, set[str]] = {}  # whom it was last told to be masked with
        self._alive: dict[bytes, set[str]] = {}  # and who was in the sum

    def ask(self, nonce: int, absent: str | None, stage: Stage, chosen: set[str]) -> None:
        """`chosen`: whom the victim is to be masked with, or who is to be in the sum."""
        members = tuple(name for name in sorted(KEY) if name != absent)
        number = bytes([nonce]) * 16
        at = number + ",".join(members).encode()
        of = chosen & set(members)
        self.asked = SumStatus(number, members, stage, frozenset(members), self._needs(at, stage, of))
        if stage in ("mask", "agree"):
            (self._shared if stage == "mask" else self._alive)[at] = of

    def _needs(self, at: bytes, stage: Stage, of: set[str]) -> dict[str, bytes]:
        keys = self._keys.get(at, {})
        shared = {name: keys[name] for name in self._shared.get(at, set()) if name in keys}
        peers = [name for name in keys if name != VICTIM]
        match stage:
            case "share":
                return {name: each.to_bytes() for name, each in keys.items()}
            case "check":
                return {name: self._boxes[at][name] for name in of if name in self._boxes.get(at, {})}
            case "mask":
                return dict.fromkeys(of, b"")
            case "agree" if shared:
                masked = masked_statement(self._session(), shared)
                own = {VICTIM: self._signed[at]} if at in self._signed and VICTIM in of else {}
                return own | {name: sign(KEY[name], masked) for name in of if name != VICTIM}
            case "reveal" if shared:
                statement = survivors_statement(self._session(), shared, self._alive.get(at, set()))
                return {name: sign(KEY[name], statement) for name in peers}
        return {}

    def _session(self) -> Session:
        terms = SumTerms("Test street", DAY, self.kind, self.asked.nonce, self.asked.members)
        return terms.session(ROSTER.members)

    def sum_state(self, day: int, kind: Kind, home: str) -> SumStatus:
        return self.asked

    def say(self, day: int, kind: Kind, message: SumMessage) -> None:
        at = self.asked.nonce + ",".join(self.asked.members).encode()
        self.said.append((at, message))
        if message.stage == "keys":
            peers = {name: Member(self._session(), name, KEY[name]) for name in self.asked.members if name != VICTIM}
            self._keys[at] = {name: peer.keys() for name, peer in peers.items()}
            self._keys[at][VICTIM] = PublicKeys.from_bytes(message.items["keys"])
            self._boxes[at] = {name: peer.share(self._keys[at])[VICTIM] for name, peer in peers.items()}
        if message.stage == "mask":
            self._signed[at] = message.items[SIGNED]


Step = tuple[int, str | None, Stage, set[str]]
step = st.tuples(
    st.integers(0, 1), st.sampled_from([None, "eve"]), st.sampled_from(STAGES),
    st.sets(st.sampled_from(sorted(KEY)), min_size=3),
)  # fmt: skip
# Whole sums, with steps in between and left out, so that a script gets far.
script = st.tuples(st.integers(0, 1), st.sampled_from([None, "eve"]), st.lists(st.integers(0, 6), max_size=2)).map(
    lambda drawn: [(drawn[0], drawn[1], s, EVERYBODY) for k, s in enumerate(STAGES) if k not in drawn[2]]
)
scripts = st.lists(st.one_of(script, st.lists(step, min_size=1, max_size=4)), min_size=1, max_size=4).map(
    lambda parts: [one for part in parts for one in part]
)


BACK_TO_THE_START: list[Step] = [
    (0, None, "keys", {"ada", "bob", "cyd"}),
    *((1, None, stage, EVERYBODY) for stage in ("keys", "share", "check", "mask", "keys")),
]


@examples(60)
@example(BACK_TO_THE_START)
@example([(0, None, "keys", EVERYBODY), (1, None, "keys", EVERYBODY), (0, None, "keys", EVERYBODY)])
@given(scripts)
def test_whatever_a_server_asks_one_masked_vector_of_a_home_leaves_it_and_one_set_of_shares(
    script: list[Step],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, config = Colluders(), community_config(Path(folder), [])
        outbox = Outbox(config.api.outbox_dir, VICTIM)
        outbox.put(Submission("forecast", DAY, 0, "done"))
        honest = [(0, None, stage, EVERYBODY) for stage in STAGES]
        for one in script + honest:
            server.ask(*one)
            victim(config, server, outbox).run_once(AgentMetrics(VICTIM))
    for stage in ("mask", "agree", "reveal"):
        distinct = {(at, tuple(sorted(m.items.items()))) for at, m in server.said if m.stage == stage}
        assert len(distinct) <= 1
    for session in {at for at, _ in server.said}:
        told = [message for at, message in server.said if at == session]
        stages = [STAGES.index(message.stage) for message in told]
        assert stages == sorted(stages), "no stage goes back"
        assert all(len({str(m.to_json()) for m in told if m.stage == stage}) <= 1 for stage in STAGES)


def victim(config: Config, server: Colluders, outbox: Outbox) -> SecureSumClient:
    """The victim's gateway as after a start."""
    return SecureSumClient(
        VICTIM, config.community.name, config.gateway, config.api.sums_dir, server, outbox,  # type: ignore[arg-type]
        lambda kind, day: Contribution((7,) * LENGTHS[kind]), KEY[VICTIM], ROSTER,
        (lambda: [DAY]) if server.kind == "shared" else None,
        first_s=config.federation.deployment.task_interval_s,
    )  # fmt: skip


class Bound:
    """The victim once its masked vector is in a first sum, and a server that begins another one."""

    def __init__(self, folder: Path) -> None:
        self.server, self.config = Colluders(), community_config(folder, [])
        self.outbox = Outbox(self.config.api.outbox_dir, VICTIM)
        self.outbox.put(Submission("forecast", DAY, 0, "done"))
        self.path = self.config.api.sums_dir / VICTIM / f"forecast-{DAY}.json"
        self.ask(0, "keys", "share", "check", "mask")
        assert self.masked() == 1

    def ask(self, nonce: int, *stages: Stage) -> None:
        for stage in stages:
            self.server.ask(nonce, None, stage, EVERYBODY)
            victim(self.config, self.server, self.outbox).run_once(AgentMetrics(VICTIM))

    def masked(self) -> int:
        return len({m.items[MASKED] for _, m in self.server.said if m.stage == "mask"})


@pytest.mark.parametrize("meanwhile", [(), ("keys", "share", "check")])
def test_a_days_readings_enter_one_sum_of_whatever_kind(tmp_path: Path, meanwhile: tuple[Stage, ...]) -> None:
    """Measured and shared totals are of different homes: their difference would be the readings of one.

    Whether the other sum is over, or goes on at the same time.
    """
    server, config = Colluders("shared"), community_config(tmp_path, [])
    outbox = Outbox(config.api.outbox_dir, VICTIM)
    for stage in meanwhile:
        server.ask(0, None, stage, EVERYBODY)
        victim(config, server, outbox).run_once(AgentMetrics(VICTIM))
    assert [message.stage for _, message in server.said] == list(meanwhile)
    there = SecureSumState("00", sorted(KEY), "mask", survivors=sorted(KEY))
    SecureSumFolder(config.api.sums_dir, VICTIM).put("measured", DAY, there)
    for stage in STAGES:
        server.ask(0, None, stage, EVERYBODY)
        victim(config, server, outbox).run_once(AgentMetrics(VICTIM))
    assert {message.stage for _, message in server.said} == set(meanwhile), "at most an answer given before"


def test_alone_a_days_readings_enter_their_sum(tmp_path: Path) -> None:
    server, config = Colluders("shared"), community_config(tmp_path, [])
    for stage in STAGES:
        server.ask(0, None, stage, EVERYBODY)
        victim(config, server, Outbox(config.api.outbox_dir, VICTIM)).run_once(AgentMetrics(VICTIM))
    assert "mask" in [message.stage for _, message in server.said]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"nonce": "00"}', b'{"nonce": 1, "members": [], "stage": "keys"}']
)
def test_a_home_whose_part_is_damaged_enters_no_sum_of_the_day_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    bound = Bound(tmp_path)
    bound.path.write_bytes(content)
    bound.ask(1, *STAGES)
    assert bound.masked() == 1 and bound.path.read_bytes() == content
    (reason,) = {vars(record)["reason"] for record in caplog.records if record.msg == "not taking part in this sum"}
    assert str(bound.path) in reason and "stays out of it" in reason


def test_a_damaged_part_of_one_day_does_not_keep_a_home_from_the_next(tmp_path: Path) -> None:
    bound = Bound(tmp_path)
    bound.path.write_bytes(b"{")
    bound.outbox.put(Submission("forecast", DAY + 1, 0, "done"))
    bound.ask(1, "keys")
    assert (bound.path.with_name(f"forecast-{DAY + 1}.json")).exists()


def test_a_day_long_past_stays_bound_when_its_part_is_forgotten(tmp_path: Path) -> None:
    """As where a wrong clock makes a home forget, and its later days are gone when the clock is right again."""
    bound = Bound(tmp_path)
    later = Submission("forecast", DAY + 1000, 0, "done")
    bound.outbox.put(later)
    bound.ask(1)
    bound.ask(1, "keys")
    assert not bound.path.exists(), "forgotten"
    for path in (bound.config.api.outbox_dir / VICTIM).glob(f"*-{later.number}.json"):
        path.unlink()
    bound.ask(1, *STAGES)
    assert bound.masked() == 1


def test_two_processes_of_one_home_do_not_enter_two_sums(tmp_path: Path) -> None:
    """The second looks while the first is between reading its part and sending its answer."""
    bound = Bound(tmp_path)
    bound.path.unlink()  # a fresh start: nothing is bound
    bound.server.said.clear()
    bound.ask(2, "keys", "share", "check")

    class Slow(Colluders):
        def say(self, day: int, kind: Kind, message: SumMessage) -> None:
            bound.ask(3, "keys", "share", "check", "mask")

    slow = Slow()
    slow.__dict__ |= bound.server.__dict__ | {"said": []}
    slow.ask(2, None, "mask", EVERYBODY)
    victim(bound.config, slow, bound.outbox).run_once(AgentMetrics(VICTIM))
    assert bound.masked() == 0, "the other one waits for its turn, and then finds the home bound"
    bound.ask(3, "keys", "share", "check", "mask")
    assert bound.masked() == 0


names = st.lists(st.text("abc,", min_size=1, max_size=4), min_size=3, max_size=4, unique=True).map(sorted)
terms = st.builds(
    SumTerms, st.text("ab", max_size=2), st.integers(0, 3), st.sampled_from(KINDS),
    st.binary(min_size=16, max_size=16), names.map(tuple), st.sampled_from([(), (1, 1, 1), (1, 2, 1), (1, 1, 2)]),
)  # fmt: skip


@given(terms, terms)
def test_different_terms_have_different_labels(one: SumTerms, other: SumTerms) -> None:
    assert (one == other) == (one.session(_all(one)).label == other.session(_all(other)).label)


def _all(terms: SumTerms) -> dict[str, bytes]:
    return dict.fromkeys(terms.members, b"")


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.binary(max_size=9), max_size=4), st.sampled_from(STAGES))
def test_a_message_reads_back_as_it_was_and_shows_no_item(items: dict[str, bytes], stage: Stage) -> None:
    message = SumMessage("ada", stage, items, b"signature")
    assert SumMessage.from_json(message.to_json()) == message
    assert repr(message) == f"SumMessage(home='ada', stage={stage!r})"


def test_two_members_can_not_have_one_gateways_name() -> None:
    lines = "".join(f"  - {{household: '0x{k * 40}', meter: '0x{k * 40}', home: elm-3}}\n" for k in "ab")
    with pytest.raises(ConfigError, match="elm-3 more than once"):
        parse(f"community:\n  name: Elm\n  members:\n{lines}data: {{source: none}}\n", "community.yaml")
