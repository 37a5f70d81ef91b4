"""What a home enters: sums of its own days, the latest ones, and nothing with too few days of a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.windows import Windows
from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import ONE
from fl.one_shot.home import labelled_days, own_statistics, own_sums
from fl.one_shot.load_inputs import load_inputs, load_targets
from fl.one_shot.plan import COUNTS, STATISTICS, OneShotPlan
from tests.fl.federation import made_up_windows

PLAN = OneShotPlan(STATISTICS, (0, 1, 2), fewest_days=5, private=False, most_windows=1000)


def a_home(days: int = 40) -> Windows:
    return made_up_windows(("home-a",), days)


def test_counts_are_days_of_each_tercile_and_whether_they_are_enough() -> None:
    counts = own_sums(a_home(40), replace(PLAN, kind=COUNTS))
    assert counts.tolist()[3:] == [1, 1, 1]
    assert counts[:3].sum() == 40 and counts[:3].max() - counts[:3].min() <= 1
    assert own_sums(a_home(10), replace(PLAN, kind=COUNTS)).tolist()[3:] == [0, 0, 0]


def test_statistics_are_of_the_peak_classes_and_of_the_regression() -> None:
    windows = a_home()
    statistics = own_statistics(windows, PLAN)
    assert statistics.vector.shape == (PLAN.length,)
    assert statistics.shape == PLAN.shape
    features, labels, _ = labelled_days(windows)
    assert statistics.part("sums")[1] / ONE == pytest.approx(features[labels == 1].sum(axis=0))
    assert statistics.part("target_sums") / ONE == pytest.approx(load_targets(windows).sum(axis=0))


def test_a_class_that_is_not_kept_is_in_no_sum() -> None:
    windows = a_home()
    statistics = own_statistics(windows, replace(PLAN, kept=(0, 2)))
    features, labels, _ = labelled_days(windows)
    assert statistics.part("sums") / ONE == pytest.approx(
        np.stack([features[labels == c].sum(axis=0) for c in (0, 2)])
    )


def test_only_the_latest_windows_are_entered() -> None:
    windows = a_home(40)
    few = own_statistics(windows, replace(PLAN, kept=(), most_windows=10))
    latest = windows.between(30, 40)
    assert few.part("days").tolist() == [10]
    assert few.part("input_sums") / ONE == pytest.approx(load_inputs(latest).sum(axis=0))


def test_the_private_form_has_few_inputs_of_every_hour() -> None:
    statistics = own_statistics(a_home(), replace(PLAN, kept=(), private=True))
    assert statistics.part("days").tolist() == [40 * 24]
    assert statistics.shape.inputs == 13


def test_too_few_days_are_refused() -> None:
    with pytest.raises(StatisticsRefused, match="enters no sum with fewer than 5 of each"):
        own_sums(a_home(10), PLAN)
    with pytest.raises(StatisticsRefused, match="no complete window"):
        own_sums(a_home(1).between(5, 6), replace(PLAN, kept=()))
    with pytest.raises(StatisticsRefused, match="2 days have no terciles"):
        own_sums(a_home(2), replace(PLAN, kind=COUNTS))
