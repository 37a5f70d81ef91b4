"""Training with noise: each day counts for no more than its norm, and what it costs is written down before."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from fl.dp.accountant import epsilon_of, epsilon_of_days
from fl.dp.budget import HomeBudgetSpent
from fl.errors import FederationError
from fl.gossip.ledger import DaysLedger
from fl.gossip.private_training import clipped_sum, fit_private
from fl.gossip.settings import GossipSettings
from fl.plan import LocalPlan
from fl.task import HomeLearner, initial_weights
from forecasting.numpy_forecaster import NumpyForecaster
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows

SHAPE = ModelShape.of(ModelSettings(hidden=4))
PLAN = LocalPlan(1, 1, 1, 0.01, 8, 0.0)
DAYS = made_up_windows(("home-a",), 12)
LEARNER = HomeLearner("home-a", DAYS, DAYS.between(0, 0), SHAPE, 0.1)


def test_one_day_changes_a_step_by_its_norm_at_most() -> None:
    model = NumpyForecaster(SHAPE, initial_weights(SHAPE, 1))
    everything = model.inputs(DAYS)
    chosen = np.arange(12)
    for clip in (1e-3, 0.1):
        whole = clipped_sum(model, everything, chosen, 0.1, clip)
        for left_out in (0, 7):
            without = clipped_sum(model, everything, np.delete(chosen, left_out), 0.1, clip)
            assert np.linalg.norm(whole - without) <= clip * (1 + 1e-5)


def test_without_clipping_the_sum_is_the_batchs_gradient() -> None:
    model = NumpyForecaster(SHAPE, initial_weights(SHAPE, 1))
    everything = model.inputs(DAYS)
    whole = clipped_sum(model, everything, np.arange(12), 0.1, 1e9)
    _, exact = model.gradient(everything, 0.1)
    assert np.allclose(whole / 12, exact, atol=1e-6)


def test_the_noise_is_there_and_never_the_same() -> None:
    settings = GossipSettings(sampled_privacy="days", noise_multiplier=1.0, sampling=0.5)
    start = initial_weights(SHAPE, 1)
    one, other = (fit_private(LEARNER, start, PLAN, settings) for _ in range(2))
    assert not np.allclose(one["mean.weight"], other["mean.weight"], atol=1e-6)


def test_a_day_alone_in_every_step_costs_what_the_gaussian_mechanism_does() -> None:
    """One window a day, always sampled: n steps of noise z are one of z / sqrt(n)."""
    assert epsilon_of_days(2.0, 1.0, 9, 1e-5, windows=1) == pytest.approx(epsilon_of(9 / 4, 1e-5), rel=0.01)


def test_eight_windows_that_are_always_there_are_one_eight_times_as_long() -> None:
    assert epsilon_of_days(16.0, 1.0, 4, 1e-5) == pytest.approx(epsilon_of(4 / 4, 1e-5), rel=0.01)


def test_sampling_hides_and_the_single_step_is_that_of_the_mixture() -> None:
    """Against the hockey-stick divergence of the mixture with and without the day, by numbers."""
    z, q, delta = 2.0, 0.3, 1e-3
    x = np.linspace(-60, 90, 400_001)
    with_day = sum(c * norm.pdf(x, k, z) for k, c in enumerate([(1 - q) ** 2, 2 * q * (1 - q), q**2]))
    without = norm.pdf(x, 0, z)
    low, high = 0.0, 10.0
    for _ in range(60):
        eps = (low + high) / 2
        gaps = [np.clip(a - np.exp(eps) * b, 0, None) for a, b in ((with_day, without), (without, with_day))]
        spent = max(np.trapezoid(gap, x) for gap in gaps)
        low, high = (eps, high) if spent > delta else (low, eps)
    assert epsilon_of_days(z, q, 1, delta, windows=2) == pytest.approx(low, rel=0.02)


def account(z: float, q: float, steps: int, delta: float) -> float:
    return steps / z**2


def test_an_epoch_is_written_down_before_and_none_beyond_the_budget(tmp_path: Path) -> None:
    settings = GossipSettings(sampled_privacy="days", noise_multiplier=2.0, sampling=0.25, max_epsilon=2.5)
    ledger = DaysLedger(tmp_path / "days.json", settings, account)
    ledger.spend(1)
    ledger.spend(2)
    assert ledger.epsilon() == 2.0
    with pytest.raises(HomeBudgetSpent, match="max_epsilon is 2"):
        ledger.spend(3)
    again = DaysLedger(tmp_path / "days.json", settings, account)
    assert again.epochs == 2  # over restarts


def test_a_ledger_of_other_noise_is_refused(tmp_path: Path) -> None:
    settings = GossipSettings(sampled_privacy="days", noise_multiplier=2.0)
    DaysLedger(tmp_path / "days.json", settings, account).spend(1)
    for change in ({"noise_multiplier": 3.0}, {"sampling": 0.2}):
        with pytest.raises(FederationError, match="put those back"):
            DaysLedger(tmp_path / "days.json", settings.model_copy(update=change), account)
