"""What is asked of a home is taken apart carefully: it comes from the coordinator."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import check_capacity
from fl.one_shot.plan import COUNTS, STATISTICS, OneShotPlan, most_windows
from fl.one_shot.sizes import LOAD_BOUND

PLAN = OneShotPlan(STATISTICS, (0, 1, 2), fewest_days=5, private=False, most_windows=1000)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers() | st.text())


def test_a_plan_survives_its_record() -> None:
    for plan in (PLAN, dataclasses.replace(PLAN, kind=COUNTS, kept=()), dataclasses.replace(PLAN, kept=(0, 2))):
        assert OneShotPlan.from_record(plan.to_record()) == plan


@given(st.sampled_from(["kind", "kept", "fewest_days", "private", "most_windows"]), ANYTHING)
def test_a_record_with_anything_else_in_it_is_refused_or_a_plan(name: str, value: Any) -> None:
    try:
        plan = OneShotPlan.from_record({**PLAN.to_record(), name: value})
    except StatisticsRefused:
        return
    assert type(getattr(plan, name)) is type(getattr(PLAN, name))
    assert plan.length > 0


@pytest.mark.parametrize("kept", [[0, 0], [2, 1], [3], [-1], [True, False], [0.0, 1.0]])
def test_classes_that_are_none_are_refused(kept: list[Any]) -> None:
    with pytest.raises(StatisticsRefused):
        OneShotPlan.from_record({**PLAN.to_record(), "kept": kept})


def test_the_vector_is_as_long_as_its_shape() -> None:
    assert PLAN.length == PLAN.shape.length == 25_690
    assert dataclasses.replace(PLAN, kind=COUNTS).length == 6
    assert dataclasses.replace(PLAN, kept=()).shape.classes == 0
    assert dataclasses.replace(PLAN, kept=(), private=True).length < 200


def test_a_home_follows_its_own_settings() -> None:
    PLAN.check(fewest_days=5, private=False, homes=17)
    with pytest.raises(StatisticsRefused, match=r"5 days of a class, .* ask for 6 \(one_shot.fewest_days\)"):
        PLAN.check(fewest_days=6, private=False, homes=17)
    with pytest.raises(StatisticsRefused, match=r"lacks differential privacy, .* ask for it \(privacy.mode\)"):
        PLAN.check(fewest_days=5, private=True, homes=17)
    with pytest.raises(StatisticsRefused, match="no peak classes under differential privacy"):
        dataclasses.replace(PLAN, private=True)


def test_a_coordinator_can_not_have_homes_enter_their_last_days_only() -> None:
    """Of three homes' last windows alone the scatter is three rows, and what is in it are those three weeks."""
    for few in (1, 7, 401):
        with pytest.raises(StatisticsRefused, match=f"last {few} windows only: the sums of so few show single days"):
            dataclasses.replace(PLAN, most_windows=few).check(5, private=False, homes=3)
    dataclasses.replace(PLAN, most_windows=402).check(5, private=False, homes=3)
    dataclasses.replace(PLAN, kept=(), private=True, most_windows=1).check(5, private=True, homes=3)  # noise hides it


@given(st.integers(1, 20_000), st.booleans())
def test_as_many_windows_as_a_plan_allows_never_overflow(homes: int, private: bool) -> None:
    most = most_windows(homes, private)
    check_capacity(homes, most * (24 if private else 1), LOAD_BOUND)
    with pytest.raises(StatisticsRefused, match="could overflow"):
        dataclasses.replace(PLAN, kept=(), private=private, most_windows=most + 1).check(5, private, homes)
