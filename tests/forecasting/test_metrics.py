"""Accuracy has one meaning each: known values, laws, and the composition over homes and community."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.table import long_table
from forecasting.metrics import Scores, evaluate, mae, mase, nmae, nrmse, rmse, skill, wape

ACTUAL = np.array([1.0, 2.0, 3.0, 6.0])
FORECAST = np.array([2.0, 2.0, 1.0, 5.0])
loads = st.lists(st.tuples(st.floats(1, 1e5), st.floats(0, 1e5)), min_size=1, max_size=50)


def test_known_values() -> None:
    assert mae(ACTUAL, FORECAST) == 1.0
    assert rmse(ACTUAL, FORECAST) == pytest.approx(math.sqrt(1.5))
    assert nmae(ACTUAL, FORECAST) == pytest.approx(1 / 3)
    assert nrmse(ACTUAL, FORECAST) == pytest.approx(math.sqrt(1.5) / 3)
    assert skill(3.0, [6.0, 4.0]) == pytest.approx(0.25)


@given(loads)
def test_wape_is_the_error_of_the_sum_over_the_sum(pairs: list[tuple[float, float]]) -> None:
    actual, forecast = (np.array(side) for side in zip(*pairs, strict=True))
    assert wape(actual, forecast) == pytest.approx(np.abs(actual - forecast).sum() / actual.sum())


@given(loads, st.floats(0.1, 10))
def test_relative_errors_know_no_unit(pairs: list[tuple[float, float]], unit: float) -> None:
    actual, forecast = (np.array(side) for side in zip(*pairs, strict=True))
    for metric in (nmae, nrmse):
        assert metric(actual * unit, forecast * unit) == pytest.approx(metric(actual, forecast))
    assert rmse(actual, forecast) >= mae(actual, forecast) * (1 - 1e-12)


def test_mase_of_the_naive_forecast_on_its_own_past_is_one() -> None:
    past = np.random.default_rng(1).uniform(0, 1000, 500)
    assert mase(past[24:], past[:-24], past, 24) == pytest.approx(1.0)


def test_mase_skips_absent_hours() -> None:
    past = np.array([0.0, 1.0, np.nan, 3.0, 5.0])
    assert mase(ACTUAL, FORECAST, past, 1) == pytest.approx(1 / 1.5)


def test_what_cannot_be_told_is_not_a_number() -> None:
    assert math.isnan(nmae(np.zeros(3), np.ones(3)))
    assert math.isnan(mase(ACTUAL, FORECAST, np.full(9, 5.0), 1))


# The composition.

DS = pd.date_range("2026-01-05T00:00Z", periods=400, freq="h", unit="ns")
TRAIN = pd.concat(
    [long_table(home, DS[:300], np.arange(300) % 37 * size) for home, size in (("a", 1), ("b", 10))],
    ignore_index=True,
)


def forecasts() -> pd.DataFrame:
    """Home b is ten times home a; `good` misses by 1 and 10, in opposite directions; `poor` by twice that."""
    parts = []
    for home, size, sign in (("a", 1.0, 1.0), ("b", 10.0, -1.0)):
        y = np.full(24, 5 * size)
        good, poor = y + sign * size, y + 2 * size
        part = {"unique_id": home, "ds": DS[300:324], "cutoff": DS[300], "y": y, "good": good, "poor": poor}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def scores(table: pd.DataFrame) -> Scores:
    return evaluate(table, TRAIN, naive=["poor"])


def test_homes_and_community_are_scored_apart() -> None:
    got = scores(forecasts())
    assert got.methods == ["good", "poor"]
    assert got.of_homes("good")["mae"].to_dict() == {"a": 1.0, "b": 10.0}
    assert got.quartiles("good")["nmae"] == pytest.approx((0.2, 0.2, 0.2))
    assert got.quartiles("good")["skill"] == pytest.approx((0.5, 0.5, 0.5))
    assert got.community["good"]["mae"] == pytest.approx(9.0)  # the errors of the homes cancel in part
    assert got.community["poor"]["nmae"] == pytest.approx(22 / 55)
    assert got.pooled_nmae["good"] == pytest.approx(0.2)
    assert (got.hours, got.dropped) == (48, 0)


def test_means_are_added_up_for_the_community_and_nothing_else() -> None:
    table = forecasts()
    table["good/mean"] = table["y"] * 1.1
    got = scores(table)
    assert got.methods == ["good", "poor"]
    assert got.of_homes("good")["mae"].to_dict() == {"a": 1.0, "b": 10.0}
    assert got.community["good"]["nmae"] == pytest.approx(0.1)
    table.loc[0, "good/mean"] = np.nan
    assert scores(table).hours == 47


def test_methods_are_compared_where_all_have_a_forecast() -> None:
    table = forecasts()
    table.loc[0, "poor"] = np.nan
    table.loc[1, "good"] = 1e9
    table.loc[1, "y"] = np.nan
    got = scores(table)
    assert (got.hours, got.dropped) == (46, 2)
    assert got.of_homes("good")["mae"].to_dict() == {"a": 1.0, "b": 10.0}
    assert got.community["good"]["mae"] == pytest.approx(9.0)


@pytest.mark.parametrize("column", ["y", "cutoff", "poor"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(ValueError, match=column):
        scores(forecasts().drop(columns=column))


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="no hour"):
        scores(forecasts().assign(good=np.nan))
    apart = forecasts()
    apart.loc[:23, "y"] = np.nan
    assert scores(apart).homes["unique_id"].unique().tolist() == ["b"]
    halves = forecasts()
    halves.loc[[*range(12), *range(36, 48)], "y"] = np.nan
    with pytest.raises(ValueError, match="all homes have"):
        scores(halves)
