"""Clipping and Gaussian noise. Apart from the accountant, whose library takes 60 MB that a gateway does not need."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from fl.secagg.rings import SEED_BYTES, Words64


def clip(step: NDArray[np.float64], norm: float) -> tuple[NDArray[np.float64], bool]:
    """The step [parameters], shortened to L2 norm `norm` if it is longer, and whether it was short enough."""
    length = float(np.linalg.norm(step))
    if length <= norm:
        return step, True
    return step * (norm / length), False


def gaussian(count: int, seed: bytes | None = None) -> NDArray[np.float64]:
    """Standard normal numbers, float64 [count], from the operating system's randomness (or a 32-byte seed: benches).

    Predictable noise hides nothing, so it comes from ChaCha20 and not from NumPy's generators (Box and Muller 1958
    over 53-bit uniforms).
    """
    words = Words64().expand(seed or secrets.token_bytes(SEED_BYTES), 2 * count)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(np.sqrt(-2 * np.log(uniform[:count])) * np.cos(2 * np.pi * uniform[count:]))
