"""A home's own part: training and scoring on its own windows, the same each time, and nothing shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl.plan import LocalPlan
from fl.task import HomeFolder, HomeLearner, initial_weights, projection, write_homes
from fl.weights import Weights
from forecasting.integer import quantise
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows

SHAPE = ModelShape.of(ModelSettings(hidden=4))
PLAN = LocalPlan(round=1, seed=3, epochs=3, learning_rate=3e-3, batch_days=8, proximal_mu=0.0)


@pytest.fixture
def learner() -> HomeLearner:
    windows = made_up_windows(("home-a",), days=40)
    return HomeLearner("home-a", windows.between(0, 30), windows.between(30, 40), SHAPE, huber=1.0)


def distance(one: Weights, other: Weights) -> float:
    return float(np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one)))


def test_training_improves_the_model_on_the_homes_other_days(learner: HomeLearner) -> None:
    start = initial_weights(SHAPE, seed=0)
    trained, metrics = learner.fit(start, replace(PLAN, epochs=20))
    before, after = learner.evaluate(start), learner.evaluate(trained)
    assert after["loss"] < before["loss"] and after["nmae"] < before["nmae"]
    assert np.isfinite(metrics["loss"])


def test_the_same_plan_gives_the_same_bytes_and_another_round_others(learner: HomeLearner) -> None:
    start = initial_weights(SHAPE, seed=0)
    once, again, later = (learner.fit(start, plan)[0] for plan in (PLAN, PLAN, replace(PLAN, round=2)))
    assert all(once[name].tobytes() == again[name].tobytes() for name in once)
    assert distance(once, later) > 0


def test_fedprox_keeps_the_home_nearer_to_the_global_model(learner: HomeLearner) -> None:
    start = initial_weights(SHAPE, seed=0)
    free, held = (learner.fit(start, replace(PLAN, proximal_mu=mu))[0] for mu in (0.0, 10.0))
    assert distance(start, held) < distance(start, free)


def test_a_homes_repr_shows_no_reading(learner: HomeLearner) -> None:
    assert repr(learner) == "HomeLearner('home-a', 30 days)"


def test_homes_written_to_files_open_as_they_were(tmp_path: Path) -> None:
    windows = made_up_windows(("b", "a"), days=12)
    assert write_homes(tmp_path, windows.between(0, 9), windows.between(9, 12)) == ["a", "b"]
    opened = HomeFolder(tmp_path, SHAPE, huber=1.0)("b")
    np.testing.assert_array_equal(opened.train.history, windows.of_home("b").between(0, 9).history)
    assert opened.examples == 9 and len(opened.validation) == 3 and set(opened.train.unique_id) == {"b"}
    with pytest.raises(FileNotFoundError):
        HomeFolder(tmp_path, SHAPE, huber=1.0)("c")


def test_a_combined_model_out_of_bounds_is_put_back_so_that_it_can_be_proven() -> None:
    weights = {name: array * 50 for name, array in initial_weights(SHAPE, seed=0).items()}
    weights = {name: array if "lstm" in name else array / 50 for name, array in weights.items()}
    with pytest.raises(ValueError):
        quantise(weights, SHAPE)
    quantise(projection(SHAPE)(weights), SHAPE)


def test_projection_leaves_a_mean_of_proper_models_alone() -> None:
    one, other = (projection(SHAPE)(initial_weights(SHAPE, seed)) for seed in (1, 2))
    middle = {name: (one[name] + other[name]) / 2 for name in one}
    projected = projection(SHAPE)(middle)
    for name, array in middle.items():
        np.testing.assert_array_equal(projected[name], array)
