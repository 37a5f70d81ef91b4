"""A gateway's home, opened from its own settings: readings, features, windows. All an agent needs, and no more.

The training process imports this; it avoids the chain, the proofs and the reports, which would take more memory than
the training itself.
"""

from __future__ import annotations

import secrets

import numpy as np

from data.community import load_community, readings_of
from data.day import DayClock, utc_text
from data.errors import NoReadingsYet
from data.features import public_features
from data.quantity import Quantity
from data.settings import DataSettings
from data.table import readings_as
from data.windows import Windows, make_windows
from fl.task import HomeLearner
from forecasting.settings import ForecastingSettings
from forecasting.shape import ModelShape

_WEEK = 7


def load_home(
    data: DataSettings, forecasting: ForecastingSettings, home: str, quantity: Quantity = "load"
) -> HomeLearner:
    """The learner of `home` from the readings `data` names: training days, and single ones between for validation.

    Unlike in a report, the latest days are held out neither for a test nor for validation: what has changed lately is
    in them alone. Which of them are in a gradient follows from a secret that never leaves the learner.

    Raises DataError if the readings cannot be loaded, are another home's or say nothing of the quantity;
    NoReadingsYet (a DataError) if there are too few days.
    """
    community = load_community(data)
    clock = DayClock(data.day_start_utc)
    own = readings_as(readings_of(community.readings, home), quantity)
    first, last = own["ds"].min(), own["ds"].max()
    windows = make_windows(
        own,
        public_features(community.weather, clock, quantity, forecasting.model.horizon_days),
        clock,
        steps=forecasting.model.steps,
        shifts=forecasting.shifts,
    )
    train, validation = split(windows, 1 - forecasting.train_share - forecasting.test_share)
    if train.days == 0:
        raise NoReadingsYet(
            f"{home} has too few days to train on: its readings reach from {utc_text(first)} to {utc_text(last)}, "
            "and a day to learn from needs the complete week before it"
        )
    shape, secret = ModelShape.of(forecasting.model), secrets.token_bytes(32)
    return HomeLearner(home, train, validation, shape, forecasting.huber, secret=secret)


def split(windows: Windows, held_out: float) -> tuple[Windows, Windows]:
    """Windows of one home to train on, and whole days for validation, spread evenly over all but the first ones.

    No hour of a validation day is in the target of a training window; it may be in its history.

    Args:
        held_out: the share of the days; none are held out where it is zero or less.
    """
    if held_out <= 0 or len(windows) == 0:
        return windows, windows.where(np.zeros(len(windows), dtype=np.bool_))
    every = max(2, round(1 / held_out))
    every += every % _WEEK == 0  # else they were all of one weekday
    position = windows.day - windows.day.min()
    held = position % every == every - 1
    reaches = (windows.shift != 0) & ((position - 1) % every == every - 1)
    return windows.where(~held & ~reaches), windows.where(held).at_day_start()
