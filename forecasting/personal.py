"""The personal head: a private, additive correction of the outputs for one home; the LSTM frozen. By default it
corrects the typical hours alone: corrected means did not add up to a better total (docs/accuracy.md).

It reads what is the home's own, loads and hidden state, and nothing public: with weights on the calendar, or a bias,
a household could choose its forecasts when it commits to its head, and a proof would say nothing (docs/protocol.md).
It starts at zero, is pulled back to it (so that a home with little data keeps the community's model), stays within
what can be proven, and never leaves the home but as a hiding commitment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.adamw import AdamW
from forecasting.errors import ForecastError
from forecasting.model import SCALE_UNIT, LoadForecaster
from forecasting.settings import ForecastingSettings
from forecasting.shape import HISTORY, HOURS
from forecasting.training import output_loss, tensors

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
    model: LoadForecaster,
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
    history, steps, exogenous, target = tensors(windows)
    with torch.no_grad():
        hidden, shared, scale = model.inputs(history, steps, exogenous)
        typical, mean = model.read(hidden, shared)
    loads = shared[:, :HISTORY]
    own = [torch.zeros(HOURS, size, requires_grad=True) for size in (HISTORY, hidden.shape[2], HISTORY)]
    of_loads, of_hidden, of_mean = own
    fitted = own if means else own[:2]
    optimiser = AdamW(fitted, learning_rate, 0.0)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(windows), generator=generator), batch):
            loss = output_loss(
                typical[chosen] + loads[chosen] @ of_loads.T + (hidden[chosen] * of_hidden).sum(dim=2),
                mean[chosen] + loads[chosen] @ of_mean.T,
                target[chosen],
                scale[chosen],
                huber,
            )
            loss = loss + decay * sum((part**2).sum() for part in fitted) / HOURS
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                for part in fitted:
                    part.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    read = torch.cat([of_loads, of_hidden], dim=1)
    return PersonalHead(*(part.detach().double().numpy() for part in (read, of_mean)))


def fit_home_head(model: LoadForecaster, windows: Windows, settings: ForecastingSettings) -> PersonalHead | None:
    """`fit_personal_head` as the settings say; None for a home that has no head by them, or too few days for one."""
    if settings.personal_epochs == 0 or windows.days < settings.personal_least_days:
        return None
    return fit_personal_head(
        model, windows, epochs=settings.personal_epochs, learning_rate=settings.personal_rate,
        decay=settings.personal_decay, huber=settings.huber, seed=settings.seed,
        means=settings.personal_means,
    )  # fmt: skip


@torch.no_grad()
def forecast_personal(model: LoadForecaster, head: PersonalHead, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh with the personal head, float64 [n, 48], typical hours and means, never below zero."""
    history, steps, exogenous, _ = tensors(windows)
    hidden, shared, scale = model.inputs(history, steps, exogenous)
    typical, mean = model.read(hidden, shared)
    own, own_mean = (torch.from_numpy(part).float() for part in (head.typical, head.mean))
    loads = shared[:, :HISTORY]
    typical = typical + loads @ own[:, :HISTORY].T + (hidden * own[:, HISTORY:]).sum(dim=2)
    out = torch.cat([typical, mean + loads @ own_mean.T], dim=1) * scale / SCALE_UNIT
    return np.asarray(out.clamp(min=0).numpy(), dtype=np.float64)
