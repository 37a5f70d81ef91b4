"""Opening of a committed row as a multilinear polynomial, by one inner product of univariate ones: Mercury (Eagen,
Gabizon, eprint 2025/385, section 3) and Samaritan (Ganesh, Patranabis, Singh, eprint 2025/419), over KZG (Kate,
Zaverucha, Goldberg 2010), batched as in Boneh et al. (eprint 2020/081, section 4.1).

The row is the coefficient vector of f(X). With g(X) = prod_k ((1 - u_k) + u_k X^(2^k)), whose coefficients are the
eq weights of the point u, the value <row, eq(u)> is v if and only if there is a polynomial S with

    f(X) g(1/X) + f(1/X) g(X) = 2 v + X S(X) + S(1/X) / X,

for both sides are symmetric, and no S reaches the constant term. The verifier checks it at a random r, where g costs
it one product for each coordinate: from f(r), f(1/r) and S(r) follows what S(1/r) must be. Degrees need no check of
their own: the ceremony has as many powers as a row has entries.
The caller adds a uniformly random row before the opening, so that everything revealed here is uniform but the value.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkp.algebra.field import MODULUS, inverse
from zkp.algebra.group import Combination, GroupEquation
from zkp.algebra.srs import Setup
from zkp.algebra.vector import Vector
from zkp.argument.transcript import ProverChannel, VerifierChannel
from zkp.errors import InvalidProof


def prove(channel: ProverChannel, setup: Setup, row: Vector, point: Sequence[int]) -> None:
    """Prove the value of `row` at `point` (one coordinate for each bit of the index, lowest first)."""
    bases, msm = setup.powers(len(row)), setup.curve.msm
    symmetric = _symmetric_part(row, point)
    channel.send_points("opening/symmetric", [msm(bases, symmetric)])
    r = channel.challenge("opening/r")
    values = [row.evaluate(r), row.evaluate(inverse(r)), symmetric.evaluate(r)]
    channel.send_scalars("opening/values", values)
    batch = row + symmetric * channel.challenge("opening/q")
    back = inverse(r)
    quotient = batch.divide_linear(r)[0].divide_linear(back)[0]
    channel.send_points("opening/quotient", [msm(bases, quotient)])
    z = channel.challenge("opening/z")
    remainder = batch - quotient * _vanishing(r, back, z)  # its value at z divides away with (X - z)
    channel.send_points("opening/witness", [msm(bases, remainder.divide_linear(z)[0])])


def _symmetric_part(row: Vector, point: Sequence[int]) -> Vector:
    """S, as long as the row: its coefficient of X^j is that of X^(j+1) in f(X) g(1/X) + f(1/X) g(X)."""
    size = len(row)
    product = Vector.zeros(2 * size)  # X^(size - 1) f(X) g(1/X), one factor u_k + (1 - u_k) X^(2^k) after the other
    product[:size] = row
    for k, u in enumerate(point):
        step = 1 << k
        shifted = Vector.zeros(2 * size)
        shifted[step:] = product[:-step]
        product = shifted + (product - shifted) * u
    middle = size - 1
    out = Vector.zeros(size)
    out[:-1] = product[middle + 1 : middle + size] + product[:middle].reversed()
    return out


def verify(channel: VerifierChannel, commitment: Combination, point: Sequence[int], value: int) -> GroupEquation:
    """What the opening leaves is one pairing equation. Raises InvalidProof."""
    (symmetric,) = channel.receive_points("opening/symmetric", 1)
    r = channel.challenge("opening/r")
    try:
        back = inverse(r)
        over_distance = inverse(r - back)
    except ZeroDivisionError as error:  # probability 2^-252
        raise InvalidProof("a challenge is zero or its own inverse") from error
    at_r, at_back, symmetric_at_r = channel.receive_scalars("opening/values", 3)
    total = at_r * _weights_at(point, back) + at_back * _weights_at(point, r) - 2 * value
    symmetric_at_back = r * (total - r * symmetric_at_r) % MODULUS
    q = channel.challenge("opening/q")
    (quotient,) = channel.receive_points("opening/quotient", 1)
    z = channel.challenge("opening/z")
    (witness,) = channel.receive_points("opening/witness", 1)

    batch_at_r, batch_at_back = at_r + q * symmetric_at_r, at_back + q * symmetric_at_back
    slope = (batch_at_r - batch_at_back) * over_distance
    equation = GroupEquation()
    equation.left.add(commitment, 1)
    equation.left.add_point(symmetric, q)
    equation.left.add_powers([-(batch_at_r + slope * (z - r)) % MODULUS])
    equation.left.add_point(quotient, -_vanishing(r, back, z))
    equation.left.add_point(witness, z)
    equation.right.add_point(witness, 1)
    return equation


def _weights_at(point: Sequence[int], x: int) -> int:
    """g(x): the polynomial whose coefficients are the eq weights of the point."""
    out = 1
    for u in point:
        out = out * (1 + u * (x - 1)) % MODULUS
        x = x * x % MODULUS
    return out


def _vanishing(r: int, back: int, z: int) -> int:
    """(z - r)(z - 1/r)."""
    return (z - r) * (z - back) % MODULUS
