"""Statistics add up to the bit, in any order and over any homes; they can be taken out again; nothing overflows."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import ONE, capacity, check_capacity, fixed
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.statistics import Statistics, class_statistics, joined, none, regression_statistics
from fl.secagg.aggregator import Session, Words64, default_threshold, sum_in_process
from tests.fl.one_shot.partitions import BOUND, by_home, digits, dirichlet, summed, wine
from tests.support.laws import examples


def some_days(seed: int, count: int = 12) -> Statistics:
    generator = np.random.default_rng(seed)
    values = generator.uniform(-BOUND, BOUND, (count, 5))
    classes = class_statistics(values[:, :3], generator.integers(0, 2, count), 2, BOUND)
    return joined(classes, regression_statistics(values, values[:, :2], BOUND))


@examples(25)
@given(alpha=st.sampled_from([0.05, 0.1, 0.5, 100.0]), homes=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_however_days_are_spread_over_homes_the_sum_is_the_same_to_the_bit(
    alpha: float, homes: int, seed: int
) -> None:
    values, labels = wine()
    everything = class_statistics(values, labels, 3, BOUND)
    assert np.array_equal(summed(values, labels, dirichlet(labels, homes, alpha, seed)).vector, everything.vector)


@examples(25)
@given(order=st.permutations(range(6)))
def test_the_order_of_adding_does_not_matter(order: list[int]) -> None:
    homes = [some_days(k) for k in range(6)]
    there = reduce(Statistics.__add__, homes)
    assert np.array_equal(reduce(Statistics.__add__, [homes[k] for k in order]).vector, there.vector)


@given(leaver=st.integers(0, 4))
def test_leaving_undoes_joining_to_the_bit(leaver: int) -> None:
    homes = [some_days(k) for k in range(5)]
    everybody = reduce(Statistics.__add__, homes)
    never_there = reduce(Statistics.__add__, [home for k, home in enumerate(homes) if k != leaver])
    assert np.array_equal((everybody - homes[leaver]).vector, never_there.vector)
    assert not (homes[leaver] - homes[leaver]).vector.any()


def test_the_masked_sum_is_the_sum() -> None:
    homes = {f"home-{k}": some_days(k) for k in range(5)}
    shape = homes["home-0"].shape
    session = Session(b"test", tuple(sorted(homes)), default_threshold(5), shape.length, Words64())
    gone = {"home-3"}
    total, inside = sum_in_process(session, {n: s.vector for n, s in homes.items() if n not in gone})
    expected = reduce(Statistics.__add__, [homes[name] for name in inside])
    assert set(inside) == homes.keys() - gone
    assert np.array_equal(Statistics(shape, total.view(np.int64)).vector, expected.vector)


def test_parts_are_what_they_are_called() -> None:
    values, labels = wine()
    both = joined(class_statistics(values, labels, 3, BOUND), regression_statistics(values, values[:, :2], BOUND))
    assert both.part("counts").tolist() == [59, 71, 48]
    assert both.part("days").tolist() == [178]
    assert both.part("sums") / ONE == pytest.approx(np.stack([values[labels == c].sum(axis=0) for c in range(3)]))
    rows, columns = np.triu_indices(13)
    assert both.part("gram") / ONE == pytest.approx((values.T @ values)[rows, columns])
    assert both.part("cross") / ONE == pytest.approx(values.T @ values[:, :2])
    assert both.part("scatter")[1] / ONE == pytest.approx(
        (values[labels == 1].T @ values[labels == 1])[rows, columns]
    )
    with pytest.raises(KeyError, match="no squares"):
        both.part("squares")


def test_a_pooled_scatter_is_the_sum_of_each_and_shorter() -> None:
    values, labels = digits()
    each = class_statistics(values, labels, 10, 1.0)
    pooled = class_statistics(values, labels, 10, 1.0, "pooled")
    assert np.array_equal(pooled.part("pooled"), each.part("scatter").sum(axis=0))
    diagonal = [k for k, (i, j) in enumerate(zip(*np.triu_indices(64), strict=True)) if i == j]
    assert np.array_equal(pooled.part("squares"), each.part("scatter")[:, diagonal])
    assert pooled.shape.length < each.shape.length / 5


@given(bound=st.floats(1e-3, 1000))
def test_as_many_days_as_fit_do_not_wrap_around(bound: float) -> None:
    largest = int(fixed(np.array([max(bound, 1.0) ** 2]))[0])
    assert largest * capacity(bound) < 2**63
    assert (largest + 1) * (capacity(bound) + 1) > 2**63 - largest  # and hardly more would


def test_more_days_than_fit_are_refused() -> None:
    check_capacity(17, 365 * 7, 32.0)
    check_capacity(1, capacity(32.0), 32.0)
    with pytest.raises(StatisticsRefused, match=r"1 homes of up to 2097152 days .* let homes enter fewer days"):
        check_capacity(1, capacity(32.0) + 1, 32.0)


@pytest.mark.parametrize(
    ("values", "labels", "reason"),
    [
        ([[0.0, np.nan]], [0], "not a finite number"),
        ([[0.0, -np.inf]], [0], "not a finite number"),
        ([[0.0, 8.5]], [0], "beyond its bound of 8: clip before summing"),
        ([[0.0, 1.0]], [2], "labels between 0 and 1"),
        ([[0.0, 1.0]], [-1], "labels between 0 and 1"),
        ([[0.0, 1.0]], [0, 1], "1 days need as many labels"),
        ([0.0, 1.0], [0, 1], "a row for each day"),
    ],
)
def test_days_that_make_no_statistics_are_refused(values: list[object], labels: list[int], reason: str) -> None:
    with pytest.raises(StatisticsRefused, match=reason):
        class_statistics(np.array(values, dtype=np.float64), np.array(labels, dtype=np.int64), 2, BOUND)


def test_a_regression_checks_inputs_and_targets() -> None:
    good = np.zeros((2, 3))
    with pytest.raises(StatisticsRefused, match="a target is beyond"):
        regression_statistics(good, good + 9, BOUND)
    with pytest.raises(StatisticsRefused, match="a regression input is not a finite number"):
        regression_statistics(good * np.nan, good, BOUND)
    with pytest.raises(StatisticsRefused, match="2 days of inputs and 1 of targets"):
        regression_statistics(good, good[:1], BOUND)


def test_statistics_of_other_shapes_are_not_added() -> None:
    with pytest.raises(StatisticsRefused, match="can't be added"):
        some_days(0) + none(StatisticsShape(inputs=2, targets=1))
    with pytest.raises(StatisticsRefused, match="are 10 whole numbers, not"):
        Statistics(StatisticsShape(inputs=2, targets=1), np.zeros(9, dtype=np.int64))
    with pytest.raises(StatisticsRefused, match="are 10 whole numbers, not"):
        Statistics(StatisticsShape(inputs=2, targets=1), np.zeros(10))
    with pytest.raises(StatisticsRefused, match="classes need features"):
        StatisticsShape(classes=2)


def test_a_printed_statistic_shows_no_sum() -> None:
    shown = repr(some_days(3))
    assert "StatisticsShape" in shown and "vector" not in shown and "array" not in shown


def test_homes_of_a_partition_have_only_their_own_days() -> None:
    values, labels = wine()
    home = dirichlet(labels, 5, 0.1, 1)
    assert sum(len(c) for _, c in by_home(values, labels, home)) == len(labels)
