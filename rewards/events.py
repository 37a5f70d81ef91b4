"""Events of a contract, asked for in pieces: public nodes limit the blocks, or the answers, of one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from web3.contract import Contract
from web3.exceptions import Web3RPCError

BLOCKS = 10_000
"""What a request asks for at first. A node that refuses is asked for fewer, down to one block."""


def events(
    contract: Contract, name: str, since: int, filters: Mapping[str, Any] | None = None, until: int | None = None
) -> Iterator[Any]:
    """Arguments of a contract's events from block `since` to `until` (the latest), oldest first.

    Raises Web3Exception and what the node raises.
    """
    last = int(contract.w3.eth.block_number) if until is None else until
    first, blocks = since, BLOCKS
    while first <= last:
        end = min(first + blocks - 1, last)
        to_block = None if end == last and until is None else end  # the latest that there is by then
        try:
            logs = contract.events[name]().get_logs(
                from_block=first, to_block=to_block, argument_filters=dict(filters or {})
            )
        except Web3RPCError:
            if blocks == 1:
                raise
            blocks = max(1, blocks // 10)
            continue
        for entry in logs:
            yield entry["args"]
        first = end + 1
