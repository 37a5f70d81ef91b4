"""An account that makes its own calls through a node, for whoever has its key. Loads no web3."""

from __future__ import annotations

import time
from typing import Any

from eth_account.signers.local import LocalAccount

from rewards.errors import NodeUnreachable
from rewards.json_rpc import JsonRpc, NodeError, call_data
from rewards.signing import fair_price

_WAIT_S, _POLL_S = 120.0, 0.1
_GAS_MARGIN = 12, 10


class CallRefused(Exception):
    """A contract, or the chain, refuses a call; the text is its reason."""


class RpcAccount:
    """Every method raises NodeUnreachable, without the node's URL, and CallRefused.

    Args:
        most_fee: what one transaction may cost, in the chain's smallest unit.
    """

    def __init__(self, line: JsonRpc, account: LocalAccount, most_fee: int) -> None:
        self._line, self._account, self._most_fee = line, account, most_fee

    @property
    def address(self) -> str:
        return str(self._account.address)

    def send(self, to: str, signature: str, *values: Any, value: int = 0) -> None:
        """Make a call and wait until it is in a block. Raises CallRefused, before it costs anything where it can."""
        self.send_data(to, call_data(signature, *values), value)

    def send_data(self, to: str, call: bytes, value: int = 0, gas: int | None = None, paid_back: int = 0) -> None:
        """`send`, of a call's data.

        Args:
            gas: a sufficient limit, for a call so expensive that it is simulated only once beforehand.
            paid_back: what the sender gets by the call, and may spend on its fee as well.
        """
        try:
            self._settled(self._sent(to, "0x" + call.hex(), value, gas, paid_back))
        except NodeError as error:
            if error.is_refusal:
                raise CallRefused(error.text) from None
            raise

    @property
    def is_sending(self) -> bool:
        """Whether a transaction of the account waits for its block."""
        mined, sent = (
            self._line.number("eth_getTransactionCount", self.address, block) for block in ("latest", "pending")
        )
        return sent > mined

    def _sent(self, to: str, data: str, value: int, gas: int | None, paid_back: int) -> str:
        line, own = self._line, self._account.address
        call = {"from": own, "to": to, "data": data, "value": hex(value)}
        if gas is None:
            gas = line.number("eth_estimateGas", call, "pending") * _GAS_MARGIN[0] // _GAS_MARGIN[1]
        else:
            line.ask("eth_call", call | {"gas": hex(gas)}, "pending")  # a refusal is found before it costs anything
        price, most = 2 * fair_price(line.number("eth_gasPrice"), line.base_fee()), self._most_fee + paid_back
        if gas * price > most:
            raise CallRefused(f"it would cost {gas * price}, and a transaction may cost {most}")
        fields: dict[str, Any] = {
            "to": to, "data": data, "value": value, "gas": gas, "gasPrice": price,
            "nonce": line.number("eth_getTransactionCount", own, "pending"), "chainId": line.number("eth_chainId"),
        }  # fmt: skip
        raw = bytes(self._account.sign_transaction(fields).raw_transaction)
        return str(line.ask("eth_sendRawTransaction", "0x" + raw.hex()))

    def _settled(self, digest: str) -> None:
        until = time.monotonic() + _WAIT_S
        while (receipt := self._line.ask("eth_getTransactionReceipt", digest)) is None:
            if time.monotonic() > until:
                raise NodeUnreachable(f"a transaction is in no block after {_WAIT_S:.0f} s; ask again later")
            time.sleep(_POLL_S)
        if int(str(receipt.get("status", "0x0")), 16) != 1:
            raise CallRefused("the transaction failed in its block")
