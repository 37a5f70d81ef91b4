"""Models as whole numbers, so that a merge is the same to the bit on every machine.

A weight w is round(w * 2^24) in 32 bits: |w| < 128, and 6e-8 between neighbouring numbers, about as far apart as
float32 has them near 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fl.errors import UpdateRefused
from fl.weights import Weights

FRACTION_BITS = 24
LARGEST = 2**31 - 1
Fixed = NDArray[np.int64]
"""[parameters], or a part of them, each within +-LARGEST."""


def to_fixed(weights: Weights, *, bits: int = FRACTION_BITS) -> Fixed:
    """A model as int64 [parameters], in the order of its names. UpdateRefused where one does not fit 32 bits."""
    vector = np.concatenate([np.ravel(array).astype(np.float64) for array in weights.values()])
    if not np.isfinite(vector).all():
        raise UpdateRefused("the model holds a value that is not a finite number")
    return bounded(np.rint(vector * 2.0**bits))


def bounded(values: NDArray[np.float64]) -> Fixed:
    """Whole numbers in float64 as int64. Raises UpdateRefused for one beyond 32 bits."""
    if np.abs(values).max(initial=0) > LARGEST:
        raise UpdateRefused(
            f"the model holds a weight of {2.0 ** (31 - FRACTION_BITS):g} or more, which can't be merged"
        )
    return np.asarray(values, dtype=np.int64)


def from_fixed(vector: Fixed, like: Weights, *, bits: int = FRACTION_BITS) -> Weights:
    """The model (float32) with the names and shapes of `like`."""
    sizes = np.cumsum([array.size for array in like.values()])
    if len(vector) != sizes[-1]:
        raise UpdateRefused(f"{len(vector)} numbers are no model of {sizes[-1]} parameters")
    parts = np.split(vector * 2.0**-bits, sizes[:-1])
    return {
        name: part.reshape(array.shape).astype(np.float32)
        for (name, array), part in zip(like.items(), parts, strict=True)
    }
