"""A gateway's home, opened from its settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import TableError
from data.settings import DataSettings
from data.table import write_table
from fl.deployment.home import load_home
from forecasting.settings import ForecastingSettings


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty days of readings of one home."""
    ds = pd.date_range("2026-01-01", periods=60 * 24, freq="h", tz="UTC", unit="ns")
    y = (600 + 300 * np.sin(2 * np.pi * np.arange(len(ds)) / 24)).astype(np.int64)
    path = tmp_path / "elm-3.csv"
    write_table(pd.DataFrame({"unique_id": "elm-3", "ds": ds, "y": y, "filled": False}), path)
    return path


def test_a_home_opens_with_its_days_split_in_order(table: Path) -> None:
    settings = DataSettings(source="files", files=(table,), day_start_utc=0)
    learner = load_home(settings, ForecastingSettings(train_share=0.7, test_share=0.2), "elm-3")
    assert learner.home == "elm-3"
    assert learner.examples == 60 - 7 - 7 and len(learner.validation) == 7
    assert learner.train.day.max() < learner.validation.day.min()


def test_a_home_that_is_not_in_the_readings_is_refused_by_name(table: Path) -> None:
    settings = DataSettings(source="files", files=(table,), day_start_utc=0)
    with pytest.raises(TableError, match="no readings of 'elm-4' here, only of: elm-3"):
        load_home(settings, ForecastingSettings(), "elm-4")


@pytest.mark.parametrize("days", [3, 7, 8])
def test_too_few_days_are_refused(table: Path, days: int) -> None:
    text = table.read_text().splitlines()[: days * 24]
    table.write_text("\n".join(text) + "\n")
    settings = DataSettings(source="files", files=(table,), day_start_utc=0)
    with pytest.raises(TableError, match="elm-3 has too few days to train on"):
        load_home(settings, ForecastingSettings(), "elm-3")
