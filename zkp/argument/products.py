"""Step 4, the product: <left, right> = total, for vectors that are linear in the cells.

One sumcheck of the mean of left(x) right(x); at its point r, left(r) and right(r) are sent, and

    left(r) right(r) + mask(r) = the last claim

is a linear claim about the mask's cells, as are the total and the two values about those of the vectors. Three values
are sent, so three random slots are put beside the vectors' entries, (p_1, 1), (p_2, 0), (0, p_3): p_1 hides the total
as well as left(r), p_2 then left(r), p_3 right(r).

The sides that a relation gives are drawn at random from a challenge, so that one product stands for many equations.

Soundness: that of the draws (zkp.soundness), and 2 / r for each round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.field import MODULUS, eq_index, inverse, power
from zkp.algebra.vector import Vector
from zkp.argument import sumcheck
from zkp.argument.cells import Claim, Linear, Term
from zkp.argument.forms import one_cell
from zkp.argument.relation import PADS, Product, Relation, Witness
from zkp.argument.rows import Matrix
from zkp.argument.sumcheck import HALF, Reduced
from zkp.argument.transcript import ProverChannel, VerifierChannel


def prove(channel: ProverChannel, relation: Relation, matrix: Matrix, witness: Witness) -> list[Claim]:
    if relation.product is None or witness.product is None:
        return []
    drawn: list[int] = []

    def draw() -> int:
        drawn.append(channel.challenge("product/draw"))
        return drawn[-1]

    product = relation.product(draw)
    left, right = _padded(witness.product(iter(drawn).__next__), product, matrix.pads()[relation.pads.product :])
    total = left.inner(right)
    channel.send_scalars("product/total", [total])
    summand, mask = _Halves(left, right), relation.pads.product_mask
    cells = matrix.pads()[mask.first : mask.first + mask.size].to_ints()
    reduced = sumcheck.prove(channel, "product", summand, [HALF] * product.bits, _mean(total, product.bits), cells)
    values = [side.to_ints()[0] for side in (summand.left, summand.right)]
    channel.send_scalars("product/values", values)
    return _claims(relation, product, reduced, total, values)


def verify(channel: VerifierChannel, relation: Relation) -> list[Claim]:
    if relation.product is None:
        return []
    product = relation.product(lambda: channel.challenge("product/draw"))
    (total,) = channel.receive_scalars("product/total", 1)
    reduced = sumcheck.verify(channel, "product", [HALF] * product.bits, 2, _mean(total, product.bits))
    values = channel.receive_scalars("product/values", 2)
    return _claims(relation, product, reduced, total, values)


def _padded(sides: tuple[Vector, Vector], product: Product, pads: Vector) -> tuple[Vector, Vector]:
    """Both sides in full length, with the pads' slots."""
    size = 1 << product.bits
    left, right = Vector.zeros(size), Vector.zeros(size)
    left[: len(sides[0])], right[: len(sides[1])] = sides
    left[size - 1 :], left[size - 2 : size - 1] = pads[:1], pads[1:2]
    right[size - 1 :], right[size - 3 : size - 2] = Vector.from_ints([1]), pads[2:3]
    return left, right


def _mean(total: int, bits: int) -> int:
    return total * inverse(power(2, bits)) % MODULUS


def _claims(relation: Relation, product: Product, reduced: Reduced, total: int, values: Sequence[int]) -> list[Claim]:
    """Total, left and right value, and what the mask is worth."""
    point, last, first = reduced.point, (1 << product.bits) - 1, relation.pads.product

    def pad(k: int, weight: int) -> Linear:
        return Linear((Term(PADS, weight, one_cell(first + k)),))

    left = product.left(point).plus(pad(0, eq_index(last, point))).plus(pad(1, eq_index(last - 1, point)))
    right = product.right(point).plus(pad(2, eq_index(last - 2, point))).plus(Linear((), eq_index(last, point)))
    mask = relation.pads.product_mask.value([HALF] * product.bits, point)
    rest = (reduced.value - values[0] * values[1]) % MODULUS
    return [(product.total.plus(pad(0, 1)), total), (left, values[0]), (right, values[1]), (mask, rest)]


@dataclass(repr=False)
class _Halves:
    """The mean of left(x) right(x), for `zkp.argument.sumcheck`."""

    left: Vector
    right: Vector

    def coefficients(self) -> list[int]:
        half = len(self.left) // 2
        l0, l1, r0, r1 = self.left[:half], self.left[half:], self.right[:half], self.right[half:]
        first, last, square = l0.inner(r0), l1.inner(r1), (l1 - l0).inner(r1 - r0)
        over = inverse(half)
        return [v * over % MODULUS for v in (first, last - first - square, square)]

    def bind(self, r: int) -> None:
        self.left, self.right = self.left.fold(r), self.right.fold(r)
