"""The prover's own checks, taken out: what is left sends a proof of anything, as well as it can be made.

A sumcheck of a false claim is played to its end, and keys outside a lookup table are not counted. The fixture
`dishonest` (conftest) puts these in the prover's place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zkp.algebra.field import MODULUS, interpolate, inverse
from zkp.argument import sumcheck
from zkp.argument.lookup import LookupGroup, Table
from zkp.argument.sumcheck import Mask
from zkp.argument.transcript import ProverChannel
from zkp.lstm.integer_model import Ints


def play_to_the_end(
    channel: ProverChannel, label: str, summand: Any, claim: int, mask: Mask, lie: bool = False
) -> list[int]:
    """`sumcheck.prove` of a claim that may be false: at 1 the verifier reads claim - value at 0, so this goes on
    from there. With `lie`, the mask's value is what makes the last check pass."""
    shape = mask.shape
    channel.send_scalars(f"{label}/mask total", [mask.total()])
    rho = channel.challenge(f"{label}/mask")
    claim = (claim + rho * mask.total()) % MODULUS
    point, bound = [0] * shape.variables, 0
    for k in reversed(range(shape.variables)):
        both = zip(summand.round_values(shape.degree), mask.round_values(k, bound), strict=True)
        values = [(f + rho * g) % MODULUS for f, g in both]
        values[1] = (claim - values[0]) % MODULUS
        channel.send_scalars(f"{label}/round", values[:1] + values[2:])
        point[k] = channel.challenge(f"{label}/point")
        claim = interpolate(values, point[k])
        bound += mask.at(k, point[k])
        summand.bind(point[k])
    value = mask.coefficients[0] + bound
    if lie:
        value = (claim - _end(summand)) * inverse(rho)
    channel.send_scalars(f"{label}/mask value", [value % MODULUS])
    return point


def _end(summand: Any) -> int:
    """f at the point, when all variables are bound."""
    if isinstance(summand, sumcheck.TableSum):
        return summand.combine(summand.tables).total()
    return int(summand.weights.inner(summand.cells))


def count_what_fits(table: Table, groups: Sequence[LookupGroup], columns: Mapping[str, Ints]) -> Ints:
    """`lookup.multiplicities` that looks away from keys outside their table."""
    counts = np.zeros(table.size, dtype=np.int64)
    for group in groups:
        rows = group.selector.rows()
        for look in group.lookups:
            keys = columns[look.columns[0]][rows]
            fits = (keys >= 0) & (keys < table.parts[look.tag - 1].size)
            np.add.at(counts, table.offset(look.tag) + keys[fits], 1)
    return counts
