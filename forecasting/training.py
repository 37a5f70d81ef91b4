"""Training: epochs over windows for one home or for all of them, and forecasts of many windows at once.

The loss is Huber's (1964) on the error relative to the home's scale: near the median it is squared, so that forecasts
of homes still add up to a forecast of the community, and far away absolute, so that one bath does not rule a model.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from data.windows import Windows
from forecasting.adamw import AdamW
from forecasting.model import HOURS, SCALE_UNIT, LoadForecaster, mean_of_days


def tensors(windows: Windows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """history, steps, exogenous, target as float32 tensors."""
    return (
        torch.from_numpy(windows.history.astype(np.float32)),
        torch.from_numpy(windows.steps),
        torch.from_numpy(windows.exogenous),
        torch.from_numpy(windows.target.astype(np.float32)),
    )


def relative_loss(forecast: Tensor, target: Tensor, scale: Tensor, huber: float) -> Tensor:
    """Mean Huber loss of a relative forecast [B, 24] against a target in Wh."""
    return functional.huber_loss(forecast, target * (SCALE_UNIT / scale), delta=huber) / huber


def train_epochs(
    model: LoadForecaster,
    windows: Windows,
    *,
    epochs: int,
    learning_rate: float,
    batch: int,
    huber: float,
    seed: int,
    proximal_mu: float = 0.0,
    weight_decay: float = 1e-4,
    linear_decay: float = 0.02,
) -> float:
    """Train in place with AdamW; the mean loss of the last epoch. Same seed, same weights.

    `linear_decay` pulls the linear path towards the mean of the last seven days: its 4,800 weights would otherwise
    learn one year by heart (docs/accuracy.md).
    `proximal_mu` adds FedProx's pull towards the weights the training starts from (Li et al. 2020).
    Raises ValueError when there is no window to train on.
    """
    if len(windows) == 0:
        raise ValueError("there is no complete window to train on: a home needs at least eight days of readings")
    history, steps, exogenous, target = tensors(windows)
    scale = 2048.0 + history.sum(dim=1, keepdim=True)
    mean, hidden = mean_of_days(model.shape), model.shape.hidden
    start = [p.detach().clone() for p in model.parameters()]
    optimiser = AdamW(model.parameters(), learning_rate, weight_decay)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.split(torch.randperm(len(windows), generator=generator), batch):
            loss = relative_loss(
                model(history[chosen], steps[chosen], exogenous[chosen]), target[chosen], scale[chosen], huber
            )
            pull = sum(((p - s) ** 2).sum() for p, s in zip(model.parameters(), start, strict=True))
            linear = ((model.head.weight[:, hidden:] - mean) ** 2).sum()
            optimiser.zero_grad()
            (loss + proximal_mu / 2 * pull + linear_decay * linear).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            model.project()
            total += float(loss.detach()) * len(chosen) / len(windows)
    return total


@torch.no_grad()
def forecast(model: LoadForecaster, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh, float64 [n, 24], never below zero."""
    history, steps, exogenous, _ = tensors(windows)
    out = model(history, steps, exogenous) * ((2048.0 + history.sum(dim=1, keepdim=True)) / SCALE_UNIT)
    return np.asarray(out.clamp(min=0).numpy(), dtype=np.float64).reshape(-1, HOURS)


@torch.no_grad()
def evaluate_loss(model: LoadForecaster, windows: Windows, huber: float) -> float:
    """Mean loss on windows; NaN where there are none."""
    if len(windows) == 0:
        return float("nan")
    history, steps, exogenous, target = tensors(windows)
    scale = 2048.0 + history.sum(dim=1, keepdim=True)
    return float(relative_loss(model(history, steps, exogenous), target, scale, huber))
