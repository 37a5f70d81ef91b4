"""The report says the same in JSON, as a table and in pictures."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data.day import DayClock
from data.table import long_table
from forecasting.metrics import Scores, evaluate
from forecasting.report import as_json, as_table, headline, write_report

CLOCK = DayClock(8)
DS = pd.date_range(CLOCK.start_of(20_000), periods=24 * 30, freq="h", unit="ns")
TEST = DS[24 * 20 :]


def forecasts(homes: str = "abc") -> pd.DataFrame:
    random = np.random.default_rng(6)
    parts = []
    for home in homes:
        y = random.integers(100, 2000, len(TEST)).astype(float)
        cutoff = CLOCK.starts_of(CLOCK.days_of(TEST))
        part = {"unique_id": home, "ds": TEST, "cutoff": cutoff, "y": y, "yesterday": y + 200, "my_model": y - 100}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def scores() -> Scores:
    past = [long_table(home, DS[: 24 * 20], np.arange(24 * 20) % 100 + 50) for home in "abc"]
    return evaluate(forecasts(), pd.concat(past, ignore_index=True), ["yesterday"])


def test_json_has_every_method_home_and_metric(scores: Scores) -> None:
    content = json.loads(json.dumps(as_json(scores), allow_nan=False))
    assert list(content["methods"]) == ["yesterday", "my_model"]
    mine = content["methods"]["my_model"]
    assert mine["homes"]["b"]["mae"] == pytest.approx(100)
    assert mine["home_quartiles"]["mae"] == pytest.approx([100, 100, 100])
    assert mine["community"]["mae"] == pytest.approx(300)
    assert mine["community"]["skill"] == pytest.approx(0.5)
    assert mine["headline"] == headline(scores, "my_model")
    assert mine["headline"]["community_wape"] == mine["community"]["nmae"]


def test_a_number_that_does_not_exist_is_null() -> None:
    table = forecasts("a").assign(y=0.0)
    content = as_json(evaluate(table, long_table("a", DS[:48], np.full(48, 5)), ["yesterday"]))
    assert content["methods"]["my_model"]["homes"]["a"]["nmae"] is None


def test_the_table_shows_people_the_names_and_figures(scores: Scores) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(as_table(scores, chosen="my_model"))
    text = console.export_text()
    assert "same hour yesterday" in text
    assert "my model" in text
    assert f"{scores.community['my_model']['nmae']:.3f}" in text
    assert "+50.0%" in text


def test_files_are_written_and_the_same_again(scores: Scores, tmp_path: Path) -> None:
    first = write_report(tmp_path / "1", forecasts(), scores, CLOCK, "my_model", ["yesterday"])
    again = write_report(tmp_path / "2", forecasts(), scores, CLOCK, "my_model", ["yesterday"])
    pictures = ("accuracy", "community_week", "error_by_hour")
    names = [f"{picture}{suffix}.png" for suffix in ("", "_dark") for picture in pictures]
    assert [p.name for p in first] == ["accuracy.json", *names]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in first if p.suffix == ".png")
    assert json.loads(first[0].read_text()) == as_json(scores)
