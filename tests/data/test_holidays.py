"""Public holidays by country and region, of the local date on which a community day has its noon."""

import numpy as np
import pytest

from data.day import DayClock
from data.errors import DataError
from data.holidays import holiday_feature, public_holidays

DAYS = np.arange(20_570, 20_935)  # 2026-04-27 onwards


def dates(country: str, region: str | None, timezone: str, start_hour: int) -> list[str]:
    clock = DayClock(start_hour)
    feature = holiday_feature(DAYS, clock, country, region, timezone)
    return [
        f"{at:%m-%d}" for at in (clock.starts_of(DAYS[feature == 1]) + np.timedelta64(12, "h")).tz_convert(timezone)
    ]


def test_holidays_of_a_country_and_of_a_region() -> None:
    italian = dates("IT", None, "Europe/Rome", 23)
    assert {"05-01", "06-02", "08-15", "12-25"} <= set(italian) and "08-14" not in italian
    assert "11-01" in dates("DE", "BY", "Europe/Berlin", 23) and "11-01" not in dates("DE", "BE", "Europe/Berlin", 23)


def test_a_day_that_starts_in_the_evening_before_belongs_to_its_noon() -> None:
    assert dates("US", None, "America/Los_Angeles", 8) == dates("US", None, "America/Los_Angeles", 7)


def test_a_country_that_is_none() -> None:
    with pytest.raises(DataError, match="'XX of DE'"):
        public_holidays("DE", "XX", range(2026, 2027))
    assert holiday_feature(np.array([], dtype=np.int64), DayClock(0), "IT", None, "UTC").shape == (0,)
