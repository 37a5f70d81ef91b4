"""What the bench computes at once is where the training of the means ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.local_rounds import FORECASTING, SHAPE
from bench.season_pull import fitted, missed, sums
from forecasting.local_model import LINEAR_DECAY, MEAN_DECAY
from forecasting.model import LoadForecaster, tensors
from forecasting.training import decay, forecast, objective, pulls_of
from tests.fl.federation import made_up_windows


def test_no_step_down_the_trainings_objective_is_left() -> None:
    windows = made_up_windows(("home",), 40)
    weights = fitted(sums(windows), LINEAR_DECAY / MEAN_DECAY)
    model = LoadForecaster(SHAPE).double()
    with torch.no_grad():
        model.mean.weight.copy_(torch.from_numpy(weights[:-1].T))
        model.mean.bias.copy_(torch.from_numpy(weights[-1]))
    batch = tensors(windows)
    loss = objective(
        model, (batch[0].double(), batch[1].double(), batch[2].double(), batch[3].double()), FORECASTING.huber
    )
    (loss + decay(model, *pulls_of(SHAPE))).backward()  # type: ignore[no-untyped-call]
    for parameter in (model.mean.weight, model.mean.bias):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) < 1e-8


def test_its_error_is_that_of_the_models_total() -> None:
    windows = made_up_windows(("home",), 40).at_day_start()
    weights = fitted(sums(windows), 1.0)
    model = LoadForecaster(SHAPE)
    with torch.no_grad():
        model.mean.weight.copy_(torch.from_numpy(weights[:-1].T))
        model.mean.bias.copy_(torch.from_numpy(weights[-1]))
    errors = np.abs(forecast(model, windows)[:, 24:] - windows.target).sum()
    assert missed(weights, windows) == (pytest.approx(errors, rel=1e-4), windows.target.sum())
