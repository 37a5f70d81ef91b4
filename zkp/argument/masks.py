"""The sumchecks' masks: one commitment to all coefficients, and one proof of what they are worth at the points.

The proof is Schnorr's protocol for linear forms of a Pedersen vector commitment (Maurer 2009; Attema and Cramer,
eprint 2020/152, section 2.2): knowledge of m with commit(m) = C and <m, w_i> = v_i for all i, honest-verifier zero
knowledge, special soundness 1/r.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS
from zkp.algebra.group import GroupEquation
from zkp.algebra.srs import Setup
from zkp.algebra.vector import RandomScalars
from zkp.argument.sumcheck import Mask, MaskShape
from zkp.argument.transcript import ProverChannel, VerifierChannel


@dataclass(frozen=True, repr=False)
class CommittedMasks:
    """The prover's side: coefficients of all masks one after the other, and their blinding."""

    shapes: tuple[MaskShape, ...]
    coefficients: list[int]
    blinding: int

    @classmethod
    def draw(cls, shapes: tuple[MaskShape, ...], random: RandomScalars) -> CommittedMasks:
        *coefficients, blinding = random(sum(s.size for s in shapes) + 1)
        return cls(shapes, coefficients, blinding)

    def mask(self, index: int) -> Mask:
        first = sum(s.size for s in self.shapes[:index])
        return Mask(self.shapes[index], self.coefficients[first : first + self.shapes[index].size])

    def commit(self, setup: Setup) -> Point:
        return _commit(setup, self.coefficients, self.blinding)


def _commit(setup: Setup, values: Sequence[int], blinding: int) -> Point:
    bases = [*setup.powers(len(values))[: len(values)], setup.blinder]
    return setup.curve.msm(bases, [*values, blinding])


def _apply(shapes: Sequence[MaskShape], points: Sequence[Sequence[int]], values: Sequence[int]) -> list[int]:
    """Value at its point of each mask in a vector of coefficients."""
    out, first = [], 0
    for shape, point in zip(shapes, points, strict=True):
        part = values[first : first + shape.size]
        out.append(sum(w * v for w, v in zip(shape.weights(point), part, strict=True)) % MODULUS)
        first += shape.size
    return out


def prove(
    channel: ProverChannel,
    setup: Setup,
    masks: CommittedMasks,
    points: Sequence[Sequence[int]],
    random: RandomScalars,
) -> None:
    *nonce, nonce_blinding = random(len(masks.coefficients) + 1)
    channel.send_points("masks/nonce", [_commit(setup, nonce, nonce_blinding)])
    channel.send_scalars("masks/nonce values", _apply(masks.shapes, points, nonce))
    e = channel.challenge("masks/challenge")
    response = [(k + e * m) % MODULUS for k, m in zip(nonce, masks.coefficients, strict=True)]
    channel.send_scalars("masks/response", [*response, (nonce_blinding + e * masks.blinding) % MODULUS])


def verify(
    channel: VerifierChannel,
    shapes: Sequence[MaskShape],
    commitment: Point,
    points: Sequence[Sequence[int]],
    values: Sequence[int],
) -> GroupEquation:
    """Check the linear forms; what is left is that the response opens nonce + e * commitment. Raises InvalidProof."""
    (nonce,) = channel.receive_points("masks/nonce", 1)
    nonce_values = channel.receive_scalars("masks/nonce values", len(shapes))
    e = channel.challenge("masks/challenge")
    *response, blinding = channel.receive_scalars("masks/response", sum(s.size for s in shapes) + 1)
    for got, k, v in zip(_apply(shapes, points, response), nonce_values, values, strict=True):
        channel.require_zero(got - k - e * v, "the value of a sumcheck's mask is not the committed one")
    equation = GroupEquation()
    equation.left.add_powers(response)
    equation.left.blinder = blinding
    equation.left.add_point(nonce, -1)
    equation.left.add_point(commitment, -e)
    return equation
