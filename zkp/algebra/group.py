"""The group equations a verifier has left at the end, all in one: e(left, G2) = e(right, tau G2).

Terms are only collected; one multi-scalar multiplication and one pairing check settle them, for one proof or for a
whole batch (small-exponent batching, Bellare, Garay, Rabin 1998, with full-size random weights).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup


@dataclass
class Combination:
    """A sum of scalars times points; multiples of the ceremony's powers and of the blinder are kept apart."""

    points: list[Point] = field(default_factory=list)
    scalars: list[int] = field(default_factory=list)
    powers: list[int] = field(default_factory=list)
    blinder: int = 0

    def add_point(self, point: Point, scalar: int) -> None:
        self.points.append(point)
        self.scalars.append(scalar % MODULUS)

    def add_powers(self, scalars: Sequence[int], weight: int = 1) -> None:
        self.powers.extend([0] * (len(scalars) - len(self.powers)))
        self.powers[: len(scalars)] = [
            (known + weight * s) % MODULUS for known, s in zip(self.powers, scalars, strict=False)
        ]

    def add(self, other: Combination, weight: int) -> None:
        self.points.extend(other.points)
        self.scalars.extend(s * weight % MODULUS for s in other.scalars)
        self.add_powers(other.powers, weight)
        self.blinder = (self.blinder + weight * other.blinder) % MODULUS

    def evaluate(self, setup: Setup) -> Point:
        bases = [*setup.powers(len(self.powers))[: len(self.powers)], setup.blinder, *self.points]
        return setup.curve.msm(bases, [*self.powers, self.blinder, *self.scalars])


@dataclass
class GroupEquation:
    """e(left, G2) = e(right, tau G2)."""

    left: Combination = field(default_factory=Combination)
    right: Combination = field(default_factory=Combination)

    def add(self, other: GroupEquation, weight: int) -> None:
        self.left.add(other.left, weight)
        self.right.add(other.right, weight)

    def holds(self, setup: Setup) -> bool:
        curve = setup.curve
        right = curve.negate(self.right.evaluate(setup))
        return curve.pairing_check([(self.left.evaluate(setup), setup.g2), (right, setup.tau_g2)])


def combine(equations: Iterable[tuple[GroupEquation, int]]) -> GroupEquation:
    """The weighted sum of equations."""
    total = GroupEquation()
    for equation, weight in equations:
        total.add(equation, weight)
    return total
