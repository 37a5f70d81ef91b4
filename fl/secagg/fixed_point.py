"""Secure aggregation of model updates: its settings, and how an update becomes whole numbers that can be masked.

The coordinator gets one sum of a round, of updates weighted by their days, and with it the weighted mean. Flower's
SecAgg+ lives in its legacy namespaces (it needs FitRes messages and a LegacyContext), so the protocol of
`fl.secagg.aggregator` is carried by a mod on the home's side (`fl.secagg.client_mod`) and a gather on the
coordinator's (`fl.secure_gather`).

An entry x of an update weighs in as weight * round(x * 2^32), |x| <= 8, in 64-bit words: exact but for the rounding,
at most 2^-33, with room for 10^4 homes of 10^4 days; where homes add noise, with weight 1 and |x| <= 80,000. The
vector of a home is

    [weight * update, weight * metrics, weight]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl.protection_settings import LARGEST_ENTRY, LARGEST_NOISY_ENTRY
from fl.secagg.rings import Vector
from fl.secagg.session import MaskingRefused
from fl.weights import Weights

FRACTION_BITS = 32
LARGEST_WEIGHT = 10_000
UNCLIPPED = "unclipped"  # 1 if the home's update was within the clipping norm (adaptive clipping, fl.dp.accountant)
SUMMED_METRICS = ("loss", UNCLIPPED)
STEP = "step"  # of an update with a home's part of the noise, on its way to the masks: float64, and no model


@dataclass(frozen=True)
class SummedUpdate:
    """What the coordinator has after the masks are off."""

    mean: Weights  # the weighted mean of the models, float32
    metrics: dict[str, float]  # weighted means
    weight: int  # the weights' sum: days, or homes


def vector_length(start: Weights) -> int:
    """Entries of the vector of an update of this model."""
    return sum(array.size for array in start.values()) + len(SUMMED_METRICS) + 1


def encode(step: NDArray[np.float64], metrics: dict[str, float], weight: int, *, noisy: bool = False) -> Vector:
    """An update [parameters] (`fl.aggregation.flat`) as int64 [vector_length(start)]; metrics not told count 0.

    Entries beyond +-8 are cut to it. Of a `noisy` update, whose weight must be 1, they may be 10^4 times as large,
    and none is cut, for less noise would be left than epsilon counts on.

    Raises MaskingRefused for a weight that is not between 1 and 10^4, an update that is not finite, or a noisy one
    that is too large.
    """
    if not 1 <= weight <= (1 if noisy else LARGEST_WEIGHT):
        raise MaskingRefused(
            f"an update's weight must be between 1 and {LARGEST_WEIGHT}, and 1 if it is noisy, not {weight}"
        )
    values = np.concatenate([step, [metrics.get(name, 0.0) for name in SUMMED_METRICS]])
    if not np.isfinite(values).all():
        raise MaskingRefused("the update holds a value that is not a finite number")
    if noisy and np.abs(values).max() > LARGEST_NOISY_ENTRY:
        raise MaskingRefused(f"an entry of the noisy update is beyond {LARGEST_NOISY_ENTRY:g}, and must not be cut")
    if not noisy:
        values = np.clip(values, -LARGEST_ENTRY, LARGEST_ENTRY)
    fixed = np.rint(values * 2.0**FRACTION_BITS).astype(np.int64)
    return np.append(fixed * weight, weight)


def decode(total: Vector, start: Weights, homes: int, *, noisy: bool = False) -> SummedUpdate:
    """The mean of `homes` updates from their sum (uint64, as the ring gives it); `noisy` as for `encode`.

    Raises MaskingRefused for a sum that no such updates can have.
    """
    signed = total.view(np.int64)
    weight = int(signed[-1])
    if not homes <= weight <= homes * LARGEST_WEIGHT:
        raise MaskingRefused(f"the sum says {homes} homes weigh {weight}: some vector was not what it should be")
    values = signed[:-1] / (weight * 2.0**FRACTION_BITS)
    if np.abs(values).max() > (LARGEST_NOISY_ENTRY if noisy else LARGEST_ENTRY):
        raise MaskingRefused(
            "the mean update is larger than any update may be: some vector was not what it should be"
        )
    mean, place = {}, 0
    for name, array in start.items():
        step = values[place : place + array.size].reshape(array.shape)
        mean[name] = (array + step).astype(np.float32)
        place += array.size
    metrics = dict(zip(SUMMED_METRICS, values[place:].tolist(), strict=True))
    return SummedUpdate(mean, metrics, weight)
