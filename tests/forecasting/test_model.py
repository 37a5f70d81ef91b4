"""The float forecaster: typical hours and means, and the integers that are proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.windows import Windows
from fl.task import initial_weights
from fl.weights import Weights, from_state_dict, to_state_dict
from forecasting.integer import QuantisationError, quantise
from forecasting.model import LoadForecaster
from forecasting.personal import WEIGHT_LIMIT, fit_home_head, fit_personal_head, forecast_personal
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import HISTORY, HOURS, ModelShape
from forecasting.training import forecast, objective, tensors, train_epochs
from tests.fl.federation import made_up_windows
from zkp.lstm.integer_model import PERSONAL_BITS, PERSONAL_LIMIT

SHAPE = ModelShape.of(ModelSettings(hidden=8, median_share=0))
WINDOWS = made_up_windows(("home",), 40)


def trained(windows: Windows = WINDOWS, seed: int = 3) -> LoadForecaster:
    model = LoadForecaster(SHAPE, seed=1)
    train_epochs(model, windows, epochs=4, learning_rate=5e-3, batch=8, huber=0.1, seed=seed)
    return model


def integer_forecast(weights: Weights, personal: dict[str, np.ndarray] | None = None) -> np.ndarray:
    model = quantise(weights, SHAPE, personal)
    return model.run(WINDOWS.history, WINDOWS.steps, WINDOWS.exogenous).forecast


def test_an_untrained_model_says_the_mean_of_the_last_seven_days() -> None:
    weights = initial_weights(SHAPE, seed=0)
    weights["head.weight"][:, : SHAPE.hidden] = 0
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    mean = WINDOWS.history.reshape(-1, 7, HOURS).mean(axis=1)
    typical, means = np.split(forecast(model, WINDOWS), 2, axis=1)
    np.testing.assert_allclose(typical, mean, rtol=1e-4)
    np.testing.assert_allclose(means, mean, rtol=1e-4)


def test_the_integers_forecast_what_both_outputs_do() -> None:
    model = trained()
    assert not torch.equal(model.mean.weight, model.head.weight[:, SHAPE.hidden :])
    scale = WINDOWS.history.mean()
    error = np.abs(integer_forecast(from_state_dict(model.state_dict())) - forecast(model, WINDOWS))
    assert error.max() < 0.02 * scale


def error_of(forecasts: np.ndarray) -> tuple[float, float]:
    """Absolute error of the typical hours, squared error of the means."""
    typical, means = np.split(forecasts, 2, axis=1)
    return float(np.abs(typical - WINDOWS.target).mean()), float(((means - WINDOWS.target) ** 2).mean())


def test_a_personal_head_corrects_both_outputs() -> None:
    model = trained()
    own = fit_personal_head(model, WINDOWS, epochs=10, learning_rate=1e-3, decay=0.01, huber=0.1, seed=0)
    proven = integer_forecast(from_state_dict(model.state_dict()), own.as_mapping())
    floats = forecast_personal(model, own, WINDOWS)
    assert np.abs(proven - floats).max() < 0.02 * WINDOWS.history.mean()
    before, after = error_of(forecast(model, WINDOWS)), error_of(floats)
    assert after[0] < before[0] and after[1] < before[1]


def test_a_share_of_the_weeks_median_is_mixed_into_the_typical_hours_alone() -> None:
    """With a personal head and without; and the integers forecast the same."""
    plain, state = trained(), trained().state_dict()
    shape = ModelShape.of(ModelSettings(hidden=8, median_share=0.25))
    mixed = LoadForecaster(shape)
    mixed.load_state_dict(state)
    own = fit_personal_head(plain, WINDOWS, epochs=10, learning_rate=1e-3, decay=0.01, huber=0.1, seed=0)
    same = fit_personal_head(mixed, WINDOWS, epochs=10, learning_rate=1e-3, decay=0.01, huber=0.1, seed=0)
    assert np.array_equal(own.typical, same.typical), "what is trained is the same"
    median = np.median(WINDOWS.history.reshape(-1, 7, HOURS), axis=1)
    pairs = [
        (forecast(plain, WINDOWS), forecast(mixed, WINDOWS), None),
        (forecast_personal(plain, own, WINDOWS), forecast_personal(mixed, own, WINDOWS), own.as_mapping()),
    ]
    for before, after, head in pairs:
        assert (before[:, :HOURS] > 0).all(), "none was cut off at zero"
        np.testing.assert_allclose(after[:, :HOURS], 0.75 * before[:, :HOURS] + 0.25 * median, rtol=1e-4)
        assert np.array_equal(after[:, HOURS:], before[:, HOURS:])
        integer = quantise(from_state_dict(state), shape, head).run(WINDOWS.history, WINDOWS.steps, WINDOWS.exogenous)
        assert np.abs(integer.forecast - after).max() < 0.02 * WINDOWS.history.mean()


@pytest.mark.parametrize("share", [0.1, 0.6, -0.0625])
def test_a_share_of_the_median_is_some_sixteenths_and_at_most_half(share: float) -> None:
    with pytest.raises(ValueError, match="median_share"):
        ModelSettings(median_share=share)


def test_a_home_that_uses_more_counts_for_more_in_the_means_and_for_the_same_in_typical_hours() -> None:
    """Means are added up, typical hours are each home's own: the same shares of a third of the load."""
    small = replace(WINDOWS, history=WINDOWS.history // 3, target=WINDOWS.target // 3)
    model = LoadForecaster(SHAPE, seed=3)

    def gradients(windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        objective(model, tensors(windows), 0.1).backward()  # type: ignore[no-untyped-call]
        assert model.head.weight.grad is not None and model.mean.weight.grad is not None
        return model.head.weight.grad.clone(), model.mean.weight.grad.clone()

    (typical, means), (typical_of_small, means_of_small) = gradients(WINDOWS), gradients(small)
    assert float(means.norm() / means_of_small.norm()) == pytest.approx(3, rel=0.15)
    assert float(typical.norm() / typical_of_small.norm()) == pytest.approx(1, rel=0.15)


def test_a_personal_head_leaves_the_means_alone_unless_it_is_told_to() -> None:
    model, usual = trained(), ForecastingSettings(personal_least_days=1)
    for told, settings in ((False, usual), (True, usual.model_copy(update={"personal_means": True}))):
        head = fit_home_head(model, WINDOWS, settings)
        assert head is not None and np.abs(head.typical).max() > 0
        assert bool(np.abs(head.mean).max() > 0) is told


def test_a_personal_head_reads_nothing_public() -> None:
    """The same readings on other days and in other weather: the correction is the same."""
    model = trained()
    own = fit_personal_head(model, WINDOWS, epochs=10, learning_rate=1e-3, decay=0.01, huber=0.1, seed=0)
    model.head.weight.data[:, : SHAPE.hidden] = 0  # the hidden state follows from public features, too
    own.typical[:, HISTORY:] = 0
    other = Windows(**{**vars(WINDOWS), "exogenous": np.clip(WINDOWS.exogenous + 0.25, -2, 2)})
    corrections = [forecast_personal(model, own, w) - forecast(model, w) for w in (WINDOWS, other)]
    inside = (forecast(model, WINDOWS) > 0) & (forecast(model, other) > 0)
    assert inside.any()
    np.testing.assert_allclose(*(c[inside] for c in corrections), atol=1e-2)


def test_personal_weights_stay_within_what_can_be_proven() -> None:
    wild = fit_personal_head(trained(), WINDOWS, epochs=30, learning_rate=0.2, decay=0, huber=0.1, seed=0)
    assert max(np.abs(part).max() for part in (wild.typical, wild.mean)) == pytest.approx(WEIGHT_LIMIT)
    assert WEIGHT_LIMIT * (1 << PERSONAL_BITS) < PERSONAL_LIMIT


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
    with pytest.raises(QuantisationError, match=r"mean\.bias, mean\.weight.*train again"):
        quantise(old, SHAPE)


@pytest.mark.parametrize("gate", range(4))
def test_weights_inside_the_bounds_can_be_quantised_however_they_are_rounded(gate: int) -> None:
    """The weights of all loads are a little over the middle between two numbers, and hidden units fill the bound."""
    loads, doubled = SHAPE.lags + SHAPE.recent, 2 if gate == 2 else 1
    for worst in np.linspace(15.4, 17, 65):
        model = LoadForecaster(SHAPE)
        rows = slice(gate * SHAPE.hidden, (gate + 1) * SHAPE.hidden)
        with torch.no_grad():
            for parameter in model.lstm.parameters():
                parameter[rows] = 0
            over_the_middle = (24.5 / 128 + 1e-6) / doubled
            model.lstm.get_parameter("weight_ih_l0")[rows, :loads] = over_the_middle
            rest = worst / doubled - 8 * loads * over_the_middle
            model.lstm.get_parameter("weight_hh_l0")[rows] = rest / SHAPE.hidden
        model.project()
        quantise(from_state_dict(model.state_dict()), SHAPE)
