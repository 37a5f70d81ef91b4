"""The manager hears of a model that no longer fits, from the totals that are public, and of none that does."""

from __future__ import annotations

import numpy as np

from api.operator.overview import drift_alerts
from api.protocol.calibration import LONGEST_HOLE, PastDay

DAYS = 110


def past(worse_since: int, hole_at: int | None = None) -> list[PastDay]:
    """Days whose forecasts miss by a tenth, from `worse_since` on by a third."""
    draw = np.random.default_rng(4)
    measured = 1000 * (2 + np.sin(np.arange(24) / 24 * 2 * np.pi)) * draw.normal(1, 0.15, (DAYS, 24))
    missed = np.where(np.arange(DAYS)[:, None] < worse_since, 0.1, 0.35)
    forecast = measured * (1 + missed * draw.choice([-1, 1], (DAYS, 24)) * draw.uniform(0.7, 1.3, (DAYS, 1)))
    gap = [LONGEST_HOLE + 2 if hole_at is not None and day >= hole_at else 0 for day in range(DAYS)]
    return [
        PastDay(17_000 + day + gap[day], tuple(forecast[day].round().astype(int).tolist()),
                tuple(measured[day].round().astype(int).tolist()), proven=True)
        for day in range(DAYS)
    ]  # fmt: skip


def test_a_model_that_no_longer_fits_is_an_alert_with_its_day() -> None:
    (alert,) = drift_alerts(past(worse_since=DAYS - 9))
    assert alert.code == "model-drift"
    assert alert.day is not None and 17_000 + DAYS - 20 < alert.day <= 17_000 + DAYS - 7


def test_a_model_that_fits_is_none() -> None:
    assert drift_alerts(past(worse_since=DAYS)) == []
    assert drift_alerts([]) == []


def test_days_before_a_long_hole_are_no_measure() -> None:
    assert drift_alerts(past(worse_since=DAYS - 9, hole_at=DAYS - 30)) == []
