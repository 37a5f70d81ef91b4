"""Statistics in whole numbers: 32 fractional bits in 64-bit words, and how many days of how many homes fit in.

Each day's product is rounded individually and whole numbers are added, so that a sum is the same to the bit in any
order, and a home's part can be taken out of it again. (A float sum depends on its order, and in float32 the variance
E z^2 - mu^2 cancels.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fl.errors import StatisticsRefused

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FRACTION_BITS = 32
ONE = 1 << FRACTION_BITS
_WORD = 1 << 63


def capacity(bound: float) -> int:
    """Days that can be summed before a word overflows, if no entry is larger than `bound` (nor a product than its
    square)."""
    return (_WORD - 1) // math.ceil(max(bound, 1.0) ** 2 * ONE)


def check_capacity(homes: int, days: int, bound: float) -> None:
    """Raises StatisticsRefused unless 2^63 > homes * days * bound^2 * 2^32, so that no sum can wrap around."""
    if homes * days > capacity(bound):
        raise StatisticsRefused(
            f"{homes} homes of up to {days} days with entries up to {bound:g} could overflow 64-bit sums, which hold "
            f"{capacity(bound):,} days in all: let homes enter fewer days, or make groups of homes"
        )


def fixed(values: Floats) -> Ints:
    """The values, rounded to multiples of 2^-32. Raises StatisticsRefused for one that 64 bits do not hold."""
    if not np.abs(values).max(initial=0) < _WORD / ONE:
        raise StatisticsRefused("a value is beyond what 64-bit sums hold: is there too much noise in it?")
    return np.rint(values * ONE).astype(np.int64)
