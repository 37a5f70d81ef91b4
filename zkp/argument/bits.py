"""Range checks by bits, for small statements that a contract verifies: no tables, one gate, b * b = b."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zkp.algebra.vector import Ints
from zkp.argument.relation import Gate
from zkp.errors import WitnessError


def decompose(values: Sequence[int], width: int) -> Ints:
    """Bits of each value, least first, one value after the other. Raises WitnessError for one out of range."""
    if any(not 0 <= v < 1 << width for v in values):
        raise WitnessError(f"a value is not between 0 and 2^{width} - 1; the claim is not true of the witness")
    return np.array([v >> k & 1 for v in values for k in range(width)], dtype=np.int64)


def boolean(column: str) -> Gate:
    """Every cell is 0 or 1."""
    return Gate(2, lambda c: c[column] * c[column] - c[column])
