"""A gateway's home, opened from its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import TableError
from data.quantity import Quantity
from data.settings import DataSettings
from data.table import read_table, write_table
from data.windows import Windows
from fl.deployment.home import load_home
from fl.plan import LocalPlan
from fl.task import HomeLearner
from forecasting.settings import ForecastingSettings


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty days of readings of one home."""
    ds = pd.date_range("2026-01-01", periods=60 * 24, freq="h", tz="UTC", unit="ns")
    y = (600 + 300 * np.sin(2 * np.pi * np.arange(len(ds)) / 24)).astype(np.int64)
    path = tmp_path / "elm-3.csv"
    write_table(pd.DataFrame({"unique_id": "elm-3", "ds": ds, "y": y, "filled": False}), path)
    return path


def opened(table: Path, quantity: Quantity = "load", **settings: float) -> HomeLearner:
    data = DataSettings(source="files", files=(table,), day_start_utc=0)
    return load_home(data, ForecastingSettings.model_validate(settings), "elm-3", quantity)


def hours(windows: Windows) -> set[int]:
    """Hours in the targets. `day` is that of the last one."""
    starts = (windows.day - (windows.shift > 0)) * 24 + windows.shift
    return {int(start) + hour for start in starts for hour in range(24)}


def test_a_home_learns_from_its_latest_days_and_holds_single_ones_out(table: Path) -> None:
    learner = opened(table, train_share=0.7, test_share=0.2)
    assert learner.home == "elm-3"
    assert learner.examples == 53 - 5 and len(learner.validation) == 5
    latest = max(hours(learner.train))
    assert latest == max(hours(learner.train) | hours(learner.validation)), "what has changed lately is in them"
    assert not hours(learner.train) & hours(learner.validation), "no hour is learnt that is judged"


def test_days_held_out_are_of_every_weekday(table: Path) -> None:
    learner = opened(table, train_share=0.7, test_share=0.16)  # a seventh
    assert len({int(day) % 7 for day in learner.validation.day}) == len(learner.validation.day) == 6


def test_no_day_is_held_out_where_the_shares_leave_none(table: Path) -> None:
    learner = opened(table, train_share=0.8, test_share=0.2)
    assert learner.examples == 53 and len(learner.validation) == 0 and learner.evaluate({}) == {}


def test_nobody_can_tell_which_days_of_a_gateway_are_in_a_gradient(table: Path) -> None:
    """Sums of all rounds would be its readings (`bench.leakage_rounds`); so a secret draws them, each time anew."""
    one, other = opened(table), opened(table)
    plan = LocalPlan(1, 3, 1, 1e-3, 16, 0.0, gradient=True)
    drawn = [learner.drawn(plan, {}).day.tolist() for learner in (one, other, replace(one, secret=b""))]
    assert drawn[0] != drawn[1] and drawn[2] not in drawn[:2]


def test_a_home_is_opened_on_the_other_register_of_its_meter(table: Path) -> None:
    with pytest.raises(TableError, match="the readings have no column export"):
        opened(table, "export")
    readings = read_table(table)
    fed_in = pd.Series(np.arange(len(readings)) % 24, dtype="Int64")
    write_table(readings.assign(export=fed_in), table)
    load, export = opened(table), opened(table, "export")
    assert export.examples == load.examples
    assert set(np.unique(export.train.target)) == set(range(24)) and load.train.target.min() >= 300


def test_a_home_that_is_not_in_the_readings_is_refused_by_name(table: Path) -> None:
    settings = DataSettings(source="files", files=(table,), day_start_utc=0)
    with pytest.raises(TableError, match="no readings of 'elm-4' here, only of: elm-3"):
        load_home(settings, ForecastingSettings(), "elm-4")


@pytest.mark.parametrize("days", [3, 7])
def test_too_few_days_are_refused(table: Path, days: int) -> None:
    text = table.read_text().splitlines()[: days * 24]
    table.write_text("\n".join(text) + "\n")
    settings = DataSettings(source="files", files=(table,), day_start_utc=0)
    with pytest.raises(TableError, match="elm-3 has too few days to train on"):
        load_home(settings, ForecastingSettings(), "elm-3")
