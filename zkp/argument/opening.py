"""Step 6, opening: sum_j <row_j, w_j> = v for committed rows and public weights, by one pairing equation.

A row is the coefficient vector of a polynomial f_j of degree below n, in the powers of tau up to tau^N, N = 4096 - 1.
With w*_j(X) = sum_i w_j[i] X^(n - 1 - i), the coefficient of X^(n-1) in sum_j f_j w*_j is the sum of inner products
(as in the linear-map commitments of Libert, Ramanna and Yung, ICALP 2016). It is moved to X^(N+1), the first power
that nobody can commit to, so that what stands below it and above it can be committed apart:

    X^(N+2-n) sum_j f_j(X) w*_j(X) = A(X) + v X^(N+1) + X^(N+2) B(X),                 deg A, B <= N by the ceremony.

The verifier checks it at a random point r = 1 / rho, where it knows all weights, so that the left side is a linear
combination of the commitments (the linearisation of Plonk, eprint 2019/953) and no value needs to be sent:

    L(X) = sum_j w_j(rho) f_j(X) - rho^(N+1) A(X) - v - r B(X),           w_j(rho) = sum_i w_j[i] rho^i,
    L(r) = 0,  shown by  W(X) = L(X) / (X - r)  (Kate, Zaverucha, Goldberg 2010):  e([L] + r [W], G2) = e([W], tau
    G2).

A and B carry random blindings, and the blinding of L is sent. So all that is sent is uniform as soon as one cell that
no claim is about is: it moves L(tau).

Soundness: 2 (N + 2) / r for rho, in the algebraic group model, where a commitment is a polynomial of degree N at most
and a multiple of H.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS, inverse
from zkp.algebra.group import GroupEquation
from zkp.algebra.polynomial import sum_of_products
from zkp.algebra.srs import ROW, Setup
from zkp.algebra.vector import RandomScalars, Vector, concatenate
from zkp.argument.forms import Powers
from zkp.argument.transcript import ProverChannel, VerifierChannel
from zkp.errors import InvalidProof, require

HIGHEST = ROW - 1
"""N, the highest power of tau that there is."""


def prove(
    channel: ProverChannel,
    setup: Setup,
    rows: Sequence[Vector],
    weights: Vector,
    blindings: Mapping[int, int],
    value: int,
    random: RandomScalars,
) -> None:
    """`rows`: vectors of one length, a power of two; `weights`: row after row. Raises WitnessError if the sum is not
    the value."""
    length, own = len(rows[0]), random(2)
    each = [weights[k * length : (k + 1) * length] for k in range(len(rows))]
    product = sum_of_products([(f, w.reversed()) for f, w in zip(rows, each, strict=True)], length)
    below, (found,), above = product[: length - 1], product[length - 1 : length].to_ints(), product[length:]
    require(found == value, "linear constraints")
    shift = HIGHEST + 2 - length  # A has no lower power
    bases, parts = setup.powers(ROW), (below, above[: length - 1])
    starts = (shift, 0)
    sums = setup.curve.msm_many(
        [
            ([*bases[start : start + length - 1], setup.blinder], concatenate([part, Vector.from_ints([b])]))
            for start, part, b in zip(starts, parts, own, strict=True)
        ]
    )
    channel.send_points("opening/halves", sums)
    rho = channel.challenge("opening/point")
    r = inverse(rho)
    powers, at = Vector.powers(rho, length), Vector.zeros(ROW)
    blinding = 0
    for k, (row, w) in enumerate(zip(rows, each, strict=True)):
        scale = w.inner(powers)
        at[:length] = at[:length] + row * scale
        blinding += scale * blindings.get(k, 0)
    last = pow(rho, HIGHEST + 1, MODULUS)
    at[shift : shift + length - 1] = at[shift : shift + length - 1] - below * last
    at[:1] = at[:1] - value
    at[: length - 1] = at[: length - 1] - above[: length - 1] * r
    quotient, rest = at.divide_linear(r)
    require(rest == 0, "opening")
    channel.send_points("opening/witness", [setup.curve.msm(bases, quotient)])
    channel.send_scalars("opening/blinding", [(blinding - last * own[0] - r * own[1]) % MODULUS])


def verify(
    channel: VerifierChannel, rows: Mapping[int, Point], weights_at: Callable[[Powers], dict[int, int]], value: int
) -> GroupEquation:
    """What the opening leaves is one pairing equation. `weights_at` gives w_j(rho), row by row. Raises
    InvalidProof."""
    below, above = channel.receive_points("opening/halves", 2)
    rho = channel.challenge("opening/point")
    try:
        r = inverse(rho)
        powers = Powers(rho, r)
        scalars = weights_at(powers)
    except ZeroDivisionError as error:  # rho is zero, or alpha an entry of the table: probability 2^-240
        raise InvalidProof("a challenge has no inverse") from error
    (witness,) = channel.receive_points("opening/witness", 1)
    (blinding,) = channel.receive_scalars("opening/blinding", 1)
    equation = GroupEquation()
    for row, point in rows.items():
        if row in scalars:
            equation.left.add_point(point, scalars[row])
    equation.left.add_point(below, -powers.power(HIGHEST + 1))
    equation.left.add_point(above, -r)
    equation.left.add_powers([-value % MODULUS])
    equation.left.blinder = -blinding % MODULUS
    equation.left.add_point(witness, r)
    equation.right.add_point(witness, 1)
    return equation
