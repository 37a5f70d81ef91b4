"""The sumcheck protocol (Lund, Fortnow, Karloff, Nisan 1992) with Libra's masks (Xie et al., eprint 2019/317, 4.1).

To prove sum_x f(x) = claim over {0,1}^n, the prover first commits to a random g(x) = g_0 + sum_k g_k(x_k), as many
coefficients as the protocol will reveal values, sends G = sum_x g(x), and the two run sumcheck on f + rho g. Every
message is then uniform, whatever f is. That g(r) is what it is said to be is proven with all other masks in
`zkp.argument.masks`.

Variables are bound from the highest bit of the index down. A round sends the values at 0, 2, 3, ..., degree; the
value at 1 follows from the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from zkp.algebra.field import MODULUS, interpolate
from zkp.algebra.vector import Vector
from zkp.argument.transcript import ProverChannel, VerifierChannel
from zkp.errors import WitnessError


@dataclass(frozen=True)
class MaskShape:
    """Which coefficients a mask has: one constant, then `degree` for each variable."""

    variables: int
    degree: int

    @property
    def size(self) -> int:
        return 1 + self.variables * self.degree

    def weights(self, point: Sequence[int]) -> list[int]:
        """The linear form that takes the coefficients to g(point)."""
        out = [1]
        for x in point:
            power = 1
            for _ in range(self.degree):
                power = power * x % MODULUS
                out.append(power)
        return out


@dataclass(frozen=True, repr=False)
class Mask:
    """g(x) = g_0 + sum_k sum_e g_{k,e} x_k^e."""

    shape: MaskShape
    coefficients: Sequence[int]

    def _terms(self, variable: int) -> Sequence[int]:
        first = 1 + variable * self.shape.degree
        return self.coefficients[first : first + self.shape.degree]

    def at(self, variable: int, x: int) -> int:
        """g_k(x) without the constant."""
        total = 0
        for c in reversed(self._terms(variable)):
            total = (total + c) * x % MODULUS
        return total

    def total(self) -> int:
        """Sum over the hypercube."""
        n = self.shape.variables
        ones = sum(self.at(k, 1) for k in range(n))
        return ((self.coefficients[0] << n) + (ones << (n - 1))) % MODULUS

    def round_values(self, variable: int, bound: int) -> list[int]:
        """Sums over the free variables below `variable`, at 0..degree; `bound` = sum of g_k(r_k) of those above."""
        below = sum(self.at(k, 1) for k in range(variable))
        rest = ((self.coefficients[0] + bound) << variable) + (below << (variable - 1) if variable else 0)
        return [((self.at(variable, x) << variable) + rest) % MODULUS for x in range(self.shape.degree + 1)]


_BLOCK = 1024
"""Rows that are combined at a time: what lies between stays in the processor's cache."""


class Summand(Protocol):
    """A polynomial being summed: its round polynomials, one variable after the other."""

    def round_values(self, degree: int) -> list[int]:
        """Sums over the remaining hypercube with the highest free variable at 0, 1, ..., degree."""

    def bind(self, r: int) -> None:
        """Set the highest free variable to r."""


@dataclass(repr=False)
class TableSum:
    """sum_x combine(tables(x)) for multilinear tables, the general case."""

    tables: list[Vector]
    combine: Callable[[list[Vector]], Vector]

    def round_values(self, degree: int) -> list[int]:
        half = len(self.tables[0]) // 2
        values = [0] * (degree + 1)
        for start in range(0, half, _BLOCK):
            stop = min(start + _BLOCK, half)
            current = [t[start:stop] for t in self.tables]
            steps = [t[half + start : half + stop] - low for t, low in zip(self.tables, current, strict=True)]
            for x in range(degree + 1):
                if x:
                    current = [c + s for c, s in zip(current, steps, strict=True)]
                values[x] += self.combine(current).total()
        return [v % MODULUS for v in values]

    def bind(self, r: int) -> None:
        self.tables = [t.fold(r) for t in self.tables]


def prove(channel: ProverChannel, label: str, summand: Summand, claim: int, mask: Mask) -> list[int]:
    """Run the prover; returns the point, point[k] for bit k. Raises WitnessError if the sum is not the claim."""
    shape = mask.shape
    channel.send_scalars(f"{label}/mask total", [mask.total()])
    rho = channel.challenge(f"{label}/mask")
    claim = (claim + rho * mask.total()) % MODULUS
    point = [0] * shape.variables
    bound = 0
    for k in reversed(range(shape.variables)):
        pairs = zip(summand.round_values(shape.degree), mask.round_values(k, bound), strict=True)
        values = [(f + rho * g) % MODULUS for f, g in pairs]
        if (values[0] + values[1] - claim) % MODULUS:
            raise WitnessError(f"the witness does not satisfy the statement ({label})")
        channel.send_scalars(f"{label}/round", values[:1] + values[2:])
        point[k] = channel.challenge(f"{label}/point")
        claim = interpolate(values, point[k])
        bound += mask.at(k, point[k])
        summand.bind(point[k])
    channel.send_scalars(f"{label}/mask value", [(mask.coefficients[0] + bound) % MODULUS])
    return point


@dataclass(frozen=True)
class Reduced:
    """What a verifier is left with: f(point) = value, if the mask's value at the point is as said."""

    point: list[int]
    value: int
    mask_value: int


def verify(channel: VerifierChannel, label: str, shape: MaskShape, claim: int) -> Reduced:
    """Run the verifier. It cannot fail here: the reduced claim carries the whole burden."""
    (total,) = channel.receive_scalars(f"{label}/mask total", 1)
    rho = channel.challenge(f"{label}/mask")
    claim = (claim + rho * total) % MODULUS
    point = [0] * shape.variables
    for k in reversed(range(shape.variables)):
        sent = channel.receive_scalars(f"{label}/round", shape.degree)
        values = [sent[0], (claim - sent[0]) % MODULUS, *sent[1:]]
        point[k] = channel.challenge(f"{label}/point")
        claim = interpolate(values, point[k])
    (mask_value,) = channel.receive_scalars(f"{label}/mask value", 1)
    return Reduced(point, (claim - rho * mask_value) % MODULUS, mask_value)
