"""`python -m bench.training_cost [--data fontana|london|PATH]`: what a whole training costs, one shot beside rounds.

A federation of all homes in the plain loop of `bench.local_rounds`, and a one-shot training of the same days; both
are judged on the validation days by the mean home's error and by the community's total. Of a home: seconds of
computing, and bytes of weights (masked: words of 64 bits instead of float32 on the way up; the short messages
around a sum are not in it). Rounds until both errors stay within 1 % of their last: counted in tens.

Writes out/bench/training_cost-DATA.json and prints it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.accuracy_data import DRAW_SEED, FONTANA, Community, open_community
from bench.local_rounds import FORECASTING, OUT, SHAPE, train
from bench.one_shot import PLAN, masked_total
from data.atomic import write_bytes
from data.day import HOURS_PER_DAY
from data.features import public_features
from data.windows import Windows, make_windows
from fl.aggregation.strategy import mean
from fl.one_shot.home import own_statistics
from fl.one_shot.model import provable_twin
from fl.one_shot.moments import regression_moments
from fl.one_shot.ridge import evidence_penalty, ridge
from fl.secagg.fixed_point import vector_length
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights
from fl.weights import Weights, to_state_dict
from forecasting.evaluation import Split
from forecasting.model import LoadForecaster
from forecasting.training import forecast

EVERY = 10
WITHIN = 1.01


@dataclass(frozen=True)
class Errors:
    """Of the typical hours, the mean home's nMAE, and of the means' total, WAPE; both of the validation days."""

    home: float
    community: float


def errors_of(weights: Weights, judged: Windows) -> Errors:
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    return errors_in(forecast(model, judged), judged)


def errors_in(values: NDArray[np.float64], judged: Windows) -> Errors:
    """Of forecasts [n, 48] Wh of these windows."""
    names = np.unique(judged.unique_id)
    missed = np.abs(values[:, :HOURS_PER_DAY] - judged.target)
    homes = [float(missed[own].mean() / judged.target[own].mean()) for own in (judged.unique_id == n for n in names)]
    whole = [day for day in np.unique(judged.day) if (judged.day == day).sum() == len(names)]
    sums = [
        (values[judged.day == d, -HOURS_PER_DAY:].sum(axis=0), judged.target[judged.day == d].sum(axis=0))
        for d in whole
    ]
    wape = sum(np.abs(f - y).sum() for f, y in sums) / sum(y.sum() for _, y in sums)
    return Errors(float(np.mean(homes)), float(wape))


def rounds_within(course: dict[int, Errors]) -> int:
    """The first round judged from which on both errors are within 1 % of the last."""
    last = course[max(course)]
    outside = [
        number
        for number, found in course.items()
        if found.home > WITHIN * last.home or found.community > WITHIN * last.community
    ]
    return min(number for number in course if number > max(outside, default=0))


def measure_rounds(learners: Sequence[HomeLearner], judged: Windows, settings: FederationSettings) -> dict[str, Any]:
    """A whole training by rounds."""
    course: dict[int, Errors] = {}

    def judge(number: int, weights: Weights) -> None:
        if number % EVERY == 0 or number == settings.rounds:
            course[number] = errors_of(weights, judged)

    started = time.process_time()
    weights = train(learners, settings, mean(settings.strategy.weighting), observe=judge)
    seconds = (time.process_time() - started) / len(learners)
    down, masked = sum(array.nbytes for array in weights.values()), 8 * vector_length(weights)
    return {
        "rounds": settings.rounds,
        "gradient_rounds": settings.gradient_rounds,
        "rounds_to_1_percent": rounds_within(course),
        "seconds_per_home": round(seconds, 2),
        "megabytes_per_home": round(settings.rounds * 2 * down / 1e6, 1),
        "megabytes_per_home_masked": round(settings.rounds * (down + masked) / 1e6, 1),
        "home_nmae": round(course[settings.rounds].home, 4),
        "community_wape": round(course[settings.rounds].community, 4),
        "course": {number: asdict(found) for number, found in course.items()},
    }


def measure_one_shot(windows: Windows, judged: Windows) -> dict[str, Any]:
    """One masked sum, and the forecaster that follows from it."""
    homes = [str(home) for home in np.unique(windows.unique_id)]
    started = time.process_time()
    sent = {home: own_statistics(windows.of_home(home), PLAN) for home in homes}
    seconds = (time.process_time() - started) / len(homes)
    total = masked_total(sent)
    moments = regression_moments(total)
    fit = partial(ridge, moments)
    start = initial_weights(SHAPE, FORECASTING.seed)
    weights, _ = provable_twin(start, fit, evidence_penalty(moments), SHAPE, trained=False)
    found = errors_of(weights, judged)
    return {
        "sums": 1,
        "seconds_per_home": round(seconds, 2),
        "megabytes_per_home": round(8 * total.shape.length / 1e6, 2),
        "home_nmae": round(found.home, 4),
        "community_wape": round(found.community, 4),
    }


def measure(community: Community, settings: FederationSettings) -> dict[str, Any]:
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.data.weather, clock)
    windows = make_windows(readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    known = windows.between(0, split.train_end)
    judged = windows.between(split.train_end, split.test_start).at_day_start()
    learners = [
        HomeLearner(home, known.of_home(home), judged.of_home(home), SHAPE, FORECASTING.huber)
        for home in community.homes
    ]
    return {
        "data": community.name,
        "homes": len(learners),
        "rounds": measure_rounds(learners, judged, settings),
        "one_shot": measure_one_shot(known, judged),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--start-utc", type=int, help="hour at which the community's days start")
    parser.add_argument("--homes", type=int, help="so many of its homes, drawn (london: 17)")
    parser.add_argument("--seed", type=int, default=DRAW_SEED, help="of that draw")
    parser.add_argument("--rounds", type=int, help="of the training; by default those of the settings")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    community = open_community(asked.data, asked.cache, asked.start_utc, asked.homes, asked.seed)
    told = {} if asked.rounds is None else {"rounds": asked.rounds}
    result = measure(community, FederationSettings.model_validate(told))
    write_bytes(OUT / f"training_cost-{community.name}.json", json.dumps(result, indent=1).encode())
    result["rounds"].pop("course")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
