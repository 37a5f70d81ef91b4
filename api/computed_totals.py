"""Totals of days that were not proven: the same integer model, run by whoever has all readings, as the demo has.

They let the demo calibrate the one day that it proves. They are kept apart from opened totals, and named so wherever
they are shown: nobody can check them.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.calibrated import PastDay
from api.community import Community
from api.database import ComputedTotals
from data.windows import make_windows
from forecasting.integer import IntegerModel
from zkp.integer_model import Ints


def compute_totals(community: Community, model: IntegerModel, days: range) -> list[PastDay]:
    """Both totals of each of `days` that all homes have complete, week and day."""
    names = [home.name for home in community.homes]
    readings = community.readings[community.readings["unique_id"].isin(names)].reset_index(drop=True)
    windows = make_windows(readings, community.features, community.clock, steps=model.shape.steps, days=list(days))
    out = []
    for day in days:
        mine = windows.between(day, day + 1)
        if len(mine) == len(names):
            forecast = model.run(mine.history, mine.steps, mine.exogenous).forecast
            out.append(PastDay(day, _sum(forecast), _sum(mine.target), proven=False))
    return out


def _sum(values: Ints) -> tuple[int, ...]:
    """Sum over the homes, [homes, 24] Wh."""
    return tuple(int(v) for v in values.sum(axis=0))


def keep_computed(community: Community, past: Iterable[PastDay]) -> None:
    """Put computed totals into the database, for the calibration of the days after them."""
    with community.sessions.begin() as session:
        for one in past:
            session.merge(ComputedTotals(day=one.day, forecast=list(one.forecast), measured=list(one.measured)))
