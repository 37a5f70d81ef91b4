"""What web3, eth-tester and a node raise, as this package's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from eth.exceptions import VMError
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from eth_tester.exceptions import TransactionFailed
from eth_utils.exceptions import ValidationError
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception, Web3RPCError

from rewards.errors import NodeUnreachable, StateGone, is_reason, refused

_ERROR_STRING = keccak(b"Error(string)")[:4]
_OWN_FAULTS = (-32700, -32603, -32601, -32005, -32002)  # EIP-1474, and JSON-RPC 2.0's own


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Of a call named `name`, which may be refused."""
    try:
        yield
    except (ContractLogicError, TransactionFailed, Web3RPCError, ValidationError) as error:
        if _is_the_nodes_own(error):
            raise NodeUnreachable(f"the chain node failed at {name}; try again later") from error
        raise refused(name, _reason(error)) from error
    except TimeExhausted as error:
        raise NodeUnreachable(f"{name} is not in a block yet; ask again later") from error
    except NodeUnreachable as error:
        raise NodeUnreachable(f"the chain node stopped answering during {name}; try again later") from error
    except Web3Exception as error:
        raise NodeUnreachable(f"the chain node gives no usable answer during {name}; try again later") from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A call that nobody can refuse: whatever a node answers but the thing itself, it is of no use just now."""
    try:
        yield
    except (NodeUnreachable, Web3Exception, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NodeUnreachable(f"the chain node does not tell {what}; try again later") from error


@contextmanager
def state_of(block: int | None) -> Iterator[None]:
    """A question of how things were at a block, None for the latest, of which a node may have no state any more."""
    try:
        yield
    except Web3RPCError as error:
        if block is None:
            raise
        raise StateGone(f"the chain node has no state of block {block}: wait for more blocks") from error


def answer_at(call: Any, block: int | None) -> Any:
    """What a contract answers to a call at a block, None for the latest. Raises StateGone."""
    with state_of(block):
        return call.call() if block is None else call.call(block_identifier=block)


def reason_of(error: VMError) -> str:
    """What a contract says as it reverts (`Error(string)` of the contract ABI), or what py-evm says."""
    said = error.args[0] if error.args else b""
    if isinstance(said, bytes) and said[:4] == _ERROR_STRING:
        with suppress(DecodingError):
            return str(decode(["string"], said[4:])[0])
    return str(error)


def _is_the_nodes_own(error: Exception) -> bool:
    """Whether an error that a node answers with says nothing of what was asked: it is overloaded, broken, or limits.

    Some nodes tell a contract's refusal with the code of an internal error (EIP-1474), too.
    """
    response = getattr(error, "rpc_response", None) or {}
    problem = response.get("error") if isinstance(response, dict) else None
    code = problem.get("code") if isinstance(problem, dict) else None
    return code in _OWN_FAULTS and not is_reason(_reason(error))


def _reason(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)
