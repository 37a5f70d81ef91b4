"""A settled period: the shares that members proved, and the remainder.

Conservation: shares and remainder are the period's shared energy, to the watt-hour, on both sides: of those who took
and of those who fed in. A member that has not proved its share yet keeps nobody waiting: its part stays in the
remainder until it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eth_hash.auto import keccak

from api.protocol import merkle
from api.protocol.period import SIDES, CheckedPeriod, Period, PeriodError, Side
from zkp.errors import ProofError
from zkp.statements import allotted_energy, shared_energy
from zkp.statements.period import PeriodStatement

_WORD = 32


@dataclass(frozen=True)
class Share:
    """A member's part of the shared energy on one side (Wh), and its proof."""

    wh: int
    proof: bytes


Shares = Mapping[tuple[str, Side], Share]
"""By household and side."""


@dataclass(frozen=True)
class Settlement:
    """A period with the shares that were proven."""

    period: Period
    shares: Shares

    def given(self, side: Side) -> int:
        """What all proven shares of a side come to (Wh)."""
        return sum(share.wh for (_, of), share in self.shares.items() if of == side)

    def remainder(self, side: Side) -> int:
        """The community's (Wh): left by rounding, allotted to nobody or not taken, or not proven yet."""
        return self.period.shared_wh - self.given(side)

    @property
    def late(self) -> tuple[str, ...]:
        """Members that have not proved both of their shares."""
        return tuple(h for h in self.period.households if any((h, side) not in self.shares for side in SIDES))

    @property
    def root(self) -> bytes:
        """Merkle root of all shares, as OpenZeppelin's MerkleProof checks it: sorted pairs, leaves hashed twice.

        A leaf is abi.encode(community, first day, last day, household, side, Wh, Keccak-256 of the proof).
        """
        return merkle.levels(self._leaves)[-1][0]

    def path(self, household: str, side: Side) -> list[bytes]:
        """The hashes beside a share's leaf and beside each node above it: with them, anybody comes to the root.

        Raises KeyError for a share that is not there.
        """
        return merkle.path(self._leaves, self._leaf(household, side))

    def path_of(self, leaf: bytes) -> list[bytes] | None:
        """The same of a leaf, which only those know who know the share and its proof; None for one not there."""
        leaves = self._leaves
        return merkle.path(leaves, leaf) if leaf in leaves else None

    @property
    def _leaves(self) -> list[bytes]:
        return sorted(self._leaf(household, side) for household, side in self.shares)

    def _leaf(self, household: str, side: Side) -> bytes:
        return share_leaf(self.period, household, side, self.shares[household, side])


def share_leaf(of: Period, household: str, side: Side, share: Share) -> bytes:
    """The leaf of a share in its period's tree."""
    numbers = (of.first, of.last, int(household, 16), SIDES.index(side), share.wh)
    words = b"".join(number.to_bytes(_WORD, "big") for number in numbers)
    return keccak(keccak(of.identifier + words + keccak(share.proof)))


def prove_share(statement: PeriodStatement, readings: list[list[int]], blindings: list[int]) -> Share:
    """The share that follows from the readings, and its proof. Raises WitnessError for other days."""
    match statement:
        case shared_energy.Statement():
            wh = shared_energy.share_of(statement.numbers, readings)
            return Share(wh, shared_energy.prove(replace(statement, share=wh), readings, blindings))
        case allotted_energy.Statement():
            wh = allotted_energy.share_of(statement.numbers, readings)
            return Share(wh, allotted_energy.prove(replace(statement, share=wh), readings, blindings))
    raise TypeError(f"{type(statement).__name__} is no statement of a share")


def verify_share(checked: CheckedPeriod, household: str, side: Side, share: Share) -> None:
    """Accept a share by returning. Raises PeriodError, ProofError."""
    match checked.statement(household, side, share.wh):
        case shared_energy.Statement() as statement:
            shared_energy.verify(statement, share.proof)
        case allotted_energy.Statement() as statement:
            allotted_energy.verify(statement, share.proof)
        case other:
            raise TypeError(f"{type(other).__name__} is no statement of a share")


def settle(checked: CheckedPeriod, shares: Shares) -> Settlement:
    """The settlement of a period by these shares. Raises PeriodError, which names the household of a false one."""
    for (household, side), share in shares.items():
        try:
            verify_share(checked, household, side, share)
        except ProofError as problem:
            raise PeriodError(f"{household}'s share of {side} does not hold: {problem}") from None
    settlement = Settlement(checked.period, dict(shares))
    if any(settlement.remainder(side) < 0 for side in SIDES):
        raise PeriodError("the shares come to more than was shared")
    return settlement
