"""A settlement's shares paid in tokens: from an escrow of the community, deployed when the first period is paid.

What a shared kWh is paid with is in the settings (`settlement.tokens_per_kwh`); when a period is funded, its rates
are written on the chain, once. The operator pays in from its own tokens; nothing is minted.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from eth_hash.auto import keccak
from web3.contract import Contract

from api.config.community_yaml import ConfigError
from api.config.settlement_settings import SettlementSettings
from api.config.tracing import SettledPeriod, tracer
from api.operator.community import Community
from api.operator.own_contract import OwnContract
from api.operator.settlement_root import publish_settlement
from api.protocol.period import SIDES
from api.protocol.settlement import Settlement
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from rewards.chain import Chain
from rewards.sent import transactions_sent
from rewards.settlement_payments import (
    Brought,
    budget_of,
    deploy_payments,
    fund,
    is_paid,
    pay,
    payments_at,
    require_tokens,
    token_at,
    token_of,
)

PAYMENTS = "settlement-payments.json"
"""In the state folder: where the escrow is on the chain. In a period's folder: what was paid of it."""
_CONTRACT = OwnContract(PAYMENTS, "settlement_payments", "an escrow")
_WH_PER_KWH, _PERCENT = 1000, 100


@dataclass(frozen=True)
class Payments:
    """What of a period was paid, to all members (the token's smallest unit), and where it can be looked up.

    `shares`: how many of the settlement's were brought; a share of nothing, too.
    """

    contract: str
    token: str
    funded: str
    paid: str
    shares: int

    @classmethod
    def read(cls, folder: Path) -> Payments | None:
        """Of a period's folder; None where it was not paid in tokens. Raises DamagedFile."""
        path = folder / PAYMENTS
        if not path.exists():
            return None
        with whole(path, "a record of payments", "Move it away, and pay again: no share is paid twice"):
            found = cls(**loads(path.read_bytes()))
            if not all(isinstance(v, str) for k, v in vars(found).items() if k != "shares"):
                raise ValueError("not texts")
            return found


def settlement_payments(community: Community, chain: Chain, block: int | None = None) -> Contract | None:
    """The community's escrow, if there is one at a block (None: the latest).

    Raises DamagedFile, NodeUnreachable.
    """
    return _CONTRACT.there(community, chain, payments_at, block)


def pay_settlement(community: Community, chain: Chain, settlement: Settlement, folder: Path) -> Payments:
    """Publish the root, fund the period unless it is funded, and pay every share that was not paid before.

    It can be repeated: shares of members that were late are paid, and no other. `folder`: the period's. Raises
    ConfigError where the settings name no price, no token, or another one than the escrow's; ChainError, DamagedFile.
    """
    of = settlement.period
    about = SettledPeriod(community.config.community.identifier, of.first, of.last)
    with tracer().step("pay period on chain", about) as paying, transactions_sent() as sent:
        told = _paid(community, chain, settlement)
        paying.set(transaction=" ".join(sent))
    write_bytes(folder / PAYMENTS, json.dumps(asdict(told)).encode())
    return told


def _paid(community: Community, chain: Chain, settlement: Settlement) -> Payments:
    registry = publish_settlement(community, chain, settlement)
    of, token = settlement.period, _token(community, chain)
    days = of.first, of.last
    rate = rates(community.config.settlement, int(token.functions.decimals().call()))
    payments = _escrow(community, chain, registry, token, of.shared_wh * sum(rate))
    if budget_of(payments, days) is None:
        fund(chain, payments, community.operator, days, of.shared_wh, rate)
    pay(chain, payments, community.operator, days, brought(settlement))
    budget = budget_of(payments, days)
    assert budget is not None  # funded just now or before
    paid = sum(rate * wh for rate, wh in zip(budget.rate, budget.paid_wh, strict=True))
    funded = budget.shared_wh * sum(budget.rate)
    return Payments(str(payments.address), str(token.address), str(funded), str(paid), len(settlement.shares))


def is_paid_out(community: Community, chain: Chain, settlement: Settlement, block: int | None = None) -> bool:
    """Whether every share of the settlement was paid, at a block (the latest by default).

    Raises DamagedFile, NodeUnreachable.
    """
    of, payments = settlement.period, settlement_payments(community, chain, block)
    return payments is not None and all(
        is_paid(payments, (of.first, of.last), share, block) for share in brought(settlement)
    )


def brought(settlement: Settlement) -> list[Brought]:
    """Every share of a settlement as the contract takes it."""
    return [
        Brought(household, SIDES.index(side), share.wh, keccak(share.proof), tuple(settlement.path(household, side)))
        for (household, side), share in sorted(settlement.shares.items())
    ]


def rates(settings: SettlementSettings, decimals: int) -> tuple[int, int]:
    """What a watt-hour is paid with, of what was taken and fed in, in the token's smallest unit, rounded down.

    Raises ConfigError where that is nothing.
    """
    unit = settings.tokens_per_kwh * Decimal(10) ** decimals / _WH_PER_KWH
    producers = settings.producers_percent
    rate = int(unit * (_PERCENT - producers) / _PERCENT), int(unit * producers / _PERCENT)
    if not sum(rate):
        raise ConfigError(
            "settlement.tokens_per_kwh says what a shared kWh is paid with, and comes to nothing a watt-hour: set it "
            f"to {Decimal(_WH_PER_KWH * 2).scaleb(-decimals).normalize():f} at least"
        )
    return rate


def _token(community: Community, chain: Chain) -> Contract:
    """The token of the settings. Raises ConfigError where the chain has none there."""
    named = community.config.settlement.token
    if named is None:
        return community.open_contracts(chain).reward_token
    if not chain.has_code(named):
        raise ConfigError(f"settlement.token: the chain has no contract at {named}; name an ERC-20 token there")
    return token_at(chain, named)


def _escrow(community: Community, chain: Chain, registry: str, token: Contract, amount: int) -> Contract:
    """The community's; deployed when the operator has the amount that comes first, for its token stays."""

    def deploy() -> Contract:
        require_tokens(token, community.operator.address, amount)
        return deploy_payments(chain, community.operator, registry, str(token.address))

    payments = _CONTRACT.of(community, chain, payments_at, deploy)
    if (paid_in := str(token_of(chain, payments).address)) != token.address:
        raise ConfigError(
            f"settlement.token: shares are paid in {token.address} by the settings, and the community's escrow "
            f"{payments.address} pays in {paid_in} since its first period; set settlement.token to {paid_in}"
        )
    return payments
