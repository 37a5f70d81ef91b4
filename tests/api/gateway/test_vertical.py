"""Vertical learning as community.yaml says it: homes, a partner, a session, each from its own settings and files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.cli.vertical_commands import partner
from api.config.community_yaml import Config, ConfigError, load
from api.gateway import vertical
from api.gateway.partner import partner_mods, read_records
from api.gateway.vertical import HomeParts, _keep, kept_forecast, own_id, vertical_mods
from api.operator.vertical import begun
from bench.local_grid import LocalGrid
from data.day import DayClock
from data.errors import DamagedFile, TableError
from data.table import long_table, write_table
from fl.deployment.home import load_home
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.task import HomeLearner
from fl.vertical.errors import ExtraMissing

HOMES, PARTNER = ("elm-1", "elm-2", "elm-3"), "charger"
CLOCK = DayClock(8)
FIRST, DAYS = 20_000, 50
DAY = FIRST + DAYS  # the first that is not measured yet
SETTINGS = """
community: {name: Elm Street}
data: {source: SOURCE}
forecasting: {model: {hidden: 4}}
api: {state_dir: NAME}
federation:
  evaluate_every: 0
  deployment: {keys_dir: keys}
  vertical: {partner: charger, columns: [booked_wh], roster: roster.json, records: records, steps: 2}
"""


def booked(home: str) -> np.ndarray:
    """A car is charged on some evenings, by the hour; also on the day that is to be forecast."""
    on = np.random.default_rng(int(home[-1])).random(DAYS + 1) < 0.5
    on[-1] = True
    out = np.zeros((DAYS + 1, 24), dtype=np.int64)
    out[on, 10:13] = 4000
    return out.ravel()


@dataclass(frozen=True)
class HereTraining:
    """As the process that trains, in this one."""

    learner: HomeLearner

    def call(self, job: Any, *arguments: Any) -> Any:
        return job(self.learner, *arguments)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each party's settings, keys and data; the partner has what the homes' `vertical id` prints."""
    folder = tmp_path_factory.mktemp("street")
    hours = pd.date_range(CLOCK.start_of(FIRST), periods=24 * (DAYS + 1), freq="h", unit="ns")
    for name in (*HOMES, PARTNER):
        make_agent_key(folder / "keys", name)
        source = "none" if name == PARTNER else f"files, files: [{name}.csv]"
        text = SETTINGS.replace("SOURCE", source).replace("NAME", f"state-{name}")
        (folder / f"{name}.yaml").write_text(text)
    roster_of_agents(folder / "keys").write(folder / "roster.json")
    (folder / "records").mkdir()
    for home in HOMES:
        noise = np.random.default_rng(9).integers(0, 50, len(hours))
        load_wh = 500 + noise + booked(home)
        write_table(long_table(home, hours[: 24 * DAYS], load_wh[: 24 * DAYS]), folder / f"{home}.csv")
        pd.DataFrame({"ds": hours, "booked_wh": booked(home)}).to_csv(folder / "records" / f"{home}.csv", index=False)
        signed = own_id(HomeParts.of(settings(folder, home), home))
        content = {"household": signed.household, "partner": signed.partner, "signature": signed.signature.hex()}
        (folder / "records" / f"{home}.id.json").write_text(json.dumps(content))
    return folder


def settings(folder: Path, name: str) -> Config:
    return load(folder / f"{name}.yaml")


def test_homes_forecast_a_day_with_what_the_partner_knows_of_it(street: Path) -> None:
    vertical._IN_PROCESS.clear()
    mods = {}
    for home in HOMES:
        own = settings(street, home)
        training = HereTraining(load_home(own.data, own.forecasting, home))
        mods[home] = vertical_mods(own, home, training)[0]  # type: ignore[arg-type]
    name, partners = partner_mods(settings(street, PARTNER))
    grid = LocalGrid({**mods, name: partners[0]})
    session = begun(grid, grid.nodes, settings(street, PARTNER).federation, DAY)
    assert session.left_out == {} and session.partner_away is None
    for home in HOMES:
        kept = kept_forecast(settings(street, home).api.homes_dir / home, DAY)
        assert kept is not None and kept["with_partner"] and len(kept["typical_wh"]) == 24
        side = vertical._IN_PROCESS[home].sessions.current()
        learnt = side.forecasts["ridge"][0]
        assert np.abs(learnt - (525 + booked(home)[-24:])).mean() < 150  # the booking is what the day will bring
        assert np.abs(side.forecasts["ridge_alone"][0] - learnt).max() > 500


def test_what_a_household_hands_over_is_its_own_and_the_same_each_time(street: Path) -> None:
    ids = [own_id(HomeParts.of(settings(street, home), home)) for home in (*HOMES, HOMES[0])]
    assert ids[0] == ids[3] and len({each.to_bytes() for each in ids}) == 3


def test_a_home_without_a_partner_has_no_such_mod_and_one_without_a_roster_does_not_start(tmp_path: Path) -> None:
    text = SETTINGS.replace("SOURCE", "none").replace("NAME", "state")
    (tmp_path / "a.yaml").write_text(text.split("  vertical:")[0])
    assert vertical_mods(load(tmp_path / "a.yaml"), "elm-1", None) == []  # type: ignore[arg-type]
    (tmp_path / "b.yaml").write_text(text.replace("roster: roster.json, ", ""))
    with pytest.raises(ConfigError, match=r"vertical\.roster"):
        vertical_mods(load(tmp_path / "b.yaml"), "elm-1", None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a partner needs"):
        partner_mods(load(tmp_path / "b.yaml"))


def test_home_and_partner_without_pytorch_are_told_the_extra_before_they_start(
    street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraMissing, match=r"wattproof\[vertical\]"):
        vertical_mods(settings(street, HOMES[0]), HOMES[0], None)  # type: ignore[arg-type]
    with pytest.raises(ExtraMissing, match=r"wattproof\[vertical\]"):
        partner(street / f"{PARTNER}.yaml")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is missing, the record of"),
        ("ds,other\n2025-01-01T00:00:00Z,1\n", "has no column booked_wh"),
        ("ds,booked_wh\n2025-01-01T00:00:00Z,1.5\n", "whole numbers"),
        ("ds,booked_wh\n2025-01-01T00:30:00Z,1\n", "full hours"),
        ("ds,booked_wh\n2025-01-01T01:00:00Z,1\n2025-01-01T01:00:00Z,1\n", "hours in order"),
        ("ds,booked_wh\nyesterday,1\n", "can't be read"),
        ("ds,booked_wh\n2025-01-01T01:00:00Z,18446744073709551615\n", "whole numbers"),
    ],
)
def test_a_partners_record_that_is_none_is_named(content: str | None, complaint: str, tmp_path: Path) -> None:
    identity = {"household": "0x" + "00" * 20, "partner": PARTNER, "signature": "00" * 65}
    (tmp_path / "ann.id.json").write_text(json.dumps(identity))
    if content is not None:
        (tmp_path / "ann.csv").write_text(content)
    with pytest.raises(TableError, match=complaint):
        read_records(tmp_path, ("booked_wh",))


def test_a_partner_without_customers_and_an_id_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="wattproof vertical id"):
        read_records(tmp_path, ("booked_wh",))
    (tmp_path / "ann.id.json").write_text("{}")
    with pytest.raises(TableError, match="no signed id"):
        read_records(tmp_path, ("booked_wh",))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b"[" * 100_000, b'{"household": 1}'])
def test_a_customers_id_that_is_none_is_named_and_ends_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ann.id.json").write_bytes(content)
    with pytest.raises(TableError, match="no signed id"):
        read_records(tmp_path, ("booked_wh",))


def test_two_records_of_one_customer_are_refused(tmp_path: Path) -> None:
    """The second would take the first one's place without a word."""
    identity = {"household": "0x" + "00" * 20, "partner": PARTNER, "signature": "00" * 65}
    for name in ("ann", "bob"):
        (tmp_path / f"{name}.id.json").write_text(json.dumps(identity))
        (tmp_path / f"{name}.csv").write_text("ds,booked_wh\n2025-01-01T01:00:00Z,1\n")
    with pytest.raises(TableError, match=r"bob\.id\.json has the id of another file"):
        read_records(tmp_path, ("booked_wh",))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"day": 17316}', '{"day": 1, "with_partner": true}'])
def test_a_kept_forecast_that_is_damaged_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "vertical").mkdir()
    (tmp_path / "vertical" / "17316.json").write_text(content)
    with pytest.raises(DamagedFile, match=r"17316\.json is damaged"):
        kept_forecast(tmp_path, 17_316)


@pytest.mark.parametrize(
    ("has_learnt", "with_ridge", "mean", "alone"), [(True, True, 1, 2), (False, True, 3, 4), (False, False, 2, 2)]
)
def test_a_home_that_has_taken_no_step_keeps_the_regressions_forecast(
    has_learnt: bool, with_ridge: bool, mean: int, alone: int, tmp_path: Path
) -> None:
    """What split learning adds before its first step is arbitrary."""
    parts = SimpleNamespace(folder=tmp_path)
    side = SimpleNamespace(asked=SimpleNamespace(day=np.array([7])), has_learnt=has_learnt)
    forecasts = {"split": np.full((1, 48), 1.0), "split_alone": np.full((1, 48), 2.0)}
    if with_ridge:
        forecasts |= {"ridge": np.full((1, 24), 3.0), "ridge_alone": np.full((1, 24), 4.0)}
    _keep(parts, side, forecasts)  # type: ignore[arg-type]
    found = kept_forecast(tmp_path, 7)
    assert found is not None and found["with_partner"] == (mean != alone)
    assert found["typical_wh"] == found["mean_wh"] == [mean] * 24 and found["mean_alone_wh"] == [alone] * 24
