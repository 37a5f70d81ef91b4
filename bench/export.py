"""`python -m bench.export`: forecasts of what the 17 demo homes feed in, beside naive ones, as one JSON line.

Export is forecast by the model and the training of load, homes and rounds as in a federation (`bench.local_rounds`),
and judged as it is proven, in integers, on the last fifth of the year: `home_nmae_median` (absolute error over the
home's mean export) and `community_wape` (of the homes' sum). Naive are the same hours yesterday and a week ago, the
mean and the median of seven days. `load` is what the same homes take from the grid, forecast likewise.

The data set's weather is not that of its roofs: `weather_correlation` is that of the daily sun with the daily
generation, each without its trend. So export is forecast twice: by that feed (`export`), and by one in which the sun
is the roofs' own mean generation (`export_own_sun`), known a day ahead without error: the most that a feed of the
place could give.

`surplus` compares the hours in which export exceeds load, forecast and measured: `precision` (of the hours that were
forecast), `recall` (of those that were measured). The line is kept in out/bench/export.json; `--quick` trains six
homes for eight rounds, in a file of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from api.operator.surplus_picture import pictures
from api.protocol.schemas import SurplusHours
from api.protocol.surplus import surplus_hours
from bench.local_rounds import FORECASTING, OUT, SHAPE, Days, accuracy_of, train
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, CommunityData, load_with_pv
from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.quantity import QUANTITIES, Quantity
from data.table import readings_as
from data.windows import Windows, make_windows
from fl.aggregation.strategy import mean
from fl.settings import FederationSettings
from forecasting.evaluation import Split
from forecasting.integer import quantise

CLOCK = DayClock(DAY_START_UTC)
QUICK_HOMES, QUICK_ROUNDS = 6, 8
PICTURED_DAY = 17_316
_STRONG_SUN = 1000.0  # W/m²
_TREND_DAYS = 15

Wh = NDArray[np.float64]
NAIVE: dict[str, Callable[[Wh], Wh]] = {
    "yesterday": lambda week: week[:, -1],
    "last_week": lambda week: week[:, 0],
    "mean_7_days": lambda week: week.mean(axis=1),
    "median_7_days": lambda week: np.median(week, axis=1),
}
"""Forecasts [n, 24] of a week [n, 7, 24]."""


@dataclass(frozen=True)
class Judged:
    """Test windows of a quantity with the proven forecasts of them [n, 48], Wh."""

    test: Windows
    forecast: Wh

    @property
    def week(self) -> Wh:
        return self.test.history.reshape(len(self.test), -1, HOURS_PER_DAY).astype(np.float64)

    def scores(self) -> dict[str, dict[str, float]]:
        """Accuracy by method."""
        found = {name: naive(self.week) for name, naive in NAIVE.items()} | {"proven": self.forecast}
        return {name: _rounded(accuracy_of(values, self.test)) for name, values in found.items()}

    def totals(self, values: Wh) -> Wh:
        """The sum over homes of each test day, [days, 24]."""
        days = np.unique(self.test.day)
        return np.array([values[self.test.day == day][:, -HOURS_PER_DAY:].sum(axis=0) for day in days])


def _rounded(found: Any) -> dict[str, float]:
    return {name: round(getattr(found, name), 4) for name in ("home_nmae_median", "community_wape")}


def own_sun(community: CommunityData) -> CommunityData:
    """The community under the sun that its roofs saw: their mean generation, as W/m², known a day ahead."""
    made = _generation(community).mean(axis=1).to_numpy(dtype=np.float64)
    sun = made / made.max() * _STRONG_SUN
    ahead = np.concatenate([sun[HOURS_PER_DAY:], np.zeros(HOURS_PER_DAY)])
    return replace(community, weather=community.weather.assign(direct_solar=sun, direct_solar_24h=ahead))


def _generation(community: CommunityData) -> pd.DataFrame:
    return community.readings.pivot(index="ds", columns="unique_id", values="generation")


def weather_correlation(community: CommunityData) -> float:
    """Of the day's sun with what the roofs made of it; both less their mean of 15 days around."""
    sun = community.weather.set_index("ds")["direct_solar"]
    daily = [
        hours.resample("24h", offset=f"{DAY_START_UTC}h").sum()
        for hours in (sun, _generation(community).mean(axis=1))
    ]
    sunny, made = (day - day.rolling(_TREND_DAYS, center=True, min_periods=1).mean() for day in daily)
    return float(sunny.corr(made))


def judged(community: CommunityData, quantity: Quantity, settings: FederationSettings) -> Judged:
    """Train on the first part of the year, and forecast the last fifth as it is proven."""
    readings = readings_as(community.readings, quantity)
    split = Split.by_share(readings, CLOCK, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.weather, CLOCK, quantity)
    windows = make_windows(readings, features, CLOCK, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    test = windows.between(split.test_start, split.test_end).at_day_start()
    weights = train(Days(windows.between(0, split.train_end), test).learners(), settings.of(quantity), mean())
    trace = quantise(weights, SHAPE).run(test.history, test.steps, test.exogenous)
    return Judged(test, trace.forecast.astype(np.float64))


def surplus_scores(load: Judged, export: Judged) -> dict[str, dict[str, float]]:
    """How well the hours of surplus are known by method, over all test days."""
    targets = [one.totals(one.test.target.astype(np.float64)) for one in (load, export)]
    actual = targets[1] > targets[0]
    found = {name: (naive(load.week), naive(export.week)) for name, naive in NAIVE.items()}
    found["proven"] = load.forecast, export.forecast
    scores = {}
    for name, (taken, fed_in) in found.items():
        expected = export.totals(fed_in) > load.totals(taken)
        both = float((expected & actual).sum())
        scores[name] = {
            "precision": round(both / max(1, expected.sum()), 4),
            "recall": round(both / max(1, actual.sum()), 4),
            "wrong_hours_a_day": round(float((expected != actual).sum() / len(actual)), 3),
        }
    return scores


def picture(load: Judged, export: Judged, day: int) -> dict[str, bytes]:
    """The picture of a test day's surplus hours, light and dark, as `wattproof surplus` draws it."""
    at = int(np.flatnonzero(np.unique(load.test.day) == day)[0])
    taken, fed_in = ([int(v) for v in one.totals(one.forecast)[at]] for one in (load, export))
    hours = list(surplus_hours(taken, fed_in))
    drawn = SurplusHours(
        day=day, date=CLOCK.date_of(day), start=CLOCK.start_of(day).isoformat(), load_wh=taken, export_wh=fed_in,
        homes=len(np.unique(load.test.unique_id)), exporting_homes=len(np.unique(export.test.unique_id)),
        hours=hours, best_hours=hours, load_round=1, load_digest="", export_round=1, export_digest="",
    )  # fmt: skip
    return pictures(drawn, CLOCK)


def measure(community: CommunityData, settings: FederationSettings) -> dict[str, Any]:
    started = time.perf_counter()
    load, export = judged(community, "load", settings), judged(community, "export", settings)
    sunny = judged(own_sun(community), "export", settings)
    for suffix, png in picture(load, export, PICTURED_DAY).items():
        write_bytes(OUT / f"surplus{suffix}.png", png)
    return {
        "homes": len(np.unique(export.test.unique_id)),
        "test_days": len(np.unique(export.test.day)),
        "rounds": {quantity: settings.of(quantity).rounds for quantity in QUANTITIES},
        "weather_correlation": round(weather_correlation(community), 3),
        "export": export.scores(),
        "export_own_sun": sunny.scores(),
        "load": load.scores(),
        "surplus": surplus_scores(load, export),
        "surplus_own_sun": surplus_scores(load, sunny),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_HOMES} homes, {QUICK_ROUNDS} rounds")
    parser.add_argument("--rounds", type=int, help="of both trainings; by default those of the settings")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    community, rounds = load_with_pv(asked.cache), QUICK_ROUNDS if asked.quick else asked.rounds
    if asked.quick:
        names = sorted(community.readings["unique_id"].unique())[:QUICK_HOMES]
        chosen = community.readings["unique_id"].isin(names)
        community = replace(community, readings=community.readings[chosen].reset_index(drop=True))
    settings = FederationSettings.model_validate(
        {} if rounds is None else {"rounds": rounds, "export_rounds": rounds}
    )
    result = measure(community, settings)
    usual = not asked.quick and rounds is None
    name = "export" if usual else f"export-{'quick' if asked.quick else f'{rounds}-rounds'}"
    write_bytes(OUT / f"{name}.json", json.dumps(result).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
