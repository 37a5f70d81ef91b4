"""How high tomorrow's peak will be for a home: in the lower, middle or upper tercile of its own past peaks.

Terciles are each home's own: every home has days of every class, and what is low for one may be high for another.
They never leave the home, and neither does the class. The features are the shares of the last 1, 3, 7 and 28 days
whose peaks lay above each tercile, the predicted temperatures, and the energy of yesterday and of the week
(docs/one-shot.md says how they were chosen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY
from data.features import STEP_FEATURES
from data.windows import Windows
from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats, Ints
from fl.one_shot.sizes import PEAK_BOUND, PEAK_FEATURES

CLASSES = ("low", "middle", "high")
_SPANS = (1, 3, 7, 28)
_WEEK = 7
_FLOOR_WH = 50.0  # under a load before its logarithm is taken
_TEMPERATURE = STEP_FEATURES.index("temperature")


@dataclass(frozen=True)
class DailyLoads:
    """A home's past days, ascending: `days` [n] numbers, `peaks` [n] the highest hour and `totals` [n], Wh."""

    days: Ints
    peaks: Ints
    totals: Ints

    def __repr__(self) -> str:
        return f"DailyLoads({len(self.days)} days)"

    @classmethod
    def of(cls, *windows: Windows) -> DailyLoads:
        """Every day that one home's windows of whole days tell of: their weeks, and their targets where known."""
        known: dict[int, Ints] = {}
        for own in (some.at_day_start() for some in windows):
            for day, history, target in zip(own.day, own.history, own.target, strict=True):
                week = history.reshape(-1, HOURS_PER_DAY)
                known |= {int(day) - len(week) + k: hours for k, hours in enumerate(week)}
                if (target >= 0).all():
                    known[int(day)] = target
        days = sorted(known)
        return cls(
            np.array(days, dtype=np.int64),
            np.array([known[day].max() for day in days], dtype=np.int64),
            np.array([known[day].sum() for day in days], dtype=np.int64),
        )

    def before(self, day: int) -> DailyLoads:
        chosen = self.days < day
        return DailyLoads(self.days[chosen], self.peaks[chosen], self.totals[chosen])


@dataclass(frozen=True)
class Terciles:
    """The terciles of a home's daily peaks, Wh, and the standard deviation of their logarithms."""

    lower: float
    upper: float
    spread: float

    def __repr__(self) -> str:
        return "Terciles(...)"

    @classmethod
    def of(cls, peaks: Ints) -> Terciles:
        """Raises StatisticsRefused for fewer than three days."""
        if len(peaks) < len(CLASSES):
            raise StatisticsRefused(f"{len(peaks)} days have no terciles")
        lower, upper = np.quantile(peaks, [1 / 3, 2 / 3])
        return cls(float(lower), float(upper), max(float(_log(peaks).std()), 0.1))

    def classes(self, peaks: Ints) -> Ints:
        """0, 1, 2 for low, middle, high peaks [n]."""
        return (peaks > self.lower).astype(np.int64) + (peaks > self.upper)

    def standing(self, loads: Floats | Ints) -> Floats:
        """Logarithms of loads relative to the middle between the terciles, in standard deviations of its peaks."""
        middle = _log(np.array([self.lower, self.upper])).mean()
        return np.asarray((_log(loads) - middle) / self.spread)


def peak_features(windows: Windows, past: DailyLoads, terciles: Terciles) -> Floats:
    """[n, 13] of one home's windows of whole days; of `past` only days before a window's own are looked at."""
    rows = [_of_days(past.before(int(day)), int(day), terciles) for day in windows.day]
    loads = np.array(rows).reshape(len(windows), PEAK_FEATURES - 3)
    ahead = windows.exogenous[:, :HOURS_PER_DAY].astype(np.float64)
    now = windows.steps[:, -HOURS_PER_DAY:, _TEMPERATURE].max(axis=1)
    weather = np.stack([ahead.max(axis=1), ahead.min(axis=1), ahead.max(axis=1) - now], axis=1)
    return np.asarray(np.clip(np.concatenate([loads, weather], axis=1), -PEAK_BOUND, PEAK_BOUND))


def _of_days(past: DailyLoads, day: int, terciles: Terciles) -> list[float]:
    out: list[float] = []
    for span in _SPANS:
        recent = past.peaks[past.days >= day - span]
        out += [_share(recent > terciles.lower), _share(recent > terciles.upper)]
    week = past.totals[past.days >= day - _WEEK]
    if len(week) == 0:
        raise StatisticsRefused(f"no day of the week before day {day} is known")
    standing = terciles.standing(week / HOURS_PER_DAY)
    return [*out, float(standing[-1]), float(standing.mean())]


def _share(above: NDArray[np.bool_]) -> float:
    return float(above.mean()) - 0.5 if len(above) else 0.0


def _log(loads: Floats | Ints) -> Floats:
    return np.asarray(np.log(loads + _FLOOR_WH))
