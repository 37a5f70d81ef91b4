"""From the regression twin to the forecaster: it becomes the mean output, and most of an untrained typical one.

The mean output is linear in the week's loads and the day's public features, as the twin is, so nothing is lost. The
units differ: the forecaster's loads are shares of the week times 128 (`forecasting.model`), the twin's are in units
of the week's mean load, less 1.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from data.day import HOURS_PER_DAY
from data.windows import HISTORY_HOURS
from fl.one_shot.fixed_point import Floats
from fl.one_shot.ridge import RidgeModel
from fl.weights import Weights
from forecasting.integer import QuantisationError, quantise
from forecasting.shape import ModelShape

_UNIT = 128 / HISTORY_HOURS  # the forecaster's unit of load over the twin's
_MOST_DOUBLINGS = 40
_TYPICAL_SHARE = 0.75
"""Of the twin in an untrained typical output; the rest is the mean of the last seven days.
Chosen before the test days on two communities, by the typical output alone (docs/one-shot.md)."""


def read_out(twin: RidgeModel) -> tuple[Floats, Floats]:
    """Weight [24, 168 + E] and bias [24] of the mean output that forecasts what the twin does."""
    loads, features = twin.weight[:HISTORY_HOURS], twin.weight[HISTORY_HOURS:]
    weight = np.concatenate([loads, features * _UNIT]).T
    return weight, (1 + twin.intercept - loads.sum(axis=0)) * _UNIT


def with_twin(start: Weights, twin: RidgeModel, *, trained: bool) -> Weights:
    """The forecaster `start` with the twin as its mean output.

    In a model that is not `trained` the typical output becomes a mixture of the twin and the mean of seven days. It
    does not read the LSTM then, which has learnt nothing; personal heads do the rest without a round of training.
    """
    weight, bias = read_out(twin)
    out = start | {"mean.weight": weight, "mean.bias": bias}
    if not trained:
        hidden = start["head.weight"].shape[1] - weight.shape[1]
        unread = np.zeros((len(weight), hidden))
        linear = _TYPICAL_SHARE * weight
        for hour, row in enumerate(linear):
            row[hour:HISTORY_HOURS:HOURS_PER_DAY] += (1 - _TYPICAL_SHARE) * HOURS_PER_DAY / HISTORY_HOURS
        out |= {"head.weight": np.concatenate([unread, linear], axis=1), "head.bias": _TYPICAL_SHARE * bias}
    return {name: out[name].astype(np.float32) for name in start}


def provable_twin(
    start: Weights, fit: Callable[[float], RidgeModel], penalty: float, shape: ModelShape, *, trained: bool
) -> tuple[Weights, RidgeModel]:
    """`with_twin` of the model fitted with `penalty`, or with as small a multiple of it as can be proven.

    Weights of days that hardly differ may be so large that an output could leave the range of the integer model.
    Raises QuantisationError where `start` itself can't be proven.
    """
    for doublings in range(_MOST_DOUBLINGS):
        twin = fit(penalty * 2**doublings)
        weights = with_twin(start, twin, trained=trained)
        with suppress(QuantisationError):
            quantise(weights, shape)
            return weights, twin
    quantise(start, shape)
    raise QuantisationError("the twin can't be proven with any penalty: its sums are not of load windows")
