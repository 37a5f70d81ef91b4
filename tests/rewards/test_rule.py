"""The rule of payment: what earns nothing, what splitting gains, and that a day's budget is kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rewards.rule import Terms, avoided, paid
from zkp.statements.skill import BENCHMARK_DAYS, BUCKET_WH, ENERGY_PER_BUCKET_WH

Ints = NDArray[np.int64]
readings = arrays(np.int64, (1, 24), elements=st.integers(0, 20_000))
weeks = arrays(np.int64, (1, 7, 24), elements=st.integers(0, 20_000))


def benchmarks_of(loads: Ints, day: int) -> Ints:
    return np.stack([loads[day - lag] for lag in BENCHMARK_DAYS])[None]


@given(st.integers(1, 13), st.integers(0, 2**32 - 1))
def test_a_load_that_repeats_itself_within_13_days_earns_nothing(period: int, seed: int) -> None:
    """Whatever the forecast, a perfect one included."""
    loads = np.random.default_rng(seed).integers(0, 20_000, (period, 24))[np.arange(20) % period]
    assert avoided(loads[19:], loads[19:], benchmarks_of(loads, 19)) == [0]


@given(weeks)
def test_an_empty_home_earns_nothing(before: Ints) -> None:
    nothing = np.zeros((1, 24), dtype=np.int64)
    assert avoided(nothing, nothing, before) == [0]


@given(readings, weeks)
def test_at_most_a_twentieth_of_the_energy_counts(actual: Ints, before: Ints) -> None:
    assert BUCKET_WH * 20 * avoided(actual, actual, before)[0] <= actual.sum()
    assert ENERGY_PER_BUCKET_WH == 20 * BUCKET_WH


@given(readings, readings, weeks, st.integers(2, 6))
def test_a_home_that_poses_as_several_equal_ones_gains_nothing(
    forecast: Ints, actual: Ints, before: Ints, parts: int
) -> None:
    whole = avoided(parts * forecast, parts * actual, parts * before)[0]
    assert parts * avoided(forecast, actual, before)[0] <= whole


@given(arrays(np.int64, (5, 30), elements=st.integers(0, 500)))
def test_a_days_budget_and_both_caps_are_kept(buckets: Ints) -> None:
    terms = Terms(day_budget=1_000, rate=7, day_cap=60, year_cap=400)
    amounts = np.array(paid(buckets, terms))
    assert (amounts.sum(axis=0) <= terms.day_budget).all()
    assert (amounts <= terms.day_cap * terms.rate).all()
    assert (amounts.sum(axis=1) <= terms.year_cap * terms.rate).all()


def test_a_lone_claimant_gets_the_highest_rate_and_no_more() -> None:
    terms = Terms(day_budget=1_000, rate=7, day_cap=60, year_cap=400)
    assert paid(np.array([[3]]), terms) == [[21]]
