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
from numpy.typing import NDArray

from fl.dp.noise import gaussian
from fl.gossip.settings import GossipSettings
from fl.plan import LocalPlan
from fl.secagg.rings import SEED_BYTES, Words64
from fl.task import HomeLearner
from fl.weights import Weights
from forecasting.local_model import WEIGHT_DECAY
from forecasting.numpy_forecaster import AdamW, Inputs, NumpyForecaster
from forecasting.parameters import project


def fit_private(learner: HomeLearner, weights: Weights, plan: LocalPlan, settings: GossipSettings) -> Weights:
    """The home's model after `plan.epochs` epochs of `settings.steps` noisy steps."""
    model = NumpyForecaster(learner.shape, weights)
    inputs = model.inputs(learner.train.at_day_start())
    days = len(inputs)
    optimiser = AdamW(model.vector, plan.learning_rate, WEIGHT_DECAY)
    for _ in range(plan.epochs * settings.steps):
        chosen = np.flatnonzero(_uniform(days) < settings.sampling)
        total = clipped_sum(model, inputs, chosen, learner.huber, settings.day_norm)
        noisy = total + settings.noise_multiplier * settings.day_norm * gaussian(len(total))
        # The pull towards the mean of seven days reads no data.
        optimiser.step((noisy / (settings.sampling * days)).astype(np.float32) + model.pull())
        project(model.parameters, model.shape)
    return model.weights()


def clipped_sum(
    model: NumpyForecaster, inputs: Inputs, chosen: NDArray[np.int64], huber: float, norm: float
) -> NDArray[np.float64]:
    """The sum of these windows' gradients, each shortened to L2 norm `norm`; float64 [parameters]."""
    total = np.zeros(len(model.vector))
    for at in chosen:
        gradient = model.gradient(inputs.at(slice(at, at + 1)), huber)[1].astype(np.float64)
        total += gradient * min(1.0, norm / max(float(np.linalg.norm(gradient)), np.finfo(float).tiny))
    return total


def _uniform(count: int) -> NDArray[np.float64]:
    words = Words64().expand(secrets.token_bytes(SEED_BYTES), count)
    return np.asarray((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)
