"""The methods that `bench.accuracy` compares, all learning from the same windows: a home's week, the public features
of hours and of the day ahead. The federation here is that of `bench.local_rounds`: the same plans, training and
combining as over the network, called directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from bench.local_rounds import FORECASTING, SHAPE, train
from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.aggregation.strategy import mean
from fl.settings import FederationSettings
from fl.task import HomeLearner
from fl.weights import from_state_dict, to_state_dict
from forecasting.integer import quantise
from forecasting.model import LoadForecaster
from forecasting.personal import fit_personal_head
from forecasting.training import forecast, train_epochs

Array = NDArray[np.float64]
Apply = Callable[[Windows], Array]
SEED = FORECASTING.seed


class Method(Protocol):
    """Learns from windows; forecasts windows."""

    def learn(self, windows: Windows) -> Apply: ...


@dataclass
class SharedWindows:
    """The windows of a walk-forward, made once for all its methods: those to learn from, and those of a day."""

    clock: DayClock
    horizon: int = 1
    _kept: dict[str, tuple[tuple[int, ...], Windows]] = field(default_factory=dict, repr=False)

    def to_learn(self, readings: pd.DataFrame, weather: pd.DataFrame) -> Windows:
        def make() -> Windows:
            features = public_features(weather, self.clock, horizon=self.horizon)
            return make_windows(readings, features, self.clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)

        return self._once("to learn", readings, make)

    def of_day(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> Windows:
        def make() -> Windows:
            since = self.clock.start_of(day - 7 - self.horizon)
            recent, sky = (t[t["ds"] >= since].reset_index(drop=True) for t in (readings, weather))
            features = public_features(sky, self.clock, horizon=self.horizon)
            return make_windows(recent, features, self.clock, steps=SHAPE.steps, days=[day], with_target=False)

        return self._once("of a day", readings, make)

    def _once(self, kind: str, readings: pd.DataFrame, make: Callable[[], Windows]) -> Windows:
        state = (len(readings), int(readings["y"].sum()), int(readings["ds"].max().value))
        if kind not in self._kept or self._kept[kind][0] != state:
            self._kept[kind] = (state, make())
        return self._kept[kind][1]


@dataclass
class Learnt:
    """A method as a `forecasting.evaluation.Forecaster`."""

    name: str
    method: Method
    shared: SharedWindows
    _apply: Apply = field(init=False, repr=False)

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        self._apply = self.method.learn(self.shared.to_learn(readings, weather))

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        windows = self.shared.of_day(readings, weather, day)
        values = self._apply(windows) if len(windows) else np.zeros((0, HOURS_PER_DAY))
        homes = pd.Index(windows.unique_id, name="unique_id")
        return pd.DataFrame(values, index=homes, columns=range(values.shape[1]))


def homes_of(windows: Windows) -> list[str]:
    return [str(home) for home in np.unique(windows.unique_id)]


def by_home(windows: Windows, apply: Mapping[str, Apply]) -> Array:
    """Each home's forecasts by its own model, in the order of `windows`; NaN for a home without one."""
    found = {home: apply[home](windows.of_home(home)) for home in homes_of(windows) if home in apply}
    out = np.full((len(windows), next((v.shape[1] for v in found.values()), HOURS_PER_DAY)), np.nan)
    for home, values in found.items():
        out[windows.unique_id == home] = values
    return out


@dataclass(frozen=True)
class Boosted:
    """LightGBM (Ke et al. 2017) for all homes and hours: the hour's lags, their spread, the day's public features."""

    objective: str
    quantile: float | None = None

    def learn(self, windows: Windows) -> Apply:
        import lightgbm

        windows = windows.at_day_start()
        scale = _scale(windows)
        relative = (windows.target / scale).T.reshape(-1)
        level: dict[str, Any] = {} if self.quantile is None else {"alpha": self.quantile}
        model = lightgbm.LGBMRegressor(
            objective=self.objective, n_estimators=400, learning_rate=0.04, num_leaves=31, min_child_samples=60,
            subsample=0.8, subsample_freq=1, colsample_bytree=0.7, random_state=SEED, n_jobs=1, verbose=-1,
            **level,
        )  # fmt: skip
        model.fit(_hourly(windows), relative)

        def apply(asked: Windows) -> Array:
            values = np.asarray(model.predict(_hourly(asked))).reshape(HOURS_PER_DAY, -1).T
            return np.asarray(np.maximum(values * _scale(asked), 0))

        return apply


def _scale(windows: Windows) -> Array:
    return np.asarray((2048.0 + windows.history.sum(axis=1, keepdims=True)) / windows.history.shape[1])


def _hourly(windows: Windows) -> Array:
    """[24 n, 50]: hour after hour, the windows' features."""
    week = windows.history.reshape(-1, 7, HOURS_PER_DAY) / _scale(windows)[:, :, None]
    out = []
    for hour in range(HOURS_PER_DAY):
        here = week[:, :, hour]
        columns = [np.full(len(windows), hour), *here.T, here.mean(1), np.median(here, 1), here.max(1)]
        columns += [week[:, 6].mean(1), week[:, 6, -1], week[:, 6, -3:].mean(1)]
        columns += [week[:, :, (hour + k) % HOURS_PER_DAY].mean(1) for k in (-1, 1)]
        columns.append(windows.exogenous[:, hour])  # the hour's temperature
        out.append(np.concatenate([np.stack(columns, 1), windows.exogenous], axis=1))
    return np.concatenate(out)


@dataclass(frozen=True)
class ShiftedRidge:
    """Ridge on the inputs of `baselines.PooledRidge`, learning from days that start early or late, too.

    Its penalty is the best on the last sixth of the days to learn from."""

    penalties: tuple[float, ...] = (100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0)

    def learn(self, windows: Windows) -> Apply:
        last = int(windows.day.max()) + 1
        cut = last - max(1, (last - int(windows.day.min())) // 6)
        early, late = windows.between(0, cut), windows.between(cut, last).at_day_start()
        errors = {penalty: self._error(early, late, penalty) for penalty in self.penalties}
        return self._fitted(windows, min(errors, key=lambda penalty: errors[penalty]))

    def _error(self, early: Windows, late: Windows, penalty: float) -> float:
        return float(np.abs((self._fitted(early, penalty)(late) - late.target) / _scale(late)).mean())

    @staticmethod
    def _fitted(windows: Windows, penalty: float) -> Apply:
        def inputs(asked: Windows) -> Array:
            return np.concatenate([asked.history / _scale(asked), asked.exogenous], axis=1)

        model = Ridge(alpha=penalty).fit(inputs(windows), windows.target / _scale(windows))
        return lambda asked: np.asarray(np.maximum(model.predict(inputs(asked)) * _scale(asked), 0))


@dataclass(frozen=True)
class Central:
    """The community's model trained on all homes' readings in one place: what the federation is measured against."""

    epochs: int
    learning_rate: float
    seed: int = SEED

    def learn(self, windows: Windows) -> Apply:
        return _applied(_trained(windows, self.epochs, self.learning_rate, self.seed))


@dataclass(frozen=True)
class Local:
    """The same model for each home from its own readings alone."""

    epochs: int
    learning_rate: float

    def learn(self, windows: Windows) -> Apply:
        own = {
            home: _applied(_trained(windows.of_home(home), self.epochs, self.learning_rate))
            for home in homes_of(windows)
        }
        return lambda asked: by_home(asked, own)


def _trained(windows: Windows, epochs: int, learning_rate: float, seed: int = SEED) -> LoadForecaster:
    """Epochs at a rate that falls as a cosine to a tenth, as the federation's rounds do."""
    model = LoadForecaster(SHAPE, seed)
    for epoch in range(epochs):
        rate = learning_rate * (0.1 + 0.9 * (1 + np.cos(np.pi * epoch / max(1, epochs - 1))) / 2)
        train_epochs(
            model, windows, epochs=1, learning_rate=rate, batch=32, huber=FORECASTING.huber, seed=seed + epoch
        )
    return model


def _applied(model: LoadForecaster) -> Apply:
    return lambda windows: forecast(model, windows)


@dataclass
class Federated:
    """The community's model, trained by rounds of all homes; kept for `Personal`, which learns after it."""

    settings: FederationSettings
    model: LoadForecaster = field(init=False, repr=False)

    def learn(self, windows: Windows) -> Apply:
        learners = [
            HomeLearner(home, windows.of_home(home), windows.of_home(home), SHAPE, FORECASTING.huber)
            for home in homes_of(windows)
        ]
        weights = train(learners, self.settings, mean())
        self.model = LoadForecaster(SHAPE)
        self.model.load_state_dict(to_state_dict(weights))
        return _applied(self.model)


@dataclass(frozen=True)
class Personal:
    """The federated model with each home's own head. List it after `federated`, which it takes the model from."""

    federated: Federated

    def learn(self, windows: Windows) -> Apply:
        own = {home: personal(self.federated.model, windows.of_home(home)) for home in homes_of(windows)}
        return lambda asked: by_home(asked, own)


def personal(model: LoadForecaster, windows: Windows) -> Apply:
    """The model with a head fitted to one home's windows, in the integers that are proven."""
    head = fit_personal_head(
        model, windows, epochs=FORECASTING.personal_epochs, learning_rate=FORECASTING.personal_rate,
        decay=FORECASTING.personal_decay, huber=FORECASTING.huber, seed=SEED,
        means=FORECASTING.personal_means,
    )  # fmt: skip
    integer = quantise(from_state_dict(model.state_dict()), SHAPE, head.as_mapping())
    return lambda asked: integer.run(asked.history, asked.steps, asked.exogenous).forecast.astype(np.float64)


@dataclass(frozen=True)
class Nhits:
    """NHITS (Challu et al. 2023) as in Nixtla's neuralforecast, pooled over homes, on hourly windows of a week."""

    max_steps: int

    def learn(self, windows: Windows) -> Apply:
        from neuralforecast import NeuralForecast
        from neuralforecast.losses.pytorch import MAE
        from neuralforecast.models import NHITS

        model = NHITS(
            h=HOURS_PER_DAY, input_size=windows.history.shape[1], max_steps=self.max_steps, loss=MAE(),
            futr_exog_list=["temperature"], scaler_type="robust", random_seed=SEED, accelerator="cpu", logger=False,
            enable_progress_bar=False, enable_checkpointing=False,
        )  # fmt: skip
        library = NeuralForecast([model], freq=1)
        days = windows.at_day_start()
        library.fit(pd.concat([_series(days, k, True) for k in range(len(days))], ignore_index=True))

        def apply(asked: Windows) -> Array:
            past = pd.concat([_series(asked, k, False) for k in range(len(asked))], ignore_index=True)
            ahead = pd.concat([_future(asked, k) for k in range(len(asked))], ignore_index=True)
            table = library.predict(df=past, futr_df=ahead)
            return np.asarray(np.maximum(table["NHITS"].to_numpy().reshape(-1, HOURS_PER_DAY), 0), dtype=np.float64)

        return apply


def _series(windows: Windows, k: int, with_target: bool) -> pd.DataFrame:
    """A window as a series of its own; the temperature of past hours is not in it, and not needed: zero."""
    parts: Sequence[Any] = [windows.history[k], windows.target[k]] if with_target else [windows.history[k]]
    y = np.concatenate(parts).astype(np.float64)
    warm = np.zeros(len(y))
    if with_target:
        warm[-HOURS_PER_DAY:] = windows.exogenous[k, :HOURS_PER_DAY]
    return pd.DataFrame({"unique_id": f"{k:06d}", "ds": np.arange(len(y)), "y": y, "temperature": warm})


def _future(windows: Windows, k: int) -> pd.DataFrame:
    hours = np.arange(HOURS_PER_DAY) + windows.history.shape[1]
    return pd.DataFrame({"unique_id": f"{k:06d}", "ds": hours, "temperature": windows.exogenous[k, :HOURS_PER_DAY]})
