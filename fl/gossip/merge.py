"""One segment from a peer's own values and its neighbours', in whole numbers: anybody recomputes it to the bit.

mean           Metropolis-Hastings weights (b = 0): keeps the mean over all peers, if all take part
trimmed mean   of each number without the b lowest and b highest values (Yin et al., ICML 2018), the own among
               them: b neighbours may send anything
clipped        ClippedGossip (He, Karimireddy and Jaggi, 2022), where fewer than 2b + 1 values are at hand: each
               neighbour pulls by at most `clip_norm`
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np

from fl.gossip.fixed_point import FRACTION_BITS, Fixed
from fl.gossip.settings import GossipSettings


def merged(
    own: Fixed, others: Sequence[Fixed], weights: Sequence[int], whole: int, settings: GossipSettings
) -> Fixed:
    """The next values of a segment.

    Args:
        own: int64 [size].
        others: the neighbours' values that are at hand, in the order of their weights.
        weights, whole: as of `Topology.weights`, of those neighbours.
    """
    if not others:
        return own.copy()
    if settings.trim == 0:
        return weighted(own, np.stack(others), weights, whole)
    if len(others) + 1 < 2 * settings.trim + 1:
        return clipped(own, others, weights, whole, round(settings.clip_norm * 2**FRACTION_BITS))
    return trimmed(np.stack([own, *others]), settings.trim)


def weighted(own: Fixed, others: Fixed, weights: Sequence[int], whole: int) -> Fixed:
    """own + sum of weight / whole * (other - own); int64 [size] and [others, size]."""
    pull = ((others - own) * np.asarray(weights, dtype=np.int64)[:, None]).sum(axis=0)
    return own + divided(pull, whole)


def trimmed(values: Fixed, cut: int) -> Fixed:
    """The mean along the last but one axis without the `cut` lowest and highest; int64 [..., values, size]."""
    count = values.shape[-2]
    kept = np.sort(values, axis=-2)[..., cut : count - cut, :]
    return divided(kept.sum(axis=-2), count - 2 * cut)


def clipped(own: Fixed, others: Sequence[Fixed], weights: Sequence[int], whole: int, norm: int) -> Fixed:
    """own + sum of weight / whole * (other - own), each difference first shortened to L2 norm `norm`."""
    pull = np.zeros(len(own), dtype=object)
    for other, weight in zip(others, weights, strict=True):
        difference = (other - own).astype(object)  # Python's integers: squares of 33 bits add up beyond 64
        length = isqrt(int((difference**2).sum())) + 1
        pull += weight * (difference if length <= norm else difference * norm // length)
    return own + np.asarray((2 * pull + whole) // (2 * whole), dtype=np.int64)


def divided(total: Fixed, count: int) -> Fixed:
    """total / count, to the nearest whole number, halves upwards."""
    return np.asarray((2 * total + count) // (2 * count))
