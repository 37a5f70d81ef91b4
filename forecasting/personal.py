"""The personal head: a private, additive correction of both read-outs for one home, merged; the LSTM frozen.

It starts at zero, is pulled back to it (so that a home with little data keeps the community's model), and never
leaves the home but as a hiding commitment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.adamw import AdamW
from forecasting.errors import ForecastError
from forecasting.model import SCALE_UNIT, LoadForecaster, apply_head
from forecasting.read_outs import merged_head, mixed
from forecasting.settings import ForecastingSettings
from forecasting.shape import HOURS
from forecasting.training import read_out_loss, tensors


@dataclass(frozen=True, repr=False)
class PersonalHead:
    """weight [24, head inputs], bias [24], float64."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def as_mapping(self) -> dict[str, NDArray[np.float64]]:
        """The form `forecasting.integer.quantise` takes."""
        return {"weight": self.weight, "bias": self.bias}


def fit_personal_head(
    model: LoadForecaster,
    windows: Windows,
    *,
    epochs: int,
    learning_rate: float,
    decay: float,
    huber: float,
    seed: int,
    batch: int = 32,
) -> PersonalHead:
    """Train a personal head on one home's windows. Raises ValueError when there is none."""
    if len(windows) == 0:
        raise ForecastError("there is no complete window to personalise on")
    history, steps, exogenous, target = tensors(windows)
    with torch.no_grad():
        hidden, shared, scale = model.inputs(history, steps, exogenous)
        typical, mean = model.read(hidden, shared)
    head, own_mean = (torch.nn.Linear(part.in_features, HOURS) for part in (model.head, model.mean))
    own = [*head.parameters(), *own_mean.parameters()]
    for part in own:
        torch.nn.init.zeros_(part)
    optimiser = AdamW(own, learning_rate, 0.0)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(windows), generator=generator), batch):
            loss = read_out_loss(
                typical[chosen] + apply_head(head.weight, head.bias, hidden[chosen], shared[chosen]),
                mean[chosen] + own_mean(shared[chosen]),
                target[chosen] * (SCALE_UNIT / scale[chosen]),
                huber,
            )
            loss = loss + decay * sum((part**2).sum() for part in own) / HOURS
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    arrays = (part.detach().double().numpy() for part in own)
    return PersonalHead(*merged_head(*arrays))


def fit_home_head(model: LoadForecaster, windows: Windows, settings: ForecastingSettings) -> PersonalHead | None:
    """`fit_personal_head` as the settings say; None for a home that has no head by them, or too few days for one."""
    if settings.personal_epochs == 0 or windows.days < settings.personal_least_days:
        return None
    return fit_personal_head(
        model, windows, epochs=settings.personal_epochs, learning_rate=settings.personal_rate,
        decay=settings.personal_decay, huber=settings.huber, seed=settings.seed,
    )  # fmt: skip


@torch.no_grad()
def forecast_personal(model: LoadForecaster, head: PersonalHead, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh with the personal head, float64 [n, 24], never below zero."""
    history, steps, exogenous, _ = tensors(windows)
    hidden, shared, scale = model.inputs(history, steps, exogenous)
    weight, bias = torch.from_numpy(head.weight).float(), torch.from_numpy(head.bias).float()
    out = mixed(*model.read(hidden, shared)) + apply_head(weight, bias, hidden, shared)
    return np.asarray((out * scale / SCALE_UNIT).clamp(min=0).numpy(), dtype=np.float64)
