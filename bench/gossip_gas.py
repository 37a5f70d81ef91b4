"""What an epoch of a training without a server costs on a chain: the registry's calls, on the embedded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3.contract import Contract

from fl.gossip.draws import committee, leader
from fl.gossip.settings import GossipSettings
from rewards.chain import Chain
from rewards.deploy import deploy
from rewards.gossip import Terms, commitment_of, deploy_registry
from rewards.membership import enrol
from rewards.settings import RewardSettings

_COMMUNITY = b"\x0c" * 32


@dataclass(frozen=True)
class EpochGas:
    """Gas of each call, the mean; `committee`: members that attest."""

    join: float
    publish: float
    reveal: float
    propose: float
    attest: float
    committee: int

    def of(self, peers: int) -> float:
        """An epoch of so many: each publishes and reveals, one proposes, more than half of a committee attest."""
        attesting = min(self.committee, peers) // 2 + 1
        return peers * (self.publish + self.reveal) + self.propose + attesting * self.attest


def epoch_gas(peers: int, settings: GossipSettings) -> EpochGas:
    """Two epochs of so many members on a chain of their own; the second is measured, the first one warms up."""
    chain = Chain.embedded()
    operator = _account(1)
    contracts = deploy(chain, operator, RewardSettings(verifier="auditor"), 0, _COMMUNITY)
    members = [_account(100 + number) for number in range(peers)]
    for member in members:
        chain.fund(member.address)
        enrol(chain, contracts, operator, member)
    households = contracts.forecast_registry.address
    terms = Terms(
        settings.segments, 1055, epochs=10, fewest=3, publish_s=100, reveal_s=100, leader_s=10, challenge_s=100,
        committee=settings.committee,
    )  # fmt: skip
    registry = deploy_registry(chain, operator, _COMMUNITY, households, terms)
    for member in members:
        chain.send(member, registry.functions.join(), value=registry.functions.BOND().call())
    chain.advance_to(chain.now + 101)
    for epoch in (1, 2):
        for name in ("publish", "reveal", "propose", "attest"):
            chain.gas.pop(name, None)
        _epoch(chain, registry, members, epoch)
    return EpochGas(**{name: mean(chain.gas[name]) for name in _CALLS}, committee=settings.committee)


_CALLS = ("join", "publish", "reveal", "propose", "attest")


def _epoch(chain: Chain, registry: Contract, members: Sequence[LocalAccount], epoch: int) -> None:
    secrets = {member.address: keccak(member.address.encode() + bytes([epoch])) for member in members}
    for member in members:
        commitment = commitment_of(epoch, member.address, secrets[member.address])
        chain.send(member, registry.functions.publish(epoch, keccak(member.address.encode()), commitment))
    for member in members:
        chain.send(member, registry.functions.reveal(epoch, secrets[member.address]))
    seed, root = bytes(registry.functions.seed_of(epoch).call()), keccak(bytes([epoch]))
    leading = members[leader(seed, 0, len(members))]
    chain.send(leading, registry.functions.propose(epoch, 0, root))
    chosen = committee(seed, registry.functions.COMMITTEE().call(), len(members))
    for place, index in enumerate(chosen[: len(chosen) // 2 + 1]):
        chain.send(members[index], registry.functions.attest(epoch, leading.address, 0, place))


def _account(number: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
    return account
