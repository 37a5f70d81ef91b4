"""The accuracy of the community's total, plain and calibrated, which the demo reports beside the homes' accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.protocol.calibration import LEVELS, PastDay
from forecasting.calibration import walk_forward, walk_forward_quantiles
from forecasting.metrics import wape

Totals = NDArray[np.float64]


@dataclass(frozen=True)
class TotalAccuracy:
    """Over `days` days: WAPE of the plain sum and of the calibrated total, and the share of hours in each band.

    `days_better`: days on which the calibrated total was closer.
    """

    days: int
    days_better: int
    wape_plain: float
    wape_calibrated: float
    band_50_holds: float | None
    band_90_holds: float | None


def total_accuracy(totals: Sequence[PastDay], first_day: int, horizon: int = 1) -> TotalAccuracy | None:
    """Every day from `first_day` on, calibrated on the days before it alone; None if none of them can be."""
    forecast, measured = (np.array([getattr(t, name) for t in totals], dtype=np.float64).reshape(-1, 24)
                          for name in ("forecast", "measured"))  # fmt: skip
    calibrated = walk_forward(forecast, measured, horizon)
    bands = walk_forward_quantiles(calibrated, measured, LEVELS, horizon)  # [days, levels, 24]
    scored = np.array([t.day >= first_day for t in totals], dtype=bool) & ~np.isnan(calibrated).any(axis=1)
    if not scored.any():
        return None
    actual = measured[scored]
    return TotalAccuracy(
        days=int(scored.sum()),
        days_better=int((_error(calibrated[scored], actual) < _error(forecast[scored], actual)).sum()),
        wape_plain=wape(actual, forecast[scored]),
        wape_calibrated=wape(actual, calibrated[scored]),
        band_50_holds=_share_within(actual, bands[scored][:, 1], bands[scored][:, 2]),
        band_90_holds=_share_within(actual, bands[scored][:, 0], bands[scored][:, 3]),
    )


def _error(forecast: Totals, actual: Totals) -> Totals:
    """Each day's absolute error, [days] Wh."""
    return np.asarray(np.abs(forecast - actual).sum(axis=1))


def _share_within(actual: Totals, low: Totals, high: Totals) -> float | None:
    known = ~np.isnan(low).any(axis=1)
    return float(((low <= actual) & (actual <= high))[known].mean()) if known.any() else None
