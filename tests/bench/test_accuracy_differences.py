"""How far ours is ahead of other methods: signs, intervals, and what there is nothing to say of."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.accuracy_differences import differences
from bench.accuracy_scores import Totals

DAYS = 70
MEASURED = np.random.default_rng(1).gamma(4, 250, (DAYS, 24))
NOISE = np.random.default_rng(2).normal(0, 1, (DAYS, 24))


def compared(other: np.ndarray[Any, Any], homes: dict[str, float] | None) -> dict[str, list[float] | None]:
    """Of ours, 100 Wh wrong in each hour and 0.4, 0.5, 0.6 at homes, and another method."""
    ours = {"ada": 0.4, "bob": 0.5, "cleo": 0.6}
    sums = Totals(np.arange(DAYS), MEASURED, {"ours": MEASURED + 100, "other": other}, first_scored=0)
    return differences({"ours": {"homes": ours}, "other": {"homes": homes}}, sums, "ours")["other"]


def test_an_error_half_as_large_on_every_day_is_half_ahead_beyond_chance() -> None:
    found = compared(MEASURED - 200, {"ada": 0.8, "bob": 1.0, "cleo": 1.2})
    assert found == {"total": [-0.5, -0.5, -0.5], "homes": [-0.5, -0.5, -0.5]}


def test_errors_that_differ_by_chance_alone_are_not_told_apart() -> None:
    found = compared(MEASURED + 125 * NOISE, {"ada": 0.5, "bob": 0.51, "cleo": 0.52})  # mean |error| about 100
    for low, high in ((of[1], of[2]) for of in found.values() if of is not None):
        assert low < 0 < high


def test_the_days_are_those_that_are_scored_and_that_both_forecast() -> None:
    missing = MEASURED - 200
    missing[::2] = np.nan
    assert compared(missing, None) == {"total": [-0.5, -0.5, -0.5], "homes": None}


def test_too_few_days_say_nothing() -> None:
    few = MEASURED - 200
    few[13:] = np.nan
    assert compared(few, None)["total"] is None
