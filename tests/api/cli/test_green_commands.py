"""`wattproof green-hours`: what it shows is what it registers, before the day and once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from api.cli.main import app
from api.config.community_yaml import load
from api.operator.community import Community
from api.operator.green_shares import hours_of_day
from rewards.green import weights_of
from tests.support.commands import CliRunner

DAY = 20_500


def settings(folder: Path, source: str, weights: list[int]) -> Path:
    """A community whose green hours are in a file, on a chain that begins an hour before the day."""
    hours = pd.date_range(pd.Timestamp(DAY * 86_400, unit="s", tz="UTC"), periods=24, freq="h")
    rows = [f"{hour:%Y-%m-%dT%H:00Z},{weight}" for hour, weight in zip(hours, weights, strict=True)]
    (folder / "green.csv").write_text("\n".join(["ds,weight", *rows]), encoding="utf-8")
    path = folder / "community.yaml"
    path.write_text(
        yaml.safe_dump({
            "community": {"name": "Elm Street"}, "data": {"source": "none", "day_start_utc": 0},
            "rewards": {"clock": "standing", "green_hours": source}, "api": {"state_dir": "state"},
        })
    )  # fmt: skip
    return path


def run(path: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["green-hours", str(DAY), "-c", str(path), *options])
    return done.exit_code, " ".join(f"{done.output} {done.exception or ''}".split())


def test_what_is_shown_is_registered_once(tmp_path: Path) -> None:
    path = settings(tmp_path, "green.csv", [0] * 8 + [4] * 8 + [1] * 8)
    code, said = run(path)
    assert code == 0 and "2026-02-16 08:00 UTC 255" in said and "16:00 UTC 63" in said
    assert f"Day {DAY}: a load that is the same in every hour is 42 % green" in said
    assert run(path, "--register")[0] == 0
    settings(tmp_path, "green.csv", [4] * 24)
    code, said = run(path, "--register")
    assert code == 0 and "is 42 % green" in said, "the first ones count"
    community = Community(load(path))
    chain = community.open_chain()
    try:
        assert weights_of(community.open_contracts(chain), DAY) == hours_of_day(community, DAY)
    finally:
        chain.close()


def test_too_few_green_hours_and_no_source_are_said(tmp_path: Path) -> None:
    code, said = run(settings(tmp_path, "green.csv", [9] * 5 + [0] * 19))
    assert code != 0 and "fewer than 6 hours" in said
    code, said = run(settings(tmp_path, "none", [9] * 24))
    assert code != 0 and "rewards.green_hours names no source" in said
