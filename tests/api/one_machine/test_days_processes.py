"""The night of a community on one machine, as the README tells it: `wattproof` commands, this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from bench.deployed import share_cache
from data.append import append_table
from data.table import long_table
from tests.api.files_fixture import wattproof

pytestmark = pytest.mark.process
HOMES, NEW = ("elm-1", "elm-2", "elm-3"), "elm-4"
START = (int(time.time()) // 3600 + 2) * 3600  # of a day that begins after the training
DAY, HOURS = START // 86_400, 24 * 21


def readings(home: str, hours: int = HOURS) -> pd.DataFrame:
    """Up to the day's start."""
    seed = int(home[-1])
    ds = pd.date_range(end=pd.Timestamp(START - 3600, unit="s", tz="UTC"), periods=hours, freq="h", unit="ns")
    noise = np.random.default_rng(seed).uniform(0, 100, hours)
    return long_table(
        home, ds, (300 + 100 * seed + 200 * np.sin(ds.hour.to_numpy() * np.pi / 12) + noise).astype("int64")
    )


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three homes and a new one, trained and published."""
    folder = tmp_path_factory.mktemp("community")
    for home in HOMES:
        append_table(folder / f"{home}.csv", readings(home))
    append_table(folder / f"{NEW}.csv", readings(NEW, 24 * 3))
    settings = {
        "community": {"name": "One machine"},
        "data": {
            "source": "files", "files": [f"{home}.csv" for home in (*HOMES, NEW)],
            "day_start_utc": START % 86_400 // 3600,
        },
        "forecasting": {"model": {"hidden": 8}, "personal_least_days": 5, "personal_epochs": 1},
        "federation": {"rounds": 1, "min_homes": 3, "simulation": {"workers": 1}},
    }  # fmt: skip
    (folder / "community.yaml").write_text(yaml.safe_dump(settings))
    share_cache(folder)
    return folder


Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(community: Path, capfd: pytest.CaptureFixture[str]) -> Said:
    """A command's exit code, and what it says."""

    def run(*command: str) -> tuple[int, str]:
        ended = wattproof(community, *command, capfd=capfd)
        return ended.code, " ".join(ended.said.split())

    return run


def test_trained_in_the_evening_a_day_is_forecast_in_the_night(said: Said) -> None:
    code, told = said("train")
    assert code == 0, told
    assert "Round 1: weights digest 0x" in told and "UTC are forecast with round 1." in told
    code, told = said("forecast", str(DAY))
    assert code == 4, told
    assert f"Day {DAY}: 3 of 4 homes have a registered forecast, with round 1" in told
    assert "Community forecast (kWh):" in told
    assert f"{NEW}: no forecast: the readings of {NEW} begin at" in told
    assert f"the first day that can be forecast is {DAY + 4}" in told
    code, told = said("forecast", str(DAY))
    assert code == 4 and told.count(", registered") == 3, "it can be repeated"


def test_a_day_that_is_not_over_and_one_without_a_model_are_told_as_such(said: Said) -> None:
    code, told = said("claim", str(DAY))
    assert code == 1 and f"day {DAY} can be claimed after its end at" in told
    code, told = said("forecast")  # the day that has begun, before there was a model
    assert code == 1 and f"day {DAY - 1} started at" in told and f"run `wattproof forecast {DAY}`" in told
    code, told = said("claim")
    assert code == 4 and told.count("no claim: no forecast is registered for day") == 4
