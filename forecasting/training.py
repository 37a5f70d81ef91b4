"""Training: epochs over windows for one home or for all of them, and forecasts of many windows at once.

Losses are of the error relative to the home's scale: Huber's (1964) for the typical hour, absolute but for small
errors, so that single outliers do not dominate, and the squared one for the mean. Means are added up to the
community's total, in which a large home's error counts for more than a small one's: their loss is weighted by the
home's scale. Days are few, so they are also shifted by a few hours: an epoch draws as many windows as there are days,
from all shifts.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from data.windows import Windows
from forecasting.adamw import AdamW
from forecasting.local_model import LINEAR_DECAY, MOST_WEIGHT, USUAL_WEEK_WH, WEIGHT_DECAY, check_some, mean_decay
from forecasting.model import LoadForecaster, tensors
from forecasting.parameters import SCALE_UNIT, mean_of_days
from forecasting.shape import ModelShape


def objective(model: LoadForecaster, batch: tuple[Tensor, Tensor, Tensor, Tensor], huber: float) -> Tensor:
    """The mean loss of both outputs on a batch as of `tensors`."""
    history, steps, exogenous, target = batch
    hidden, shared, scale = model.inputs(history, steps, exogenous)
    return output_loss(*model.read(hidden, shared), target, scale, huber)


def output_loss(typical: Tensor, mean: Tensor, target: Tensor, scale: Tensor, huber: float) -> Tensor:
    """Huber's loss of the typical hour, and the squared one of the mean weighted by the scale.

    Args:
        typical, mean: [B, 24], relative to the scale [B, 1] Wh (`forecasting.model`).
        target: [B, 24] Wh.
    """
    relative = target * (SCALE_UNIT / scale)
    of_means = (mean_weight(scale) * (mean - relative) ** 2).mean()
    return functional.huber_loss(typical, relative, delta=huber) / huber + of_means


def mean_weight(scale: Tensor) -> Tensor:
    """How much the means of a window with this scale (Wh, any shape) count."""
    return (scale / USUAL_WEEK_WH).clamp(1 / MOST_WEIGHT, MOST_WEIGHT)


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
    weight_decay: float = WEIGHT_DECAY,
) -> float:
    """Train in place with AdamW; the mean loss of the last epoch. Same seed, same weights.

    The linear paths of both outputs are pulled towards the mean of the last seven days (`decay`): their 4,800 weights
    would otherwise overfit a single year (docs/accuracy.md). `proximal_mu` adds FedProx's pull towards the weights
    the training starts from (Li et al. 2020). Raises ValueError when there is no window to train on.
    """
    check_some(windows.days)
    everything, pulls = tensors(windows), pulls_of(model.shape)
    start = [p.detach().clone() for p in model.parameters()]
    optimiser = AdamW(model.parameters(), learning_rate, weight_decay)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(epochs):
        total = 0.0
        drawn = torch.randperm(len(windows), generator=generator)[: windows.days]
        for chosen in torch.split(drawn, batch):
            history, steps, exogenous, target = (part[chosen] for part in everything)
            loss = objective(model, (history, steps, exogenous, target), huber)
            pull = sum(((p - s) ** 2).sum() for p, s in zip(model.parameters(), start, strict=True))
            linear = decay(model, *pulls)
            optimiser.zero_grad()
            (loss + proximal_mu / 2 * pull + linear).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            model.project()
            total += float(loss.detach()) * len(chosen) / windows.days
    return total


def pulls_of(shape: ModelShape) -> tuple[Tensor, Tensor]:
    """What `decay` pulls towards [24, 168 + E], and how strongly it does so with each weight of a mean [168 + E]."""
    return torch.from_numpy(mean_of_days(shape)), torch.from_numpy(mean_decay(shape))


def decay(model: LoadForecaster, towards: Tensor, of_mean: Tensor) -> Tensor:
    """What pulls the linear paths of both outputs towards the mean of the last seven days (`pulls_of`)."""
    own = model.head.weight[:, model.shape.hidden :]
    return LINEAR_DECAY * ((own - towards) ** 2).sum() + (of_mean * (model.mean.weight - towards) ** 2).sum()


def step_down(model: LoadForecaster, windows: Windows, huber: float) -> float:
    """Subtract from the weights, in place, the mean gradient of the objective (as in `train_epochs`) over the
    windows; their mean loss.

    Raises ValueError when there is no window to learn from.
    """
    check_some(len(windows))
    loss = objective(model, tensors(windows), huber)
    model.zero_grad()
    (loss + decay(model, *pulls_of(model.shape))).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad)
    return float(loss.detach())


def forecast(model: LoadForecaster, windows: Windows) -> NDArray[np.float64]:
    """Forecasts in Wh, float64 [n, 48], typical hours and means, never below zero."""
    return model.outputs(windows).in_wh()


@torch.no_grad()
def evaluate_loss(model: LoadForecaster, windows: Windows, huber: float) -> float:
    """Mean loss on windows; NaN where there are none."""
    return float(objective(model, tensors(windows), huber)) if len(windows) else float("nan")
