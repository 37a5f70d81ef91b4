"""Training in NumPy, as on a gateway, is PyTorch's training: same losses, gradients, steps and models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.features import SEASON_FEATURES
from data.windows import Windows
from forecasting.adamw import AdamW as TorchAdamW
from forecasting.errors import ForecastError
from forecasting.generator import Generator
from forecasting.local_model import LINEAR_DECAY, MEAN_DECAY
from forecasting.model import LoadForecaster, tensors
from forecasting.numpy_forecaster import AdamW, NumpyForecaster, output_loss, views
from forecasting.parameters import SCALE_UNIT, initial
from forecasting.personal import WEIGHT_LIMIT, fit_personal_head
from forecasting.settings import ModelSettings
from forecasting.shape import HISTORY, HOURS, ModelShape
from forecasting.torch_forecaster import TorchForecaster
from forecasting.training import decay, objective, pulls_of
from forecasting.training import output_loss as torch_output_loss
from tests.fl.federation import made_up_windows
from tests.support.laws import examples

SHAPE = ModelShape.of(ModelSettings(hidden=8))
WINDOWS = made_up_windows(("home",), 40)
SHAPES = st.builds(
    ModelSettings,
    steps=st.sampled_from((24, 25, 48, 168)),
    hidden=st.integers(4, 12),
    layers=st.integers(1, 2),
    median_share=st.sampled_from((0.0, 0.25)),
).map(ModelShape.of)


def windows_of(shape: ModelShape, days: int, seed: int) -> Windows:
    generator = np.random.default_rng(seed)
    made = made_up_windows(("home",), days, seed)
    steps = generator.uniform(-1, 1, (days, shape.steps, made.steps.shape[2])).astype(np.float32)
    history = made.history.copy()
    history[0] *= generator.random(HISTORY) < 0.05  # a few great loads in an idle week: the limit is reached
    return replace(made, steps=steps, history=history)


def moved(shape: ModelShape, seed: int) -> dict[str, np.ndarray]:
    """Weights away from where a training begins, float64."""
    generator = np.random.default_rng(seed)
    return {name: array + generator.normal(0, 0.1, array.shape) for name, array in initial(shape, seed).items()}


@given(shape=SHAPES, days=st.integers(1, 5), seed=st.integers(0, 2**32 - 1), huber=st.floats(0.01, 2))
@examples(25)
def test_the_gradient_is_that_of_automatic_differentiation(
    shape: ModelShape, days: int, seed: int, huber: float
) -> None:
    """In float64, where rounding hides nothing, to 1e-9; in float32, as on a gateway, to 1e-4 of the largest."""
    weights, windows = moved(shape, seed), windows_of(shape, days, seed)
    reference = LoadForecaster(shape).double()
    reference.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    loss = objective(reference, tuple(part.double() for part in tensors(windows)), huber)  # type: ignore[arg-type]
    loss.backward()  # type: ignore[no-untyped-call]
    expected = np.concatenate([p.grad.numpy().ravel() for p in reference.parameters() if p.grad is not None])
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
        model = NumpyForecaster(shape, {name: array.astype(dtype) for name, array in weights.items()})
        own, gradient = model.gradient(model.inputs(windows), huber)
        assert gradient.dtype == dtype
        assert own == pytest.approx(loss.item(), rel=tolerance)
        np.testing.assert_allclose(gradient, expected, atol=tolerance * np.abs(expected).max(), rtol=tolerance)


@given(seed=st.integers(0, 2**32 - 1), huber=st.floats(0.01, 2))
@examples(50)
def test_the_losses_are_pytorchs(seed: int, huber: float) -> None:
    generator = np.random.default_rng(seed)
    typical, mean, target = (generator.normal(0, 1, (3, HOURS)) for _ in range(3))
    scale = generator.uniform(1e3, 2e6, (3, 1))  # from homes that count least to those that count most
    parts = [torch.tensor(part, requires_grad=True) for part in (typical, mean)]
    loss = torch_output_loss(*parts, torch.tensor(target * scale / SCALE_UNIT), torch.tensor(scale), huber)
    loss.backward()  # type: ignore[no-untyped-call]
    own, *gradients = output_loss(typical, mean, target, scale, huber)
    assert own == pytest.approx(loss.item())
    for gradient, part in zip(gradients, parts, strict=True):
        assert part.grad is not None
        np.testing.assert_allclose(gradient, part.grad.numpy(), atol=1e-12)


def test_the_pull_is_the_gradient_of_the_decay() -> None:
    model, reference = NumpyForecaster(SHAPE, moved(SHAPE, 1)), LoadForecaster(SHAPE).double()
    reference.load_state_dict({name: torch.tensor(array) for name, array in moved(SHAPE, 1).items()})
    decay(reference, *pulls_of(SHAPE)).backward()  # type: ignore[no-untyped-call]
    expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in reference.parameters()]
    np.testing.assert_allclose(model.pull(), np.concatenate([part.numpy().ravel() for part in expected]), atol=1e-12)


def test_the_season_is_pulled_out_of_a_mean_as_strongly_as_out_of_a_head() -> None:
    model = NumpyForecaster(SHAPE, {name: np.ones_like(array) for name, array in initial(SHAPE, 1).items()})
    features = views(model.pull(), SHAPE)["mean.weight"][:, HISTORY:]
    np.testing.assert_allclose(features[:, :-SEASON_FEATURES], 2 * MEAN_DECAY, rtol=1e-6)
    np.testing.assert_allclose(features[:, -SEASON_FEATURES:], 2 * LINEAR_DECAY, rtol=1e-6)


def test_the_optimisers_steps_are_pytorchs() -> None:
    generator = np.random.default_rng(3)
    vector = generator.normal(0, 1, 50)
    reference = torch.tensor(vector, requires_grad=True)
    ours, pytorchs = AdamW(vector, 3e-3, 1e-2), TorchAdamW([reference], 3e-3, 1e-2)
    for _ in range(30):
        gradient = generator.normal(0, 1, 50) * generator.integers(0, 2, 50)
        ours.step(gradient)
        reference.grad = torch.tensor(gradient)
        pytorchs.step()
    np.testing.assert_allclose(vector, reference.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize(("layers", "proximal_mu"), [(1, 0.0), (2, 0.5)])
def test_a_whole_training_ends_in_pytorchs_model(layers: int, proximal_mu: float) -> None:
    """Three rounds of two epochs of five batches: to a thousandth of a weight, and the forecasts to 0.1 %."""
    shape = ModelShape.of(ModelSettings(hidden=8, layers=layers))
    weights = initial(shape, 7)
    models = NumpyForecaster(shape, weights), TorchForecaster(shape, weights)
    for seed in range(3):
        ours, pytorchs = (
            model.train(WINDOWS, epochs=2, learning_rate=5e-3, batch=8, huber=0.1, seed=seed, proximal_mu=proximal_mu)
            for model in models
        )
        assert ours == pytest.approx(pytorchs, rel=1e-3)
    for name, array in models[0].weights().items():
        np.testing.assert_allclose(array, models[1].weights()[name], atol=1e-3, err_msg=name)
        if name.endswith("weight") or "weight_hh" in name:
            assert np.abs(array - weights[name]).max() > 0.01, "nothing was learnt"
    np.testing.assert_allclose(*(model.forecast(WINDOWS) for model in models), rtol=1e-3, atol=1)
    assert models[0].loss(WINDOWS, 0.1) == pytest.approx(models[1].loss(WINDOWS, 0.1), rel=1e-3)


def test_a_gradient_of_more_windows_than_fit_in_a_pass_is_their_mean() -> None:
    windows, weights = made_up_windows(("home",), 300), initial(SHAPE, 7)
    models = NumpyForecaster(SHAPE, weights), TorchForecaster(SHAPE, weights)
    ours, pytorchs = (model.step_down(windows, 0.1) for model in models)
    assert ours == pytest.approx(pytorchs, rel=1e-5)
    for name, array in models[0].weights().items():
        np.testing.assert_allclose(array, models[1].weights()[name], atol=1e-5, err_msg=name)
    np.testing.assert_allclose(*(model.forecast(windows) for model in models), rtol=1e-4, atol=0.1)
    assert models[0].loss(windows, 0.1) == pytest.approx(models[1].loss(windows, 0.1), rel=1e-4)


def pytorchs_head(model: LoadForecaster, windows: Windows, seed: int) -> list[np.ndarray]:
    """`fit_personal_head` written with automatic differentiation: three epochs at 1e-2, decay 0.01."""
    history, steps, exogenous, target = tensors(windows)
    with torch.no_grad():
        hidden, shared, scale = model.inputs(history, steps, exogenous)
        typical, mean = model.read(hidden, shared)
    loads = shared[:, :HISTORY]
    own = [torch.zeros(HOURS, size, requires_grad=True) for size in (HISTORY, hidden.shape[2], HISTORY)]
    optimiser, generator = TorchAdamW(own, 1e-2, 0.0), Generator(seed)
    for _ in range(3):
        for chosen in torch.split(torch.from_numpy(generator.permutation(len(windows))), 32):
            loss = torch_output_loss(
                typical[chosen] + loads[chosen] @ own[0].T + (hidden[chosen] * own[1]).sum(dim=2),
                mean[chosen] + loads[chosen] @ own[2].T,
                target[chosen],
                scale[chosen],
                0.1,
            )
            optimiser.zero_grad()
            (loss + 0.01 * sum((part**2).sum() for part in own) / HOURS).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                for part in own:
                    part.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    return [torch.cat(own[:2], dim=1).detach().numpy(), own[2].detach().numpy()]


def test_a_personal_head_is_that_of_automatic_differentiation_whatever_reads_the_windows() -> None:
    weights = initial(SHAPE, 7)
    ours, pytorchs = NumpyForecaster(SHAPE, weights), TorchForecaster(SHAPE, weights)
    expected = pytorchs_head(pytorchs.model, WINDOWS, seed=5)
    for model in (ours, pytorchs):
        head = fit_personal_head(model, WINDOWS, epochs=3, learning_rate=1e-2, decay=0.01, huber=0.1, seed=5)
        for part, reference in zip((head.typical, head.mean), expected, strict=True):
            np.testing.assert_allclose(part, reference, atol=2e-5)
            assert np.abs(part).max() > 1e-3


def test_no_windows_have_no_forecasts_and_teach_nothing() -> None:
    model, none = NumpyForecaster(SHAPE, initial(SHAPE, 7)), WINDOWS.between(0, 0)
    assert model.forecast(none).shape == (0, 2 * HOURS)
    assert np.isnan(model.loss(none, 0.1))
    with pytest.raises(ForecastError, match="no complete window"):
        model.step_down(none, 0.1)
    with pytest.raises(ForecastError, match="no complete window"):
        model.train(none, epochs=1, learning_rate=1e-3, batch=8, huber=0.1, seed=1)


def test_weights_of_another_shape_are_refused() -> None:
    weights = initial(SHAPE, 7)
    for wrong in (initial(ModelShape.of(ModelSettings(hidden=4)), 7), {**weights, "more": weights["mean.bias"]}):
        with pytest.raises(ForecastError, match=r"sizes in forecasting\.model"):
            NumpyForecaster(SHAPE, wrong)


def test_training_leaves_the_weights_that_it_began_with() -> None:
    weights = initial(SHAPE, 7)
    kept = {name: array.copy() for name, array in weights.items()}
    model = NumpyForecaster(SHAPE, weights)
    before = model.weights()
    model.step_down(WINDOWS, 0.1)
    for name, array in kept.items():
        np.testing.assert_array_equal(weights[name], array)
        np.testing.assert_array_equal(before[name], array)
