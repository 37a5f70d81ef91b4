"""The demo homes: the pinned wheel or nothing, 17 homes, every hour of a year at its right time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import citylearn
from data.citylearn import CommunityData
from data.errors import FetchError
from data.table import validate_table

CACHE = Path(".cache/wattproof")


@pytest.fixture(scope="module")
def community() -> CommunityData:
    return citylearn.load(CACHE)


def test_17_homes_of_8760_hours(community: CommunityData) -> None:
    readings = validate_table(community.readings)
    counts = readings.groupby("unique_id").size()
    assert counts.tolist() == [8760] * 17
    assert list(counts.index) == [f"home-{i:02d}" for i in range(1, 18)]


def test_hours_are_contiguous_from_august_2016(community: CommunityData) -> None:
    expected = pd.date_range("2016-08-01T07:00Z", periods=8760, freq="h")
    for _, home in community.readings.groupby("unique_id"):
        assert home["ds"].tolist() == expected.tolist()
    assert community.weather["ds"].tolist() == expected.tolist()


def test_energy_is_that_of_the_source(community: CommunityData) -> None:
    folder = CACHE / "citylearn"
    for number in (1, 17):
        kwh = pd.read_csv(folder / f"Building_{number}.csv")["Equipment Electric Power [kWh]"]
        got = community.readings.query(f"unique_id == 'home-{number:02d}'")["y"]
        assert np.abs(got.to_numpy() - 1000 * kwh.to_numpy()).max() <= 0.5 + 1e-6


def test_the_sun_stands_highest_at_the_local_noon(community: CommunityData) -> None:
    sun = community.weather.groupby(community.weather["ds"].dt.hour)["direct_solar"].mean()
    assert sun.idxmax() in (19, 20, 21)  # 11 to 14 o'clock Pacific Standard Time
    assert sun.loc[6:11].max() == 0


@pytest.mark.parametrize("hours", [6, 12, 24])
def test_predictions_are_named_by_when_they_are_made(community: CommunityData, hours: int) -> None:
    weather = community.weather
    later = weather["temperature"].shift(-hours).dropna()
    assert np.allclose(weather[f"temperature_{hours}h"].iloc[: len(later)], later)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / citylearn.WHEEL).write_bytes(b"not the wheel")
    with pytest.raises(FetchError, match="not the pinned"):
        citylearn.load(tmp_path)


def test_a_failed_download_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(FetchError, match="could not download CityLearn"):
        citylearn.fetch(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_once_cached_it_needs_no_network_and_mends_itself(
    community: CommunityData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / citylearn.WHEEL).write_bytes((CACHE / citylearn.WHEEL).read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    citylearn.load(tmp_path)
    damaged = tmp_path / "citylearn" / "Building_3.csv"
    damaged.write_text(damaged.read_text()[:-100])
    pd.testing.assert_frame_equal(citylearn.load(tmp_path).readings, community.readings)


def test_homes_with_their_pv_take_or_feed_in_what_load_and_generation_leave(community: CommunityData) -> None:
    exchange = citylearn.load_exchange(CACHE)
    net = community.readings["y"] - exchange["generation"]
    assert (exchange["unique_id"] == community.readings["unique_id"]).all()
    assert (exchange["y"] - exchange["export"].astype("int64") == net).all()
    assert ((exchange["y"] == 0) | (exchange["export"] == 0)).all()
    yield_wh = exchange.groupby("unique_id")["generation"].sum()
    whole = yield_wh.between(5_000_000, 10_000_000)  # 4 to 5 kW in California: 1,250 to 2,000 kWh a kW and year
    assert set(yield_wh.index[~whole]) == {"home-14", "home-15"}, "the two whose panels stood still for months"
    night = exchange[exchange["ds"].dt.hour.isin([8, 9, 10])]  # midnight to three there
    assert (night["generation"] == 0).all()
