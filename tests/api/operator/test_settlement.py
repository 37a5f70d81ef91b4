"""Whatever happens to process, transaction or blocks, what was taken on ends on the chain once, and is paid once."""

from __future__ import annotations

from typing import Any

import pytest

from api.http.routes import claims as claims_route
from api.one_machine.day import make_claim
from api.operator import settlement
from api.operator.database.tables import Unsettled
from api.operator.database.unsettled import CLAIM, FORECAST, take_on, unsettled
from api.operator.membership import erase_departed
from api.operator.paid_claims import paid_on
from api.operator.payer import Payer
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, encode
from rewards.chain import Chain
from rewards.claims import claim_state, claims_close
from rewards.errors import NodeUnreachable
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import submit

pytestmark = pytest.mark.slow

DEPTH = 6
"""Blocks of the reorganisations here, and those that make a transaction final."""


def settle(village: Village, rounds: int = 1) -> None:
    for _ in range(rounds):
        Settlement(village.community, village.chain_session, DEPTH).look()


def mine(village: Village, blocks: int = DEPTH) -> None:
    village.chain_session.chain.tester.mine_blocks(blocks)
    village.chain_session.chain.reset_clock(village.chain_session.chain.now + blocks + 1)


def waiting(village: Village) -> list[tuple[str, str]]:
    with village.community.sessions() as session:
        return [(row.kind, row.state) for row in unsettled(session)]


def balance(village: Village, household: str) -> int:
    return int(village.chain_session.contracts.reward_token.functions.balanceOf(household).call())


def supply(village: Village) -> int:
    return int(village.chain_session.contracts.reward_token.functions.totalSupply().call())


class Reorganisation:
    """What the chain holds now is all that it will hold after `happens`."""

    def __init__(self, village: Village) -> None:
        self._chain = village.chain_session.chain
        self._block = self._chain.tester.take_snapshot()

    def happens(self) -> None:
        """Other blocks took the place of those since, and time has gone on."""
        moment = self._chain.now
        self._chain.tester.revert_to_snapshot(self._block)
        self._chain.reset_clock(moment + 1)


def test_a_server_killed_between_its_answer_to_itself_and_the_chain_goes_on(
    village: Village, claim: ClaimBundle
) -> None:
    with village.community.sessions.begin() as session:
        take_on(session, CLAIM, claim.household, DAY, encode(claim))
    settle(village)  # the server starts again
    assert claim_state(village.chain_session.contracts, claim.household, DAY).claimed
    assert [r.household for r in paid_on(village.community, DAY)] == [claim.household]
    assert waiting(village) == [(CLAIM, "mined")]
    mine(village)
    settle(village)
    assert waiting(village) == []


def test_a_server_killed_between_the_chain_and_its_own_record_goes_on(
    village: Village, claim: ClaimBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("api.operator.chain_session.keep_reward", killed)
        with pytest.raises(Killed):
            claims_route.settle(village.community, village.chain_session, claim)
    assert paid_on(village.community, DAY) == []
    settle(village)
    assert [r.buckets for r in paid_on(village.community, DAY)] == [claim.buckets]


def test_what_a_reorganisation_takes_back_is_sent_again_and_paid_once(village: Village, claim: ClaimBundle) -> None:
    before = Reorganisation(village)
    assert village.client.post("/claims", content=encode(claim)).status_code == 201
    settle(village)
    before.happens()
    assert not claim_state(village.chain_session.contracts, claim.household, DAY).claimed
    settle(village)
    assert claim_state(village.chain_session.contracts, claim.household, DAY).claimed
    assert len(paid_on(village.community, DAY)) == 1 and waiting(village) == [(CLAIM, "mined")]
    mine(village)
    settle(village)
    assert waiting(village) == []

    chain = village.chain_session.chain
    chain.advance_to(claims_close(village.chain_session.contracts, DAY))
    unpaid, payer = Reorganisation(village), Payer(village.community, village.chain_session)
    payer.look()
    assert balance(village, claim.household) == claim.buckets * 10**18
    unpaid.happens()
    assert balance(village, claim.household) == 0
    settle(village)
    assert paid_on(village.community, DAY)[0].amount is None, "what the chain has not paid is not said to be paid"
    for _ in range(2):
        payer.look()
        mine(village)
        settle(village)
    assert balance(village, claim.household) == supply(village) == claim.buckets * 10**18
    assert waiting(village) == []


def test_claims_that_wait_go_in_one_transaction_and_a_wrong_one_alone_is_refused(
    village: Village, claim: ClaimBundle, caplog: pytest.LogCaptureFixture
) -> None:
    """The attack: among what waits is a claim that somebody made up, which would cost the others their day."""
    made = [make_claim(village.community, home, DAY, 1) for home in village.homes]
    claims = [one for one in made if one is not None]
    assert len(claims) > 1
    wrong = claims[0].model_copy(update={"buckets": claims[0].buckets + 1})
    with village.community.sessions.begin() as session:
        for bundle in (wrong, *claims[1:]):
            take_on(session, CLAIM, bundle.household, DAY, encode(bundle))
    before = len(village.chain_session.chain.gas["claim_many"] + village.chain_session.chain.gas["claim"])
    with caplog.at_level("INFO", "api.operator.settlement"):
        settle(village)
    spent = village.chain_session.chain.gas
    assert len(spent["claim_many"] + spent["claim"]) == before + 1
    assert sorted(r.household for r in paid_on(village.community, DAY)) == sorted(c.household for c in claims[1:])
    assert waiting(village) == [(CLAIM, "mined")] * (len(claims) - 1)
    (sent,) = [r for r in caplog.records if r.getMessage() == "claims sent together"]
    assert (sent.sent, sent.taken) == (len(claims), len(claims) - 1)  # type: ignore[attr-defined]


def test_a_forecast_that_a_reorganisation_takes_back_is_passed_on_again(village: Village) -> None:
    home, before = village.homes[0], Reorganisation(village)
    assert submit(village, village.bundle(home), home).status_code == 201
    settle(village)
    before.happens()
    assert waiting(village) == [(FORECAST, "mined")]
    settle(village)
    assert [f["household"] for f in village.client.get(f"/forecasts/{DAY}").json()] == [home.wallet.address]
    assert any(
        village.chain_session.contracts.forecast_registry.functions.forecast_of(home.wallet.address, DAY).call()
    )
    mine(village)
    settle(village)
    assert waiting(village) == []


def test_a_transaction_that_never_comes_to_a_block_is_made_again(
    village: Village, claim: ClaimBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dropped(*_: Any) -> None:
        raise NodeUnreachable("claim is not in a block yet; ask again later")

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "send", dropped)
        answer = village.client.post("/claims", content=encode(claim))
        assert (answer.status_code, answer.json()["error"]) == (503, "chain-unreachable")
        settle(village)
    assert waiting(village) == [(CLAIM, "waiting")]
    settle(village)
    assert claim_state(village.chain_session.contracts, claim.household, DAY).claimed
    again = village.client.post("/claims", content=encode(claim))
    assert (again.status_code, again.json()["buckets"]) == (200, claim.buckets)


def test_what_others_bring_to_the_chain_is_listed(village: Village, claim: ClaimBundle) -> None:
    session = village.chain_session
    claims_route.settle(village.community, session, claim)
    with village.community.sessions.begin() as database:  # as if it had been another server
        for table in (settlement.PaidClaim, settlement.Reward, Unsettled):
            database.query(table).delete()
    settle(village, rounds=2)
    assert [(r.household, r.buckets) for r in paid_on(village.community, DAY)] == [(claim.household, claim.buckets)]


def test_what_is_too_late_ends_with_its_reason(village: Village, claim: ClaimBundle) -> None:
    with village.community.sessions.begin() as session:
        take_on(session, CLAIM, claim.household, DAY, encode(claim))
    village.chain_session.chain.advance_to(claims_close(village.chain_session.contracts, DAY))
    settle(village, rounds=2)
    with village.community.sessions() as session:
        (row,) = session.query(Unsettled).all()
    assert row.state == "refused" and "late claim" in row.reason


def test_a_refused_second_forecast_leaves_the_first_one_as_it_is(village: Village) -> None:
    home = village.homes[0]
    assert submit(village, village.bundle(home), home).status_code == 201
    other = village.bundle(home).model_copy(update={"proof": village.bundle(village.homes[1]).proof})
    with village.community.sessions.begin() as session:
        take_on(session, FORECAST, home.wallet.address, DAY, encode(other))
    with village.community.sessions() as session:
        assert unsettled(session)[0].bundle == encode(village.bundle(home))
    erase_departed(village.community)
