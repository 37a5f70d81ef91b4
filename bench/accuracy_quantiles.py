"""How well the total's uncertainty is told: ours, LightGBM's quantile regression, and conformal bands of a ridge.

Ours are split-conformal quantiles around the calibrated sum of what homes have proven (`forecasting.calibration`).
The others see the total's own past, as the manager of a substation's meter could: LightGBM learns each quantile by
its own loss (Koenker and Bassett 1978), and the ridge's forecasts get conformal quantiles from their errors as ours
do. All are scored on the same days by the continuous ranked probability score (Gneiting and Raftery 2007), taken as
twice the mean pinball loss over the levels, and by how often the bands hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.accuracy_methods import Boosted, Learnt, SharedWindows
from bench.accuracy_scores import Totals, by_day
from data.day import DayClock
from forecasting import calibration, evaluation

Array = NDArray[np.float64]
LEVELS = (0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95)
_LIGHTGBM = "top_down_lightgbm_quantiles"


def boosted_quantiles(
    readings: pd.DataFrame,
    weather: pd.DataFrame,
    clock: DayClock,
    split: evaluation.Split,
    days: NDArray[np.int64],
    horizon: int = 1,
) -> Array:
    """LightGBM's quantiles of these days' total, [D, levels, 24] Wh, sorted so that none cross."""
    shared = SharedWindows(clock, horizon)
    each = [Learnt(f"{level}", Boosted("quantile", level), shared) for level in LEVELS]
    table = evaluation.walk_forward(each, readings, weather, clock, split, horizon)
    chosen = table[np.isin(clock.days_of(table["ds"]), days)].sort_values("ds")
    return np.sort(np.stack([by_day(chosen[f"{level}"]) for level in LEVELS], axis=1), axis=1)


def conformal(sums: Totals, method: str, *, calibrated: bool) -> Array:
    """Conformal quantiles of each day from the errors of the days before, [D, levels, 24] Wh."""
    forecast = sums.calibrated(method) if calibrated else sums.forecast[method]
    return calibration.walk_forward_quantiles(forecast, sums.measured, LEVELS, sums.horizon)


def score(sums: Totals, ours: str, boosted: Array) -> dict[str, dict[str, Any]]:
    """By method: `crps` and `width_90` relative to the mean load, `coverage_90`, `coverage_50`, `days`."""
    methods = {
        ours: conformal(sums, ours, calibrated=True),
        _LIGHTGBM: boosted,
        "top_down_ridge_conformal": conformal(sums, "top_down_ridge", calibrated=False),
    }
    known = sums.scored & ~np.any([np.isnan(bands).any(axis=(1, 2)) for bands in methods.values()], axis=0)
    return {name: _scored(sums.measured[known], bands[known]) for name, bands in methods.items()}


def _scored(measured: Array, bands: Array) -> dict[str, Any]:
    if len(measured) == 0:
        return {"days": 0}
    levels, errors = np.asarray(LEVELS)[None, :, None], measured[:, None] - bands
    pinball = np.maximum(levels * errors, (levels - 1) * errors)
    low, high = bands[:, LEVELS.index(0.05)], bands[:, LEVELS.index(0.95)]
    inner = (bands[:, LEVELS.index(0.25)], bands[:, LEVELS.index(0.75)])
    return {
        "crps": round(float(2 * pinball.mean() / measured.mean()), 4),
        "coverage_90": round(float(((low <= measured) & (measured <= high)).mean()), 4),
        "coverage_50": round(float(((inner[0] <= measured) & (measured <= inner[1])).mean()), 4),
        "width_90": round(float((high - low).mean() / measured.mean()), 4),
        "days": len(measured),
    }
