"""What a training costs: rounds are counted to where the errors stay near the last, and bytes as they are sent."""

from __future__ import annotations

import numpy as np

from bench import training_forms
from bench.local_rounds import SHAPE
from bench.training_cost import Errors, measure_one_shot, measure_rounds, rounds_within
from fl.settings import FederationSettings
from fl.task import HomeLearner
from tests.fl.federation import made_up_windows


def test_rounds_are_counted_to_where_both_errors_stay() -> None:
    course = {10: Errors(0.5, 0.2), 20: Errors(0.401, 0.3), 30: Errors(0.42, 0.1), 40: Errors(0.4, 0.1)}
    assert rounds_within(course) == 40
    assert rounds_within({10: Errors(0.4, 0.1), 20: Errors(0.4, 0.1)}) == 10


def test_rounds_and_one_shot_are_measured_alike() -> None:
    windows = made_up_windows(("home-a", "home-b", "home-c"), days=40)
    known, judged = windows.between(0, 30), windows.between(30, 40)
    names = [str(name) for name in np.unique(windows.unique_id)]
    learners = [HomeLearner(h, known.of_home(h), judged.of_home(h), SHAPE, 0.1) for h in names]
    told = {"rounds": 3, "strategy": {"local_rounds": 2}, "local": {"epochs": 1}}
    rounds = measure_rounds(learners, judged, FederationSettings.model_validate(told))
    weights = sum(int(np.prod(shape)) for shape in SHAPE.parameters().values())
    assert rounds["megabytes_per_home"] == round(3 * 8 * weights / 1e6, 1)
    assert rounds["megabytes_per_home_masked"] == round(3 * (4 * weights + 8 * (weights + 3)) / 1e6, 1)
    assert (rounds["gradient_rounds"], list(rounds["course"])) == (1, [3])
    one_shot = measure_one_shot(known, judged)
    assert 0 < one_shot["home_nmae"] < 1 and 0 < one_shot["community_wape"] < 1


def test_forms_of_training_are_judged_on_the_same_days() -> None:
    windows = made_up_windows(("home-a", "home-b"), days=40)
    forms = {"local": {"rounds": 1}, "gradients": {"rounds": 2, "strategy": {"local_rounds": 1}}}
    found = training_forms.measure(windows.between(0, 30), windows.between(30, 40), forms, epochs=1)
    assert set(found) == {"centralised", "local", "gradients"}
    assert found["local"]["plain"] != found["gradients"]["plain"]
    assert all(0 < errors["community"] < 1 for form in found.values() for errors in form.values())
