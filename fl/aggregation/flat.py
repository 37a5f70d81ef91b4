"""Model updates as rows of one matrix, which robust rules and privacy work on, and back."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fl.aggregation.strategy import Update
from fl.weights import Weights

_log = logging.getLogger(__name__)
Rows = NDArray[np.float64]
"""[homes, parameters]: one update (new minus old weights) a row."""


def rows_of(updates: Sequence[Update], start: Weights) -> Rows:
    """Updates as rows, float64 [len(updates), parameters], relative to the model they started from."""
    return np.stack([flatten(update.weights, start) for update in updates])


def flatten(weights: Weights, start: Weights) -> NDArray[np.float64]:
    """`weights` - `start` as one vector, float64 [parameters], in the order of `start`."""
    return np.concatenate([np.ravel(weights[name].astype(np.float64) - start[name]) for name in start])


def step_of(weights: Weights, start: Weights) -> NDArray[np.float64]:
    """The update as `flatten` gives it; a zero step from a training that has overflowed.

    Whoever chooses a model can make it overflow for homes with a load above some threshold and for no others. A
    missing update would then reveal something about the readings, one bit a round, whatever hides the updates.
    """
    step = flatten(weights, start)
    if np.isfinite(step).all():
        return step
    _log.error("the training has overflowed: a zero step is sent")
    return np.zeros_like(step)


def moved(start: Weights, step: NDArray[np.float64]) -> Weights:
    """`start` + the step [parameters], in float32."""
    sizes = np.cumsum([array.size for array in start.values()])[:-1]
    parts = np.split(step, sizes)
    return {
        name: (array + part.reshape(array.shape)).astype(np.float32)
        for (name, array), part in zip(start.items(), parts, strict=True)
    }
