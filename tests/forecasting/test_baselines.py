"""What must be beaten: naive forecasts by their definition, ridge because it learns, both on the real homes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import citylearn
from data.day import DayClock
from data.table import long_table
from forecasting.baselines import HomeRidge, PooledRidge, naive_methods
from forecasting.evaluation import Split, before, walk_forward
from forecasting.metrics import evaluate

CLOCK = DayClock(8)
FIRST = 20_000
DAYS = 40
DS = pd.date_range(CLOCK.start_of(FIRST), periods=24 * DAYS, freq="h")
Y = np.random.default_rng(3).integers(50, 3000, (2, DAYS, 24))
READINGS = pd.concat([long_table(home, DS, Y[i].reshape(-1)) for i, home in enumerate("ab")], ignore_index=True)
WEATHER = pd.DataFrame({"ds": DS, "temperature": 20.0, "temperature_24h": 20.0, "direct_solar_24h": 0.0})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yesterday", Y[:, 29]),
        ("last_week", Y[:, 23]),
        ("mean_7_days", Y[:, 23:30].mean(axis=1)),
        ("median_7_days", np.median(Y[:, 23:30], axis=1)),
        ("same_weekday_4_weeks", Y[:, [2, 9, 16, 23]].mean(axis=1)),
    ],
)
def test_naive_forecasts_are_what_they_are_called(name: str, expected: np.ndarray) -> None:
    method = next(m for m in naive_methods(CLOCK) if m.name == name)
    got = method.predict(before(READINGS, CLOCK.start_of(FIRST + 30)), WEATHER, FIRST + 30)
    assert got.index.tolist() == ["a", "b"]
    np.testing.assert_allclose(got.to_numpy(), expected)


def test_naive_means_leave_out_absent_hours_and_say_nothing_of_nothing() -> None:
    lost = READINGS["ds"].isin(CLOCK.hours(FIRST + 29)) & (READINGS["unique_id"] == "a")
    past = before(READINGS[~lost], CLOCK.start_of(FIRST + 30))
    methods = {m.name: m.predict(past, WEATHER, FIRST + 30) for m in naive_methods(CLOCK)}
    np.testing.assert_allclose(methods["mean_7_days"].loc["a"], Y[0, 23:29].mean(axis=0))
    np.testing.assert_allclose(methods["median_7_days"].loc["a"], np.median(Y[0, 23:29], axis=0))
    assert "a" not in methods["yesterday"].index
    assert "b" in methods["yesterday"].index


@pytest.mark.parametrize("make", [PooledRidge, HomeRidge])
def test_ridge_learns_a_weekly_pattern(make: type[PooledRidge] | type[HomeRidge]) -> None:
    week = np.random.default_rng(4).integers(500, 1500, (7, 24))
    y = np.tile(week, (DAYS // 7 + 1, 1))[:DAYS].reshape(-1)
    readings = pd.concat([long_table("a", DS, y), long_table("b", DS, 3 * y)], ignore_index=True)
    ridge = make(CLOCK, alpha=0.01)
    end = CLOCK.start_of(FIRST + 35)
    ridge.fit(before(readings, end), before(WEATHER, end))
    got = ridge.predict(before(readings, end), before(WEATHER, end), FIRST + 35)
    np.testing.assert_allclose(got.to_numpy(), [week[0], 3 * week[0]], rtol=0.03)


@pytest.mark.parametrize("make", [PooledRidge, HomeRidge])
def test_ridge_leaves_out_a_home_without_a_whole_week(make: type[PooledRidge] | type[HomeRidge]) -> None:
    end = CLOCK.start_of(FIRST + 35)
    ridge = make(CLOCK)
    ridge.fit(before(READINGS, end), before(WEATHER, end))
    hole = (READINGS["unique_id"] == "a") & (READINGS["ds"] == CLOCK.start_of(FIRST + 31))
    got = ridge.predict(before(READINGS[~hole], end), before(WEATHER, end), FIRST + 35)
    assert got.index.tolist() == ["b"]


def test_ridge_needs_something_to_learn_from() -> None:
    with pytest.raises(ValueError, match="eight days"):
        PooledRidge(CLOCK).fit(before(READINGS, CLOCK.start_of(FIRST + 7)), WEATHER)


@pytest.mark.slow
def test_the_figures_of_the_real_homes() -> None:
    """The table of the design (system.md): 17 homes, training on 70 %, test on the last 20 % of the hours."""
    demo = citylearn.load(Path(".cache/wattproof"))
    split = Split.by_share(demo.readings, CLOCK, 0.7, 0.2)
    naive = naive_methods(CLOCK)
    table = walk_forward([*naive, PooledRidge(CLOCK)], demo.readings, demo.weather, CLOCK, split)
    scores = evaluate(table, before(demo.readings, CLOCK.start_of(split.train_end)), [m.name for m in naive])
    figures = {m: (round(scores.pooled_nmae[m], 3), round(scores.community[m]["nmae"], 3)) for m in scores.methods}
    assert figures == {
        "yesterday": (0.475, 0.167),
        "last_week": (0.540, 0.239),
        "mean_7_days": (0.429, 0.175),
        "median_7_days": (0.424, 0.191),
        "same_weekday_4_weeks": (0.459, 0.202),
        "ridge_pooled": (0.425, 0.148),
    }
    assert scores.dropped == 0
