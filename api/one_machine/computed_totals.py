"""Totals of days that were not proven: the same integer models, run where all readings are at hand, as in the demo.

They let the demo calibrate the one day that it proves. They are kept apart from opened totals, and labelled as
computed wherever they are shown, because they cannot be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from api.one_machine.community import LocalCommunity
from api.operator.database.engine import put
from api.operator.database.tables import ComputedTotals
from api.protocol.calibration import PastDay
from data.windows import make_windows
from forecasting.integer import IntegerModel
from zkp.algebra import commitment
from zkp.lstm.integer_model import Ints


def compute_totals(community: LocalCommunity, models: Mapping[str, IntegerModel], days: range) -> list[PastDay]:
    """Both totals of each of `days` for which all homes have complete readings, week and day; `models` by home."""
    names = [home.name for home in community.homes]
    readings = community.readings[community.readings["unique_id"].isin(names)].reset_index(drop=True)
    steps = community.config.forecasting.model.steps
    windows = make_windows(readings, community.features, community.clock, steps=steps, days=list(days))
    forecasts = np.zeros_like(windows.target)
    for name in names:
        own = windows.of_home(name)
        trace = models[name].run(own.history, own.steps, own.exogenous)
        forecasts[windows.unique_id == name] = trace.forecast[:, commitment.DAY_HOURS :]  # the means
    out = []
    for day in days:
        mine = windows.day == day
        if mine.sum() == len(names):
            out.append(PastDay(day, _sum(forecasts[mine]), _sum(windows.target[mine]), proven=False))
    return out


def _sum(values: Ints) -> tuple[int, ...]:
    """Sum over the homes, [homes, 24] Wh."""
    return tuple(int(v) for v in values.sum(axis=0))


def keep_computed(community: LocalCommunity, past: Iterable[PastDay]) -> None:
    """Put computed totals into the database, for the calibration of the days after them."""
    with community.sessions.begin() as session:
        for one in past:
            put(session, ComputedTotals(day=one.day, forecast=list(one.forecast), measured=list(one.measured)))
