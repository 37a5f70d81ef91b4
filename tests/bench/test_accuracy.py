"""The bench of accuracy on anybody's table: what it reads, what it refuses, which days it scores, what it writes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench import accuracy, accuracy_quantiles
from bench.accuracy_data import Community, open_community, totals_of
from bench.accuracy_new_home import measure_new_homes
from bench.accuracy_scores import Totals, totals
from data.citylearn import CommunityData
from data.community import neutral_weather
from data.day import DayClock
from data.errors import TableError
from data.table import long_table
from fl.settings import FederationSettings
from forecasting.evaluation import Split

pytestmark = pytest.mark.slow

DAYS = 120
HOURS = pd.date_range("2024-03-01", periods=24 * DAYS, freq="h", tz="UTC", unit="ns")
HOMES = ["ada", "bob", "cleo"]
CACHE = Path(".cache/wattproof")


def load_of(home: int) -> np.ndarray:
    """Made-up loads with a daily pattern, Wh."""
    noise = np.random.default_rng(home).gamma(2, 60, len(HOURS))
    return np.rint(200 + 80 * home + 150 * np.sin(HOURS.hour.to_numpy() / 24 * 2 * np.pi) + noise)


def long() -> pd.DataFrame:
    tables = [pd.DataFrame({"unique_id": home, "ds": HOURS, "y": load_of(k)}) for k, home in enumerate(HOMES)]
    return pd.concat(tables, ignore_index=True)


def written(table: pd.DataFrame, path: Path) -> str:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("name", ["village.csv", "village.csv.gz", "village.parquet"])
def test_a_table_is_a_community_in_any_form(tmp_path: Path, name: str) -> None:
    found = open_community(written(long(), tmp_path / name), CACHE, start_utc=22)
    assert (found.name, found.homes, found.clock) == ("village", HOMES, DayClock(22))
    assert found.data.readings["y"].to_list() == long()["y"].to_list()
    assert (found.data.weather["temperature_24h"] == 18).all(), "there is no weather in it"


def test_weather_comes_with_the_table(tmp_path: Path) -> None:
    table = long()
    table["temperature"] = 10 + table["ds"].dt.hour
    found = open_community(written(table, tmp_path / "warm.csv"), CACHE)
    assert len(found.data.weather) == len(HOURS)
    assert found.data.weather["temperature"].iloc[:24].to_list() == list(range(10, 34))


def test_an_hour_without_a_value_is_an_hour_not_measured(tmp_path: Path) -> None:
    table = long().astype({"y": "float64"})
    table.loc[[5, 6], "y"] = np.nan
    found = open_community(written(table, tmp_path / "gap.csv"), CACHE)
    assert len(found.data.readings) == len(table) - 2


def test_homes_are_drawn_by_the_seed(tmp_path: Path) -> None:
    path = written(long(), tmp_path / "village.parquet")
    draws = {seed: open_community(path, CACHE, homes=2, seed=seed).homes for seed in range(8)}
    assert draws == {seed: open_community(path, CACHE, homes=2, seed=seed).homes for seed in range(8)}
    assert len({tuple(homes) for homes in draws.values()}) > 1
    assert draws[1] == sorted(np.random.default_rng(1).choice(HOMES, 2, replace=False))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="y"), "no column y"),
        (lambda t: t.assign(y=t["y"] / 1000), "must be the Wh of an hour"),
        (lambda t: t.assign(y=-t["y"]), "negative energy"),
        (lambda t: t.assign(y="much"), "numbers"),
        (lambda t: t[t["ds"] < HOURS[24 * 30]], "has 30 days"),
        (lambda t: t[t["unique_id"] == "bob"], "has one home"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "appears twice"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(TableError, match=said):
        open_community(written(change(long()), tmp_path / "odd.csv"), CACHE)


def test_times_may_be_the_index_of_a_parquet_and_its_name_in_capitals(tmp_path: Path) -> None:
    long().set_index("ds").to_parquet(tmp_path / "VILLAGE.PARQUET")
    assert len(open_community(str(tmp_path / "VILLAGE.PARQUET"), CACHE).data.readings) == len(long())


def test_weather_that_one_home_lacks_is_that_of_the_others(tmp_path: Path) -> None:
    table = long().assign(temperature=lambda t: 10.0 + t["ds"].dt.hour)
    table.loc[table["unique_id"] == "bob", "temperature"] = np.nan
    weather = open_community(written(table, tmp_path / "warm.csv"), CACHE).data.weather
    assert weather["temperature"].iloc[:24].to_list() == list(range(10, 34))


def late(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["unique_id"] != "bob") | (table["ds"] >= HOURS[24 * 60])]


def gone(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["unique_id"] != "bob") | (table["ds"] < HOURS[24 * 80])]


def idle(table: pd.DataFrame, at: slice) -> pd.DataFrame:
    return table.assign(y=table["y"].where((table["unique_id"] != "bob") | ~table["ds"].isin(HOURS[at]), 0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (late, "bob has less than 28 days before 2024-05-24, to learn from"),
        (gone, "bob uses nothing in the days from 2024-06-05 to 2024-06-29, which are judged"),
        (lambda t: idle(t, slice(24 * 90, None)), "bob uses nothing in the days from"),
        (lambda t: idle(t, slice(0, 24 * 84)), "bob uses nothing before 2024-05-24"),
    ],
)
def test_a_home_that_cannot_be_learnt_or_judged_is_named_before_anything_is_computed(
    tmp_path: Path, change: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(change(long()), tmp_path / "village.csv")
    assert accuracy.main(["--data", path, "--quick"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert said in printed and "leave them out of the table" in printed


@pytest.mark.parametrize("words", [("--start-utc", "24"), ("--seed", "-1"), ("--homes", "two")])
def test_an_option_out_of_range_is_named(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        accuracy.main(["--quick", *words])
    assert f"argument {words[0]}: a whole number" in " ".join(capsys.readouterr().err.split())


def test_new_homes_are_those_that_have_the_days(tmp_path: Path) -> None:
    table = long()
    table = table[(table["unique_id"] == "cleo") | (table["ds"] < HOURS[24 * 85]) | (table["ds"] >= HOURS[24 * 100])]
    found = open_community(written(table, tmp_path / "village.csv"), CACHE)
    split = Split.by_share(found.data.readings, found.clock, 0.7, 0.2)
    rows = measure_new_homes(found.data, found.clock, split, FederationSettings(rounds=1), homes=3)
    assert set(rows) == {"7", "14", "28"}
    few = found.data.readings[found.data.readings["unique_id"] != "cleo"].reset_index(drop=True)
    alone = CommunityData(few, found.data.weather)
    assert measure_new_homes(alone, found.clock, split, FederationSettings(rounds=1), homes=3) == {}


def test_missing_data_end_with_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["--data", str(tmp_path / "nowhere.csv"), "--quick"]) == 1
    assert "does not exist" in " ".join(capsys.readouterr().out.split())


def test_a_total_has_every_home_and_nothing_later() -> None:
    lost = long()
    hole = (lost["unique_id"] == "bob") & (lost["ds"] == HOURS[24 * 10 + 3])
    found = totals_of(long_table(lost[~hole]["unique_id"], lost[~hole]["ds"], lost[~hole]["y"].astype("int64")))
    expected = load_of(0) + load_of(1) + load_of(2)
    expected[24 * 10 + 3] += load_of(1)[24 * 9 + 3] - load_of(1)[24 * 10 + 3]
    np.testing.assert_array_equal(found["y"], expected)


def test_totals_leave_out_days_that_one_home_or_method_lacks() -> None:
    clock, hours = DayClock(0), pd.date_range("2024-03-01", periods=24 * 12, freq="h", tz="UTC", unit="ns")
    first = clock.day_of(hours[0])
    table = pd.concat([pd.DataFrame({"unique_id": h, "ds": hours, "y": 1.0, "m": 1.0}) for h in "ab"])
    table = table.reset_index(drop=True).assign(cutoff=hours[0])
    table.loc[24 * 3 + 5, "y"] = np.nan
    table.loc[24 * 12 + 24 * 4 + 5, "m"] = np.nan
    above = pd.DataFrame({"unique_id": "community", "ds": hours, "cutoff": hours[0], "y": 3.0, "t": 2.0})
    above.loc[24 * 5, "t"] = np.nan
    got = totals(table, above, clock, first)
    assert (got.days - first).tolist() == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert (got.measured == 2).all() and (got.forecast["m"] == 2).all() and (got.forecast["t"] == 2).all()
    assert isinstance(got, Totals) and got.wape(got.forecast["t"]) == 0


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    table = long()
    readings = long_table(table["unique_id"], table["ds"], table["y"].astype("int64"))
    village = Community("village", CommunityData(readings, neutral_weather(HOURS[0], HOURS[-1])), DayClock(0))
    with ThreadPoolExecutor(1) as beside:
        return accuracy.measure(village, FederationSettings(rounds=1), True, Console(quiet=True), beside)


def test_every_method_is_scored_and_those_of_the_total_have_no_homes(result: dict[str, Any]) -> None:
    assert (result["data"], result["homes"]) == ("village", 3)
    rows = result["table"]
    assert {"median_7_days", "federated", "federated_personal", "top_down_ridge", "top_down_lightgbm"} <= set(rows)
    for name, row in rows.items():
        assert 0 < row["community_wape"] < 0.5
        assert (row["home_nmae_median"] is None) == name.startswith("top_down")


def test_quantiles_are_scored_beside_those_of_others(result: dict[str, Any]) -> None:
    rows = result["probabilistic"]
    assert set(rows) == {"federated_personal", "top_down_lightgbm_quantiles", "top_down_ridge_conformal"}
    assert len({row["days"] for row in rows.values()}) == 1 < rows["federated_personal"]["days"]
    for row in rows.values():
        assert 0 < row["crps"] < 0.2 and row["coverage_50"] < row["coverage_90"] <= 1


def test_the_score_of_quantiles_rewards_the_truth() -> None:
    measured = np.random.default_rng(5).normal(1000, 100, (60, 24))
    true = np.quantile(measured, accuracy_quantiles.LEVELS)
    bands = {shift: np.tile((true + shift)[None, :, None], (60, 1, 24)) for shift in (0.0, 150.0)}
    good, bad = (accuracy_quantiles._scored(measured, bands[shift]) for shift in (0.0, 150.0))
    assert good["crps"] < bad["crps"]
    assert good["coverage_90"] == pytest.approx(0.9, abs=0.01) and good["coverage_50"] == pytest.approx(0.5, abs=0.01)


def test_a_quick_run_leaves_the_figures_of_a_long_one(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "OUT", tmp_path)
    last = tmp_path / "accuracy.json"
    assert last in accuracy.write(result) and json.loads(last.read_bytes())["protocol"]["quick"]
    long_run = result | {"protocol": result["protocol"] | {"quick": False}}
    assert accuracy.write(long_run) == [tmp_path / "accuracy-village.json", last]
    assert accuracy.write(result) == [tmp_path / "accuracy-village-quick.json"]
    assert not json.loads(last.read_bytes())["protocol"]["quick"]


def test_ours_is_compared_with_each_other_method_with_what_chance_alone_would_move(result: dict[str, Any]) -> None:
    found = result["ours_and_others"]
    assert set(found) == set(result["table"]) - {"federated_personal"}
    for name, row in found.items():
        low, high = row["total"][1:]
        assert low <= row["total"][0] <= high
        assert (row["homes"] is None) == name.startswith("top_down")
