"""`wattproof settle` by the quarter of an hour: from tables of quarters to a file that an auditor accepts."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.protocol import settlement_file
from data.day import DayClock
from data.quarters import hourly
from data.table import QUARTER, write_table
from tests.api.quarter_homes import quarters_of

pytestmark = pytest.mark.slow

CLOCK, FIRST, DAYS = DayClock(23), pd.Timestamp("2026-03-02"), 7
WEEK = "2026-03-02..2026-03-08"
SETTINGS = """
community: {{name: Three Roofs}}
data: {{source: files, files: [homes.csv], day_start_utc: 23{quarters}}}
api: {{state_dir: state}}
settlement: {{fewest_days: 7, interval_minutes: {minutes}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quarters")
    first = CLOCK.day_on(FIRST.date())
    tables = [quarters_of(f"roof-{k}", k, CLOCK, first, DAYS) for k in range(3)]
    table = pd.concat(tables, ignore_index=True)
    write_table(hourly(table), path / "homes.csv")
    write_table(table, path / "quarters.csv", QUARTER)
    write_table(pd.concat(tables[:2], ignore_index=True), path / "two.csv", QUARTER)
    return path


def settle(folder: Path, minutes: int = 15, quarters: str = ", quarters: [quarters.csv]") -> tuple[int, str]:
    (folder / "community.yaml").write_text(SETTINGS.format(minutes=minutes, quarters=quarters), encoding="utf-8")
    done = CliRunner().invoke(app, ["settle", WEEK, "-c", str(folder / "community.yaml")])
    return done.exit_code, f"{done.output} {done.exception}"


def test_a_week_is_settled_audited_and_not_settled_again_by_the_hour(folder: Path) -> None:
    for quarters, why in (("", "data.quarters names no table"), (", quarters: [two.csv]", "'roof-2'")):
        code, said = settle(folder, quarters=quarters)
        assert code != 0 and why in said, said
    assert not (folder / "state" / "settlements").exists()

    code, said = settle(folder)
    assert code == 0 and "by the quarter of an hour" in said, said
    out = folder / "state" / "settlements" / WEEK
    first = (out / "settlement.json").read_bytes()
    audited = CliRunner().invoke(app, ["audit-settlement", str(out / "settlement.json")])
    assert audited.exit_code == 0, audited.output
    assert len((out / "hours.csv").read_text().splitlines()) == 1 + 96 * DAYS

    code, said = settle(folder)
    assert code == 0 and settlement_file.read((out / "settlement.json").read_bytes())[0].root in (
        settlement_file.read(first)[0].root,
    )
    code, said = settle(folder, minutes=60)
    assert code != 0 and "settled by intervals of 15 minutes, and stays as it is" in said, said
    assert (out / "settlement.json").read_bytes() == first
    assert not (folder / "state" / "homes" / "roof-0" / "export.db").exists(), "nothing was signed by the hour"


def test_another_interval_is_no_setting(folder: Path) -> None:
    code, said = settle(folder, minutes=30)
    assert code != 0 and "settlement.interval_minutes is 30" in said, said
