"""How good the community's forecasts were, day by day, beside the naive one: public totals say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel

from api.protocol.calibration import LONGEST_HOLE, PastDay
from forecasting.calibration import walk_forward


class DayAccuracy(BaseModel):
    """Sum of the hours' absolute errors by the day's load (WAPE); lower is better.

    `proven`: both totals were opened against commitments. `calibrated` and `naive` (the same hours of the day before)
    are None where there were too few days before.
    """

    day: int
    proven: bool
    load_wh: int
    forecast_sum: float
    calibrated: float | None
    naive: float | None


def accuracy_of(past: Sequence[PastDay], horizon: int = 1) -> list[DayAccuracy]:
    """The accuracy of each day, in order; each is calibrated on the days before it alone, the last of them `horizon`
    days before."""
    return [day for stretch in stretches(past) for day in _scored(stretch, horizon)]


def stretches(past: Sequence[PastDay]) -> Iterator[list[PastDay]]:
    """The days between holes too long to calibrate across."""
    current: list[PastDay] = []
    for one in past:
        if current and one.day - current[-1].day > LONGEST_HOLE + 1:
            yield current
            current = []
        current.append(one)
    if current:
        yield current


def _scored(days: Sequence[PastDay], horizon: int) -> Iterator[DayAccuracy]:
    forecasts = np.array([one.forecast for one in days], dtype=np.float64)
    measured = np.array([one.measured for one in days], dtype=np.float64)
    calibrated = walk_forward(forecasts, measured, horizon)
    for k, one in enumerate(days):
        values = None if np.isnan(calibrated[k]).any() else calibrated[k]
        scored = score(one, days[k - 1] if k else None, values)
        if scored is not None:
            yield scored


def score(one: PastDay, before: PastDay | None, calibrated: object | None) -> DayAccuracy | None:
    """A day's accuracy, given the known day before it and its calibrated forecast [24] Wh; None if it had no load."""
    measured = np.array(one.measured, dtype=np.float64)
    load = float(np.abs(measured).sum())
    if not load:
        return None

    def error(forecast: object) -> float:
        return round(float(np.abs(np.asarray(forecast, dtype=np.float64) - measured).sum()) / load, 4)

    return DayAccuracy(
        day=one.day, proven=one.proven, load_wh=int(measured.sum()), forecast_sum=error(one.forecast),
        calibrated=None if calibrated is None else error(calibrated),
        naive=error(before.measured) if before is not None and before.day == one.day - 1 else None,
    )  # fmt: skip
