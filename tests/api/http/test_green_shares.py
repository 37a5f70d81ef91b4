"""A green share over HTTP: taken once, shown, paid, and refused where it is another day's, load's or community's."""

from __future__ import annotations

import pytest

from api.http.routes import green_shares as route
from api.one_machine.day import make_claim, register
from api.operator.challenges import Answerer, register_features
from api.operator.database.tables import GreenClaim
from api.operator.database.unsettled import GREEN, GREEN_PAYMENT, take_on, unsettled
from api.operator.green_hours import GreenHoursPublisher, NoGreenHours, prepare_green_hours
from api.operator.green_hours import green_hours as green_hours_of
from api.operator.green_shares import greens_of_day, hours_of_day, keep_hours
from api.operator.paid_claims import paid_on
from api.operator.payer import Payer
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, GreenBundle, encode, examine, parse
from api.protocol.calls import green_hours as ask_hours
from api.protocol.explained import explain, shown
from data.green_hours import hours_of_sun
from rewards.challenges import challenge
from rewards.claims import claim_state, claims_close
from rewards.deploy import Contracts
from rewards.errors import NodeUnreachable
from rewards.green import green_state, weights_of
from rewards.green_rule import base_of
from rewards.rule import CLAIM_DAYS
from tests.api.conftest import DAY, Village
from tests.rewards.conftest import account
from zkp.algebra.commitment import commit_day

pytestmark = pytest.mark.slow


def claimed(village: Village, claim: ClaimBundle) -> None:
    """The claim for the forecast, which comes first."""
    assert village.client.post("/claims", content=encode(claim)).status_code == 201


def post(village: Village, bundle: GreenBundle) -> tuple[int, str]:
    answer = village.client.post("/v1/green-shares", content=encode(bundle))
    return answer.status_code, answer.json().get("error", "")


def test_it_is_taken_once_shown_paid_and_can_be_checked(
    village: Village, green_hours: tuple[int, ...], green: GreenBundle, claim: ClaimBundle
) -> None:
    client, chain = village.client, village.chain_session.chain
    told = ask_hours(DAY).parse(client.get(f"/v1/green-shares/{DAY}/hours").content)
    assert tuple(told.weights) == green_hours and told.base == base_of(green_hours) < green.tier
    assert post(village, green) == (409, "no-skill-claim"), "the claim for the forecast comes first"
    claimed(village, claim)
    first = client.post("/v1/green-shares", content=encode(green))
    assert first.status_code == 201
    again = client.post("/v1/green-shares", content=encode(green))
    assert (again.status_code, again.json()) == (200, first.json())
    points = (green.tier - told.base) * min(claim.buckets, village.community.config.rewards.day_cap)
    assert first.json()["points"] == points and first.json()["amount"] is None
    assert client.get(f"/v1/green-shares/{DAY}").json() == [first.json()]
    kept = client.get(f"/v1/green-shares/{green.household}/{DAY}/proof").content
    assert kept == encode(green) and parse(kept) == green
    summary = client.get(f"/v1/days/{DAY}/summary").json()
    assert summary["green_hours"] == list(green_hours), "the community's page shows them"
    percent = {home["household"]: home["green_percent"] for home in summary["homes"]}
    assert percent.pop(green.household) == green.tier and set(percent.values()) == {None}
    own = client.get(f"/v1/households/{green.household}/days").json()
    assert {one["day"]: one["green_percent"] for one in own}.get(DAY, green.tier) == green.tier, "and the household's"
    assert not any(finding.is_bad for finding in examine(green, village.community.config.community))
    assert f"At least {green.tier} percent" in explain(green)[0] and shown(green)["proof"]

    chain.advance_to(claims_close(village.chain_session.contracts, DAY))
    supply = village.chain_session.contracts.reward_token.functions.totalSupply()
    for _ in range(2):
        Payer(village.community, village.chain_session).look()
        Settlement(village.community, village.chain_session).look()
    (paid,) = client.get(f"/v1/green-shares/{DAY}").json()
    rewards = village.community.config.rewards
    assert int(paid["amount"]) == points * rewards.green_amount
    assert supply.call() == int(paid["amount"]) + claim.buckets * rewards.bucket_amount
    record = client.get(f"/v1/households/{green.household}/rewards").json()["record"]
    assert {"trait_type": "green days", "value": 1} in record["attributes"]
    with village.community.sessions() as session:
        assert not [row for row in unsettled(session) if row.kind in (GREEN, GREEN_PAYMENT)]


def test_what_is_of_something_else_is_refused_with_its_code(
    village: Village, green_hours: tuple[int, ...], green: GreenBundle, claim: ClaimBundle
) -> None:
    """The attacks: weights of one's own, a percentage that is not proven, another day, meter, community."""
    claimed(village, claim)
    prover = village.community.opened(village.homes[0])
    own = green.model_copy(update={"weights": [*green.weights[1:], green.weights[0]]})
    assert post(village, own) == (422, "invalid-proof")
    assert post(village, green.model_copy(update={"tier": green.tier + 1})) == (422, "invalid-proof")
    assert post(village, green.model_copy(update={"tier": base_of(green_hours)})) == (409, "not-green")
    assert post(village, green.model_copy(update={"tier": 1 << 70})) == (422, "invalid-statement")
    yesterday = prover.green_share(DAY - 1, green_hours)
    assert yesterday is not None and post(village, yesterday) == (409, "no-green-hours")
    moved = green.model_copy(update={"actual": yesterday.actual})
    assert post(village, moved) == (422, "invalid-statement")
    forged = green.actual.model_copy(update={"commitment": "0x" + commit_day(DAY, [9] * 24, 1).hex()})
    assert post(village, green.model_copy(update={"actual": forged})) == (422, "wrong-meter")
    other = green.context.model_copy(update={"community": "0x" + "77" * 32})
    assert post(village, green.model_copy(update={"context": other})) == (403, "other-community")
    stranger = green.context.model_copy(update={"household": "0x" + "77" * 20})
    assert post(village, green.model_copy(update={"context": stranger})) == (404, "unknown-household")
    assert village.client.post("/v1/green-shares", content=encode(claim)).json()["error"] == "malformed-proof"
    assert village.client.post("/claims", content=encode(green)).json()["error"] == "malformed-proof"
    assert greens_of_day(village.community, DAY) == []
    assert village.client.get(f"/v1/green-shares/{green.household}/{DAY}/proof").json()["error"] == "no-claim"


def test_weights_that_the_server_changed_afterwards_are_not_the_contracts(
    village: Village, green: GreenBundle, claim: ClaimBundle
) -> None:
    """The attack: an operator who tunes the weights when the load is known. The contract has the registered ones."""
    claimed(village, claim)
    tuned = tuple([255] * 6 + [0] * 18)
    keep_hours(village.community, DAY, tuned)
    made = village.community.opened(village.homes[0]).green_share(DAY, tuned)
    assert made is None or post(village, made) in [(422, "invalid-proof"), (409, "not-green")]
    assert not green_state(village.chain_session.contracts, green.household, DAY).claimed


def test_the_day_is_closed_after_fourteen_days(village: Village, green: GreenBundle, claim: ClaimBundle) -> None:
    claimed(village, claim)
    village.chain_session.chain.advance_to(claims_close(village.chain_session.contracts, DAY))
    assert post(village, green) == (409, "late-claim")


def test_anybody_can_send_the_call_and_the_server_finds_it(
    village: Village, green: GreenBundle, claim: ClaimBundle
) -> None:
    claimed(village, claim)
    call = village.client.post("/v1/green-shares/call", content=encode(green)).json()
    contract = village.chain_session.contracts.green_share
    assert contract is not None and call["to"] == contract.address
    route.settle_green(village.community, village.chain_session, green)
    with village.community.sessions.begin() as session:  # as if it had been another server
        session.query(GreenClaim).delete()
    Settlement(village.community, village.chain_session).look()
    (found,) = greens_of_day(village.community, DAY)
    assert (found.household, found.tier) == (green.household, green.tier)
    assert post(village, green)[0] == 200, "and who brings it again is answered, and its bundle kept"
    assert greens_of_day(village.community, DAY)[0].bundle == encode(green)


def test_a_server_killed_before_the_chain_had_it_goes_on(
    village: Village, green: GreenBundle, claim: ClaimBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(village, claim)

    def dropped(*_: object) -> None:
        raise NodeUnreachable("claim_green is not in a block yet; ask again later")

    with monkeypatch.context() as patch:
        patch.setattr("api.operator.green_shares.claim_green", dropped)
        assert post(village, green) == (503, "chain-unreachable")
    assert greens_of_day(village.community, DAY) == []
    Settlement(village.community, village.chain_session).look()
    assert [share.tier for share in greens_of_day(village.community, DAY)] == [green.tier]


def test_what_a_reorganisation_takes_back_is_sent_again_after_its_claim_and_paid_once(
    village: Village, green: GreenBundle, claim: ClaimBundle
) -> None:
    session, depth = village.chain_session, 6
    before = session.chain.tester.take_snapshot()
    claimed(village, claim)
    assert post(village, green)[0] == 201
    Settlement(village.community, session, depth).look()
    moment = session.chain.now
    session.chain.tester.revert_to_snapshot(before)
    session.chain.reset_clock(moment + 1)
    assert not green_state(session.contracts, green.household, DAY).claimed
    Settlement(village.community, session, depth).look()
    assert green_state(session.contracts, green.household, DAY).claimed
    assert [share.tier for share in greens_of_day(village.community, DAY)] == [green.tier]

    session.chain.advance_to(claims_close(session.contracts, DAY))
    Payer(village.community, session).look()
    unpaid = session.chain.tester.take_snapshot()
    supply = session.contracts.reward_token.functions.totalSupply()
    paid, moment = supply.call(), session.chain.now
    for _ in range(2):
        Payer(village.community, session).look()
        Settlement(village.community, session, depth).look()
    assert supply.call() == paid > 0
    session.chain.tester.revert_to_snapshot(unpaid)
    assert greens_of_day(village.community, DAY)[0].amount is not None


def test_who_leaves_is_erased_once_its_green_share_is_paid(
    village: Village, green: GreenBundle, claim: ClaimBundle
) -> None:
    from api.operator.membership import erase

    claimed(village, claim)
    assert post(village, green)[0] == 201
    with village.community.sessions.begin() as session:
        erase(session, green.household)
    assert len(greens_of_day(village.community, DAY)) == 1, "it is still to be paid"
    with village.community.sessions.begin() as session:
        for row in session.query(GreenClaim):
            row.amount = "1"
        take_on(session, GREEN_PAYMENT, "0x" + "00" * 20, DAY)
        erase(session, green.household)
    assert greens_of_day(village.community, DAY) == []


@pytest.mark.parametrize("watched", [False, True])
def test_a_void_forecast_is_paid_nothing_and_keeps_nobody_else_from_being_paid(
    village: Village, green_hours: tuple[int, ...], caplog: pytest.LogCaptureFixture, watched: bool
) -> None:
    """The attack: a household challenges its own forecast and leaves it unanswered, so that the day's payment of all,
    which is one transaction, is refused."""
    community, session = village.community, village.chain_session
    register_features(community, session, DAY)
    for home in village.homes:
        register(community, session, home, village.bundle(home))
    session.chain.advance_to(community.start_of(DAY + 1))
    claims = [c for home in village.homes if (c := make_claim(community, home, DAY, 1)) is not None]
    assert len(claims) > 1
    for bundle in claims:
        claimed(village, bundle)
        prover = next(community.opened(home) for home in village.homes if home.wallet.address == bundle.household)
        if (share := prover.green_share(DAY, green_hours)) is not None:
            assert post(village, share)[0] == 201
    Settlement(community, session).look()
    void = claims[0].household
    session.chain.fund(account(9).address)
    challenge(session.chain, session.contracts, account(9), void, DAY)
    if watched:  # the server is there when the time to answer is over, and not only when the day is paid
        session.chain.advance_to(community.start_of(DAY + 6))
        Answerer(community, session).look()
        assert not claim_state(session.contracts, void, DAY).claimed
        assert not green_state(session.contracts, void, DAY).claimed
    session.chain.advance_to(claims_close(session.contracts, DAY))
    for _ in range(2):
        Payer(community, session).look()
        Settlement(community, session).look()
    paid = {reward.household: int(reward.amount or -1) for reward in paid_on(community, DAY)}
    assert not [vars(r).get("reason") for r in caplog.records if r.levelname == "ERROR"]
    assert paid.pop(void) == 0 and paid and min(paid.values()) > 0
    shares = {share.household: share.amount for share in greens_of_day(community, DAY)}
    assert shares.get(void, "0") == "0" and None not in shares.values()
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def test_what_the_database_says_of_a_days_hours_is_what_the_chain_says(
    village: Village, green_hours: tuple[int, ...]
) -> None:
    """After a reorganisation, which may have taken the weights back, or when the server comes back from a backup."""
    community, session = village.community, village.chain_session
    keep_hours(community, DAY - 1, green_hours)
    keep_hours(community, DAY, None)
    GreenHoursPublisher(community, session).look()
    assert hours_of_day(community, DAY) == green_hours == weights_of(session.contracts, DAY)
    assert hours_of_day(community, DAY - 1) is None
    assert village.client.get(f"/v1/green-shares/{DAY - 1}/hours").json()["error"] == "no-green-hours"


def test_the_chain_is_asked_of_no_day_that_began_before_its_contracts_where_a_node_knows_when(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    community, session = village.community, village.chain_session
    asked: list[int] = []

    def asking(contracts: Contracts, day: int) -> tuple[int, ...] | None:
        asked.append(day)
        return weights_of(contracts, day)

    monkeypatch.setattr("api.operator.green_hours.weights_of", asking)
    GreenHoursPublisher(community, session).look()
    assert set(asked) == {DAY}
    asked.clear()

    def forgotten(*_: object) -> int:
        raise NodeUnreachable("no such block")

    monkeypatch.setattr(type(session.chain), "time_of", forgotten)
    GreenHoursPublisher(community, session).look()
    assert min(asked) == DAY - 2 - CLAIM_DAYS


def test_hours_are_registered_by_the_server_itself_before_the_day_and_never_again(village: Village) -> None:
    community, session = village.community, village.chain_session
    publisher = GreenHoursPublisher(community, session)
    publisher.look()
    first = hours_of_day(community, DAY)
    assert first is not None and first == hours_of_sun(community.weather, community.clock, DAY)
    session.chain.advance_to(community.start_of(DAY))
    for _ in range(2):
        publisher.look()
    assert hours_of_day(community, DAY) == first and hours_of_day(community, DAY + 1) is not None
    assert prepare_green_hours(community, session, DAY) is None, "the day has started"
    with pytest.raises(NoGreenHours, match="says nothing"):
        green_hours_of(community, DAY + 1000)
