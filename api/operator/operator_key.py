"""A new key for the operator: each contract gets it as its owner, in two steps, as does the meter authority's office.

The new key is on disk before the chain hears of it, and the old one stays on disk: whatever interrupts this, the same
call goes on with it, and completes as well what a reorganisation has taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from api.config.key_file import account_from_file
from api.operator.community import CONTRACTS, Community
from api.operator.export_models import export_model_registry
from api.operator.settlement_payment import settlement_payments
from api.operator.settlement_root import settlement_registry
from data.atomic import write_bytes
from rewards.chain import Chain
from rewards.errors import ChainError

Keys = Mapping[str, LocalAccount]


@dataclass(frozen=True)
class Renewed:
    """The operator's address before and now, the file of the key before, and the contracts that have a new owner."""

    before: str
    now: str
    older_key: Path
    contracts: tuple[str, ...]


def renew_operator_key(community: Community, chain: Chain) -> Renewed:
    """Hand the community's contracts over to a new key, and put that in the place of the operator's.

    Raises ChainError where there is no contract yet, where one obeys a key that is not here, or where the new
    address cannot pay for gas; ConfigError, DamagedFile, LostFile, OSError.
    """
    if not (community.folder / CONTRACTS).exists():
        raise ChainError("there are no contracts yet that could be handed over to a new key of the operator's")
    path, operator = community.operator_key, community.operator
    coming, older = _coming(community), sorted(path.parent.glob(f"{path.stem}-older-*.key"))
    kept = [*older, *([coming] if coming.exists() else [])]
    keys = {str(account.address): account for account in (operator, *map(account_from_file, kept))}
    owned = dict(_owned(community, chain))
    _check_ours(owned, keys, path)
    goes_on = coming.exists() or all(_owner(contract) == operator.address for contract in owned.values())
    new = account_from_file(coming) if goes_on else operator
    _check_funded(chain, new)
    changed = tuple(name for name, contract in owned.items() if _hand_over(chain, contract, keys, new))
    _hand_over_meters(chain, owned["forecast_registry"], keys, new)
    if not goes_on:
        return Renewed(operator.address, new.address, older[-1], changed)
    before = _older(path, operator.address)
    if not before.exists():
        write_bytes(before, path.read_bytes(), private=True)
    coming.replace(path)
    return Renewed(operator.address, new.address, before, changed)


def check_not_midway(community: Community, chain: Chain) -> None:
    """Raises ChainError where a renewal was interrupted and some contracts obey the next key already.

    The operator's key could then do a part of its work. Before the first contract has a new owner, it can do all.
    """
    coming = _coming(community)
    if coming.exists() and any(_owner(one) != community.operator.address for _, one in _owned(community, chain)):
        raise ChainError(
            f"the renewal of the operator's key was interrupted, and some contracts obey the key in {coming} "
            "already: run `wattproof renew-operator` again, which goes on with it"
        )


def _coming(community: Community) -> Path:
    """The key that is to be the operator's."""
    return community.operator_key.with_name(f"{community.operator_key.stem}-next.key")


def _older(path: Path, address: str) -> Path:
    """Where a key that was the operator's is kept, beside the one that is."""
    return path.with_name(f"{path.stem}-older-{address}.key")


def _owned(community: Community, chain: Chain) -> Iterator[tuple[str, Contract]]:
    """The contracts that have the operator as their owner."""
    known = community.open_contracts(chain)
    yield from {
        "model_registry": known.model_registry, "forecast_registry": known.forecast_registry,
        "reward_token": known.reward_token, "household_nft": known.household_nft, "rewards": known.rewards,
    }.items()  # fmt: skip
    for name, contract in {
        "challenges": known.challenges,
        "green_share": known.green_share,
        "settlement_registry": settlement_registry(community, chain),
        "settlement_payments": settlement_payments(community, chain),
        "export_model_registry": export_model_registry(community, chain),
    }.items():
        if contract is not None:
            yield name, contract


def _owner(contract: Contract) -> str:
    return str(contract.functions.owner().call())


def _check_ours(owned: Mapping[str, Contract], keys: Keys, path: Path) -> None:
    for name, contract in owned.items():
        if (owner := _owner(contract)) not in keys:
            raise ChainError(
                f"the contract {name} obeys {owner}, whose key is not here: put it beside the operator's, as "
                f"{_older(path, owner)}. Nothing was changed"
            )


def _check_funded(chain: Chain, new: LocalAccount) -> None:
    chain.fund(new.address)
    if chain.balance_of(new.address) == 0:
        raise ChainError(
            f"the new key's address {new.address} has no coins, and the operator pays for gas: send it some, then "
            "run this command again. No contract was changed"
        )


def _hand_over(chain: Chain, contract: Contract, keys: Keys, new: LocalAccount) -> bool:
    """Whether there was anything to do."""
    if (owner := _owner(contract)) == new.address:
        return False
    if contract.functions.pending_owner().call() != new.address:
        chain.send(keys[owner], contract.functions.transfer_ownership(new.address))
    chain.send(new, contract.functions.accept_ownership())
    return True


def _hand_over_meters(chain: Chain, registry: Contract, keys: Keys, new: LocalAccount) -> None:
    """Where the operator is the meter authority as well."""
    authority = str(registry.functions.authority().call())
    if authority == new.address or authority not in keys:
        return
    if registry.functions.pending_authority().call() != new.address:
        chain.send(keys[authority], registry.functions.transfer_authority(new.address))
    chain.send(new, registry.functions.accept_authority())
