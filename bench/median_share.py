"""`python -m bench.median_share [--data fontana|london|PATH]`: how much of a typical hour is to be the week's median.

Learnt on the first 85 % of the days before the test days and judged on the rest of them, so that the share can be
chosen without a look at the test days. Beside the median of the same hour on the last seven days stand their mean,
which a head could read without it, and the mean of the middle three. Errors are the mean home's nMAE, without and
with personal heads, as proven. Writes out/bench/median_share-DATA.json and prints it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.accuracy_data import FONTANA, Community, open_community
from bench.accuracy_methods import Federated, by_home, homes_of
from bench.local_rounds import FORECASTING, OUT, SHAPE
from bench.training_cost import errors_in
from bench.training_forms import LEARN_SHARE
from data.atomic import write_bytes
from data.day import HOURS_PER_DAY
from data.features import public_features
from data.windows import Windows, make_windows
from fl.settings import FederationSettings
from fl.weights import from_state_dict
from forecasting.evaluation import Split
from forecasting.integer import quantise
from forecasting.model import LoadForecaster
from forecasting.personal import fit_home_head

Array = NDArray[np.float64]
SIXTEENTHS = range(0, 7)
PLAIN = replace(SHAPE, median=0)
STATISTICS: dict[str, Callable[[Array], Array]] = {
    "median": lambda week: np.asarray(np.median(week, axis=1)),
    "mean": lambda week: np.asarray(week.mean(axis=1)),
    "middle_three": lambda week: np.asarray(np.sort(week, axis=1)[:, 2:5].mean(axis=1)),
}


def split_before_test(community: Community) -> tuple[Windows, Windows]:
    """Windows to learn from and to be judged on."""
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.data.weather, clock)
    windows = make_windows(readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    first = int(windows.day.min())
    start = first + int((split.test_start - first) * LEARN_SHARE)
    return windows.between(0, start), windows.between(start, split.test_start).at_day_start()


def forecasts(learn: Windows, judged: Windows, settings: FederationSettings) -> dict[str, Array]:
    """Without a median [n, 48] Wh, without personal heads and with them."""
    federated = Federated(settings)
    federated.learn(learn)
    state = federated.model.state_dict()
    model = LoadForecaster(PLAIN)
    model.load_state_dict(state)

    def proven(home: str | None) -> Callable[[Windows], Array]:
        head = None if home is None else fit_home_head(model, learn.of_home(home), FORECASTING)
        integer = quantise(from_state_dict(state), PLAIN, None if head is None else head.as_mapping())
        return lambda asked: integer.run(asked.history, asked.steps, asked.exogenous).forecast.astype(np.float64)

    own = {home: proven(home) for home in homes_of(judged)}
    return {"plain": proven(None)(judged), "personal": by_home(judged, own)}


def errors(judged: Windows, found: dict[str, Array]) -> dict[str, dict[str, dict[str, float]]]:
    """The mean home's error by statistic, sixteenths of it, and heads."""
    week = judged.history.reshape(len(judged), -1, HOURS_PER_DAY).astype(np.float64)
    out: dict[str, dict[str, dict[str, float]]] = {}
    for name, statistic in STATISTICS.items():
        of_week = statistic(week)
        out[name] = {}
        for sixteenths in SIXTEENTHS:
            share = sixteenths / 16
            mixed = {
                heads: np.concatenate([(1 - share) * values[:, :HOURS_PER_DAY] + share * of_week, values], axis=1)
                for heads, values in found.items()
            }
            out[name][str(sixteenths)] = {
                heads: round(errors_in(values, judged).home, 4) for heads, values in mixed.items()
            }
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    community = open_community(asked.data, asked.cache)
    learn, judged = split_before_test(community)
    found = errors(judged, forecasts(learn, judged, FederationSettings()))
    result: dict[str, Any] = {"data": community.name, "days": len(np.unique(judged.day)), "errors": found}
    write_bytes(OUT / f"median_share-{community.name}.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
