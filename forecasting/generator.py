"""The draws of PyTorch's CPU generator, without PyTorch: a gateway's batches come in the order of a simulation's.

It is the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded with the low 32 bits of the seed, as
NumPy's `RandomState` is; permutations and real numbers are made of its words as PyTorch makes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORD = 1 << 32
_MANTISSA_BITS = 24


class Generator:
    """Draws that follow from `seed`, one after the other."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed % _WORD)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """The numbers below `count` in the order of `torch.randperm` (Fisher and Yates); fewer than 2^32 / 20."""
        order = list(range(count))
        words = self._words(max(0, count - 1))
        for place, word in enumerate(words.tolist()):
            other = place + word % (count - place)
            order[place], order[other] = order[other], order[place]
        return np.array(order, dtype=np.int64)

    def uniform(self, shape: tuple[int, ...], bound: float) -> NDArray[np.float32]:
        """Values in [-bound, bound), those of `torch.Tensor.uniform_`."""
        low, high = np.float32(-bound), np.float32(bound)
        part = (self._words(int(np.prod(shape))) % (1 << _MANTISSA_BITS)) * 2.0**-_MANTISSA_BITS
        return (part * np.float64(high - low) + np.float64(low)).astype(np.float32).reshape(shape)

    def _words(self, count: int) -> NDArray[np.uint32]:
        return self._state.randint(0, _WORD, count, dtype=np.uint32)
