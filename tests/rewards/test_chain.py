"""The chain's door: it survives a restart, and says clearly when it cannot."""

import time
from pathlib import Path

import pytest
from eth_account import Account
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import BlockNotFound
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


def test_logs_are_those_that_eth_tester_finds_also_after_the_chain_went_back() -> None:
    chain, operator = Chain.embedded(), Account.from_key(b"\x01" * 32)
    chain.fund(operator.address)
    models, others = (chain.deploy(operator, artefact("model_registry")) for _ in range(2))
    head, moment = chain.tester.backend.take_snapshot(), chain.now

    def check(count: int) -> None:
        last = chain.block
        found = chain.tester.get_logs(0, last)
        topics = [list(log["topics"]) for log in found]
        for asked in (
            (0,), (0, None), (0, "latest"), (last,), (last, last), (last - 1, last - 1), ("latest",), (2, 1),
            ("earliest", last), (0, last, models.address), (0, last, [models.address, others.address]),
            (0, last, None, topics[-1]), (0, last, others.address, topics[0]),
            (0, last, None, [None, topics[-1][-1]]),
        ):  # fmt: skip
            assert chain.tester.get_logs(*asked) == EthereumTester.get_logs(chain.tester, *asked), asked
        assert [log["address"] for log in found].count(models.address) == count
        with pytest.raises(BlockNotFound):
            chain.tester.get_logs(0, last + 2)

    before = len(chain.tester.get_logs(0, None, models.address))
    chain.send(operator, models.functions.publish(1, b"\x09" * 32))
    chain.send(operator, others.functions.publish(1, b"\x08" * 32))
    check(before + 1)
    chain.tester.backend.revert_to_snapshot(head)
    chain.reset_clock(moment + 100)
    check(before)
    for number in (1, 2):
        chain.send(operator, models.functions.publish(number, b"\x07" * 32))
    check(before + 2)


def test_a_dead_node_is_an_error_that_names_it() -> None:
    with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:9"):
        Chain.at("http://127.0.0.1:9", timeout=2)


@pytest.mark.parametrize("reason", ["late forecast", "late round", "old round"])
def test_a_day_that_is_lost_is_told_with_what_to_do(reason: str) -> None:
    said = str(refused("submit", reason))
    assert said.startswith(f"submit was refused: {reason} (") and ("next" in said or "newer model" in said)
