"""The peak class: terciles of the home's own peaks, features of its past days alone, nothing of the day itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.errors import StatisticsRefused
from fl.one_shot.peak_class import CLASSES, DailyLoads, Terciles, peak_features
from fl.one_shot.sizes import PEAK_BOUND, PEAK_FEATURES
from tests.support.laws import examples

DAYS = 50
CLOCK = DayClock(6)
HOURS = pd.date_range(CLOCK.start_of(20_000), periods=24 * DAYS, freq="h")
LOAD = np.random.default_rng(5).integers(50, 3000, (DAYS, 24))
WEATHER = pd.DataFrame(
    {"ds": HOURS, "temperature": 18.0, "temperature_24h": 24.0 + np.arange(24 * DAYS) % 24, "direct_solar_24h": 0.0}
)


def windows_of(load: np.ndarray[tuple[int, int], np.dtype[np.int64]], shifts: range = range(1)) -> Windows:
    readings = pd.DataFrame({"unique_id": "home", "ds": HOURS, "y": load.reshape(-1)})
    return make_windows(readings, public_features(WEATHER, CLOCK), CLOCK, steps=24, shifts=shifts)


def test_the_terciles_part_the_homes_peaks_into_three() -> None:
    peaks = LOAD.max(axis=1)
    classes = Terciles.of(peaks).classes(peaks)
    assert np.bincount(classes).tolist() == [17, 16, 17]
    assert peaks[classes == 0].max() < peaks[classes == 1].min() < peaks[classes == 2].min()
    assert len(CLASSES) == 3


def test_windows_tell_of_every_day_of_their_weeks_and_targets() -> None:
    past = DailyLoads.of(windows_of(LOAD, range(-2, 3)))
    assert np.array_equal(past.days, np.arange(20_000, 20_000 + DAYS))
    assert np.array_equal(past.peaks, LOAD.max(axis=1))
    assert np.array_equal(past.totals, LOAD.sum(axis=1))


def test_a_day_to_be_forecast_is_not_known_yet() -> None:
    windows = windows_of(LOAD)
    ahead = replace(windows, target=np.full_like(windows.target, -1))
    assert DailyLoads.of(ahead).days.max() == 20_000 + DAYS - 2


def test_features_are_shares_of_the_past_days_above_the_terciles() -> None:
    windows = windows_of(LOAD)
    peaks = LOAD.max(axis=1)
    terciles = Terciles.of(peaks)
    features = peak_features(windows, DailyLoads.of(windows), terciles)
    assert features.shape == (DAYS - 7, PEAK_FEATURES)
    place = 40 - 7  # the window of the 41st day
    expected = [
        (peaks[40 - span : 40] > edge).mean() - 0.5
        for span in (1, 3, 7, 28)
        for edge in (terciles.lower, terciles.upper)
    ]
    assert features[place, :8] == pytest.approx(expected)
    assert features[place, 10:] == pytest.approx([2.0, 0.5, 2.0])  # 42 and 24 degrees, 18 the day before


@examples(15)
@given(day=st.integers(8, DAYS - 1), other=st.integers(50, 3000), hour=st.integers(0, 23))
def test_features_know_nothing_of_the_day_or_later_ones(day: int, other: int, hour: int) -> None:
    changed = LOAD.copy()
    changed[day:, hour] = other
    terciles = Terciles(1500.0, 2500.0, 0.3)
    before, after = (peak_features(w, DailyLoads.of(w), terciles) for w in (windows_of(LOAD), windows_of(changed)))
    assert np.array_equal(before[: day - 6], after[: day - 6])


@given(st.lists(st.integers(0, 60_000), min_size=8, max_size=12), st.floats(0, 30_000), st.floats(0, 30_000))
def test_features_keep_their_bound(peaks: list[int], lower: float, more: float) -> None:
    load = np.repeat(np.array(peaks)[:, None], 24, axis=1)
    hours = HOURS[: load.size]
    readings = pd.DataFrame({"unique_id": "home", "ds": hours, "y": load.reshape(-1)})
    windows = make_windows(readings, public_features(WEATHER, CLOCK), CLOCK, steps=24)
    features = peak_features(windows, DailyLoads.of(windows), Terciles(lower, lower + more, 0.1))
    assert np.isfinite(features).all() and np.abs(features).max() <= PEAK_BOUND


def test_too_few_days_are_refused() -> None:
    with pytest.raises(StatisticsRefused, match="2 days have no terciles"):
        Terciles.of(np.array([1, 2]))
    windows = windows_of(LOAD)
    late = DailyLoads.of(windows).before(20_003)
    with pytest.raises(StatisticsRefused, match="no day of the week before day 20010 is known"):
        peak_features(windows.between(20_010, 20_011), late, Terciles(1.0, 2.0, 0.3))


def test_what_is_printed_shows_no_load() -> None:
    past = DailyLoads.of(windows_of(LOAD))
    assert repr(past) == "DailyLoads(50 days)"
    assert repr(Terciles.of(past.peaks)) == "Terciles(...)"
