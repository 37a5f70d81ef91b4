"""Forecast accuracy: pure functions of arrays, and one `evaluate` that composes them for homes and the community.

Every function takes what happened and what was forecast, float64 [n] in Wh. MASE: Hyndman and Koehler, "Another look
at measures of forecast accuracy", 2006. Skill: Murphy, "Skill scores based on the mean square error", 1988, here on
the absolute error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY
from forecasting.errors import ForecastError

Array = NDArray[np.float64]
MASE_LAGS = (HOURS_PER_DAY, 7 * HOURS_PER_DAY)
KEYS = ("unique_id", "ds", "cutoff", "y")


_MEAN = "/mean"


def mean_of(method: str) -> str:
    """The column of a method's means, which are added up for the community where the method has them."""
    return method + _MEAN


def for_totals(forecasts: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The forecasts that are added up over homes: under each method's name its means, where it has them."""
    means = {method: forecasts[mean_of(method)] for method in methods if mean_of(method) in forecasts.columns}
    return forecasts.assign(**means)


def mae(actual: Array, forecast: Array) -> float:
    """Mean absolute error, Wh."""
    return float(np.mean(np.abs(actual - forecast)))


def rmse(actual: Array, forecast: Array) -> float:
    """Root mean squared error, Wh."""
    return float(np.sqrt(np.mean((actual - forecast) ** 2)))


def nmae(actual: Array, forecast: Array) -> float:
    """MAE divided by the mean load (not a number for a load of nothing)."""
    return _ratio(mae(actual, forecast), float(np.mean(actual)))


wape = nmae
"""Sum of absolute errors divided by the sum of loads: the same number, under the name used for totals."""


def nrmse(actual: Array, forecast: Array) -> float:
    """RMSE divided by the mean load (not a number for a load of nothing)."""
    return _ratio(rmse(actual, forecast), float(np.mean(actual)))


def mase(actual: Array, forecast: Array, train: Array, lag: int) -> float:
    """MAE divided by that of "same as `lag` hours ago" on the contiguous hours `train` [m] (NaN where absent)."""
    steps = np.abs(train[lag:] - train[:-lag])
    known = steps[~np.isnan(steps)]
    return _ratio(mae(actual, forecast), float(np.mean(known)) if len(known) else 0.0)


def skill(error: float, reference_errors: Sequence[float]) -> float:
    """1 − error / the least of the reference errors: above zero is better than the best of them."""
    return 1 - _ratio(error, min(reference_errors))


def _ratio(error: float, scale: float) -> float:
    return error / scale if scale > 0 else float("nan")


@dataclass(frozen=True)
class Scores:
    """Accuracy of several methods on the same hours of the same homes.

    `homes`: one row for each method and home (columns `method`, `unique_id`, then the metrics).
    `community`: by method, the metrics of the homes' total.
    `pooled_nmae`: by method, the nMAE of all homes together, each in units of its own mean load in `train`, so that a
    large home counts no more than a small one.
    `hours`: home-hours compared; `dropped`: home-hours left out because a reading or a forecast is absent.
    """

    homes: pd.DataFrame
    community: dict[str, dict[str, float]]
    pooled_nmae: dict[str, float]
    hours: int
    dropped: int

    @property
    def methods(self) -> list[str]:
        return list(self.community)

    def of_homes(self, method: str) -> pd.DataFrame:
        """The metrics of each home, indexed by `unique_id`."""
        chosen = self.homes[self.homes["method"] == method]
        return chosen.drop(columns="method").set_index("unique_id")

    def quartiles(self, method: str) -> dict[str, tuple[float, float, float]]:
        """By metric, the lower quartile, the median and the upper quartile over the homes."""
        homes = self.of_homes(method)
        return {
            metric: (float(column.quantile(0.25)), float(column.median()), float(column.quantile(0.75)))
            for metric, column in ((str(name), homes[name]) for name in homes.columns)
        }


def evaluate(forecasts: pd.DataFrame, train: pd.DataFrame, naive: Sequence[str]) -> Scores:
    """Score every method of `forecasts` for each home and for the community.

    `forecasts`: columns `unique_id`, `ds`, `cutoff` (the origin), `y` and one column for each method, Wh, NaN where a
    method gave no forecast; a column `<method>/mean` beside it is added up for the community instead. Hours are
    compared where all methods have one. `train`: a long table of the hours before, the scale of MASE. `naive`: the
    methods over the best of which skill is measured. Raises ValueError if columns are missing or there is nothing to
    compare.
    """
    methods = [column for column in forecasts.columns if column not in KEYS and not column.endswith(_MEAN)]
    absent = [name for name in (*KEYS, *naive) if name not in forecasts.columns]
    if absent or not methods:
        raise ForecastError(
            f"the forecasts lack {', '.join(absent) or 'a method'}: have {', '.join(forecasts.columns)}"
        )
    compared = forecasts.dropna(subset=[column for column in forecasts.columns if column not in KEYS[:3]])
    if compared.empty:
        raise ForecastError("there is no hour for which every method has a forecast: check the period and the gaps")
    past = train.pivot(index="ds", columns="unique_id", values="y").astype("float64").asfreq("h")
    rows = [
        {"method": method, "unique_id": home} | score
        for home, table in compared.groupby("unique_id")
        for method, score in _score(table, methods, past[home].to_numpy(), naive).items()
    ]
    total = _community(for_totals(compared, methods), methods)
    present = past[sorted(compared["unique_id"].unique())]
    community = _score(total, methods, present.sum(axis=1, skipna=False).to_numpy(), naive)
    homes = pd.DataFrame(rows).set_index("method").loc[methods].reset_index()
    unit = compared["unique_id"].map(past.mean()).to_numpy(dtype=np.float64)
    actual = compared["y"].to_numpy(dtype=np.float64) / unit
    return Scores(
        homes=homes,
        community=community,
        pooled_nmae={method: nmae(actual, compared[method].to_numpy(dtype=np.float64) / unit) for method in methods},
        hours=len(compared),
        dropped=len(forecasts) - len(compared),
    )


def _community(compared: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The total of the homes for each hour that all of them have."""
    groups = compared.groupby("ds")
    complete = groups.size() == compared["unique_id"].nunique()
    total: pd.DataFrame = groups[["y", *methods]].sum()[complete]
    if total.empty:
        raise ForecastError("there is no hour that all homes have: the community's total cannot be scored")
    return total


def _score(
    table: pd.DataFrame, methods: Sequence[str], past: Array, naive: Sequence[str]
) -> dict[str, dict[str, float]]:
    actual = table["y"].to_numpy(dtype=np.float64)
    columns = {method: table[method].to_numpy(dtype=np.float64) for method in methods}
    references = [mae(actual, columns[name]) for name in naive]
    return {
        method: {
            "mae": mae(actual, forecast),
            "rmse": rmse(actual, forecast),
            "nmae": nmae(actual, forecast),
            "nrmse": nrmse(actual, forecast),
            **{f"mase_{lag}": mase(actual, forecast, past, lag) for lag in MASE_LAGS},
            **({"skill": skill(mae(actual, forecast), references)} if references else {}),
        }
        for method, forecast in columns.items()
    }
