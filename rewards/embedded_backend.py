"""The embedded chain's backend: eth-tester's, which looks for a receipt's transaction in one block after another,
from the last to the first, and decodes them all. Here py-evm's own index says where it is, and receipts are kept:
reading a contract's events takes a receipt for each transaction that there has been, and logs are kept by block: of
each block and receipt, eth-tester checks all that there is, and writes it as text and reads it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.serializers import serialize_transaction_receipt
from eth_tester.utils.filters import check_if_log_matches


@dataclass(frozen=True)
class _Receipt:
    """A receipt, and the block that it is of."""

    number: int
    block_hash: bytes
    content: dict[str, Any]


class IndexedBackend(PyEVMBackend):  # type: ignore[misc]
    """py-evm, as eth-tester drives it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._receipts: dict[bytes, _Receipt] = {}
        self._logs: dict[int, tuple[bytes, list[dict[str, Any]]]] = {}
        super().__init__(*arguments, **named)

    def get_transaction_receipt(self, transaction_hash: bytes) -> Any:
        """As eth-tester gives it; raises what it raises."""
        known = self._receipts.get(transaction_hash)
        if known is None or not self._is_block(known.number, known.block_hash):
            known = self._indexed(transaction_hash)
        if known is None:
            return super().get_transaction_receipt(transaction_hash)
        self._receipts[transaction_hash] = known
        return known.content | {"logs": [dict(entry) for entry in known.content["logs"]]}

    def last_block(self) -> int:
        """Its number."""
        return int(self.chain.header.block_number) - 1

    def logs_of(self, number: int) -> list[dict[str, Any]]:
        """The logs of a block of the chain, oldest first."""
        block_hash, logs = self._logs.get(number, (b"", []))
        if not self._is_block(number, block_hash):
            block = self.chain.get_canonical_block_by_number(number)
            logs = [log for sent in block.transactions for log in self.get_transaction_receipt(sent.hash)["logs"]]
            self._logs[number] = bytes(block.hash), logs
        return logs

    def _indexed(self, transaction_hash: bytes) -> _Receipt | None:
        """None if the transaction is pending, unknown, or not where the index says: the index is not told when the
        chain goes back to an earlier block."""
        chain = self.chain
        try:
            number, index = chain.chaindb.get_transaction_index(transaction_hash)
            block = chain.get_canonical_block_by_number(number)
        except (TransactionNotFound, HeaderNotFound):
            return None
        if not self._is_block(number, block.hash) or index >= len(block.transactions):
            return None
        if block.transactions[index].hash != transaction_hash:
            return None
        receipts, transaction = block.get_receipts(chain.chaindb), block.transactions[index]
        content = serialize_transaction_receipt(block, receipts, transaction, index, False, chain.get_vm())
        return _Receipt(number, bytes(block.hash), content)

    def _is_block(self, number: int, block_hash: bytes) -> bool:
        """Whether this is the chain's block of that number. (Those above its last one are still found by their
        numbers after it went back.)"""
        chain = self.chain
        return bool(
            number < chain.header.block_number and chain.chaindb.get_canonical_block_hash(number) == block_hash
        )


class IndexedTester(EthereumTester):  # type: ignore[misc]
    """eth-tester, which asks that backend."""

    def get_logs(self, from_block: Any = None, to_block: Any = None, address: Any = None, topics: Any = None) -> Any:
        """As eth-tester gives them; raises what it raises."""
        asked = {"from_block": from_block, "to_block": to_block, "address": address, "topics": topics}
        self.validator.validate_inbound_filter_params(**asked)
        first, last, addresses, wanted = self.normalizer.normalize_inbound_filter_params(**asked)
        newest = self.backend.last_block()
        end = newest if last in (None, "latest") else last
        if not isinstance(first, int) or not isinstance(end, int) or end > newest:
            return super().get_logs(**asked)
        return tuple(
            self.normalizer.normalize_outbound_log_entry(log)
            for number in range(first, end + 1)
            for log in self.backend.logs_of(number)
            if check_if_log_matches(log, first, last, addresses, wanted)
        )
