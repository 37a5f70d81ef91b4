"""Differential privacy for whole homes: settings, clipping, noise, and the accountant.

What is protected is everything a home has, not one reading (user-level privacy; McMahan et al., ICLR 2018). An update
is clipped to an L2 norm C and Gaussian noise is added:

    central       by the coordinator, which sees the updates: N(0, (zC)^2) on their sum
    local         by each home on its own update: N(0, (zC)^2); nobody else is trusted
    distributed   by each home, a part of the noise, under secure aggregation: N(0, (zC)^2) on the sum at least

z is `noise_multiplier`. Adaptive clipping (Andrew et al., NeurIPS 2021) moves C to a quantile of the updates' norms,
told by a count that gets noise too.

Training and evaluation losses are no part of the guarantee, so homes withhold them in `local` and `distributed`. No
amplification by sampling is claimed: which homes a round asks is drawn from a seed that is not secret.
"""

from __future__ import annotations

import math
import secrets

import dp_accounting
import numpy as np
from numpy.typing import NDArray

from fl.protection_settings import PrivacySettings
from fl.rings import SEED_BYTES, Words64


def epsilon(settings: PrivacySettings, releases: int) -> float:
    """Epsilon, for `settings.delta`, after so many releases of noisy updates or sums.

    Releases of the Gaussian mechanism compose to one with z / sqrt(releases) (Dong et al., 2022), whose epsilon
    dp_accounting computes exactly (Balle and Wang, ICML 2018). Neighbouring data: without one home's update in
    `central` and `distributed`; any other update in its place in `local`, where the sensitivity is therefore 2C.
    """
    if settings.mode == "off":
        return math.inf
    if releases == 0:
        return 0.0
    multiplier = settings.noise_multiplier / (2 if settings.mode == "local" else 1)
    return float(dp_accounting.get_epsilon_gaussian(multiplier / math.sqrt(releases), settings.delta))


def noise_multiplier_for(target: float, releases: int, settings: PrivacySettings) -> float:
    """The z that spends epsilon `target` in so many releases: the inverse of `epsilon`."""
    sigma = dp_accounting.get_sigma_gaussian(target, settings.delta) * math.sqrt(releases)
    return float(sigma * (2 if settings.mode == "local" else 1))


def clip(step: NDArray[np.float64], norm: float) -> tuple[NDArray[np.float64], bool]:
    """The step [parameters], shortened to L2 norm `norm` if it is longer, and whether it was short enough."""
    length = float(np.linalg.norm(step))
    if length <= norm:
        return step, True
    return step * (norm / length), False


def gaussian(count: int, seed: bytes | None = None) -> NDArray[np.float64]:
    """Standard normal numbers, float64 [count], from the operating system's randomness (or a 32-byte seed: benches).

    Noise that can be predicted hides nothing, so it comes from ChaCha20 and not from NumPy's generators (Box and
    Muller 1958 over 53-bit uniforms).
    """
    words = Words64().expand(seed or secrets.token_bytes(SEED_BYTES), 2 * count)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(np.sqrt(-2 * np.log(uniform[:count])) * np.cos(2 * np.pi * uniform[count:]))
