"""What `bench.accuracy` reports: each method's errors at homes and for the total, and the total's quantiles.

Homes are scored on the hours that every method has a forecast of. The total is scored on the days of which every home
has every reading and every method a forecast of every hour: else it would be the total of fewer homes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from forecasting import baselines, calibration, evaluation, metrics
from forecasting.errors import ForecastError

Array = NDArray[np.float64]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_FEWEST_DAYS = 7


@dataclass(frozen=True)
class Totals:
    """Totals of the days that all homes and methods have: `days` [D], `measured` [D, 24] Wh, and by method what was
    forecast, [D, 24] Wh. The days from `first_scored` on count."""

    days: NDArray[np.int64]
    measured: Array = field(repr=False)
    forecast: dict[str, Array] = field(repr=False)
    first_scored: int
    horizon: int = 1

    @property
    def scored(self) -> NDArray[np.bool_]:
        return np.asarray(self.days >= self.first_scored)

    def wape(self, forecast: Array) -> float | None:
        """Of forecasts of all `days`, over those that count and have one; None where none has."""
        chosen = self.scored & ~np.isnan(forecast).any(axis=1)
        if not chosen.any():
            return None
        return metrics.wape(self.measured[chosen].ravel(), forecast[chosen].ravel())

    def calibrated(self, method: str) -> Array:
        """Each day calibrated on those before it, [D, 24] Wh."""
        return calibration.walk_forward(self.forecast[method], self.measured, self.horizon)


def totals(
    table: pd.DataFrame, top_down: pd.DataFrame, clock: DayClock, first_scored: int, horizon: int = 1
) -> Totals:
    """Totals of the forecasts of homes (`table`) and of those of the total itself (`top_down`), both of
    `evaluation.walk_forward`.

    Raises ForecastError where there are too few days that all homes have.
    """
    own = [name for name in top_down.columns if name not in metrics.KEYS]
    methods = [name for name in table.columns if name not in metrics.KEYS and not name.endswith("/mean")]
    days = clock.days_of(table["ds"])
    whole = _whole(table, days) & _whole(top_down[["ds", *own]], clock.days_of(top_down["ds"]))
    kept = table[np.isin(days, list(whole))]
    summed = metrics.for_totals(kept, methods).groupby("ds")[["y", *methods]].sum().sort_index()
    above = top_down.set_index("ds").loc[summed.index, own]
    numbers = clock.days_of(pd.DatetimeIndex(summed.index))[::HOURS_PER_DAY]
    if (numbers >= first_scored).sum() < _FEWEST_DAYS:
        raise ForecastError(
            f"{(numbers >= first_scored).sum()} of the days to be scored have every reading of every home and of the "
            f"week before: {_FEWEST_DAYS} are needed to score a total; leave out the homes with gaps"
        )
    columns = {name: by_day(summed[name]) for name in methods} | {name: by_day(above[name]) for name in own}
    return Totals(numbers, by_day(summed["y"]), columns, first_scored, horizon)


def _whole(table: pd.DataFrame, days: NDArray[np.int64]) -> set[int]:
    """Days without a missing value in any column."""
    lacking = table.isna().any(axis=1).to_numpy()
    return set(np.unique(days).tolist()) - set(np.unique(days[lacking]).tolist())


def by_day(column: pd.Series[float]) -> Array:
    return np.asarray(column.to_numpy(dtype=np.float64).reshape(-1, HOURS_PER_DAY))


def score(table: pd.DataFrame, sums: Totals, readings: pd.DataFrame, clock: DayClock) -> dict[str, Any]:
    """By method: homes, community as it adds up, community calibrated (the same days for all); null for homes where
    a method forecasts the total alone."""
    naive = [n.name for n in baselines.naive_methods(clock)]
    start = clock.start_of(sums.first_scored)
    scores = metrics.evaluate(
        table[table["cutoff"] >= start].reset_index(drop=True), evaluation.before(readings, start), naive
    )
    return {
        name: (_homes(scores, name) if name in scores.methods else _NO_HOMES)
        | {
            "community_wape": sums.wape(sums.forecast[name]),
            "community_wape_calibrated": sums.wape(sums.calibrated(name)),
        }
        for name in sums.forecast
    }


_NO_HOMES = {
    "home_nmae_median": None,
    "home_nmae_mean": None,
    "home_nmae_quartiles": None,
    "home_nmae_pooled": None,
    "mase_168_median": None,
    "homes": None,
}


def _homes(scores: metrics.Scores, name: str) -> dict[str, Any]:
    quartiles, homes = scores.quartiles(name), scores.of_homes(name)["nmae"]
    return {
        "home_nmae_median": quartiles["nmae"][1],
        "home_nmae_mean": float(homes.mean()),
        "home_nmae_quartiles": [quartiles["nmae"][0], quartiles["nmae"][2]],
        "home_nmae_pooled": scores.pooled_nmae[name],
        "mase_168_median": quartiles["mase_168"][1],
        "homes": {str(k): float(v) for k, v in homes.items()},
    }


def score_quantiles(sums: Totals, method: str) -> dict[str, Any]:
    """Coverage of the community's quantiles, and the width of their outer band relative to the mean load."""
    bands = calibration.walk_forward_quantiles(sums.calibrated(method), sums.measured, LEVELS, sums.horizon)
    chosen = sums.scored & ~np.isnan(bands).any(axis=(1, 2))
    here, bands = sums.measured[chosen], bands[chosen]
    if len(here) == 0:
        return {"levels": list(LEVELS), "days": 0}
    below = (here[:, None] <= bands).mean(axis=(0, 2))
    errors = here[:, None] - bands
    levels = np.asarray(LEVELS)[None, :, None]
    pinball = np.maximum(levels * errors, (levels - 1) * errors).mean() / here.mean()
    return {
        "levels": list(LEVELS),
        "share_below": [round(float(v), 4) for v in below],
        "coverage_90": round(float(((here >= bands[:, 0]) & (here <= bands[:, -1])).mean()), 4),
        "coverage_50": round(float(((here >= bands[:, 1]) & (here <= bands[:, -2])).mean()), 4),
        "width_90": round(float((bands[:, -1] - bands[:, 0]).mean() / here.mean()), 4),
        "pinball": round(float(pinball), 4),
        "days": len(here),
    }
