"""The sumcheck protocol (Lund, Fortnow, Karloff, Nisan 1992), of sums weighted by eq, in zero knowledge.

To prove sum_x eq(w, x) f(x) = claim over {0,1}^n, variable after variable, from the highest bit of the index down.
With the variables above k bound to r, the round polynomial of variable k is

    t(X) = sum_{x below k} eq(w below k, x) f(x, X, r),        (1 - w_k) t(0) + w_k t(1) = claim,

and the next claim is t(r_k): the factor eq(w_k, X) is known and never sent (Gruen, eprint 2024/108, section 3). A
round sends the coefficients t_1, ..., t_d; t_0 = claim - w_k (t_1 + ... + t_d) follows. With w = (1/2, ..., 1/2) it
is the mean of f that is proven, so that one protocol serves all sums.

Masks (Libra: Xie et al., eprint 2019/317, section 4.1): f + g is summed instead of f, for

    g(x) = sum_k sum_e c_{k,e} (x_k^e - w_k),                  sum_x eq(w, x) g(x) = 0 for any c,

as the weighted mean of x_k^e is w_k. So the claim stays as it is, and no challenge stands before g. Each sent
coefficient t_e of round k carries the committed random c_{k,e} as a one-time pad: all messages are uniform, whatever
f is. What g is worth at the end is linear in the cells, like everything else.

Soundness: degree / r in each round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zkp.algebra.field import MODULUS
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import run_of
from zkp.argument.transcript import ProverChannel, VerifierChannel
from zkp.errors import require

HALF = (MODULUS + 1) // 2


class Summand(Protocol):
    """The f of a sum, being bound variable by variable."""

    def coefficients(self) -> list[int]:
        """Of the round polynomial of the highest free variable, lowest first."""

    def bind(self, r: int) -> None:
        """Set the highest free variable to r."""


@dataclass(frozen=True)
class Mask:
    """Where the masks' cells stand in their block: `degree` cells for each variable, from `first` on."""

    block: str
    first: int
    variables: int
    degree: int

    @property
    def size(self) -> int:
        return self.variables * self.degree

    def value(self, weights: Sequence[int], point: Sequence[int]) -> Linear:
        """g(point) = sum_k sum_e c_{k,e} (point_k^e - w_k)."""
        runs = [self.first + k * self.degree for k in range(self.variables)]
        terms = [Term(self.block, x, run_of(r, self.degree, x)) for r, x in zip(runs, point, strict=True)]
        if all(w is weights[0] for w in weights):
            terms.append(Term(self.block, -weights[0], run_of(self.first, self.size)))
        else:
            terms += [Term(self.block, -w, run_of(r, self.degree)) for r, w in zip(runs, weights, strict=True)]
        return Linear(tuple(terms))


@dataclass(frozen=True)
class Reduced:
    """What is left to show: f + g has this value at the point, point[k] for bit k."""

    point: list[int]
    value: int


def prove(
    channel: ProverChannel, label: str, summand: Summand, weights: Sequence[int], claim: int, mask: Sequence[int]
) -> Reduced:
    """Run the prover. Raises WitnessError if the sum is not the claim."""
    count = len(weights)
    degree = len(mask) // count
    point = [0] * count
    bound = 0  # what the mask's bound variables add
    for k in reversed(range(count)):
        own = mask[k * degree : (k + 1) * degree]
        first, *rest = summand.coefficients()
        first += bound - weights[k] * sum(own)
        sent = [(t + c) % MODULUS for t, c in zip(rest, own, strict=True)]
        follows = claim - weights[k] * sum(sent)
        require((first - follows) % MODULUS == 0, label)
        channel.send_scalars(f"{label}/round", sent)
        point[k] = channel.challenge(f"{label}/point")
        claim = _value([follows, *sent], point[k])
        bound += _value([-weights[k] * sum(own), *own], point[k])
        summand.bind(point[k])
    return Reduced(point, claim)


def verify(channel: VerifierChannel, label: str, weights: Sequence[int], degree: int, claim: int) -> Reduced:
    """Run the verifier. It cannot fail here: the reduced claim carries the whole burden."""
    point = [0] * len(weights)
    for k in reversed(range(len(weights))):
        sent = channel.receive_scalars(f"{label}/round", degree)
        point[k] = channel.challenge(f"{label}/point")
        first = claim - weights[k] * sum(sent[1:], sent[0])
        claim = _value([first, *sent], point[k])
    return Reduced(point, claim)


def _value(coefficients: Sequence[int], x: int) -> int:
    """Of a polynomial at x, by Horner's rule."""
    out = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        out = (out * x + c) % MODULUS
    return out
