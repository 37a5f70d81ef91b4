"""On a real node (anvil): whatever becomes of blocks and transactions, a claim is taken once, and paid once."""

from __future__ import annotations

from typing import Any

import pytest

from api.operator.database.unsettled import CLAIM, PAYMENT, unsettled
from api.operator.paid_claims import paid_on
from api.operator.payer import Payer
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle, encode
from rewards.claims import claim_state, claims_close
from tests.api.conftest import DAY, Village
from tests.api.http.test_forecasts import submit
from tests.support.anvil import Anvil

pytestmark = pytest.mark.process
DEPTH, FINAL = 6, 13
"""Blocks of a reorganisation; blocks after which `rewards.finality_blocks` calls a transaction final."""


def look(village: Village) -> None:
    Settlement(village.community, village.chain_session).look()


def rows(village: Village) -> list[tuple[str, str]]:
    with village.community.sessions() as session:
        return [(row.kind, row.state) for row in unsettled(session) if row.kind in (CLAIM, PAYMENT)]


def supply(village: Village) -> int:
    return int(village.chain_session.contracts.reward_token.functions.totalSupply().call())


def is_claimed(village: Village, claim: ClaimBundle) -> bool:
    return claim_state(village.chain_session.contracts, claim.household, DAY).claimed


def waiting_transactions(node: Anvil) -> list[dict[str, Any]]:
    """Those in no block yet."""
    pending = node.ask("txpool_content")["pending"]
    return [transaction for of_account in pending.values() for transaction in of_account.values()]


def end_the_day(village: Village, node: Anvil) -> None:
    """The forecast of the claim is registered, deep enough to stay, and its day is over."""
    home = village.homes[0]
    assert submit(village, village.bundle(home), home).status_code == 201
    node.ask("anvil_mine", hex(FINAL))
    node.be_at(village.community.start_of(DAY + 1))


def pay_once(village: Village, node: Anvil, claim: ClaimBundle) -> None:
    """Claims close, the day is paid, and looked at again and again until all is final."""
    node.be_at(claims_close(village.chain_session.contracts, DAY))
    for _ in range(3):
        Payer(village.community, village.chain_session).look()
        look(village)
        node.ask("anvil_mine", hex(FINAL))
    look(village)
    balance = village.chain_session.contracts.reward_token.functions.balanceOf(claim.household).call()
    assert balance == supply(village) == claim.buckets * 10**18
    assert [row.amount for row in paid_on(village.community, DAY)] == [str(balance)]
    assert rows(village) == []


def test_a_reorganisation_of_six_blocks_takes_back_claim_and_payment_and_both_come_again_once(
    village_on_anvil: Village, claim: ClaimBundle, anvil_node: Anvil
) -> None:
    village, node = village_on_anvil, anvil_node
    end_the_day(village, node)
    assert village.client.post("/claims", content=encode(claim)).status_code == 201
    node.ask("anvil_mine", hex(DEPTH - 2))
    look(village)
    assert rows(village) == [(CLAIM, "mined")], "it is not final"
    node.ask("anvil_reorg", DEPTH, [])
    assert not is_claimed(village, claim)
    node.be_at(village.community.start_of(DAY + 1) + 60)
    look(village)
    assert is_claimed(village, claim)
    assert rows(village) == [(CLAIM, "mined")] and len(paid_on(village.community, DAY)) == 1

    node.be_at(claims_close(village.chain_session.contracts, DAY))
    Payer(village.community, village.chain_session).look()
    assert supply(village) == claim.buckets * 10**18
    node.ask("anvil_mine", hex(DEPTH - 3))
    node.ask("anvil_reorg", DEPTH, [])
    assert supply(village) == 0
    look(village)
    assert [row.amount for row in paid_on(village.community, DAY)] == [None], "what is not paid is not said to be"
    pay_once(village, node, claim)


def test_a_dropped_transaction_is_made_again_and_a_stuck_one_replaced_by_the_same_at_a_higher_fee(
    village_on_anvil: Village, claim: ClaimBundle, anvil_node: Anvil
) -> None:
    village, node = village_on_anvil, anvil_node
    end_the_day(village, node)
    village.chain_session.chain.wait_s = 0.5
    node.ask("evm_setAutomine", False)
    answer = village.client.post("/claims", content=encode(claim))
    assert (answer.status_code, answer.json()["error"]) == (503, "chain-unreachable")
    (first,) = waiting_transactions(node)
    node.ask("anvil_dropTransaction", first["hash"])
    assert waiting_transactions(node) == [] and rows(village) == [(CLAIM, "waiting")]
    look(village)
    (again,) = waiting_transactions(node)
    assert (again["nonce"], again["input"]) == (first["nonce"], first["input"])
    look(village)
    (replaced,) = waiting_transactions(node)
    assert (replaced["nonce"], replaced["input"]) == (first["nonce"], first["input"])
    assert int(replaced["gasPrice"], 16) > int(again["gasPrice"], 16), "no second one piles up behind it"
    answer = village.client.post("/claims", content=encode(claim))
    assert answer.status_code == 503, "a claim that waits is not refused to who asks again"
    assert len(waiting_transactions(node)) == 1 and rows(village) == [(CLAIM, "waiting")]
    assert not is_claimed(village, claim)
    node.ask("evm_setAutomine", True)
    node.ask("evm_mine")
    assert is_claimed(village, claim)
    look(village)
    assert rows(village) == [(CLAIM, "mined")]
    village.chain_session.chain.wait_s = 60
    pay_once(village, node, claim)
