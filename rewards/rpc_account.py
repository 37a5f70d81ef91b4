"""An account that makes its own calls through a node, for whoever has its key. Loads no web3.

It sends with its next nonce that is in no block. A transaction that waits with that nonce is replaced by the new one,
at a higher fee, so that none piles up behind one that is stuck. Nodes ask for a tenth more (`txpool.pricebump` of
Geth), and an eighth is what is added; where the price of what waits is not known, as after a restart, an eighth again
and again until the node takes it. Whoever made the replaced call was told that it is in no block, and makes it again
if it is still due.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from rewards.errors import NodeUnreachable
from rewards.json_rpc import JsonRpc, NodeError, call_data
from rewards.signing import fair_price

_WAIT_S, _POLL_S = 120.0, 0.1
_GAS_MARGIN = 12, 10
_GAS_SPARE = 100_000
"""For what a call has to do more because others' come before it: the last secret draws a seed, a vote decides."""
_RAISE = 9, 8
_RAISES = 24
"""As often at most: a transaction of unknown price is outbid up to seventeen times the present one."""


class CallRefused(Exception):
    """A contract, or the chain, refuses a call; the text is its reason."""


@dataclass(frozen=True)
class _Call:
    """What a transaction does, and its limit of gas."""

    to: str
    data: str
    value: int
    gas: int


@dataclass(frozen=True)
class _Sent:
    """A transaction that was sent, by its hash."""

    digest: str
    call: _Call
    nonce: int
    price: int


class RpcAccount:
    """Every method raises NodeUnreachable, without the node's URL, and CallRefused.

    Args:
        most_fee: what one transaction may cost, in the chain's smallest unit; what replaces another one, too.
        wait_s: how long a block is waited for.
    """

    def __init__(self, line: JsonRpc, account: LocalAccount, most_fee: int, wait_s: float = _WAIT_S) -> None:
        self._line, self._account, self._most_fee, self._wait_s = line, account, most_fee, wait_s
        self._waiting: list[_Sent] = []  # all with the same nonce

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
            nonce = self._nonce("latest")
            found = self._tried(to, "0x" + call.hex(), value, gas, anew=self._nonce("pending") > nonce)
            self._settled(self._sent(found, nonce, self._most_fee + paid_back))
        except NodeError as error:
            if error.is_unfunded:
                paid = f"{value / 10**18:g} coins and the fee" if value else "the fee"
                raise CallRefused(f"{self.address} has not enough coins for {paid}: send it some") from None
            if error.is_refusal:
                raise CallRefused(error.text) from None
            raise

    @property
    def is_sending(self) -> bool:
        """Whether a transaction of the account waits for its block."""
        return self._nonce("pending") > self._nonce("latest")

    @property
    def mined(self) -> int:
        """How many transactions of the account are in blocks."""
        return self._nonce("latest")

    def _nonce(self, block: str) -> int:
        return self._line.number("eth_getTransactionCount", self.address, block)

    def _tried(self, to: str, data: str, value: int, gas: int | None, *, anew: bool) -> _Call:
        """The call, simulated: a refusal is found before it costs anything. `anew`: it replaces what waits, which may
        be the same call, so it is tried without."""
        call = {"from": self.address, "to": to, "data": data, "value": hex(value)}
        block = "latest" if anew else "pending"
        if gas is None:
            gas = self._line.number("eth_estimateGas", call, block) * _GAS_MARGIN[0] // _GAS_MARGIN[1] + _GAS_SPARE
        else:
            self._line.ask("eth_call", call | {"gas": hex(gas)}, block)
        return _Call(to, data, value, gas)

    def _sent(self, call: _Call, nonce: int, most: int) -> _Sent:
        """The transaction as it was sent; more is offered until it takes the place of what waits."""
        line = self._line
        self._waiting = [one for one in self._waiting if one.nonce == nonce]
        price = 2 * fair_price(line.number("eth_gasPrice"), line.base_fee())
        price = max([price, *(_raised(one.price) for one in self._waiting)])
        chain = line.number("eth_chainId")
        for _ in range(_RAISES):
            if call.gas * price > most:
                raise CallRefused(f"it would cost {call.gas * price}, and a transaction may cost {most}")
            fields: dict[str, Any] = {
                "to": call.to, "data": call.data, "value": call.value, "gas": call.gas, "gasPrice": price,
                "nonce": nonce, "chainId": chain,
            }  # fmt: skip
            raw = bytes(self._account.sign_transaction(fields).raw_transaction)
            try:
                sent = _Sent(str(line.ask("eth_sendRawTransaction", "0x" + raw.hex())), call, nonce, price)
            except NodeError as error:
                if not error.is_outbid:
                    raise
                price = _raised(price)
            else:
                self._waiting.append(sent)
                return sent
        raise NodeUnreachable(f"a transaction waits that offers more than {price}; ask again later")

    def _settled(self, sent: _Sent) -> None:
        """Until it is in a block, or one that it was to replace is, which may have made the same call."""
        until = time.monotonic() + self._wait_s
        while True:
            is_over = self._nonce("latest") > sent.nonce  # asked before the receipts: then one of them is there
            for one in self._waiting:
                if (receipt := self._line.ask("eth_getTransactionReceipt", one.digest)) is not None:
                    self._judge(one, receipt, sent)
                    return
            if is_over:
                raise NodeUnreachable("another transaction of the account took its place; ask again")
            if time.monotonic() > until:
                raise NodeUnreachable(f"a transaction is in no block after {self._wait_s:.0f} s; ask again later")
            time.sleep(_POLL_S)

    def _judge(self, mined: _Sent, receipt: Any, sent: _Sent) -> None:
        if (mined.call.to, mined.call.data, mined.call.value) != (sent.call.to, sent.call.data, sent.call.value):
            raise NodeUnreachable("an earlier transaction of the account was faster; ask again")
        if int(str(receipt.get("status", "0x0")), 16) != 1:
            raise CallRefused("the transaction failed in its block")


def _raised(price: int) -> int:
    """An eighth more, rounded up."""
    return -(-price * _RAISE[0] // _RAISE[1])
