"""The regression twin of homes that keep their readings forecasts what pooled ridge does that has them all."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from fl.one_shot.load_inputs import forecast, load_inputs, load_targets, mean_load
from fl.one_shot.moments import regression_moments
from fl.one_shot.ridge import ridge
from fl.one_shot.sizes import LOAD_BOUND
from fl.one_shot.statistics import Statistics, regression_statistics
from tests.fl.federation import HOMES, made_up_windows


def test_the_twin_is_pooled_ridge() -> None:
    windows = made_up_windows(HOMES, days=60)
    learn, judge = windows.between(0, 40), windows.between(40, 60)
    homes = [learn.of_home(name) for name in HOMES]
    total = reduce(
        Statistics.__add__, [regression_statistics(load_inputs(w), load_targets(w), LOAD_BOUND) for w in homes]
    )
    twin = ridge(regression_moments(total), 1000.0)

    def inputs(w: object) -> np.ndarray:  # type: ignore[type-arg]
        return np.concatenate([w.history / mean_load(w), w.exogenous], axis=1)  # type: ignore[attr-defined,arg-type]

    pooled = Ridge(alpha=1000.0).fit(inputs(learn), learn.target / mean_load(learn))
    expected = np.maximum(pooled.predict(inputs(judge)) * mean_load(judge), 0)
    assert forecast(twin, judge) == pytest.approx(expected, abs=1e-3)  # Wh


def test_entries_are_bounded_whatever_the_readings() -> None:
    windows = made_up_windows(("home-a",), days=2)
    windows.history[0] = 0
    windows.history[0, 5] = 60_000
    windows.target[0, 3] = 60_000
    assert np.abs(load_inputs(windows)).max() == LOAD_BOUND
    assert np.abs(load_targets(windows)).max() <= LOAD_BOUND
    windows.history[0] = 0
    assert np.isfinite(load_targets(windows)).all()
