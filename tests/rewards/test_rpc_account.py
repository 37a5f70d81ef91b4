"""An account at a real node (anvil): what is stuck is replaced at a higher fee, and nothing piles up behind it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from rewards.errors import NodeUnreachable
from rewards.json_rpc import JsonRpc, call_data
from rewards.rpc_account import CallRefused, RpcAccount
from tests.rewards.conftest import account
from tests.support.anvil import Anvil, anvil
from tests.support.waiting import until

pytestmark = pytest.mark.process
OWN, THERE = account(7), account(8).address
SOON, LATE = 0.3, 120.0
"""How long a block is waited for: where none comes, and where one does."""
FIRST, SECOND = "first()", "second()"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    with anvil(tmp_path_factory.mktemp("node"), 1_700_000_000) as node:
        node.fund(OWN.address)
        yield node


@pytest.fixture
def node(running: Anvil) -> Iterator[Anvil]:
    """It makes no blocks of its own accord."""
    running.ask("evm_setAutomine", False)
    yield running
    running.ask("evm_setAutomine", True)
    running.ask("evm_mine")


def sender(node: Anvil, wait_s: float = SOON, most_fee: int = 10**17) -> RpcAccount:
    return RpcAccount(JsonRpc(node.url), OWN, most_fee, wait_s)


def waiting(node: Anvil) -> list[tuple[int, int, str]]:
    """Nonce, price and data of the account's transactions that are in no block."""
    found = node.ask("txpool_content")
    both = [one for kind in ("pending", "queued") for of in found[kind].values() for one in of.values()]
    return sorted((int(one["nonce"], 16), int(one["gasPrice"], 16), str(one["input"])) for one in both)


def stick(own: RpcAccount, call: str = FIRST) -> None:
    with pytest.raises(NodeUnreachable, match="in no block"):
        own.send(THERE, call)


def test_a_stuck_transaction_is_replaced_by_the_same_at_an_eighth_more_until_it_is_in_a_block(node: Anvil) -> None:
    own, prices = sender(node), []
    for _ in range(3):
        stick(own)
        ((nonce, price, data),) = waiting(node)
        assert data == "0x" + call_data(FIRST).hex() and nonce == own.mined
        prices.append(price)
    assert all(8 * later >= 9 * earlier for earlier, later in pairwise(prices)), prices
    assert own.is_sending
    node.ask("evm_mine")
    assert own.mined == nonce + 1 and not own.is_sending and waiting(node) == []
    node.ask("evm_setAutomine", True)
    sender(node, LATE).send(THERE, SECOND)
    assert own.mined == nonce + 2


def test_a_call_has_gas_to_spare_for_what_others_before_it_change(node: Anvil) -> None:
    """A committee's deciding vote, tried when it was not yet the deciding one, ran out of gas."""
    own = sender(node)
    stick(own)
    (sent,) = [one for of in node.ask("txpool_content")["pending"].values() for one in of.values()]
    call = {"from": OWN.address, "to": THERE, "data": "0x" + call_data(FIRST).hex()}
    assert int(sent["gas"], 16) >= int(node.ask("eth_estimateGas", call), 16) + 100_000
    node.ask("evm_mine")


def test_another_call_takes_the_place_of_one_that_is_stuck(node: Anvil) -> None:
    own = sender(node)
    stick(own, FIRST)
    stick(own, SECOND)
    ((_, _, data),) = waiting(node)
    assert data == "0x" + call_data(SECOND).hex()


def test_what_was_sent_before_a_restart_is_outbid_by_eighths_until_the_node_takes_it(node: Anvil) -> None:
    raw = signed(node, OWN, 10 * int(node.ask("eth_gasPrice"), 16))
    node.ask("eth_sendRawTransaction", "0x" + raw.hex())
    ((nonce, before, _),) = waiting(node)
    stick(sender(node), SECOND)
    ((same, price, data),) = waiting(node)
    assert same == nonce and price > before and data == "0x" + call_data(SECOND).hex()


def test_what_replaces_another_one_costs_no_more_than_the_cap(node: Anvil) -> None:
    """The attack: a node that keeps a transaction from blocks, so that more and more is offered."""
    own = sender(node, most_fee=17_500_000 * int(node.ask("eth_gasPrice"), 16) // 30)
    with pytest.raises(CallRefused, match="may cost"):
        for _ in range(30):
            stick(own)
    ((_, price, _),) = waiting(node)
    with pytest.raises(CallRefused, match="may cost"):
        own.send(THERE, FIRST)
    assert waiting(node)[0][1] == price, "the last one that it could pay still waits"


def test_a_call_whose_nonce_another_transaction_took_is_not_said_to_be_made(node: Anvil) -> None:
    node.ask("evm_setAutomine", False)
    own = sender(node, LATE)
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(own.send, THERE, FIRST)
        ((_, price, _),) = until(lambda: waiting(node), "nothing was sent")
        node.ask("eth_sendRawTransaction", "0x" + signed(node, OWN, 2 * price).hex())
        node.ask("evm_mine")
        with pytest.raises(NodeUnreachable, match="took its place"):
            made.result()
    node.ask("evm_setAutomine", True)
    own.send(THERE, FIRST)


def signed(node: Anvil, by: LocalAccount, price: int) -> bytes:
    """A transaction of the account's that this program did not send, or has forgotten."""
    fields: dict[str, Any] = {
        "to": THERE, "data": "0x", "value": 0, "gas": 100_000, "gasPrice": price,
        "nonce": int(node.ask("eth_getTransactionCount", by.address, "latest"), 16),
        "chainId": int(node.ask("eth_chainId"), 16),
    }  # fmt: skip
    return bytes(by.sign_transaction(fields).raw_transaction)
