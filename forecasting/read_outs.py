"""Two read-outs of one model, and their mixture, which is the forecast.

`head` reads the LSTM and is trained for the absolute error: a home's typical hour, near the median. `mean` is linear
and trained for the squared error: a forecast of the mean, as pooled ridge regression gives it. Medians don't add up
to the community's median; means add up to its mean. One committed forecast has to serve the home and the community,
and the mixture serves the two together better than either (docs/accuracy.md). Both are linear in what they read, so
the mixture is a single head again: `merged` gives it, and the proof knows no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import ForecastError

Array = NDArray[np.float32] | NDArray[np.float64]
MEAN_SHARE = 0.4
_READ_OUTS = ("head.weight", "head.bias", "mean.weight", "mean.bias")


def mixed(typical: Any, mean: Any) -> Any:
    """The mixture of the two read-outs' outputs or weights: tensors, or arrays, of one shape."""
    return (1 - MEAN_SHARE) * typical + MEAN_SHARE * mean


def merged_head(
    head: Array, head_bias: Array, mean: Array, mean_bias: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight [24, H + 168 + E] and bias [24], float64, of the one head that forecasts what the mixture does; `mean`
    is [24, 168 + E], it does not read the LSTM."""
    unread = np.zeros((len(mean), head.shape[1] - mean.shape[1]), dtype=mean.dtype)
    weight, bias = mixed(head, np.concatenate([unread, mean], axis=1)), mixed(head_bias, mean_bias)
    return weight.astype(np.float64), bias.astype(np.float64)


def merged(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, Array]:
    """A forecaster's parameters (`forecasting.model`) with its two read-outs merged: `lstm.*` and `head.*`.

    Raises ValueError for weights without both.
    """
    absent = [name for name in _READ_OUTS if name not in weights]
    if absent:
        raise ForecastError(f"the model has no {' and no '.join(absent)}: it is of another version; train again")
    out: dict[str, Array] = {name: array for name, array in weights.items() if name.startswith("lstm.")}
    out["head.weight"], out["head.bias"] = merged_head(*(weights[name] for name in _READ_OUTS))
    return out
