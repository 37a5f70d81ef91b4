"""`wattproof source`, and the agent's polling: a meter is tried before it is polled, and polled beside other work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from api.cli.main import app
from api.config.community_yaml import ConfigError, load
from api.gateway.live_meter import polled
from data.errors import SourceError
from data.table import read_table
from tests.data.sources.telegrams import dongle, sml_frame
from tests.support.commands import CliRunner
from tests.support.waiting import until


def settings(folder: Path, live: str, files: str = "[elm-3.csv]") -> Path:
    path = folder / "community.yaml"
    path.write_text(f"community: {{name: Elm Street}}\ndata: {{source: files, files: {files}, live: {live}}}\n")
    return path


def test_a_meter_shows_what_it_gives_now(tmp_path: Path) -> None:
    with dongle(sml_frame(12_345_678, 45_678)) as address:
        named = CliRunner().invoke(app, ["source", "test", "sml", "--address", address])
        path = settings(tmp_path, f'{{source: sml, address: "{address}"}}')
        set_up = CliRunner().invoke(app, ["source", "test", "-c", str(path)])
    for shown in (named, set_up):
        words = " ".join(shown.output.split())
        assert shown.exit_code == 0 and "registers at 1234.568 kWh imported, exported 4.568 kWh" in words
    assert not (tmp_path / "elm-3.csv").exists()
    listed = " ".join(CliRunner().invoke(app, ["source", "list"]).output.split())
    assert "p1: P1 port of a smart meter" in listed and "home-assistant:" in listed


def test_without_a_meter_it_says_what_to_set(tmp_path: Path) -> None:
    path = tmp_path / "community.yaml"
    path.write_text("community: {name: Elm Street}\ndata: {source: none}\n")
    refused = CliRunner().invoke(app, ["source", "test", "-c", str(path)]).exception
    assert isinstance(refused, SourceError) and "has no data.live" in str(refused)
    with pytest.raises(ConfigError, match="live: needs source: files and one path"):
        load(settings(tmp_path, "{source: p1, path: /dev/ttyUSB0}", files="[a.csv, b.csv]"))
    with pytest.raises(ConfigError, match="poll_s"):
        load(settings(tmp_path, "{source: p1, path: /dev/ttyUSB0, poll_s: 1}"))


@pytest.mark.process
def test_an_agent_polls_its_meter_beside_its_other_work(tmp_path: Path) -> None:
    """Its paths begin at the settings' folder; what a person puts there later comes in, too."""
    exports = tmp_path / "exports"
    exports.mkdir()
    config = load(settings(tmp_path, "{source: folder, path: exports, poll_s: 5, options: {timezone: UTC}}"))
    rows = "".join(f"2026-01-05 {h:02d}:00,0.2{h % 2}0\n" for h in range(24))
    (exports / "monday.csv").write_text(f"timestamp,kwh\n{rows}")
    table = tmp_path / "elm-3.csv"
    with polled(config.data, config.api.homes_dir, "elm-3", threading.Event()):
        until(table.exists, "no table")
    assert read_table(table)["y"].tolist() == [200, 210] * 12
    assert set(read_table(table)["unique_id"]) == {"elm-3"}
