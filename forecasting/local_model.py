"""What a home does with the community's model on its own days, whatever computes it.

Gateways train in NumPy (`forecasting.numpy_forecaster`), which needs neither PyTorch's disk nor its memory; a machine
that simulates many homes trains by PyTorch (`forecasting.torch_forecaster`). Both take the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.features import SEASON_FEATURES
from data.windows import Windows
from forecasting.errors import ForecastError
from forecasting.parameters import SCALE_UNIT, Parameters
from forecasting.settings import MEDIAN_PARTS
from forecasting.shape import HISTORY, HOURS, OUTPUTS, ModelShape

WEIGHT_DECAY = 1e-4
LINEAR_DECAY, MEAN_DECAY = 0.02, 0.001
USUAL_WEEK_WH, MOST_WEIGHT = 131_072.0, 8.0
"""The week of a home whose means count once (780 W), and how many times more or less another's may."""


@dataclass(frozen=True, repr=False)
class Outputs:
    """A model's forecasts of n windows and what it made them of, float32: the hidden states that the hours read
    [n, 24, H], what they share [n, 168 + E], the scale [n, 1] Wh; typical hours and means [n, 24] relative to it.

    Typical hours are without the week's medians, of which there are `median` sixteenths in a forecast: a model that
    was trained with them would make up for them."""

    hidden: NDArray[np.float32]
    shared: NDArray[np.float32]
    scale: NDArray[np.float32]
    typical: NDArray[np.float32]
    mean: NDArray[np.float32]
    median: int = 0

    def in_wh(self) -> NDArray[np.float64]:
        """The forecasts, float64 [n, 48] Wh, typical hours and means, never below zero."""
        typical = self.typical
        if self.median:
            share = np.float32(self.median / MEDIAN_PARTS)
            week = self.shared[:, :HISTORY].reshape(-1, HISTORY // HOURS, HOURS)
            typical = (1 - share) * typical + share * np.median(week, axis=1)
        relative = np.concatenate([typical, self.mean], axis=1).reshape(-1, OUTPUTS)
        return np.asarray(np.maximum(relative * (self.scale / SCALE_UNIT), 0), dtype=np.float64)


class Reader(Protocol):
    """A model that is read, not trained."""

    def outputs(self, windows: Windows) -> Outputs: ...


class LocalModel(Reader, Protocol):
    """A model that a home trains in place."""

    def weights(self) -> Parameters:
        """The parameters as they are now, in arrays of their own."""

    def train(
        self,
        windows: Windows,
        *,
        epochs: int,
        learning_rate: float,
        batch: int,
        huber: float,
        seed: int,
        proximal_mu: float = 0.0,
    ) -> float:
        """As `forecasting.training.train_epochs`: the last epoch's mean loss. Raises ForecastError."""

    def step_down(self, windows: Windows, huber: float) -> float:
        """As `forecasting.training.step_down`: the windows' mean loss. Raises ForecastError."""

    def loss(self, windows: Windows, huber: float) -> float:
        """Mean loss on windows; NaN where there are none."""

    def forecast(self, windows: Windows) -> NDArray[np.float64]:
        """Forecasts in Wh, float64 [n, 48], typical hours and means, never below zero."""


OpenModel = Callable[[ModelShape, Mapping[str, NDArray[Any]]], LocalModel]
"""Opens the model of these weights. Raises ForecastError where they are not of that shape."""


def mean_decay(shape: ModelShape) -> NDArray[np.float32]:
    """How strongly each weight of a mean [168 + E] is pulled towards the mean of the last seven days.

    The season's are pulled as strongly as a head's: what a mean would learn of it in less than a year misleads it in
    the months that it has not seen (docs/accuracy.md).
    """
    decay = np.full(HISTORY + shape.exogenous, MEAN_DECAY, dtype=np.float32)
    decay[HISTORY:][-SEASON_FEATURES:] = LINEAR_DECAY
    return decay


def check_some(count: int) -> None:
    """Raises ForecastError where there is no window to learn from."""
    if count == 0:
        raise ForecastError("there is no complete window to train on: a home needs at least eight days of readings")
