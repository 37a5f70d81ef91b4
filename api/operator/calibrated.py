"""The community's calibrated forecast of a day, from totals that everybody may know (forecasting/calibration.py).

A past day serves when both its totals are there, forecast and measured, of the same households. Missing days are
passed over ("yesterday" is then the last day there is), but no more than a week of them: older errors say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, ComputedTotals, MeasuredTotal
from forecasting.calibration import WARM_UP_DAYS, WEEK, calibrate, quantiles, walk_forward

LEVELS = (0.05, 0.25, 0.75, 0.95)
_LONGEST_HOLE = 7


class NotCalibrated(ValueError):
    """A day that can't be calibrated yet; the message says what is missing."""


@dataclass(frozen=True)
class PastDay:
    """Both totals of a day, 24 Wh each. `proven`: both were opened against commitments; otherwise only computed."""

    day: int
    forecast: tuple[int, ...]
    measured: tuple[int, ...]
    proven: bool


@dataclass(frozen=True)
class Band:
    """Where the load lies with the stated share of certainty, 24 Wh each."""

    low: tuple[int, ...]
    high: tuple[int, ...]


@dataclass(frozen=True)
class Calibrated:
    """A calibrated forecast in whole Wh; the bands are None until a week of calibrated days has shown its errors."""

    values: tuple[int, ...]
    band_50: Band | None
    band_90: Band | None
    learnt_from: tuple[PastDay, ...]

    @property
    def days_proven(self) -> int:
        return sum(past.proven for past in self.learnt_from)

    @property
    def days_computed(self) -> int:
        return len(self.learnt_from) - self.days_proven


def past_days(community: Community, before: int) -> list[PastDay]:
    """All days before `before` that can serve, in order; proven totals go before computed ones of the same day."""
    with community.sessions() as session:
        computed = session.scalars(select(ComputedTotals).where(ComputedTotals.day < before)).all()
        forecast = session.scalars(select(CommunityTotal).where(CommunityTotal.day < before)).all()
        measured = {m.day: m for m in session.scalars(select(MeasuredTotal).where(MeasuredTotal.day < before))}
    days = {c.day: PastDay(c.day, tuple(c.forecast), tuple(c.measured), proven=False) for c in computed}
    for total in forecast:
        other = measured.get(total.day)
        if not total.typical:
            continue  # of an older release, and a forecast of another kind
        if other is not None and {s["household"] for s in other.signed_days} == set(total.households):
            days[total.day] = PastDay(total.day, tuple(total.forecast), tuple(other.values), proven=True)
    return [days[day] for day in sorted(days)]


def calibrated(past: Sequence[PastDay], day: int, opened: Sequence[int]) -> Calibrated:
    """The calibrated forecast of `day`, whose opened total is `opened` (24 Wh). Raises NotCalibrated."""
    known = _without_older_than_a_hole(past, day)
    if len(known) < WARM_UP_DAYS:
        raise NotCalibrated(
            f"calibration needs {WARM_UP_DAYS} days whose totals, forecast and measured, are known before day {day}, "
            f"with no more than {_LONGEST_HOLE} days missing in a row; there are {len(known)}"
        )
    forecasts = np.array([p.forecast for p in known], dtype=np.float64)
    measured = np.array([p.measured for p in known], dtype=np.float64)
    values = calibrate(np.vstack([forecasts, np.array(opened, dtype=np.float64)]), measured)
    errors = (measured - walk_forward(forecasts, measured))[WARM_UP_DAYS:]
    outer, inner = _bands(errors, values) if len(errors) >= WEEK else (None, None)
    return Calibrated(_whole(values), inner, outer, tuple(known))


def _without_older_than_a_hole(past: Sequence[PastDay], day: int) -> list[PastDay]:
    """The days from the last long hole on."""
    known: list[PastDay] = []
    for one in reversed(past):
        if day - one.day > _LONGEST_HOLE + 1:
            break
        known.append(one)
        day = one.day
    return known[::-1]


def _bands(errors: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[Band, Band]:
    """The 90 % and the 50 % band."""
    lowest, low, high, highest = map(_whole, quantiles(errors, values, LEVELS))
    return Band(lowest, highest), Band(low, high)


def _whole(values: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(int(v) for v in np.rint(values))
