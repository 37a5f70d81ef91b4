"""A federation in a plain loop, for benches that train hundreds of times: real homes, the same code that combines.

What differs from a real federation is that no message is sent: plans, training, combining and projecting are those of
`fl`, called directly. The days: as in system.md, the first 70 % train, the last 20 % test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.citylearn import DAY_START_UTC, load
from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.aggregation.strategy import Combine, ServerStep, Update, local_plan
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights, projection
from fl.weights import Weights, to_state_dict
from forecasting.evaluation import Split
from forecasting.model import LoadForecaster
from forecasting.settings import ForecastingSettings
from forecasting.shape import ModelShape
from forecasting.training import forecast

OUT = Path("out/bench")
FORECASTING = ForecastingSettings()
SHAPE = ModelShape.of(FORECASTING.model)

Distort = Callable[[HomeLearner, Update, Weights], Update]
"""(home, its honest update, global model) -> what it sends instead."""


@dataclass(frozen=True)
class Days:
    """Windows of all homes: those to learn from, and those to be judged on."""

    train: Windows
    test: Windows

    def learners(self) -> list[HomeLearner]:
        """The homes, by name."""
        return [self.learner(str(home)) for home in np.unique(self.train.unique_id)]

    def learner(self, home: str) -> HomeLearner:
        return HomeLearner(home, self.train.of_home(home), self.test.of_home(home), SHAPE, FORECASTING.huber)


@dataclass(frozen=True)
class Accuracy:
    """On the test days: MAE over mean load, the median home's, and that of the community's total."""

    home_nmae_median: float
    community_wape: float


def real_days(cache: Path = Path(".cache/wattproof")) -> Days:
    """The 17 real homes. Raises DataError if they can't be had."""
    community, clock = load(cache), DayClock(DAY_START_UTC)
    split = Split.by_share(community.readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.weather, clock)
    windows = make_windows(community.readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    test = windows.between(split.test_start, split.test_end).at_day_start()
    return Days(windows.between(0, split.train_end), test)


def train(
    learners: Sequence[HomeLearner],
    settings: FederationSettings,
    combine: Combine,
    distort: Distort = lambda home, update, start: update,
    observe: Callable[[int, Weights], None] = lambda number, weights: None,
) -> Weights:
    """The global model after `settings.rounds` rounds of all homes; `observe` sees each round's."""
    weights, project, step = initial_weights(SHAPE, settings.seed), projection(SHAPE), ServerStep(settings)
    for number in range(1, settings.rounds + 1):
        plan = local_plan(settings, number)
        updates = []
        for learner in learners:
            trained, metrics = learner.fit(weights, plan)
            updates.append(distort(learner, Update(learner.home, trained, learner.examples, metrics), weights))
        weights = project(step(weights, combine(updates, weights), number))
        observe(number, weights)
    return weights


def accuracy(weights: Weights, test: Windows) -> Accuracy:
    """How well the global model forecasts the test days."""
    model = LoadForecaster(SHAPE)
    model.load_state_dict(to_state_dict(weights))
    return accuracy_of(forecast(model, test), test)


def accuracy_of(predicted: NDArray[np.float64], test: Windows) -> Accuracy:
    """How good forecasts of the test days are, [n, 24] Wh, or [n, 48]: homes by their typical hours, the community by
    the means."""
    typical, means = predicted[:, :HOURS_PER_DAY], predicted[:, -HOURS_PER_DAY:]
    errors = np.abs(typical - test.target)
    homes = [test.unique_id == home for home in np.unique(test.unique_id)]
    nmae = [float(errors[home].mean() / test.target[home].mean()) for home in homes]
    days = [test.day == day for day in np.unique(test.day)]
    totals = [(means[day].sum(axis=0), test.target[day].sum(axis=0)) for day in days]
    wape = sum(np.abs(p - t).sum() for p, t in totals) / sum(t.sum() for _, t in totals)
    return Accuracy(float(np.median(nmae)), float(wape))
