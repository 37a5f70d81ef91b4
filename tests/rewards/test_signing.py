"""The household's own transaction and its own look at the chain, made without web3: they must say what web3 says."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rewards.errors import NodeUnreachable, Refused, StaleTransaction
from rewards.rpc_client import RpcClient
from rewards.signing import (
    CALL_GAS,
    NO_HEAD,
    FeeTooHigh,
    HeadPin,
    PinnedHead,
    Registration,
    SigningFacts,
    fair_price,
    fee_price,
    sign,
)
from tests.rewards.conftest import DAY, Town, account, enrol
from tests.rewards.json_rpc import json_rpc

REGISTRATION = Registration(DAY, 1, NO_HEAD, b"\x80" + b"\x07" * 47, b"\x05" * 32)
MAX_FEE = 10**16


@pytest.fixture
def node(town: Town) -> Iterator[RpcClient]:
    with json_rpc(town.chain) as url:
        yield RpcClient(url, str(town.contracts.forecast_registry.address))


def data_of(town: Town) -> str:
    r = REGISTRATION
    arguments = [r.day, r.round, r.head, r.commitment, r.proof_hash]
    return str(town.contracts.forecast_registry.encode_abi("submit", args=arguments))


def relay(town: Town, raw: bytes) -> None:
    town.chain.relay(raw, str(town.contracts.forecast_registry.address), data_of(town), "submit")


def raw_transaction(town: Town, gas: int = CALL_GAS, nonce: int = 0) -> bytes:
    fields = {
        "to": str(town.contracts.forecast_registry.address), "data": data_of(town), "gas": gas, "value": 0,
        "gasPrice": town.chain.gas_price, "nonce": nonce, "chainId": town.chain.chain_id,
    }  # fmt: skip
    return bytes(town.household.sign_transaction(fields).raw_transaction)


def test_the_call_is_the_one_web3_makes(town: Town) -> None:
    assert "0x" + REGISTRATION.call.hex() == data_of(town)


def test_what_the_household_signs_by_its_own_node_is_registered_and_seen_there(town: Town, node: RpcClient) -> None:
    household = town.household.address
    assert not node.holds(household, REGISTRATION)
    facts = node.facts(household)
    assert (facts.chain_id, facts.nonce) == (town.chain.chain_id, 0)
    relay(town, sign(town.household, facts, REGISTRATION, MAX_FEE))
    assert node.holds(household, REGISTRATION) and node.facts(household).nonce == 1
    assert not node.holds(household, Registration(DAY, 1, NO_HEAD, REGISTRATION.commitment, b"\x06" * 32))
    assert not node.holds(account(9).address, REGISTRATION)


def test_a_pinned_head_is_seen_by_the_own_node(town: Town, node: RpcClient) -> None:
    pin, household = HeadPin(1, b"\x09" * 32), town.household.address
    registry = town.contracts.forecast_registry
    assert "0x" + pin.call.hex() == registry.encode_abi("pin_head", args=[pin.round, pin.digest])
    assert node.head_of(household, 1) is None
    raw, moment = sign(town.household, node.facts(household), pin, MAX_FEE), town.chain.now
    town.chain.relay(raw, str(registry.address), "0x" + pin.call.hex(), "pin_head")
    assert node.head_of(household, 1) == PinnedHead(pin.digest, moment) and node.head_of(household, 2) is None


def test_the_own_node_knows_the_registered_digests(node: RpcClient) -> None:
    assert node.digest_of(1) == b"\x01" * 32 and node.digest_of(2) is None


def test_a_node_without_the_registry_or_without_an_answer_says_so(town: Town) -> None:
    with json_rpc(town.chain) as url, pytest.raises(NodeUnreachable, match="check gateway"):
        RpcClient(url, account(9).address).digest_of(1)
    with pytest.raises(NodeUnreachable, match="rpc_url"):
        RpcClient("http://127.0.0.1:9", account(9).address).digest_of(1)


@given(most=st.integers(0, 10**20), share=st.floats(0, 1.5), off=st.integers(-3, 3))
@example(most=MAX_FEE, share=0.75, off=0)
@example(most=MAX_FEE, share=1.0, off=0)
@example(most=MAX_FEE, share=1.0, off=1)
def test_no_fee_is_beyond_the_limit(most: int, share: float, off: int) -> None:
    asked = int(most // CALL_GAS * share) + off
    try:
        price = fee_price(asked, most)
    except FeeTooHigh:
        assert asked < 0 or asked > most // CALL_GAS
    else:
        assert asked <= price <= 2 * asked and price * CALL_GAS <= most


def test_a_households_offers_do_not_raise_what_it_is_asked_next() -> None:
    """On a chain of its own a node suggests what its last transaction paid: each price doubled the next."""
    base_fee, tip = 10**9, 10**9
    for _ in range(100):
        asked = fair_price(base_fee + tip, base_fee)
        assert base_fee <= asked <= 2 * 10**9
        tip, base_fee = fee_price(asked, MAX_FEE) - base_fee, base_fee * 7 // 8
    assert fair_price(70 * 10**9, 40 * 10**9) == 70 * 10**9, "a busy chain has its price"
    assert fair_price(20 * 10**9, None) == 20 * 10**9


def test_a_transaction_with_too_little_gas_fails_alone(town: Town) -> None:
    """The attack: it is in a block, so the chain's clock has gone on and its sender's nonce is used."""
    with pytest.raises(Refused, match="failed in its block"):
        relay(town, raw_transaction(town, gas=30_000))
    enrol(town, account(9))
    with pytest.raises(StaleTransaction):
        relay(town, raw_transaction(town, nonce=0))
    relay(town, raw_transaction(town, nonce=1))


@pytest.mark.parametrize("facts", [{"nonce": 5}, {"gas_price": 1}])
def test_a_stale_transaction_is_told_from_other_refusals(town: Town, facts: dict[str, int]) -> None:
    registry = str(town.contracts.forecast_registry.address)
    honest = {"nonce": 0, "gas_price": town.chain.gas_price}
    stale = SigningFacts(town.chain.chain_id, registry, **(honest | facts))
    with pytest.raises(StaleTransaction):
        relay(town, sign(town.household, stale, REGISTRATION, MAX_FEE))
