"""What a peer needs of the chain: an interface that `api` fills in, for this package knows no chain.

Addresses are 20 bytes. Actions return why they were refused, in the contract's words, or an empty text; anybody may
have done the same before, so a refusal is no failure. Where the chain can't be reached, everything raises ChainAway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fl.errors import FederationError


class ChainAway(FederationError):
    """The chain does not answer just now."""


@dataclass(frozen=True)
class Terms:
    """What all members of a training are bound by (`contracts/gossip_registry.vy`)."""

    community: bytes
    segments: int
    numbers: int
    epochs: int
    leader_s: int
    committee: int
    draw_s: int  # time of a committee, after which another one is drawn


@dataclass(frozen=True)
class Moment:
    """Where the training stands now, by the chain's clock (UTC seconds)."""

    epoch: int
    revealing: bool
    time: int


@dataclass(frozen=True)
class Drawn:
    """An epoch whose seed is known: who is in its graph follows."""

    seed: bytes
    members: int  # that had joined when it began, by index
    gone: int  # of the list of those that are gone: before the first secret was revealed
    at: int  # when, by the chain's clock


@dataclass(frozen=True)
class Entry:
    """What a member has put down in an epoch; no root: nothing."""

    root: bytes | None
    revealed: bool


@dataclass(frozen=True)
class Accepted:
    """A leader's merge that the committee has recomputed."""

    root: bytes
    leader: bytes


class Registry(Protocol):
    """The registry as one member sees it."""

    @property
    def own(self) -> bytes: ...
    def terms(self) -> Terms: ...
    def moment(self) -> Moment: ...
    def members(self, count: int) -> Sequence[bytes]: ...
    def gone(self, count: int) -> frozenset[int]: ...
    def drawn(self, epoch: int) -> Drawn | None: ...
    def entry(self, epoch: int, member: bytes) -> Entry: ...
    def proposal(self, epoch: int, leader: bytes) -> bytes | None: ...
    def accepted(self, epoch: int) -> Accepted | None: ...
    def last_accepted(self) -> int: ...
    def open_challenges(self) -> int: ...
    def is_challenged(self, epoch: int, member: bytes, segment: int) -> bool: ...
    def sign_root(self, epoch: int, root: bytes) -> bytes: ...
    def has_signed(self, member: bytes, epoch: int, root: bytes, signature: bytes) -> bool: ...
    def advance(self) -> str: ...
    def publish(self, epoch: int, root: bytes, secret: bytes) -> str: ...
    def reveal(self, epoch: int, secret: bytes) -> str: ...
    def propose(self, epoch: int, rank: int, root: bytes) -> str: ...
    def attest(self, epoch: int, leader: bytes, draw: int, place: int) -> str: ...
    def challenge(self, epoch: int, member: bytes, segment: int) -> str: ...
    def answer(self, epoch: int, segment: int, block: bytes, path: Sequence[bytes]) -> str: ...
    def slash_unanswered(self, epoch: int, member: bytes, segment: int) -> str: ...
    def slash_unrevealed(self, epoch: int, member: bytes) -> str: ...
    def slash_two_roots(self, epoch: int, member: bytes, root: bytes, signature: bytes) -> str: ...
