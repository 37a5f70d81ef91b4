"""The class of a home's next peak, at home: the community's head on the home's own days and terciles."""

from __future__ import annotations

from dataclasses import dataclass

from data.windows import Windows
from fl.one_shot.fixed_point import Floats
from fl.one_shot.peak_class import CLASSES, DailyLoads, Terciles, peak_features
from fl.one_shot.peak_head import PeakHead


@dataclass(frozen=True)
class PeakForecast:
    """Of one day: the probability of each class, and between which loads the middle one lies (Wh in an hour)."""

    day: int
    probabilities: tuple[float, ...]
    lower_wh: int
    upper_wh: int

    @property
    def by_class(self) -> dict[str, float]:
        """The probabilities by the classes' names."""
        return dict(zip(CLASSES, self.probabilities, strict=True))

    @property
    def expected(self) -> str:
        """The most probable class."""
        return CLASSES[max(range(len(CLASSES)), key=self.probabilities.__getitem__)]


def features_ahead(past: Windows, ahead: Windows) -> tuple[Floats, Terciles]:
    """What the class of the day in `ahead` (one window) is told by, [1, 13], and the terciles of all days before it.

    Raises StatisticsRefused for a home with too few days.
    """
    days = past.at_day_start().between(0, int(ahead.day[0]))
    terciles = Terciles.of(days.target.max(axis=1, initial=0))
    return peak_features(ahead, DailyLoads.of(days, ahead), terciles), terciles


def forecast_peak(past: Windows, ahead: Windows, head: PeakHead) -> PeakForecast:
    """The class of the day in `ahead` (one window), by the terciles of all days in `past`.

    Raises StatisticsRefused for a home with too few days.
    """
    features, terciles = features_ahead(past, ahead)
    (row,) = head.probabilities(features)
    return PeakForecast(int(ahead.day[0]), tuple(float(p) for p in row), round(terciles.lower), round(terciles.upper))
