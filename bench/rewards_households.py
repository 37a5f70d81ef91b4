"""Households of a simulated year: the real homes with their own models, and those that only want the rewards.

Models are learnt walk-forward as in `bench.accuracy`, again every twelve weeks. A household that plays for rewards is
as large as the median home, may use energy as it likes, and may fit a personal head to what it has planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.accuracy_methods import Federated, homes_of
from bench.local_rounds import FORECASTING, SHAPE
from data.citylearn import DAY_START_UTC, load
from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.windows import HISTORY_HOURS, Windows, make_windows
from fl.settings import FederationSettings
from fl.weights import Weights, from_state_dict
from forecasting.integer import quantise
from forecasting.model import LoadForecaster
from forecasting.personal import PersonalHead, fit_personal_head
from zkp.statements.skill import BENCHMARK_DAYS

Ints = NDArray[np.int64]
LEARNING_DAYS, REFIT_DAYS, ROUNDS = 112, 84, 8
WEEK = HISTORY_HOURS // HOURS_PER_DAY


@dataclass(frozen=True)
class Scored:
    """A household's days that count: forecast, actual [n, 24], benchmarks [n, 7, 24], Wh."""

    forecast: Ints
    actual: Ints
    benchmarks: Ints


@dataclass(frozen=True)
class Term:
    """Twelve weeks with one model. `first`, `end`: days."""

    first: int
    end: int
    model: LoadForecaster
    weights: Weights


@dataclass(frozen=True)
class Year:
    """The real homes' windows, by home, and the models of the scored days."""

    homes: Mapping[str, Windows]
    learning: Mapping[str, Windows]
    terms: tuple[Term, ...]

    @property
    def first(self) -> int:
        return self.terms[0].first

    def honest(self) -> dict[str, Scored]:
        """Every real home with the personal head that it learns, by home."""
        return {
            home: self.score(windows, lambda term, h=home: _usual_head(term, self.learning[h]))  # type: ignore[misc]
            for home, windows in self.homes.items()
        }

    def score(self, windows: Windows, head_of: Callable[[Term], PersonalHead | None]) -> Scored:
        """What a household forecasts in each term, beside its readings and the benchmarks."""
        forecasts = []
        for term in self.terms:
            head = head_of(term)
            model = quantise(term.weights, SHAPE, None if head is None else head.as_mapping())
            asked = windows.between(term.first, term.end)
            run = model.run(asked.history, asked.steps, asked.exogenous)
            forecasts.append(run.forecast[:, :HOURS_PER_DAY])
        scored = np.nonzero(windows.day >= self.first)[0]
        days = np.concatenate([windows.history[0].reshape(WEEK, HOURS_PER_DAY), windows.target])
        back = np.stack([days[WEEK + scored - lag] for lag in BENCHMARK_DAYS], axis=1)
        return Scored(np.concatenate(forecasts), windows.target[scored], back)

    def playing(self, loads: Ints, with_head: bool) -> Scored:
        """A household with `loads` [days + 7, 24] of its own, and the best head for them where it makes one."""
        any_home = next(iter(self.homes.values()))
        count = len(any_home)
        history = np.stack([loads[k : k + WEEK].ravel() for k in range(count)])
        windows = Windows(
            np.array(["player"] * count), any_home.day, history, any_home.steps, any_home.exogenous, loads[WEEK:],
            any_home.shift,
        )  # fmt: skip
        return self.score(windows, lambda term: _fitted_head(term, windows) if with_head else None)

    @property
    def days(self) -> int:
        """Days that a household's loads are planned for, the first week included."""
        return len(next(iter(self.homes.values()))) + WEEK

    @property
    def typical(self) -> NDArray[np.float64]:
        """The median home's mean load by hour, [24] Wh."""
        loads = [w.target.mean(axis=0) for w in self.homes.values()]
        return np.asarray(sorted(loads, key=lambda load: float(load.sum()))[len(loads) // 2])


def _usual_head(term: Term, windows: Windows) -> PersonalHead:
    return fit_personal_head(
        term.model, windows.where(windows.day < term.first), epochs=FORECASTING.personal_epochs,
        learning_rate=FORECASTING.personal_rate, decay=FORECASTING.personal_decay, huber=FORECASTING.huber,
        seed=FORECASTING.seed, means=FORECASTING.personal_means,
    )  # fmt: skip


def _fitted_head(term: Term, windows: Windows) -> PersonalHead:
    """As near to the planned loads as a head can get: nothing pulls it back."""
    return fit_personal_head(
        term.model, windows.where(windows.day < term.first), epochs=40, learning_rate=3e-3, decay=0.0,
        huber=FORECASTING.huber, seed=FORECASTING.seed,
    )  # fmt: skip


def learn(cache: Path) -> Year:
    """Trains the community's model for every term. Raises DataError where the homes can't be had."""
    community, clock = load(cache), DayClock(DAY_START_UTC)
    features = public_features(community.weather, clock)
    windows = make_windows(community.readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    first = clock.day_of(community.readings["ds"].min()) + LEARNING_DAYS
    end = int(windows.day.max()) + 1
    federated = Federated(FederationSettings(rounds=ROUNDS))
    terms = []
    for start in range(first, end, REFIT_DAYS):
        federated.learn(windows.where(windows.day < start))
        weights = from_state_dict(federated.model.state_dict())
        terms.append(Term(start, min(end, start + REFIT_DAYS), federated.model, weights))
    learning = {home: windows.of_home(home) for home in homes_of(windows)}
    return Year({home: own.at_day_start() for home, own in learning.items()}, learning, tuple(terms))


Levels = Callable[[Ints, int], NDArray[np.floating[Any]]]
"""The load of days relative to the mean, [n] or [n, 24], by each day's place in a period."""


def _random(place: Ints, period: int, width: int | None = None) -> NDArray[np.float64]:
    size = (period,) if width is None else (period, width)
    return np.asarray(2 * np.random.default_rng(period).random(size)[place], dtype=np.float64)


WAVES: Mapping[str, Levels] = {
    "halves": lambda place, period: 2.0 * (2 * place < period),
    "one day": lambda place, period: float(period) * (place == 0),
    "all but one": lambda place, period: period / (period - 1) * (place > 0),
    "ramp": lambda place, period: 2 * place / (period - 1),
    "sine": lambda place, period: 1 + np.sin(2 * np.pi * place / period),
    "random days": _random,
    "random hours": lambda place, period: _random(place, period, HOURS_PER_DAY),
    "hours move on": lambda place, period: np.stack(
        [np.roll(np.repeat([3.0, 0.0], [8, 16]), round(24 * k / period)) for k in place],
        dtype=np.float64,
    ),
}


def alternating(year: Year, period: int) -> Iterator[tuple[str, Ints]]:
    """Loads that repeat after `period` days, of the median home's size: [days, 24] Wh."""
    place = np.arange(year.days) % period
    for name, levels in WAVES.items():
        relative = levels(place, period)
        by_hour = relative if relative.ndim == 2 else relative[:, None]
        yield name, np.rint(by_hour * year.typical).astype(np.int64)
