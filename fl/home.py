"""A gateway's home, opened from its own settings: readings, features, windows. All an agent needs, and no more.

The process that trains imports this; it stays clear of the chain, the proofs and the reports, which would take more
memory than the training does.
"""

from __future__ import annotations

from data.community import load_community, readings_of
from data.day import DayClock
from data.errors import TableError
from data.features import public_features
from data.settings import DataSettings
from data.windows import make_windows
from fl.task import HomeLearner
from forecasting.evaluation import Split
from forecasting.model import ModelShape
from forecasting.settings import ForecastingSettings


def open_home(data: DataSettings, forecasting: ForecastingSettings, home: str) -> HomeLearner:
    """The learner of `home` from the readings `data` names, split as everywhere: training days, then validation.

    Raises DataError if the readings can't be had, TableError (one of them) if they have no such home or too few days.
    """
    community = load_community(data)
    clock = DayClock(data.day_start_utc)
    own = readings_of(community.readings, home)
    try:
        split = Split.by_share(own, clock, forecasting.train_share, forecasting.test_share)
    except ValueError as problem:
        raise TableError(f"{home} has too few days to train on: {problem}") from problem
    windows = make_windows(
        own,
        public_features(community.weather, clock),
        clock,
        steps=forecasting.model.steps,
        shifts=forecasting.shifts,
    )
    train = windows.between(0, split.train_end)
    if train.days == 0:
        raise TableError(f"{home} has too few days to train on: none of them has a complete week before it")
    validation = windows.between(split.train_end, split.test_start).at_day_start()
    return HomeLearner(home, train, validation, ModelShape.of(forecasting.model), forecasting.huber)
