"""The personal head: a private, additive correction of the head for one home, the LSTM frozen.

It starts at zero, is pulled back to it (so that a home with little data keeps the community's model), and never
leaves the home but as a hiding commitment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.model import HOURS, SCALE_UNIT, LoadForecaster, apply_head
from forecasting.training import relative_loss, tensors


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
        raise ValueError("there is no complete window to personalise on")
    history, steps, exogenous, target = tensors(windows)
    with torch.no_grad():
        hidden, shared, scale = model.inputs(history, steps, exogenous)
        base = apply_head(model.head.weight, model.head.bias, hidden, shared)
    weight = torch.zeros_like(model.head.weight, requires_grad=True)
    bias = torch.zeros(HOURS, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(windows), generator=generator), batch):
            out = base[chosen] + apply_head(weight, bias, hidden[chosen], shared[chosen])
            loss = relative_loss(out, target[chosen], scale[chosen], huber)
            loss = loss + decay * ((weight**2).sum() + (bias**2).sum()) / HOURS
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return PersonalHead(weight.detach().double().numpy(), bias.detach().double().numpy())


@torch.no_grad()
def forecast_personal(model: LoadForecaster, head: PersonalHead, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh with the personal head, float64 [n, 24], never below zero."""
    history, steps, exogenous, _ = tensors(windows)
    hidden, shared, scale = model.inputs(history, steps, exogenous)
    weight, bias = torch.from_numpy(head.weight).float(), torch.from_numpy(head.bias).float()
    out = apply_head(model.head.weight + weight, model.head.bias + bias, hidden, shared)
    return np.asarray((out * scale / SCALE_UNIT).clamp(min=0).numpy(), dtype=np.float64)
