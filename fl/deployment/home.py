"""A gateway's home, opened from its own settings: readings, features, windows. All an agent needs, and no more.

The training process imports this; it avoids the chain, the proofs and the reports, which would take more memory than
the training itself.
"""

from __future__ import annotations

from data.community import load_community, readings_of
from data.day import DayClock, utc_text
from data.errors import NoReadingsYet
from data.features import public_features
from data.settings import DataSettings
from data.windows import make_windows
from fl.task import HomeLearner
from forecasting.settings import ForecastingSettings
from forecasting.shape import ModelShape


def load_home(data: DataSettings, forecasting: ForecastingSettings, home: str) -> HomeLearner:
    """The learner of `home` from the readings `data` names: training days, and the latest ones for validation.

    Unlike in a report, no days are held out for a test: a home also learns from its latest days. Raises DataError if
    the readings cannot be loaded or are another home's; NoReadingsYet (a DataError) if there are too few days.
    """
    community = load_community(data)
    clock = DayClock(data.day_start_utc)
    own = readings_of(community.readings, home)
    first, last = own["ds"].min(), own["ds"].max()
    train_end = clock.day_of(first + (last - first) * min(1.0, forecasting.train_share + forecasting.test_share))
    windows = make_windows(
        own,
        public_features(community.weather, clock, horizon=forecasting.model.horizon_days),
        clock,
        steps=forecasting.model.steps,
        shifts=forecasting.shifts,
    )
    train = windows.between(0, train_end)
    if train.days == 0:
        raise NoReadingsYet(
            f"{home} has too few days to train on: its readings reach from {utc_text(first)} to {utc_text(last)}, "
            "and a day to learn from needs the complete week before it"
        )
    validation = windows.between(train_end, clock.day_of(last) + 1).at_day_start()
    return HomeLearner(home, train, validation, ModelShape.of(forecasting.model), forecasting.huber)
