"""Training with noise in each step (DP-SGD: Abadi et al., CCS 2016), for a home whose model goes to its neighbours.

A step draws each of the home's days with the same chance (Poisson sampling), shortens each day's gradient to
`day_norm`, adds noise, and takes AdamW's step. What leaves the home afterwards, and whatever neighbours make of it,
is post-processing. Days that start early or late are left out: they would be further windows of the same hours.

That the days have been sampled is known to nobody: sampling and noise come from the operating system's randomness.
How many days a home has is taken to be public. The loss of the training is not told.
"""

from __future__ import annotations

import secrets

import numpy as np
import torch
from numpy.typing import NDArray

from fl.dp.noise import gaussian
from fl.gossip.settings import GossipSettings
from fl.plan import LocalPlan
from fl.secagg.rings import SEED_BYTES, Words64
from fl.task import HomeLearner
from fl.weights import Weights, from_state_dict, to_state_dict
from forecasting.adamw import AdamW
from forecasting.model import LoadForecaster, mean_of_days
from forecasting.training import objective, tensors

_WEIGHT_DECAY, _LINEAR_DECAY, _MEAN_DECAY = 1e-4, 0.02, 0.001  # as `forecasting.training.train_epochs`


def fit_private(learner: HomeLearner, weights: Weights, plan: LocalPlan, settings: GossipSettings) -> Weights:
    """The home's model after `plan.epochs` epochs of `settings.steps` noisy steps."""
    torch.set_num_threads(1)
    model = LoadForecaster(learner.shape)
    model.load_state_dict(to_state_dict(weights))
    everything = tensors(learner.train.at_day_start())
    days = len(everything[0])
    optimiser = AdamW(model.parameters(), plan.learning_rate, _WEIGHT_DECAY)
    for _ in range(plan.epochs * settings.steps):
        chosen = np.flatnonzero(_uniform(days) < settings.sampling)
        total = clipped_sum(model, everything, chosen, learner.huber, settings.day_norm)
        noisy = total + settings.noise_multiplier * settings.day_norm * gaussian(len(total))
        _set_gradient(model, noisy / (settings.sampling * days))
        optimiser.step()
        model.project()
    return from_state_dict(model.state_dict())


def clipped_sum(
    model: LoadForecaster,
    everything: tuple[torch.Tensor, ...],
    chosen: NDArray[np.int64],
    huber: float,
    norm: float,
) -> NDArray[np.float64]:
    """The sum of these windows' gradients, each shortened to L2 norm `norm`; float64 [parameters]."""
    total = np.zeros(sum(p.numel() for p in model.parameters()))
    for at in chosen:
        model.zero_grad()
        history, steps, exogenous, target = (part[at : at + 1] for part in everything)
        objective(model, (history, steps, exogenous, target), huber).backward()  # type: ignore[no-untyped-call]
        gradient = _gradient(model)
        total += gradient * min(1.0, norm / max(float(np.linalg.norm(gradient)), np.finfo(float).tiny))
    return total


def _gradient(model: LoadForecaster) -> NDArray[np.float64]:
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return torch.cat([part.flatten() for part in parts]).double().numpy()


def _set_gradient(model: LoadForecaster, values: NDArray[np.float64]) -> None:
    """The noisy gradient, and that of the pull towards the mean of seven days, which reads no data."""
    model.zero_grad()
    mean, hidden = mean_of_days(model.shape), model.shape.hidden
    pull = _LINEAR_DECAY * ((model.head.weight[:, hidden:] - mean) ** 2).sum()
    (pull + _MEAN_DECAY * ((model.mean.weight - mean) ** 2).sum()).backward()  # type: ignore[no-untyped-call]
    place = 0
    for parameter in model.parameters():
        part = torch.from_numpy(values[place : place + parameter.numel()]).to(parameter.dtype).view_as(parameter)
        parameter.grad = part if parameter.grad is None else parameter.grad + part
        place += parameter.numel()


def _uniform(count: int) -> NDArray[np.float64]:
    words = Words64().expand(secrets.token_bytes(SEED_BYTES), count)
    return np.asarray((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)
