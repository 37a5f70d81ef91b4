"""A home's own part: training and scoring on its own windows, the same each time, and nothing shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import local_rounds
from fl.aggregation.strategy import mean
from fl.plan import LocalPlan, PlanRefused
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.task import HomeFolder, HomeLearner, initial_weights, projection, write_homes
from fl.training_settings import PlanLimits
from fl.weights import Weights
from forecasting.integer import quantise
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows
from tests.fl.local_grid import LocalGrid

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


def test_the_mean_of_gradients_is_that_of_everybodys_days_in_one_place() -> None:
    """So a federation's step is a centralised one: where every home sends a mean over as many days."""
    windows, start = made_up_windows(("home-a", "home-b"), days=30), initial_weights(SHAPE, seed=0)
    plan = replace(PLAN, gradient=True, batch_days=1000)
    homes = [HomeLearner(home, windows.of_home(home), windows, SHAPE, 0.1) for home in ("home-a", "home-b")]
    both, metrics = HomeLearner("all", windows, windows, SHAPE, 0.1).fit(start, plan)
    apart = [home.fit(start, plan) for home in homes]
    for name in start:
        middle = (apart[0][0][name].astype(np.float64) + apart[1][0][name]) / 2
        np.testing.assert_allclose(middle, both[name], atol=1e-6)
    assert metrics["loss"] == pytest.approx((apart[0][1]["loss"] + apart[1][1]["loss"]) / 2, rel=1e-5)
    assert distance(start, both) > 0.01


def test_a_gradient_is_of_days_drawn_anew_in_each_round(learner: HomeLearner) -> None:
    start, plan = initial_weights(SHAPE, seed=0), replace(PLAN, gradient=True, batch_days=16)
    once, again, later = (learner.fit(start, p)[0] for p in (plan, plan, replace(plan, round=2)))
    assert distance(once, again) == 0 < distance(once, later)


def test_which_days_are_in_a_gradient_only_the_secret_tells(learner: HomeLearner) -> None:
    """Who knows the plan alone can't tell them (`tests/bench/test_leakage_rounds.py` has what it could do then)."""
    plan = replace(PLAN, gradient=True, batch_days=16)
    own, again, other = (replace(learner, secret=key) for key in (b"one", b"one", b"two"))
    start = initial_weights(SHAPE, seed=0)
    days = [set(one.drawn(plan, start).day.tolist()) for one in (learner, own, again, other)]
    assert days[1] == days[2] and len(days[1]) == 16
    assert days[0] != days[1] != days[3]
    assert set(own.drawn(replace(plan, round=2), start).day.tolist()) != days[1]
    assert distance(*(one.fit(start, PLAN)[0] for one in (own, again))) == 0
    assert distance(*(one.fit(start, PLAN)[0] for one in (own, other))) > 0, "nor the order in local rounds"
    assert "one" not in repr(own)


def test_a_round_that_is_asked_for_again_shows_no_single_day_and_not_the_same_days_at_two_models(
    learner: HomeLearner,
) -> None:
    """Sums over 16 days and over 17 of them would show the gradient of the 17th, and gradients of the same days at
    models that a coordinator chooses are equations in these days' loads."""
    own, start = replace(learner, secret=b"one"), initial_weights(SHAPE, seed=0)
    moved = {name: array + np.float32(1e-6) for name, array in start.items()}

    def days(batch_days: int, weights: Weights) -> set[int]:
        plan = replace(PLAN, gradient=True, batch_days=batch_days)
        return set(own.drawn(plan, weights).day.tolist())

    assert days(16, start) == days(16, start)
    assert len(days(17, start) - days(16, start)) > 1
    assert days(16, moved) != days(16, start)


def test_a_secret_draws_every_day_as_often(learner: HomeLearner) -> None:
    own, counts = replace(learner, secret=b"one"), np.zeros(30)
    for number in range(1, 401):
        counts[own.drawn(replace(PLAN, round=number, gradient=True, batch_days=15), {}).day] += 1
    assert np.abs(counts - 200).max() < 6 * np.sqrt(400 * 0.25)


def test_a_gradient_over_few_days_is_refused() -> None:
    replace(PLAN, gradient=True, batch_days=16).check(PlanLimits())
    PLAN.check(PlanLimits())
    with pytest.raises(PlanRefused, match="batch_days is 8, and this home's own settings allow 16 to 128"):
        replace(PLAN, gradient=True).check(PlanLimits())


def test_a_gradient_over_nearly_all_days_is_refused_and_a_batch_of_them_is_not() -> None:
    """With the same days in each round, the sum of a round without a home would show what the home's gradient is."""
    limits = PlanLimits()
    replace(PLAN, gradient=True, batch_days=128).check(limits)
    replace(PLAN, batch_days=1000).check(limits)
    with pytest.raises(PlanRefused, match="batch_days is 129, and this home's own settings allow 16 to 128"):
        replace(PLAN, gradient=True, batch_days=129).check(limits)
    with pytest.raises(PlanRefused, match="allow 16 to 20"):
        replace(PLAN, gradient=True, batch_days=32).check(PlanLimits(most_batch_days=20))


def test_the_benches_loop_is_the_federation_without_its_messages(tmp_path: Path) -> None:
    """Homes that answer Flower's messages, and the plain loop that accuracy is measured by: the same bytes."""
    windows = made_up_windows(("home-a", "home-b", "home-c"), days=20)
    names = [str(name) for name in np.unique(windows.unique_id)]
    homes = [HomeLearner(h, windows.of_home(h), windows.of_home(h), local_rounds.SHAPE, 0.1) for h in names]
    told = {"rounds": 4, "evaluate_every": 0, "strategy": {"local_rounds": 2}, "local": {"epochs": 1}}
    settings = FederationSettings.model_validate(told)
    start, project = initial_weights(local_rounds.SHAPE, settings.seed), projection(local_rounds.SHAPE)
    rounds = Rounds(settings, RoundStore(tmp_path), project=project)
    by_messages = rounds.run(LocalGrid(homes), start)  # type: ignore[arg-type]
    looped = local_rounds.train(homes, settings, mean())
    assert all(by_messages[name].tobytes() == looped[name].tobytes() for name in start)
    assert distance(start, looped) > 0.1


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
