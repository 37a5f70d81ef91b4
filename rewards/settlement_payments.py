"""Shares of settled periods paid in tokens (`contracts/settlement_payments.vy`): escrow, payments, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from rewards.chain import Chain
from rewards.chain_errors import answer_at
from rewards.compile import artefact
from rewards.errors import TooFewTokens

_NAME, _TOKEN = "settlement_payments", "reward_token"
TOGETHER = 64
"""Shares that one transaction brings, at most."""


@dataclass(frozen=True)
class Brought:
    """A share as a leaf of the registry says it (`side`: 0 taken, 1 fed in), with its path to the root."""

    household: str
    side: int
    wh: int
    proof_hash: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Budget:
    """What a period is paid from: `rate` and `paid_wh` by side, amounts in the token's smallest unit."""

    shared_wh: int
    rate: tuple[int, int]
    paid_wh: tuple[int, int]
    left: int
    reclaimable_at: int


def deploy_payments(chain: Chain, operator: LocalAccount, registry: str, token: str) -> Contract:
    """Deploy the escrow of a settlement registry, which pays in an ERC-20 token."""
    chain.fund(operator.address)
    return chain.deploy(operator, artefact(_NAME), registry, token)


def payments_at(chain: Chain, address: str) -> Contract:
    return chain.contract(artefact(_NAME), address)


def token_of(chain: Chain, payments: Contract) -> Contract:
    """The token that an escrow pays in, by the interface of ERC-20."""
    return token_at(chain, str(payments.functions.TOKEN().call()))


def budget_of(payments: Contract, days: tuple[int, int]) -> Budget | None:
    """The budget of a period from its first to its last day; None where it is not funded."""
    shared_wh, rate, paid_wh, left, reclaimable_at = payments.functions.budget_of(*days).call()
    if not shared_wh:
        return None
    return Budget(shared_wh, (rate[0], rate[1]), (paid_wh[0], paid_wh[1]), left, reclaimable_at)


def token_at(chain: Chain, address: str) -> Contract:
    """A token by its address, by the interface of ERC-20."""
    return chain.contract(artefact(_TOKEN), address)


def require_tokens(token: Contract, operator: str, amount: int) -> None:
    """Raises TooFewTokens where the operator has less than an amount (the token's smallest unit)."""
    held = int(token.functions.balanceOf(operator).call())
    if held < amount:
        raise TooFewTokens(
            f"the period comes to {amount} of the token's smallest unit, and the operator {operator} has "
            f"{held}: transfer {amount - held} more of the token {token.address} to it"
        )


def fund(
    chain: Chain, payments: Contract, operator: LocalAccount, days: tuple[int, int], shared_wh: int,
    rate: tuple[int, int],
) -> None:  # fmt: skip
    """Pay in, from the operator's tokens, what a period's shared energy comes to at these rates a watt-hour.

    Raises TooFewTokens where the operator has not as many; nothing is moved then. Raises Refused.
    """
    token, amount = token_of(chain, payments), shared_wh * sum(rate)
    require_tokens(token, operator.address, amount)
    chain.send(operator, token.functions.approve(payments.address, amount))
    chain.send(operator, payments.functions.fund(*days, shared_wh, list(rate)))


def pay(
    chain: Chain, payments: Contract, sender: LocalAccount, days: tuple[int, int], shares: Sequence[Brought]
) -> None:
    """Pay those of the shares that were not paid before, in as few transactions as it takes. Raises Refused."""
    due = [share for share in shares if not is_paid(payments, days, share)]
    for start in range(0, len(due), TOGETHER):
        chain.send(
            sender, payments.functions.pay_many(*days, [leaf(share) for share in due[start : start + TOGETHER]])
        )


def is_paid(payments: Contract, days: tuple[int, int], share: Brought, block: int | None = None) -> bool:
    """Whether a share's household was paid for this period and side, at a block (the latest by default)."""
    call = payments.functions.is_paid(*days, share.household, share.side)
    return bool(answer_at(call, block))


def leaf(share: Brought) -> tuple[str, int, int, bytes, list[bytes]]:
    """As the contract takes it."""
    return share.household, share.side, share.wh, share.proof_hash, list(share.path)
