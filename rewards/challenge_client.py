"""The challenges of forecasts as a node tells of them, and an account's own calls. Loads no web3."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from rewards.json_rpc import JsonRpc, call_data
from rewards.rpc_account import RpcAccount

ANSWER_GAS = 4_000_000
"""Limit of an answer's transaction."""
_ANSWER = "answer(address,uint32,bool,bytes,bytes,bytes,bytes,uint256)"
_CASE = ["address", "uint256", "bool", "bool"]


@dataclass(frozen=True)
class Challenge:
    """A doubted forecast, until when it can be answered for (UTC seconds), whether it was, and whether the bond is
    paid out."""

    household: str
    day: int
    challenger: str
    deadline: int
    answered: bool
    closed: bool


class ChallengeClient:
    """Every method raises NodeUnreachable, without the node's URL; calls raise CallRefused.

    Args:
        contract: the address of `contracts/challenges.vy`.
        most_fee: what one transaction may cost, in the chain's smallest unit.
    """

    def __init__(self, line: JsonRpc, contract: str, account: LocalAccount, most_fee: int) -> None:
        self._line, self._contract = line, contract
        self._sender = RpcAccount(line, account, most_fee)

    @property
    def now(self) -> int:
        """The time of the chain's latest block, UTC seconds."""
        return self._line.block_time()

    @property
    def bond(self) -> int:
        """What a challenge costs, in the chain's smallest unit."""
        return self._number("BOND()")

    @property
    def answer_period(self) -> int:
        """How long an answer is waited for, seconds."""
        return self._number("ANSWER_PERIOD()")

    @property
    def is_sending(self) -> bool:
        """Whether a transaction of the account waits for its block."""
        return self._sender.is_sending

    @property
    def mined(self) -> int:
        """How many transactions of the account are in blocks."""
        return self._sender.mined

    def challenge_of(self, household: str, day: int) -> Challenge | None:
        """The challenge of a household's forecast of a day; None where nobody doubted it."""
        who, deadline, answered, closed = self._line.view(
            self._contract, "case_of(address,uint32)", household, day, result=_CASE, absent=self._absent
        )
        if not int(str(who), 16):
            return None
        return Challenge(household, day, str(who), int(deadline), bool(answered), bool(closed))

    def challenge(self, household: str, day: int) -> None:
        """Doubt a forecast, with the bond."""
        self._sender.send(self._contract, "challenge(address,uint32)", household, day, value=self.bond)

    def close(self, household: str, day: int) -> None:
        """Give the bond of a challenge that nobody has answered in time back to its challenger."""
        self._sender.send(self._contract, "close(address,uint32)", household, day)

    def answer(self, data: bytes) -> None:
        """Answer by a call's data (`answer_data`). The bond comes back with it, so the fee may be higher by that."""
        self._sender.send_data(self._contract, data, gas=ANSWER_GAS, paid_back=self.bond)

    @property
    def _absent(self) -> str:
        return f"contract for challenges at {self._contract}: check its address"

    def _number(self, signature: str) -> int:
        (found,) = self._line.view(self._contract, signature, result=["uint256"], absent=self._absent)
        return int(found)


def answer_data(arguments: tuple[object, ...]) -> bytes:
    """The data of the call that answers, of `Answer.arguments`."""
    return call_data(_ANSWER, *arguments)
