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


def test_who_is_no_member_is_told_why(folder: Path) -> None:
    """In summer the last hour of a day that begins at 23:00 UTC is in the file of the next local day."""
    path = folder / "late"
    path.mkdir()
    names, last = [f"roof-{k}" for k in range(4)], CLOCK.start_of(CLOCK.day_on(FIRST.date()) + DAYS)
    for name in names:
        table = quarters_of(name, int(name[-1]), CLOCK, CLOCK.day_on(FIRST.date()), DAYS)
        if name == "roof-3":
            table = table[table["ds"] < last - pd.Timedelta(hours=1)].reset_index(drop=True)
        write_table(hourly(table), path / f"{name}.csv")
        write_table(table, path / f"{name}-q.csv", QUARTER)
    files, fine = ", ".join(f"{name}.csv" for name in names), ", ".join(f"{name}-q.csv" for name in names)
    settings = SETTINGS.replace("homes.csv", files)
    (path / "community.yaml").write_text(settings.format(minutes=15, quarters=f", quarters: [{fine}]"))
    done = CliRunner().invoke(app, ["settle", WEEK, "-c", str(path / "community.yaml")])
    said = " ".join(done.output.split())
    assert done.exit_code == 0, said
    assert "A member on 6 of 7 days, and a share takes 7: roof-3, day " in said
    assert "(2026-03-08): 4 of its 96 quarters of an hour of import were not measured" in said


def test_another_interval_is_no_setting(folder: Path) -> None:
    code, said = settle(folder, minutes=30)
    assert code != 0 and "settlement.interval_minutes is 30" in said, said
