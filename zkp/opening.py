"""Opening of a committed row as a multilinear polynomial: Gemini's folding (Bootle et al., eprint 2022/420,
section 5, also known as HyperKZG) over KZG (Kate, Zaverucha, Goldberg 2010), batched as in Boneh et al.
(eprint 2020/081, section 4.1).

The row is the coefficient vector of P_0(X). Folding with the point's coordinates, lowest first,

    P_{i+1}(X^2) = (1 - u_i) (P_i(X) + P_i(-X)) / 2 + u_i (P_i(X) - P_i(-X)) / (2 X),

ends in the constant P_n = value. The verifier checks every step at a random r, from P_i(r), P_i(-r) and P_0(r^2).
The caller adds a uniformly random row before the opening, so that everything revealed here is uniform but the value.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.errors import InvalidProof
from zkp.field import MODULUS, inverse
from zkp.field import powers as powers_of
from zkp.group import Combination, GroupEquation
from zkp.setup import Setup
from zkp.transcript import ProverChannel, VerifierChannel
from zkp.vector import Vector


def prove(channel: ProverChannel, setup: Setup, row: Vector, point: Sequence[int]) -> None:
    """Prove the value of `row` at `point` (one coordinate for each bit of the index, lowest first)."""
    bases = setup.powers(len(row))
    folds = [row]
    for u in point[:-1]:
        folds.append(folds[-1].fold_pairs(u))
    channel.send_points("opening/folds", setup.curve.msm_many(bases, folds[1:]))
    r = channel.challenge("opening/r")
    for_r = [p.evaluate(at) for p in folds for at in (r, MODULUS - r)]
    channel.send_scalars("opening/values", [*for_r, row.evaluate(r * r % MODULUS)])
    q = channel.challenge("opening/q")
    batch = row.copy()
    for scale, p in zip(powers_of(q, len(folds))[1:], folds[1:], strict=True):
        batch[: len(p)] = batch[: len(p)] + p * scale
    quotient = batch
    for at in (r, MODULUS - r, r * r % MODULUS):
        quotient = quotient.divide_linear(at)[0]
    channel.send_points("opening/quotient", [setup.curve.msm(bases, quotient)])
    z = channel.challenge("opening/z")
    remainder = batch - quotient * _vanishing(r, z)  # its value at z divides away with (X - z)
    channel.send_points("opening/witness", [setup.curve.msm(bases, remainder.divide_linear(z)[0])])


def verify(channel: VerifierChannel, commitment: Combination, point: Sequence[int], value: int) -> GroupEquation:
    """Check the folding; what is left is one pairing equation. Raises InvalidProof."""
    n = len(point)
    folds = channel.receive_points("opening/folds", n - 1)
    r = channel.challenge("opening/r")
    values = channel.receive_scalars("opening/values", 2 * n + 1)
    plus, minus, squares = values[0:-1:2], values[1::2], [values[-1]]
    half, half_over_r = inverse(2), inverse(2 * r)
    for u, p, m in zip(point, plus, minus, strict=True):
        squares.append(((1 - u) * (p + m) * half + u * (p - m) * half_over_r) % MODULUS)
    if squares[-1] != value % MODULUS:
        raise InvalidProof("the opened row has another value at the point")
    q = channel.challenge("opening/q")
    (quotient,) = channel.receive_points("opening/quotient", 1)
    z = channel.challenge("opening/z")
    (witness,) = channel.receive_points("opening/witness", 1)

    scales = powers_of(q, n)
    at_r, at_minus, at_square = (
        sum(s * v for s, v in zip(scales, seq, strict=True)) for seq in (plus, minus, squares[:-1])
    )
    equation = GroupEquation()
    equation.left.add(commitment, 1)
    for scale, fold in zip(scales[1:], folds, strict=True):
        equation.left.add_point(fold, scale)
    equation.left.add_powers([-_through(r, at_r, at_minus, at_square, z)])
    equation.left.add_point(quotient, -_vanishing(r, z))
    equation.left.add_point(witness, z)
    equation.right.add_point(witness, 1)
    return equation


def _vanishing(r: int, z: int) -> int:
    """(z - r)(z + r)(z - r^2)."""
    return (z * z - r * r) * (z - r * r) % MODULUS


def _through(r: int, at_r: int, at_minus: int, at_square: int, z: int) -> int:
    """Value at z of the quadratic through (r, ..), (-r, ..), (r^2, ..)."""
    s = r * r % MODULUS
    total = at_r * (z + r) * (z - s) * inverse(2 * r * (r - s))
    total += at_minus * (z - r) * (z - s) * inverse(-2 * r * (-r - s))
    total += at_square * (z * z - s) * inverse(s * s - s)
    return total % MODULUS
