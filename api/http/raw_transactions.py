"""Transactions that households sign and the server relays."""

from __future__ import annotations

from eth_account import Account
from eth_keys.exceptions import BadSignature
from rlp.exceptions import RLPException

from api.http.errors import ApiError


def decoded(text: str) -> bytes:
    """A transaction's bytes. Raises ApiError for text that is not hexadecimal."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ApiError("malformed-transaction", "the transaction is not hexadecimal", 422) from None


def sender_of(raw: bytes) -> str:
    """Who signed a transaction. Raises ApiError for a malformed one."""
    try:
        return str(Account.recover_transaction(raw))
    except (ValueError, TypeError, BadSignature, RLPException, RecursionError) as error:
        raise ApiError(
            "malformed-transaction", f"the transaction cannot be read: {type(error).__name__}", 422
        ) from None
