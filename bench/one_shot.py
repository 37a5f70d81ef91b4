"""`python -m bench.one_shot`: one-shot learning on the 17 real homes and on scikit-learn's digits; one JSON line.

The 17 homes send their statistics in one masked sum. What it gives is compared with pooled ridge on everybody's
readings (`forecasting.baselines`), and its peak classes with "the same as yesterday", on the last fifth of the year.
The heads are compared with scikit-learn's on digits dealt out to homes by Dirichlet draws. Writes
out/bench/one_shot.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from bench.local_rounds import FORECASTING, OUT, SHAPE, Accuracy, accuracy_of
from bench.one_shot_private import measure_private
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, CommunityData, load
from data.day import DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.one_shot.fisher_mix import fisher_mix
from fl.one_shot.fixed_point import Floats, Ints
from fl.one_shot.gaussian_heads import SMOOTHING, linear_discriminant, naive_bayes, quadratic_discriminant
from fl.one_shot.heads import Head, decisions, probabilities
from fl.one_shot.home import own_statistics
from fl.one_shot.load_inputs import forecast
from fl.one_shot.model import provable_twin
from fl.one_shot.moments import ClassMoments, class_moments, regression_moments
from fl.one_shot.peak_forecast import features_ahead
from fl.one_shot.plan import STATISTICS, OneShotPlan, most_windows
from fl.one_shot.proto_hyper import proto_hyper
from fl.one_shot.ridge import RidgeModel, evidence_penalty, ridge
from fl.one_shot.statistics import Statistics, class_statistics
from fl.secagg.aggregator import Session, Words64, default_threshold, sum_in_process
from fl.task import initial_weights
from fl.weights import to_state_dict
from forecasting.baselines import PooledRidge
from forecasting.evaluation import Split, before
from forecasting.integer import IntegerModel, quantise
from forecasting.model import LoadForecaster
from forecasting.personal import fit_home_head
from forecasting.shape import OUTPUTS

SEED = 1
HEADS: dict[str, Callable[[ClassMoments], Head]] = {
    "naive_bayes": naive_bayes,
    "lda": linear_discriminant,
    "qda": quadratic_discriminant,
    "fishermix": fisher_mix,
    "proto_hyper": proto_hyper,
}
ORACLES = {
    "naive_bayes": GaussianNB(var_smoothing=SMOOTHING),
    "lda": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05),
    "qda": QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1, tol=0),
}
PEAK_HEAD = "lda"
"""Chosen before the test days (`peak_folds`): the trained heads are no better by more than chance, and slower."""
FOLDS, FOLD_DAYS = 6, 28
PLAN = OneShotPlan(
    STATISTICS, (0, 1, 2), fewest_days=10, private=False, most_windows=most_windows(homes=17, private=False)
)


@dataclass(frozen=True)
class Days:
    """The community's windows and how its days are split."""

    community: CommunityData
    clock: DayClock
    split: Split
    whole: Windows
    shifted: Windows

    @property
    def homes(self) -> list[str]:
        return [str(home) for home in np.unique(self.whole.unique_id)]


def real_days(cache: Path) -> Days:
    """The 17 real homes. Raises DataError if they can't be had."""
    community, clock = load(cache), DayClock(DAY_START_UTC)
    split = Split.by_share(community.readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.weather, clock)
    shifted = make_windows(community.readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    return Days(community, clock, split, shifted.at_day_start(), shifted)


def sent_by(home: str, windows: Windows, end: int) -> Statistics:
    """What a home sends of its windows before `end`."""
    return own_statistics(windows.of_home(home).between(0, end), PLAN)


def masked_total(statistics: dict[str, Statistics]) -> Statistics:
    """The sum over homes, by the protocol of secure aggregation."""
    shape = next(iter(statistics.values())).shape
    threshold = default_threshold(len(statistics))
    session = Session(b"bench", tuple(sorted(statistics)), threshold, shape.length, Words64())
    total, _ = sum_in_process(session, {home: each.vector.tolist() for home, each in statistics.items()})
    return Statistics(shape, total.view(np.int64))


def measure_ridge(days: Days) -> dict[str, Any]:
    """The twin against pooled ridge, and what the one sum of all homes takes."""
    started = time.perf_counter()
    sent = {home: sent_by(home, days.whole, days.split.train_end) for home in days.homes}
    total = masked_total(sent)
    moments = regression_moments(total)
    penalty = evidence_penalty(moments)
    chosen = ridge(moments, penalty)
    seconds = time.perf_counter() - started
    pooled = PooledRidge(days.clock)
    end = days.clock.start_of(days.split.train_end)
    pooled.fit(before(days.community.readings, end), before(days.community.weather, end))
    test = days.whole.between(days.split.test_start, days.split.test_end)
    same = ridge(moments, pooled.alpha)
    with_shifts = {home: sent_by(home, days.shifted, days.split.train_end) for home in days.homes}
    more = regression_moments(masked_total(with_shifts))
    twin = ridge(more, evidence_penalty(more))
    return {
        "ridge_max_abs_wh": max(_difference(days, pooled, same, test, int(day)) for day in np.unique(test.day)),
        "ridge_penalty": penalty,
        **_named("ridge", accuracy_of(forecast(chosen, test), test)),
        "ridge_shifted_penalty": twin.penalty,
        **_named("ridge_shifted", accuracy_of(forecast(twin, test), test)),
        "bytes_per_home": 8 * total.shape.length,
        "homes": len(sent),
        "seconds": seconds,
    }


def measure_first_evening(days: Days) -> dict[str, Any]:
    """The forecaster of a one-shot training, as it is proven: as handed out, and with each home's personal head."""
    learn, test = _split_of(days)
    sent = {home: own_statistics(learn.of_home(home), PLAN) for home in days.homes}
    moments = regression_moments(masked_total(sent))
    initial = initial_weights(SHAPE, FORECASTING.seed)
    fit = partial(ridge, moments)
    weights, _ = provable_twin(initial, fit, evidence_penalty(moments), SHAPE, trained=False)
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    personal = np.zeros((len(test), OUTPUTS))
    for home in days.homes:
        own = test.unique_id == home
        head = fit_home_head(model, learn.of_home(home), FORECASTING)
        assert head is not None  # they have the days
        personal[own] = _proven(quantise(weights, SHAPE, head.as_mapping()), test.where(own))
    as_handed_out = accuracy_of(_proven(quantise(weights, SHAPE), test), test)
    return _named("first_evening", as_handed_out) | _named("first_evening_personal", accuracy_of(personal, test))


def _proven(model: IntegerModel, windows: Windows) -> Floats:
    """Forecasts of the integers that are proven, [n, 48] Wh."""
    return model.run(windows.history, windows.steps, windows.exogenous).forecast.astype(np.float64)


def _difference(days: Days, pooled: PooledRidge, twin: RidgeModel, test: Windows, day: int) -> float:
    """Largest difference of a day's forecasts, Wh."""
    recent = days.community.readings["ds"] >= days.clock.start_of(day - 8)
    past = before(days.community.readings[recent], days.clock.start_of(day))
    expected = pooled.predict(past, before(days.community.weather, days.clock.start_of(day)), day)
    own = test.between(day, day + 1)
    return float(np.abs(forecast(twin, own) - expected.loc[list(own.unique_id)].to_numpy()).max())


def _named(name: str, accuracy: Accuracy) -> dict[str, float]:
    return {f"{name}_{key}": value for key, value in asdict(accuracy).items()}


def peak_accuracy(days: Days, end: int, first: int, last: int) -> dict[str, float]:
    """Share of home-days from `first` to `last` (excluded) whose class is right, by head, learnt before `end`.

    A day's class is that by the terciles of all days before it, as a home forecasts it (`features_ahead`).
    """
    moments = class_moments(masked_total({home: sent_by(home, days.whole, end) for home in days.homes}))
    heads = {name: fit(moments) for name, fit in HEADS.items()}
    right: dict[str, list[bool]] = {name: [] for name in (*heads, "persistence")}
    for own in (days.whole.of_home(home) for home in days.homes):
        for ahead in (own.between(day, day + 1) for day in range(first, last)):
            if len(ahead) == 0:
                continue
            features, terciles = features_ahead(own, ahead)
            happened, yesterday = terciles.classes(np.array([ahead.target.max(), ahead.history[0, -24:].max()]))
            right["persistence"].append(bool(yesterday == happened))
            for name, head in heads.items():
                right[name].append(bool(decisions(head, features)[0] == happened))
    return {name: _share(each) for name, each in right.items()}


def _share(right: Any) -> float:
    return float(np.mean(right))


def measure_peaks(days: Days) -> dict[str, Any]:
    """Peak classes on the test days, and on the folds before them by which features and head were chosen."""
    split = days.split
    test = peak_accuracy(days, split.train_end, split.test_start, split.test_end)
    ends = [split.test_start - FOLD_DAYS * k for k in reversed(range(FOLDS))]
    folds = [peak_accuracy(days, end - FOLD_DAYS, end - FOLD_DAYS, end) for end in ends]
    return {
        "peak_class_accuracy": test[PEAK_HEAD],
        "peak_class_persistence": test["persistence"],
        "peak_class_by_head": test,
        "peak_class_before_test": {name: float(np.mean([fold[name] for fold in folds])) for name in test},
    }


def measure_digits(seed: int = SEED) -> dict[str, Any]:
    """The heads against scikit-learn's over Dirichlet splits, and how often they are right on a third held out."""
    pixels, labels = load_digits(return_X_y=True)
    values, labels = (pixels - 8) / 8, labels.astype(np.int64)
    judged = np.random.default_rng(seed).permutation(len(labels)) % 3 == 0
    moments, differences = None, []
    for alpha in (0.05, 0.1, 0.5):
        moments = _digits_over_homes(values[~judged], labels[~judged], alpha, seed)
        for name, oracle in ORACLES.items():
            expected = oracle.fit(values[~judged], labels[~judged]).predict_proba(values[judged])
            differences.append(float(np.abs(probabilities(HEADS[name](moments), values[judged]) - expected).max()))
    assert moments is not None
    accuracy = {
        name: _share(decisions(fit(moments), values[judged]) == labels[judged]) for name, fit in HEADS.items()
    }
    return {"heads_max_abs": max(differences), **{f"{name}_accuracy": value for name, value in accuracy.items()}}


def _digits_over_homes(values: Floats, labels: Ints, alpha: float, seed: int, homes: int = 17) -> ClassMoments:
    generator = np.random.default_rng(seed)
    home = np.zeros(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        shares = generator.dirichlet(np.full(homes, alpha))
        home[labels == c] = generator.choice(homes, (labels == c).sum(), p=shares)
    each = [class_statistics(values[home == h], labels[home == h], 10, 1.0) for h in range(homes)]
    return class_moments(reduce(Statistics.__add__, each))


def _split_of(days: Days) -> tuple[Windows, Windows]:
    """Windows to learn from, those that start early or late among them, and the test days."""
    split = days.split
    return days.shifted.between(0, split.train_end), days.whole.between(split.test_start, split.test_end)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    parser.add_argument("--seed", type=int, default=SEED, help="of how the digits are dealt out to homes")
    options = parser.parse_args(arguments)
    cache, seed = options.cache, options.seed
    torch.set_num_threads(1)
    started = time.perf_counter()
    days = real_days(cache)
    result = measure_ridge(days) | measure_digits(seed) | measure_peaks(days)
    result |= measure_first_evening(days)
    result["private"] = measure_private(*_split_of(days))
    result["bench_seconds"] = time.perf_counter() - started
    name = "one_shot.json" if seed == SEED else f"one_shot-seed{seed}.json"
    write_bytes(OUT / name, json.dumps(result, indent=1).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
