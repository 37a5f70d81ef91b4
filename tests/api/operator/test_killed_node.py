"""On a real node (anvil) that is gone in the middle of a claim or a payment: each is made once, and by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.operator.chain_session import claim_of
from api.operator.database.unsettled import CLAIM, PAYMENT, unsettled
from api.operator.paid_claims import paid_on
from api.operator.payer import Payer
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claim_state, claims_close, submit_claim
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import refusal, submit
from tests.support.anvil import Anvil

pytestmark = pytest.mark.process
FINAL = 13


def look(village: Village) -> None:
    Settlement(village.community, village.chain_session).look()


def rows(village: Village) -> list[tuple[str, str]]:
    with village.community.sessions() as session:
        return [(row.kind, row.state) for row in unsettled(session) if row.kind in (CLAIM, PAYMENT)]


@contextmanager
def gone_at_a_transaction(village: Village, node: Anvil, *, sent: bool) -> Iterator[None]:
    """The node ends at the next transaction that it is sent: once it has taken it, or before."""
    http = village.chain_session.chain.web3.provider._http  # type: ignore[attr-defined]
    post = http.post

    def posted(content: bytes) -> bytes:
        if b'"eth_sendRawTransaction"' in content and node.is_running:
            if sent:
                post(content)
            node.stop()
        return bytes(post(content))

    http.post = posted
    try:
        yield
    finally:
        http.post = post


@pytest.mark.parametrize("sent", [True, False], ids=["after it was sent", "before it is sent"])
def test_what_a_node_was_sent_as_it_ended_is_there_once_and_what_it_was_not_is_sent_again(
    village_on_anvil: Village, claim: ClaimBundle, anvil_node: Anvil, sent: bool
) -> None:
    """A node that goes on has no state of earlier blocks, by which the server told what is final: it settled nothing
    more."""
    village, node = village_on_anvil, anvil_node
    home, contracts = village.homes[0], village.chain_session.contracts
    with gone_at_a_transaction(village, node, sent=sent):
        assert refusal(submit(village, village.bundle(home), home)) == (503, "chain-unreachable")
    node.start()
    assert submit(village, village.bundle(home), home).status_code in (200, 201)
    node.ask("anvil_mine", hex(FINAL))
    node.be_at(village.community.start_of(DAY + 1))
    with gone_at_a_transaction(village, node, sent=sent):
        assert refusal(village.client.post("/claims", content=encode(claim))) == (503, "chain-unreachable")
    look(village)
    assert rows(village) == [(CLAIM, "waiting")]
    node.start()
    look(village)
    assert claim_state(contracts, claim.household, DAY).claimed and rows(village) == [(CLAIM, "mined")]
    assert village.client.post("/claims", content=encode(claim)).status_code == 200
    node.ask("anvil_mine", hex(FINAL))
    look(village)
    assert rows(village) == []
    node.be_at(claims_close(contracts, DAY))
    with gone_at_a_transaction(village, node, sent=sent):
        Payer(village.community, village.chain_session).look()
    node.start()
    Payer(village.community, village.chain_session).look()
    node.ask("anvil_mine", hex(FINAL))
    look(village)
    token = contracts.reward_token.functions
    assert token.balanceOf(claim.household).call() == token.totalSupply().call() == claim.buckets * 10**18
    assert rows(village) == []


def test_a_node_with_an_empty_chain_changes_nothing_that_is_known_of_its_own(
    village_on_anvil: Village, claim: ClaimBundle, anvil_node: Anvil, caplog: pytest.LogCaptureFixture
) -> None:
    """The server looked at the other chain's blocks in the place of its own, of which it then missed as many."""
    village, node = village_on_anvil, anvil_node
    home, session = village.homes[0], village.chain_session
    assert submit(village, village.bundle(home), home).status_code == 201
    node.ask("anvil_mine", hex(FINAL))
    node.be_at(village.community.start_of(DAY + 1))
    look(village)
    submit_claim(session.chain, session.contracts, home.wallet, claim_of(session.contracts, claim))
    node.stop()
    kept = node.put_aside()
    node.start()
    node.ask("anvil_mine", hex(100))
    look(village)
    assert "started with an empty chain" in vars(caplog.records[-1])["reason"]
    assert refusal(village.client.post("/claims", content=encode(claim))) == (503, "chain-unreachable")
    node.stop()
    node.bring_back(kept)
    node.start()
    assert paid_on(village.community, DAY) == []
    look(village)
    assert [row.household for row in paid_on(village.community, DAY)] == [claim.household], "somebody else brought it"
