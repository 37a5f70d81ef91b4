"""The float forecaster: two read-outs, their mixture, and the one head that is proven."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.windows import Windows
from fl.task import initial_weights
from fl.weights import Weights, from_state_dict, to_state_dict
from forecasting.integer import QuantisationError, quantise
from forecasting.model import LoadForecaster
from forecasting.personal import fit_personal_head, forecast_personal
from forecasting.read_outs import merged
from forecasting.settings import ModelSettings
from forecasting.shape import HOURS, ModelShape
from forecasting.training import forecast, train_epochs
from tests.fl.deployment import made_up_windows

SHAPE = ModelShape.of(ModelSettings(hidden=8))
WINDOWS = made_up_windows(("home",), 40)


def trained(windows: Windows = WINDOWS, seed: int = 3) -> LoadForecaster:
    model = LoadForecaster(SHAPE, seed=1)
    train_epochs(model, windows, epochs=4, learning_rate=5e-3, batch=8, huber=0.1, seed=seed)
    return model


def integer_forecast(weights: Weights, personal: dict[str, np.ndarray] | None = None) -> np.ndarray:
    model = quantise(merged(weights), SHAPE, personal)
    return model.run(WINDOWS.history, WINDOWS.steps, WINDOWS.exogenous).forecast


def test_an_untrained_model_says_the_mean_of_the_last_seven_days() -> None:
    weights = initial_weights(SHAPE, seed=0)
    weights["head.weight"][:, : SHAPE.hidden] = 0
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    mean = WINDOWS.history.reshape(-1, 7, HOURS).mean(axis=1)
    np.testing.assert_allclose(forecast(model, WINDOWS), mean, rtol=1e-4)


def test_the_merged_head_forecasts_what_the_mixture_does() -> None:
    model = trained()
    assert not torch.equal(model.mean.weight, model.head.weight[:, SHAPE.hidden :])
    scale = WINDOWS.history.mean()
    error = np.abs(integer_forecast(from_state_dict(model.state_dict())) - forecast(model, WINDOWS))
    assert error.max() < 0.02 * scale


def test_a_personal_head_corrects_both_read_outs_and_is_merged_alike() -> None:
    model = trained()
    own = fit_personal_head(model, WINDOWS, epochs=10, learning_rate=1e-3, decay=0.01, huber=0.1, seed=0)
    proven = integer_forecast(from_state_dict(model.state_dict()), own.as_mapping())
    floats = forecast_personal(model, own, WINDOWS)
    assert np.abs(proven - floats).max() < 0.02 * WINDOWS.history.mean()
    before, after = (np.abs(f - WINDOWS.target).mean() for f in (forecast(model, WINDOWS), floats))
    assert after < before


def test_a_model_whose_read_outs_are_not_merged_is_refused() -> None:
    with pytest.raises(QuantisationError, match=r"mean\.bias, mean\.weight: merge the read-outs first"):
        quantise(initial_weights(SHAPE, seed=0), SHAPE)


def test_the_same_seed_trains_the_same_model_and_another_draws_other_windows() -> None:
    one, same, other = trained(), trained(), trained(seed=4)
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_a_home_without_a_whole_day_is_told_so() -> None:
    early = Windows(**{**vars(WINDOWS), "shift": np.full(len(WINDOWS), -1)})
    with pytest.raises(ValueError, match="no complete window"):
        trained(early)


def test_weights_of_an_earlier_version_are_told_apart() -> None:
    old = {name: array for name, array in initial_weights(SHAPE, seed=0).items() if not name.startswith("mean.")}
    with pytest.raises(ValueError, match=r"no mean\.weight and no mean\.bias.*train again"):
        merged(old)
