"""A class that few homes or days make up is left out: its sums would be those days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StatisticsRefused
from fl.one_shot.counts import check_own_days, kept_classes, of_kept_classes, own_counts
from fl.one_shot.fixed_point import ONE
from fl.one_shot.statistics import class_statistics
from tests.fl.one_shot.partitions import BOUND, wine


def with_one_rare_day() -> tuple[
    np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int64]]
]:
    """Wine with two classes, and one single day of a third."""
    values, labels = wine()
    rare = int(np.flatnonzero(labels == 2)[0])
    chosen = (labels < 2) | (np.arange(len(labels)) == rare)
    return values[chosen], labels[chosen]


def test_the_attack_the_sums_of_one_day_are_that_day() -> None:
    values, labels = with_one_rare_day()
    total = class_statistics(values, labels, 3, BOUND)
    assert total.part("sums")[2] / ONE == pytest.approx(values[labels == 2][0], abs=1e-9)


def test_the_attack_a_pooled_scatter_that_holds_the_day_gives_it_away_by_subtraction() -> None:
    values, labels = with_one_rare_day()
    pooled = class_statistics(values, labels, 3, BOUND, "pooled").part("pooled")
    others = class_statistics(*of_kept_classes(values, labels, [0, 1]), 2, BOUND).part("scatter").sum(axis=0)
    day = values[labels == 2][0]
    assert (pooled - others) / ONE == pytest.approx(np.outer(day, day)[np.triu_indices(len(day))], abs=1e-9)


@pytest.mark.parametrize("scatter", ["each", "pooled"])
def test_days_of_a_class_that_is_left_out_are_in_no_sum(scatter: str) -> None:
    values, labels = with_one_rare_day()
    there = class_statistics(*of_kept_classes(values, labels, [0, 1]), 2, BOUND, scatter)  # type: ignore[arg-type]
    never = class_statistics(values[labels < 2], labels[labels < 2], 2, BOUND, scatter)  # type: ignore[arg-type]
    assert np.array_equal(there.vector, never.vector)


def test_kept_classes_are_numbered_anew() -> None:
    values, labels = wine()
    features, renamed = of_kept_classes(values, labels, [0, 2])
    assert np.array_equal(features, values[labels != 1])
    assert np.array_equal(renamed, labels[labels != 1] // 2)


@given(st.lists(st.lists(st.integers(0, 3), max_size=30), min_size=1, max_size=12))
def test_a_class_is_kept_where_enough_homes_have_enough_days_of_it(homes: list[list[int]]) -> None:
    total = sum(own_counts(np.array(days, dtype=np.int64), 4, 3) for days in homes)
    enough = [c for c in range(4) if sum(days.count(c) >= 3 for days in homes) >= 2]
    if len(enough) < 2:
        with pytest.raises(StatisticsRefused, match="takes two to tell apart"):
            kept_classes(np.asarray(total), fewest_homes=2, fewest_days=3)
    else:
        assert kept_classes(np.asarray(total), fewest_homes=2, fewest_days=3) == enough


def test_many_days_of_one_home_are_not_enough() -> None:
    many = own_counts(np.repeat([0, 1, 2], [50, 50, 5]), 3, 5)
    few = own_counts(np.repeat([0, 1], [50, 50]), 3, 5)
    assert kept_classes(many + few, fewest_homes=2, fewest_days=5) == [0, 1]
    assert kept_classes(many + many, fewest_homes=2, fewest_days=5) == [0, 1, 2]


def test_a_home_checks_its_own_days_whatever_the_coordinator_says() -> None:
    labels = np.repeat([0, 1, 2], [50, 50, 2])
    check_own_days(labels, [0, 1], fewest_days=5)
    with pytest.raises(StatisticsRefused, match="2 days of class 2, and enters no sum with fewer than 5"):
        check_own_days(labels, [0, 1, 2], fewest_days=5)
