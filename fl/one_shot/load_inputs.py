"""The regression twin's inputs and targets: a home's week and the public features of the day ahead.

Loads are in units of the window's own mean load, as for pooled ridge (`forecasting.baselines`), less 1, which is what
they are in the mean; entries beyond +-32 are cut. Both are constants that everybody knows, so nothing has to be
agreed on beforehand.
"""

from __future__ import annotations

import numpy as np

from data.windows import Windows
from fl.one_shot.fixed_point import Floats
from fl.one_shot.ridge import RidgeModel
from fl.one_shot.sizes import LOAD_BOUND

_SCALE_FLOOR_WH = 2048.0


def load_inputs(windows: Windows) -> Floats:
    """[n, 168 + E]: the week, then the day's public features."""
    week = windows.history / mean_load(windows) - 1
    return np.asarray(np.clip(np.concatenate([week, windows.exogenous], axis=1), -LOAD_BOUND, LOAD_BOUND))


def load_targets(windows: Windows) -> Floats:
    """[n, 24]."""
    return np.asarray(np.clip(windows.target / mean_load(windows) - 1, -LOAD_BOUND, LOAD_BOUND))


def forecast(model: RidgeModel, windows: Windows) -> Floats:
    """Forecasts in Wh [n, 24], never below zero."""
    return np.asarray(np.maximum((model.predict(load_inputs(windows)) + 1) * mean_load(windows), 0))


def mean_load(windows: Windows) -> Floats:
    """Mean hourly load of each window's week [n, 1] Wh, with a floor under the week's sum."""
    hours = windows.history.shape[1]
    return np.asarray((_SCALE_FLOOR_WH + windows.history.sum(axis=1, keepdims=True)) / hours)
