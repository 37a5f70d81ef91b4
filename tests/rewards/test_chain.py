"""The chain's door: it survives a restart, and says clearly when it cannot."""

import time
from pathlib import Path

import pytest
from eth_account import Account
from eth_tester import PyEVMBackend
from web3.exceptions import TransactionNotFound

from rewards.chain import Chain
from rewards.compile import artefact
from rewards.errors import NodeUnreachable, Refused, refused


def test_an_embedded_chain_is_the_same_after_a_restart(tmp_path: Path) -> None:
    journal = tmp_path / "chain.jsonl"
    operator = Account.from_key(b"\x01" * 32)
    chain = Chain.embedded(journal)
    chain.fund(operator.address)
    models = chain.deploy(operator, artefact("model_registry"))
    chain.advance_to(1_600_000_000)
    chain.send(operator, models.functions.publish(3, b"\x09" * 32))
    chain.close()

    again = Chain.embedded(journal)
    same = again.contract(artefact("model_registry"), models.address)
    assert same.functions.digest_of(3).call() == b"\x09" * 32
    assert again.now >= 1_600_000_000


def test_a_clock_that_follows_the_machine_times_its_blocks_and_a_replay_keeps_their_times(tmp_path: Path) -> None:
    journal, operator = tmp_path / "chain.jsonl", Account.from_key(b"\x01" * 32)
    before = int(time.time())
    chain = Chain.embedded(journal, before - 86_400, follows=True)
    chain.fund(operator.address)
    models = chain.deploy(operator, artefact("model_registry"))
    chain.send(operator, models.functions.publish(3, b"\x09" * 32))
    chain.advance_to(before + 10**6)
    assert before <= chain.now < before + 10**5, "its time is not for us to move"
    published = models.functions.published_at(3).call()
    assert before <= published <= chain.now

    chain.close()
    again = Chain.embedded(journal, before - 86_400, follows=True)
    assert again.contract(artefact("model_registry"), models.address).functions.published_at(3).call() == published
    times = [[int(each.web3.eth.get_block(k)["timestamp"]) for k in range(4)] for each in (chain, again)]
    assert times[0] == times[1] == sorted(times[0])


def test_a_transaction_that_failed_in_its_block_is_played_again_too(tmp_path: Path) -> None:
    journal, operator = tmp_path / "chain.jsonl", Account.from_key(b"\x01" * 32)
    chain = Chain.embedded(journal)
    chain.fund(operator.address)
    models = chain.deploy(operator, artefact("model_registry"))
    data = models.encode_abi("publish", args=[1, b"\x09" * 32])
    fields = {"to": models.address, "data": data, "gas": 30_000, "gasPrice": chain.gas_price, "value": 0}
    fields |= {"nonce": chain.nonce_of(operator.address), "chainId": chain.chain_id}
    with pytest.raises(Refused):
        chain.relay(bytes(operator.sign_transaction(fields).raw_transaction), models.address, data, "publish")
    chain.send(operator, models.functions.publish(1, b"\x07" * 32))
    chain.close()
    again = Chain.embedded(journal)
    same = again.contract(artefact("model_registry"), models.address)
    assert same.functions.digest_of(1).call() == b"\x07" * 32


def test_a_receipt_is_of_the_block_that_is_part_of_the_chain() -> None:
    """Also after the chain went back, and the transaction is in another block, or in none."""
    chain, operator = Chain.embedded(), Account.from_key(b"\x01" * 32)
    chain.fund(operator.address)
    models = chain.deploy(operator, artefact("model_registry"))
    backend, moment = chain.tester.backend, chain.now
    head = backend.take_snapshot()
    first = chain.send(operator, models.functions.publish(1, b"\x09" * 32))
    digest = first["transactionHash"]
    assert chain.web3.eth.get_transaction_receipt(digest) == first
    assert backend.get_transaction_receipt(digest) == PyEVMBackend.get_transaction_receipt(backend, digest)

    backend.revert_to_snapshot(head)
    with pytest.raises(TransactionNotFound):
        chain.web3.eth.get_transaction_receipt(digest)
    chain.reset_clock(moment + 100)
    again = chain.send(operator, models.functions.publish(1, b"\x09" * 32))
    assert again["transactionHash"] == digest and again["blockHash"] != first["blockHash"]
    assert chain.web3.eth.get_transaction_receipt(digest) == again


def test_a_dead_node_is_an_error_that_names_it() -> None:
    with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:9"):
        Chain.at("http://127.0.0.1:9", timeout=2)


@pytest.mark.parametrize("reason", ["late forecast", "late round", "old round"])
def test_a_day_that_is_lost_is_told_with_what_to_do(reason: str) -> None:
    said = str(refused("submit", reason))
    assert said.startswith(f"submit was refused: {reason} (") and ("next" in said or "newer model" in said)
