"""Members of a training without a server, on an embedded chain of their own: what each would send."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from fl.gossip.blocks import Place, Published, merkle_path
from fl.gossip.draws import committee, leader
from fl.gossip.segments import Segments
from rewards.chain import Chain
from rewards.deploy import deploy
from rewards.gossip import Terms, commitment_of, deploy_registry
from rewards.membership import enrol
from rewards.settings import RewardSettings
from tests.rewards.conftest import COMMUNITY, DAY_START, account

SEGMENTS = Segments(13, 4)
TERMS = Terms(
    SEGMENTS.count, SEGMENTS.size, epochs=3, fewest=3, publish_s=1000, reveal_s=500, leader_s=50, challenge_s=300,
    committee=3,
)  # fmt: skip


@dataclass
class Training:
    """A registry and its members, by number."""

    chain: Chain
    registry: Contract
    members: list[LocalAccount]
    secrets: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @property
    def call(self) -> object:
        return self.registry.functions

    def send(self, number: int, name: str, *arguments: object, value: int = 0) -> None:
        self.chain.send(self.members[number], getattr(self.registry.functions, name)(*arguments), value=value)

    def ask(self, name: str, *arguments: object) -> object:
        return getattr(self.registry.functions, name)(*arguments).call(block_identifier="pending")

    def wait(self, seconds: int) -> None:
        self.chain.advance_to(self.chain.now + seconds)

    def published(self, number: int, epoch: int) -> Published:
        place = Place(COMMUNITY, epoch, bytes.fromhex(self.members[number].address[2:]))
        return Published.of(place, np.arange(SEGMENTS.length) * (number + 1) + epoch, SEGMENTS)

    def publish(self, number: int, epoch: int) -> None:
        secret = bytes([number + 1, epoch]) * 16
        self.secrets[number, epoch] = secret
        commitment = commitment_of(epoch, self.members[number].address, secret)
        self.send(number, "publish", epoch, self.published(number, epoch).root, commitment)

    def reveal(self, number: int, epoch: int) -> None:
        self.send(number, "reveal", epoch, self.secrets[number, epoch])

    def run_epoch(self, epoch: int, numbers: list[int]) -> bytes:
        """All of these publish and reveal; the epoch's seed."""
        for number in numbers:
            self.publish(number, epoch)
        for number in numbers:
            self.reveal(number, epoch)
        return bytes(self.ask("seed_of", epoch))  # type: ignore[call-overload]

    def answer(self, number: int, epoch: int, segment: int) -> None:
        own = self.published(number, epoch)
        self.send(number, "answer", epoch, segment, own.blocks[segment], merkle_path(own.digests, segment))

    def bond(self, number: int) -> int:
        return int(self.ask("member_of", self.members[number].address)[0])  # type: ignore[index]

    def leader(self, seed: bytes, rank: int = 0) -> int:
        return leader(seed, rank, len(self.members))

    def committee(self, seed: bytes, draw: int = 0) -> list[int]:
        return committee(seed, TERMS.committee, len(self.members), draw)

    def attest(self, number: int, epoch: int, leader: int, draw: int, place: int) -> None:
        self.send(number, "attest", epoch, self.members[leader].address, draw, place)


def training(count: int = 4, waiting: int = 0) -> Training:
    """`count` members that have joined; epoch 1 begins once the time to join is over.

    `waiting`: households beside them that may join, the last of `members`.
    """
    chain = Chain.embedded(start_time=DAY_START)
    operator = account(1)
    contracts = deploy(chain, operator, RewardSettings(verifier="auditor"), 0, COMMUNITY)
    members = [account(50 + number) for number in range(count + waiting)]
    for member in (*members, account(99)):
        chain.fund(member.address)
    for member in members:
        enrol(chain, contracts, operator, member)
    registry = deploy_registry(chain, operator, COMMUNITY, contracts.forecast_registry.address, TERMS)
    begun = Training(chain, registry, members)
    for number in range(count):
        begun.send(number, "join", value=TERMS.bond)
    return begun
