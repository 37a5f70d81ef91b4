"""The personal head: a private, additive correction of the outputs for one home; the LSTM frozen. By default it
corrects the typical hours alone: corrected means did not add up to a better total (docs/accuracy.md).

It reads what is the home's own, loads and hidden state, and nothing public: with weights on the calendar, or a bias,
a household could choose its forecasts when it commits to its head, and a proof would say nothing (docs/protocol.md).
It starts at zero, is pulled back to it (so that a home with little data keeps the community's model), stays within
what can be proven, and never leaves the home but as a hiding commitment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.errors import ForecastError
from forecasting.generator import Generator
from forecasting.local_model import Reader
from forecasting.numpy_forecaster import AdamW, output_loss
from forecasting.parameters import SCALE_UNIT
from forecasting.settings import ForecastingSettings
from forecasting.shape import HISTORY, HOURS

WEIGHT_LIMIT = 0.2495
"""A little under the quarter that a personal weight can be at most (`zkp.lstm.integer_model.PERSONAL_LIMIT`)."""


@dataclass(frozen=True, repr=False)
class PersonalHead:
    """Weights of the typical outputs [24, loads and hidden state] and of the means [24, loads], float64."""

    typical: NDArray[np.float64]
    mean: NDArray[np.float64]

    def as_mapping(self) -> dict[str, NDArray[np.float64]]:
        """The form `forecasting.integer.quantise` takes."""
        return {"typical": self.typical, "mean": self.mean}


def fit_personal_head(
    model: Reader,
    windows: Windows,
    *,
    epochs: int,
    learning_rate: float,
    decay: float,
    huber: float,
    seed: int,
    means: bool = True,
    batch: int = 32,
) -> PersonalHead:
    """Train a personal head on one home's windows; without `means` its weights of the means stay zero.

    Raises ValueError when there is no window.
    """
    if len(windows) == 0:
        raise ForecastError("there is no complete window to personalise on")
    frozen = model.outputs(windows)
    relative = windows.target.astype(np.float32) * (SCALE_UNIT / frozen.scale)
    vector = np.zeros(HOURS * (2 * HISTORY + frozen.hidden.shape[2]), dtype=np.float32)
    of_loads, of_hidden, of_mean = _views(vector)
    optimiser, generator = AdamW(vector, learning_rate, 0.0), Generator(seed)
    for _ in range(epochs):
        order = generator.permutation(len(windows))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            loads, hidden = frozen.shared[chosen, :HISTORY], frozen.hidden[chosen]
            typical = frozen.typical[chosen] + loads @ of_loads.T + (hidden * of_hidden).sum(axis=2)
            mean = frozen.mean[chosen] + loads @ of_mean.T
            _, of_typical, of_means = output_loss(typical, mean, relative[chosen], frozen.scale[chosen], huber)
            if not means:
                of_means[:] = 0
            own = (of_typical.T @ loads, (of_typical[:, :, None] * hidden).sum(axis=0), of_means.T @ loads)
            gradient = np.concatenate([part.ravel() for part in own]) + 2 * decay / HOURS * vector
            optimiser.step(gradient)
            np.clip(vector, -WEIGHT_LIMIT, WEIGHT_LIMIT, out=vector)
    read = np.concatenate([of_loads, of_hidden], axis=1)
    return PersonalHead(*(part.astype(np.float64) for part in (read, of_mean)))


def _views(vector: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Weights of the typical outputs on loads [24, 168] and hidden state [24, H], of the means on loads, in place."""
    loads = HOURS * HISTORY
    return [part.reshape(HOURS, -1) for part in np.split(vector, [loads, len(vector) - loads])]


def fit_home_head(model: Reader, windows: Windows, settings: ForecastingSettings) -> PersonalHead | None:
    """`fit_personal_head` as the settings say; None for a home that has no head by them, or too few days for one."""
    if settings.personal_epochs == 0 or windows.days < settings.personal_least_days:
        return None
    return fit_personal_head(
        model, windows, epochs=settings.personal_epochs, learning_rate=settings.personal_rate,
        decay=settings.personal_decay, huber=settings.huber, seed=settings.seed,
        means=settings.personal_means,
    )  # fmt: skip


def forecast_personal(model: Reader, head: PersonalHead, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh with the personal head, float64 [n, 48], typical hours and means, never below zero."""
    found = model.outputs(windows)
    own, own_mean = head.typical.astype(np.float32), head.mean.astype(np.float32)
    loads = found.shared[:, :HISTORY]
    typical = found.typical + loads @ own[:, :HISTORY].T + (found.hidden * own[:, HISTORY:]).sum(axis=2)
    return replace(found, typical=typical, mean=found.mean + loads @ own_mean.T).in_wh()
