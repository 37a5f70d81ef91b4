"""The share of the median is chosen on forecasts as they are proven, whatever the settings' share is."""

from __future__ import annotations

import numpy as np
import pytest

from bench import median_share
from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.settings import FederationSettings
from tests.fl.federation import made_up_windows

Found = tuple[Windows, dict[str, median_share.Array]]


@pytest.fixture(scope="module")
def found() -> Found:
    windows = made_up_windows(("home-a", "home-b"), days=40)
    learn, judged = windows.between(0, 30), windows.between(30, 40)
    settings = FederationSettings.model_validate({"rounds": 1, "local": {"epochs": 1}})
    return judged, median_share.forecasts(learn, judged, settings)


def test_shares_are_of_the_same_forecasts_with_and_without_heads(found: Found) -> None:
    errors = median_share.errors(*found)
    assert set(errors) == {"median", "mean", "middle_three"}
    assert errors["median"]["0"] == errors["mean"]["0"] == errors["middle_three"]["0"]
    assert errors["median"]["4"] != errors["mean"]["4"]
    assert all(0 < one < 2 for by_share in errors.values() for heads in by_share.values() for one in heads.values())


def test_the_whole_share_is_the_statistic(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    judged, forecasts = found
    monkeypatch.setattr(median_share, "SIXTEENTHS", (16,))
    week = judged.history.reshape(-1, 7, HOURS_PER_DAY)
    missed = np.abs(np.median(week, axis=1) - judged.target)
    homes = [
        missed[judged.unique_id == h].mean() / judged.target[judged.unique_id == h].mean()
        for h in ("home-a", "home-b")
    ]
    assert median_share.errors(judged, forecasts)["median"]["16"]["plain"] == pytest.approx(np.mean(homes), abs=1e-4)
