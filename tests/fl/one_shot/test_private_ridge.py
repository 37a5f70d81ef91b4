"""The private twin: no home counts for more than its norm, noise is as large as said, the penalty follows it."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import ONE
from fl.one_shot.hour_inputs import hour_inputs, hour_targets, of_all_hours
from fl.one_shot.load_inputs import load_inputs, load_targets
from fl.one_shot.private_ridge import adassp, private_statistics, with_noise
from fl.one_shot.ridge import RidgeModel
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.sizes import HOUR_INPUTS, LOAD_BOUND
from fl.one_shot.statistics import Statistics, class_statistics, joined, none, regression_statistics
from tests.fl.federation import HOMES, made_up_windows
from tests.support.laws import examples

RELEASED = ("input_sums", "target_sums", "gram", "cross")


def a_home(seed: int, days: int = 30, size: float = 1.0) -> Statistics:
    generator = np.random.default_rng(seed)
    inputs = generator.uniform(-size, size, (days, 4))
    targets = inputs @ np.array([[1.0], [0.5], [0.0], [-0.5]]) + 0.3 + generator.normal(0, 0.01, (days, 1))
    return regression_statistics(inputs, targets, LOAD_BOUND)


def released(statistics: Statistics) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.concatenate([statistics.part(name).ravel() / ONE for name in RELEASED])


@examples(60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0.01, 15), st.floats(0.05, 5))
def test_whatever_a_home_has_it_counts_for_no_more_than_the_norm(
    seed: int, days: int, size: float, norm: float
) -> None:
    """What one home more or less changes in the sum: its sensitivity, which the noise is measured by."""
    clipped = private_statistics(a_home(seed, days, size), norm, stddev=0)
    assert np.linalg.norm(released(clipped)) <= norm * (1 + 1e-6)
    assert clipped.part("days").tolist() == [1]
    assert not clipped.part("target_squares").any()


def test_a_home_with_ten_times_the_days_counts_the_same() -> None:
    few = a_home(1, 30)
    often = reduce(Statistics.__add__, [few] * 10)
    assert released(private_statistics(often, 100.0, 0)) == pytest.approx(released(private_statistics(few, 100.0, 0)))


@pytest.mark.parametrize("who", ["home", "coordinator"])
def test_the_noise_is_as_large_as_said_and_new_each_time(who: str) -> None:
    own = regression_statistics(np.zeros((1, 60)), np.zeros((1, 3)), LOAD_BOUND)
    clean = private_statistics(own, 1.0, 0)
    draws = [
        with_noise(clean, 0.25) if who == "coordinator" else private_statistics(own, 1.0, 0.25) for _ in range(2)
    ]
    entries = [released(each) for each in draws]
    assert entries[0].std() == pytest.approx(0.25, rel=0.05)
    assert abs(entries[0].mean()) < 0.03
    assert np.abs(entries[0] - entries[1]).mean() > 0.1
    assert all(each.part("days").tolist() == [1] and not each.part("target_squares").any() for each in draws)


def test_noise_that_whole_numbers_do_not_hold_is_refused_and_not_cut() -> None:
    with pytest.raises(StatisticsRefused, match="beyond 80,000, and those of many homes could overflow"):
        private_statistics(a_home(1), 1.0, stddev=1e6)
    with pytest.raises(StatisticsRefused, match="too much noise"):
        with_noise(private_statistics(a_home(1), 1.0, 0), stddev=1e11)


def test_without_noise_it_is_least_squares_over_homes() -> None:
    homes = [private_statistics(a_home(k), 100.0, 0) for k in range(5)]
    model = adassp(reduce(Statistics.__add__, homes), 0.0)
    assert model.penalty == 0
    assert model.weight[:, 0] == pytest.approx([1.0, 0.5, 0.0, -0.5], abs=0.02)
    assert model.intercept == pytest.approx([0.3], abs=0.02)


def test_the_penalty_is_what_the_noise_asks_for_and_no_more() -> None:
    homes = [private_statistics(a_home(k), 100.0, 0) for k in range(40)]
    total = reduce(Statistics.__add__, homes)
    size, smallest = 5, 40 / 3  # a uniform input's variance is 1/3
    for stddev in (0.01, 0.1, 1.0):
        bound = stddev * np.sqrt(size * np.log(2 * size**2 / 0.05))
        expected = max(bound - max(smallest - bound, 0), 0)
        assert adassp(total, stddev).penalty == pytest.approx(expected, abs=1.5)
    assert adassp(total, 0.01).penalty == 0


def test_many_homes_learn_through_noise_and_few_stay_with_nothing() -> None:
    def weight(homes: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        sent = [private_statistics(a_home(k), 1.0, 0) for k in range(homes)]
        return adassp(with_noise(reduce(Statistics.__add__, sent), 2.0), 2.0).weight[:, 0]

    truth = np.array([1.0, 0.5, 0.0, -0.5])
    assert np.linalg.norm(weight(1000) - truth) < 0.3
    assert np.linalg.norm(weight(3)) < 1.0


def test_noise_that_leaves_no_sum_behind_still_gives_a_model() -> None:
    total = private_statistics(a_home(0), 1.0, 0)
    for _ in range(20):
        model = adassp(with_noise(total, 50.0), 0.1)  # more noise than was said
        assert np.isfinite(model.weight).all() and np.abs(model.weight).max() < 1e4


def test_classes_and_empty_homes_are_refused() -> None:
    classes = class_statistics(np.zeros((2, 1)), np.array([0, 1]), 2, 1.0)
    with pytest.raises(StatisticsRefused, match="only the regression's statistics"):
        private_statistics(joined(classes, a_home(0)), 1.0, 0.1)
    with pytest.raises(StatisticsRefused, match="no day to learn from"):
        private_statistics(none(StatisticsShape(inputs=4, targets=1)), 1.0, 0.1)
    with pytest.raises(StatisticsRefused, match="depend on each other"):
        adassp(private_statistics(regression_statistics(np.zeros((3, 2)), np.zeros((3, 1)), 1.0), 1.0, 0), 0.0)


def test_hours_by_few_inputs_are_a_model_of_the_whole_day() -> None:
    windows = made_up_windows(HOMES, days=4)
    generator = np.random.default_rng(2)
    model = RidgeModel(generator.normal(size=(HOUR_INPUTS, 1)), generator.normal(size=1), 1.0)
    hourly = model.predict(hour_inputs(windows)).reshape(-1, 24)
    mean_of_days = load_inputs(windows)[:, :168].reshape(-1, 7, 24).mean(axis=1)
    whole = of_all_hours(model, windows.exogenous.shape[1]).predict(load_inputs(windows))
    assert whole == pytest.approx(hourly + mean_of_days)
    assert hour_targets(windows).reshape(-1, 24) + mean_of_days == pytest.approx(load_targets(windows))


def test_the_inputs_of_an_hour() -> None:
    windows = made_up_windows(("home-a",), days=1)
    windows.exogenous[0] = np.arange(33) / 100
    inputs = hour_inputs(windows).reshape(24, HOUR_INPUTS)
    week = load_inputs(windows)[0, :168].reshape(7, 24)
    hour = 5
    assert inputs[hour, :7] == pytest.approx(week[:, 5])
    assert inputs[hour, 7:9] == pytest.approx([week[:, 4].mean(), week[:, 6].mean()])
    assert inputs[hour, 9] == pytest.approx(week[6, -3:].mean() * np.exp(-5 / 4))
    assert inputs[hour, 10:] == pytest.approx([week[6].mean(), 0.05, 0.29 + 0.30])
    assert inputs[0, 7] == pytest.approx(week[:, 23].mean())
