"""The twin as the forecaster's mean output: the same forecast, inside the bounds that are proven."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.windows import Windows
from fl.one_shot.home import own_statistics
from fl.one_shot.load_inputs import forecast, mean_load
from fl.one_shot.model import provable_twin, with_twin
from fl.one_shot.moments import RegressionMoments, regression_moments
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.one_shot.ridge import RidgeModel, evidence_penalty, ridge
from fl.task import initial_weights
from fl.weights import Weights, check_like, to_state_dict
from forecasting.integer import QuantisationError, quantise
from forecasting.model import LoadForecaster
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, made_up_windows

SHAPE = ModelShape.of(ModelSettings(hidden=8, median_share=0))


def some_moments() -> tuple[RegressionMoments, Windows]:
    windows = made_up_windows(HOMES, days=40)
    plan = OneShotPlan(STATISTICS, (), fewest_days=1, private=False, most_windows=1000)
    homes = [own_statistics(windows.of_home(home), plan) for home in HOMES]
    return regression_moments(homes[0] + homes[1] + homes[2] + homes[3]), windows


def a_twin() -> tuple[RidgeModel, Windows]:
    moments, windows = some_moments()
    return ridge(moments, evidence_penalty(moments)), windows


def outputs(weights: Weights, windows: Windows) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """What the two read-outs forecast, Wh."""
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    history = torch.from_numpy(windows.history.astype(np.float32))
    with torch.no_grad():
        hidden, shared, scale = model.inputs(
            history, torch.from_numpy(windows.steps), torch.from_numpy(windows.exogenous)
        )
        typical, mean = (np.asarray(out * scale / 128) for out in model.read(hidden, shared))
    return typical, mean


def test_the_mean_output_is_the_twin() -> None:
    twin, windows = a_twin()
    start = initial_weights(SHAPE, seed=1)
    for trained in (True, False):
        weights = with_twin(start, twin, trained=trained)
        check_like(weights, start)
        _, mean = outputs(weights, windows)
        assert np.maximum(mean, 0) == pytest.approx(forecast(twin, windows), rel=1e-4, abs=0.05)


def test_an_untrained_typical_output_is_mostly_the_twin_and_reads_no_lstm() -> None:
    twin, windows = a_twin()
    weights = with_twin(initial_weights(SHAPE, seed=1), twin, trained=False)
    typical, mean = outputs(weights, windows)
    days = windows.history.reshape(-1, 7, 24).mean(axis=1)
    assert typical == pytest.approx(0.75 * mean + 0.25 * days, rel=1e-4, abs=0.05)
    other = with_twin(initial_weights(SHAPE, seed=2), twin, trained=False)
    assert np.array_equal(outputs(other, windows)[0], typical)


def test_a_trained_typical_output_stays() -> None:
    twin, _ = a_twin()
    start = initial_weights(SHAPE, seed=1)
    weights = with_twin(start, twin, trained=True)
    changed = {name for name in start if not np.array_equal(start[name], weights[name])}
    assert changed == {"mean.weight", "mean.bias"}


def test_it_can_be_proven_if_need_be_with_a_larger_penalty() -> None:
    """Made-up days hardly differ, so that the penalty of most evidence is small and the weights are large."""
    moments, windows = some_moments()
    start, least = initial_weights(SHAPE, seed=1), evidence_penalty(moments)
    with pytest.raises(QuantisationError, match="could reach"):
        quantise(with_twin(start, ridge(moments, least), trained=False), SHAPE)
    weights, twin = provable_twin(start, lambda penalty: ridge(moments, penalty), least, SHAPE, trained=False)
    assert twin.penalty > least
    expected = np.concatenate(outputs(weights, windows), axis=1)
    got = quantise(weights, SHAPE).run(windows.history, windows.steps, windows.exogenous).forecast
    assert np.abs(got - expected).max() < 0.01 * mean_load(windows).max()


def test_a_penalty_that_can_be_proven_stays() -> None:
    moments, _ = some_moments()
    start = initial_weights(SHAPE, seed=1)
    weights, twin = provable_twin(start, lambda penalty: ridge(moments, penalty), 500.0, SHAPE, trained=True)
    assert twin.penalty == 500.0
    assert np.array_equal(weights["mean.weight"], with_twin(start, twin, trained=True)["mean.weight"])
