"""`wattproof data import`: a household's own file is never harmed, and its table never loses an hour."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import Result

from api.cli.main import app
from data.errors import DataError, ImportRefused
from data.quarters import load_quarters, read_quarters
from data.table import read_table
from tests.support.commands import CliRunner

ROWS = [f"2026-01-{day:02d}T{hour:02d}:00Z,0.{hour:02d}1" for day in range(1, 11) for hour in range(24)]


def bring(file: Path, out: Path, *options: str, home: str = "elm-3") -> Result:
    return CliRunner().invoke(app, ["data", "import", str(file), "--home", home, "--out", str(out), *options])


def written(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["timestamp,kwh", *rows]) + "\n")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "elm-3.csv"


def test_a_second_export_is_added_and_the_closing_lines_say_what_became_of_it(tmp_path: Path, out: Path) -> None:
    first, second = written(tmp_path / "may.csv", ROWS[:200]), written(tmp_path / "june.csv", ROWS[190:])
    assert bring(first, out).exit_code == 0
    said = " ".join(bring(second, out).output.split())
    assert said.startswith("elm-3: 50 hours from Thu 2026-01-08 22:00 to Sun 2026-01-11 00:00 (UTC), 2.89 kWh a day")
    assert "peak 23:00 to 00:00, 0 filled, 0 cut out 40 added to" in said
    assert said.endswith("0 measured that were filled, 0 replaced: 240 hours in all")
    assert len(read_table(out)) == 240
    content = out.read_bytes()
    assert bring(first, out).exit_code == 0 and out.read_bytes() == content


def test_columns_are_named_and_warnings_said(tmp_path: Path, out: Path) -> None:
    file = tmp_path / "odd.csv"
    rows = [f"{row.split(',')[0].replace('Z', '')};A;{row.split(',')[1]};0" for row in ROWS]
    file.write_text("\n".join(["moment;who;a, b;back", *rows, *[row.replace(";A;", ";B;") for row in rows]]))
    told = ("--map", "timestamp=moment,kwh=a, b", "--map", "export_wh=back", "--where", "who=A", "--timezone", "UTC")
    assert bring(file, out, *told).exit_code == 0
    assert len(read_table(out)) == 240 and read_table(out)["export"].eq(0).all()
    empty = written(tmp_path / "zero.csv", [row.rpartition(",")[0] + ",0" for row in ROWS])
    assert "warning: all hours are zero" in " ".join(bring(empty, tmp_path / "zero-table.csv").output.split())
    for option, wrong in (("--map", "kwh"), ("--map", "colour=a"), ("--where", "who"), ("--dates", "dym")):
        refused = bring(file, tmp_path / "none.csv", option, wrong)
        assert isinstance(refused.exception, DataError) and option in str(refused.exception)
    assert "enedis: Enedis" in CliRunner().invoke(app, ["data", "presets"]).output


def test_corrections_need_to_be_meant(tmp_path: Path, out: Path) -> None:
    bring(written(tmp_path / "may.csv", ROWS), out)
    corrected = written(tmp_path / "corrected.csv", [row.replace("T07:00Z,0.071", "T07:00Z,0.5") for row in ROWS])
    content = out.read_bytes()
    refused = bring(corrected, out)
    assert isinstance(refused.exception, DataError) and out.read_bytes() == content
    assert "10 hours of elm-3" in str(refused.exception) and "--replace" in str(refused.exception)
    assert "10 replaced: 240 hours in all" in " ".join(bring(corrected, out, "--replace").output.split())
    assert sorted(read_table(out)["y"])[-10:] == [500] * 10


@pytest.mark.parametrize("same", ["path", "relative path", "link", "hard link"])
def test_the_households_own_file_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: str
) -> None:
    file = written(tmp_path / "export.csv", ROWS)
    content, out = file.read_bytes(), tmp_path / "out.csv"
    if same == "link":
        out.symlink_to(file)
    elif same == "hard link":
        os.link(file, out)
    else:
        monkeypatch.chdir(tmp_path)
        out = file if same == "path" else Path("export.csv")
    for options in ([], ["--replace"]):
        refused = bring(file, out, *options)
        assert isinstance(refused.exception, ImportRefused) and "is also --out" in str(refused.exception)
    assert file.read_bytes() == content


def test_a_file_that_is_not_there_is_named(tmp_path: Path, out: Path) -> None:
    out.write_text("kept")
    assert "no such file" in str(bring(tmp_path / "gone.csv", out).exception)
    assert out.read_text() == "kept"


@pytest.mark.parametrize("home", ["NA", "null", "nan"])
def test_any_name_that_is_taken_can_be_read_again(tmp_path: Path, out: Path, home: str) -> None:
    file = written(tmp_path / "export.csv", ROWS)
    for _ in range(2):
        assert bring(file, out, home=home).exit_code == 0
    assert set(read_table(out)["unique_id"]) == {home}


@pytest.mark.parametrize("home", ["", "..", "../elm-3", "elm/3", "/etc", "elm 3"])
def test_other_names_are_refused_before_anything_is_written(tmp_path: Path, out: Path, home: str) -> None:
    refused = bring(written(tmp_path / "export.csv", ROWS), out, home=home)
    assert refused.exit_code == 2 and "a home's name has" in " ".join(refused.output.split())
    assert not out.exists()


FINE = [
    f"2026-01-{day:02d}T{hour:02d}:{minute:02d}Z,0.{7 * hour % 24:02d}{minute // 15}1"
    for day in range(1, 4)
    for hour in range(24)
    for minute in (0, 15, 30, 45)
]


def test_quarters_go_into_a_table_of_their_own_which_agrees_with_that_of_hours(tmp_path: Path, out: Path) -> None:
    quarters = tmp_path / "elm-3-quarters.csv"
    said = " ".join(bring(written(tmp_path / "may.csv", FINE[:192]), out, "--quarters", str(quarters)).output.split())
    assert "0 cut out, quarters of 48 of these hours 48 added" in said
    assert said.endswith(f"192 added to {quarters}, 0 replaced: 192 quarters of an hour in all")
    assert bring(written(tmp_path / "june.csv", FINE[180:]), out, "--quarters", str(quarters)).exit_code == 0
    assert len(load_quarters([quarters], read_table(out))) == len(FINE)
    content = quarters.read_bytes()
    assert bring(written(tmp_path / "both.csv", FINE), out, "--quarters", str(quarters)).exit_code == 0
    assert quarters.read_bytes() == content and quarters.stat().st_mode & 0o077 == 0


def test_a_file_of_hours_gives_hours_and_says_that_it_has_no_more(tmp_path: Path, out: Path) -> None:
    quarters = tmp_path / "elm-3-quarters.csv"
    done = bring(written(tmp_path / "may.csv", ROWS), out, "--quarters", str(quarters))
    assert done.exit_code == 0 and len(read_table(out)) == 240 and not quarters.exists()
    assert "warning: hours only, no quarters of an hour: readings are 60 minutes apart" in " ".join(
        done.output.split()
    )


def test_where_one_table_refuses_neither_is_changed(tmp_path: Path, out: Path) -> None:
    """The hour is the same, its quarters are not: energy that was moved within an hour is another reading."""
    quarters = tmp_path / "elm-3-quarters.csv"
    both = "--quarters", str(quarters)
    bring(written(tmp_path / "may.csv", FINE[:96]), out, *both)
    contents = out.read_bytes(), quarters.read_bytes()
    moved = [
        row.replace("T07:00Z,0.0101", "T07:00Z,0.0111").replace("T07:15Z,0.0111", "T07:15Z,0.0101") for row in FINE
    ]
    refused = bring(written(tmp_path / "moved.csv", moved), out, *both)
    assert "2 quarters of an hour of elm-3" in str(refused.exception) and "--replace" in str(refused.exception)
    assert (out.read_bytes(), quarters.read_bytes()) == contents
    assert bring(written(tmp_path / "moved.csv", moved), out, *both, "--replace").exit_code == 0
    assert len(load_quarters([quarters], read_table(out))) == len(FINE)
    other = bring(written(tmp_path / "moved.csv", FINE), out, "--quarters", str(out))
    assert "two tables" in str(other.exception)
    taken = bring(written(tmp_path / "moved.csv", FINE), tmp_path / "new.csv", "--quarters", str(out))
    assert "--quarters" in str(taken.exception) and not (tmp_path / "new.csv").exists()


def test_an_hour_that_is_corrected_without_its_quarters_is_named_when_they_are_used(
    tmp_path: Path, out: Path
) -> None:
    quarters = tmp_path / "elm-3-quarters.csv"
    bring(written(tmp_path / "may.csv", FINE), out, "--quarters", str(quarters))
    corrected = written(
        tmp_path / "corrected.csv", [row.replace("02T07:00Z,0.0101", "02T07:00Z,0.5") for row in FINE]
    )
    assert bring(corrected, out, "--replace").exit_code == 0
    with pytest.raises(DataError, match=r"1 hour of elm-3 \(2026-01-02T07:00.*--quarters and --replace"):
        load_quarters([quarters], read_table(out))
    bring(corrected, out, "--replace", "--quarters", str(quarters))
    assert len(load_quarters([quarters], read_table(out))) == len(read_quarters(quarters)) == len(FINE)
