"""The community's calibrated forecast of a day, from public totals (forecasting/calibration.py).

The operator and an auditor compute it alike. A past day counts if both its totals exist, forecast and measured, for
the same households. Missing days are skipped ("yesterday" is then the last day available), but no more than a week of
them: older errors say little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting.calibration import WARM_UP_DAYS, WEEK, calibrate, quantiles, walk_forward

LEVELS = (0.05, 0.25, 0.75, 0.95)
LONGEST_HOLE = 7


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
    """Where the load lies with the stated probability, 24 Wh each."""

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


def calibrated(past: Sequence[PastDay], day: int, opened: Sequence[int], horizon: int = 1) -> Calibrated:
    """The calibrated forecast of `day`, whose opened total is `opened` (24 Wh), from the days of `past` that are
    known when it is forecast: the last of them `horizon` days before it. Raises NotCalibrated."""
    known = _without_older_than_a_hole([one for one in past if one.day <= day - horizon], day)
    if len(known) < WARM_UP_DAYS:
        raise NotCalibrated(
            f"calibration needs {WARM_UP_DAYS} days whose totals, forecast and measured, are known before day {day}, "
            f"with no more than {LONGEST_HOLE} days missing in a row; there are {len(known)}"
        )
    forecasts = np.array([p.forecast for p in known], dtype=np.float64)
    measured = np.array([p.measured for p in known], dtype=np.float64)
    values = calibrate(np.vstack([forecasts, np.array(opened, dtype=np.float64)]), measured)
    errors = (measured - walk_forward(forecasts, measured, horizon))[WARM_UP_DAYS + horizon - 1 :]
    outer, inner = _bands(errors, values) if len(errors) >= WEEK else (None, None)
    return Calibrated(_whole(values), inner, outer, tuple(known))


def _without_older_than_a_hole(past: Sequence[PastDay], day: int) -> list[PastDay]:
    """The days since the last long gap."""
    known: list[PastDay] = []
    for one in reversed(past):
        if day - one.day > LONGEST_HOLE + 1:
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
