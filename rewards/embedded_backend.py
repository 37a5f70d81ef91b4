"""The embedded chain's backend: eth-tester's, which looks for a receipt's transaction in one block after another,
from the last to the first, and decodes them all. Here py-evm's own index says where it is, and receipts are kept:
reading a contract's events takes a receipt for each transaction that there has been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth_tester import PyEVMBackend
from eth_tester.backends.pyevm.serializers import serialize_transaction_receipt


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
