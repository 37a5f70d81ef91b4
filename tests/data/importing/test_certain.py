"""What is not certain is asked for, figures that no home has are refused: no wrong table comes in silently."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from data.errors import DataError, ImportRefused
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions
from data.importing.summary import summary
from data.importing.times import zone_named

START = datetime(2026, 3, 2)
Row = Callable[[int], str]


def take(tmp_path: Path, header: str, row: Row, count: int = 48, minutes: int = 60, **options: object) -> Imported:
    path = tmp_path / "export.csv"
    rows = [f"{START + timedelta(minutes=minutes * i):%Y-%m-%d %H:%M},{row(i)}" for i in range(count)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return import_file(path, ImportOptions("home", **({"timezone": "Europe/Rome"} | options)))  # type: ignore[arg-type]


def load(i: int) -> float:
    """kWh of an hour, up and down."""
    return 0.2 + 0.05 * (i * 7 % 11)


def register(i: int) -> float:
    return 8000 + sum(load(h) for h in range(i))


IMPLAUSIBLE: dict[str, tuple[str, Row, dict[str, object], str]] = {
    "a register taken for energy": ("t,kwh", lambda i: f"{register(i):.3f}", {}, "cumulative register.*--cumulative"),
    "Wh that are named kWh": ("t,kwh", lambda i: f"{70 * load(i):.0f}", {}, "kWh a day: is it Wh"),
    "kWh that are named Wh": ("t,wh", lambda i: f"{load(i):.3f}", {}, "is it kWh that is named Wh"),
    "a register of kWh named Wh": ("t,wh", lambda i: f"{register(i):.3f}", {"cumulative": True}, "is it kWh that"),
    "one value of another world": ("t,kwh", lambda i: "24000" if i == 9 else f"{load(i)}", {}, "24 MWh"),
    "a net of both directions": ("t,kwh", lambda i: f"{load(i) - 0.3:.3f}", {}, "the energy is negative: a net"),
    "exports written negative": ("t,kwh,export_kwh", lambda i: f"{load(i)},-0.1", {}, "export is negative"),
    "a meter that was exchanged": (
        "t,kwh", lambda i: f"{register(i) - 7000 * (i > 30):.3f}", {"cumulative": True}, "goes down"
    ),
    "energy taken for a register": ("t,kwh", lambda i: f"{load(i)}", {"cumulative": True}, "these are not register"),
    "a register that stood still": (
        "t,kwh", lambda i: f"{register(20 if 20 < i < 40 else i):.3f}", {"cumulative": True}, "still for 19 hours"
    ),
    "a power as a register": ("t,Power kW", lambda i: f"{i}", {"cumulative": True}, "leave --cumulative out"),
}  # fmt: skip


@pytest.mark.parametrize("kind", IMPLAUSIBLE)
def test_figures_that_no_home_has(tmp_path: Path, kind: str) -> None:
    header, row, options, words = IMPLAUSIBLE[kind]
    with pytest.raises(ImportRefused, match=words):
        take(tmp_path, header, row, **options)


def test_unusual_figures_come_in_if_a_person_says_so(tmp_path: Path) -> None:
    got = take(tmp_path, "t,wh", lambda i: f"{load(i):.3f}", accept_unusual=True)
    assert got.readings["y"].sum() < 48


ASKED: dict[str, tuple[str, Row, str]] = {
    "several energies": ("t,Kitchen kWh,Garage kWh", lambda i: f"{load(i)},0.1", r"several.*Kitchen kWh, Garage"),
    "no energy that is known": ("t,foo,bar", lambda i: f"{load(i)},1", "not certain.*its columns are t, foo, bar"),
    "a unit that nobody can guess": ("t,Usage", lambda i: "0.001", "'Usage' names no unit"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ASKED)
def test_what_is_not_certain_is_asked_for(tmp_path: Path, kind: str) -> None:
    header, row, words = ASKED[kind]
    with pytest.raises(ImportRefused, match=words):
        take(tmp_path, header, row)


def test_columns_and_rows_that_are_named_are_taken(tmp_path: Path) -> None:
    columns = {"timestamp": ("t",), "kwh": ("Kitchen kWh", "#3")}
    got = take(tmp_path, "t,Kitchen kWh,Garage kWh", lambda i: f"{load(i)},0.1", columns=columns)
    assert got.readings["y"].iloc[0] == 300
    with pytest.raises(ImportRefused, match=r"no column 'Attic'.*its columns are t, Kitchen kWh"):
        take(tmp_path, "t,Kitchen kWh", lambda i: f"{load(i)}", columns={"timestamp": ("t",), "kwh": ("Attic",)})
    with pytest.raises(ImportRefused, match="no rows that match --where"):
        take(tmp_path, "t,kwh,id", lambda i: f"{load(i)},A", where={"id": "B"})


def test_a_preset_is_refused_for_another_exporters_file(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="no file of Datadis, which has consumo_kwh, fecha, hora"):
        take(tmp_path, "t,kwh", lambda i: f"{load(i)}", preset="datadis")
    with pytest.raises(DataError, match="there is no preset 'enel'"):
        take(tmp_path, "t,kwh", lambda i: f"{load(i)}", preset="enel")


def of_dates(tmp_path: Path, days: list[str], **options: object) -> Imported:
    path = tmp_path / "export.csv"
    rows = [f"{date} {h:02d}:00,{load(h)}" for date in days for h in range(24)]
    path.write_text("\n".join(["t,kwh", *rows]) + "\n")
    return import_file(path, ImportOptions("home", "Europe/Rome", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (["12/01/2026", "13/01/2026"], "2026-01-11T23"),
        (["01/12/2026", "01/13/2026"], "2026-01-11T23"),
        (["01/05/2026", "01/06/2026"], "2026-01-04T23"),
        (["05/01/2026", "06/01/2026"], "2026-01-04T23"),
        (["05.01.2026"], "2026-01-04T23"),
    ],
)
def test_the_order_of_day_and_month_shows_in_days_that_follow(tmp_path: Path, dates: list[str], first: str) -> None:
    assert of_dates(tmp_path, dates).readings["ds"].iloc[0].isoformat().startswith(first)


def test_the_order_of_day_and_month_is_asked_for_where_it_does_not_show(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"05/01/2026 can be a day and a month.*60 minutes apart.*--dates dmy"):
        of_dates(tmp_path, ["05/01/2026"])
    assert of_dates(tmp_path, ["05/01/2026"], dates="mdy").readings["ds"].iloc[0].day == 30  # of April, in UTC


def test_one_hour_in_four_is_no_filling(tmp_path: Path) -> None:
    """After a day of every hour, a day of every fourth: nothing is made of its gaps."""
    path = tmp_path / "export.csv"
    kept = [i for i in range(72) if i < 48 or i % 4 == 0]
    rows = [f"{START + timedelta(hours=i):%Y-%m-%d %H:%M},{load(i)}" for i in kept]
    path.write_text("\n".join(["t,kwh", *rows]) + "\n")
    got = import_file(path, ImportOptions("home", "UTC"))
    assert got.filled_hours == 0 and len(got.readings) == len(kept)


def test_intervals_that_change_here_and_there(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    kept = [i for i in range(96) if i % 7 != 3]
    rows = [f"{START + timedelta(minutes=30 * i):%Y-%m-%d %H:%M},{load(i)}" for i in kept]
    path.write_text("\n".join(["t,kwh", *rows]) + "\n")
    with pytest.raises(ImportRefused, match="the interval changes: readings are 60 minutes apart here, elsewhere 30"):
        import_file(path, ImportOptions("home", "UTC"))


def test_the_closing_line_shows_a_wrong_zone_and_a_wrong_unit(tmp_path: Path) -> None:
    got = take(tmp_path, "t,kwh", lambda i: "1.2" if i % 24 == 19 else "0.2", timezone="America/New_York")
    words = summary(got, zone_named(tmp_path, "Europe/Rome"))
    assert words.startswith(
        "48 hours from Mon 2026-03-02 06:00 to Wed 2026-03-04 06:00 (Europe/Rome), 5.80 kWh a day"
    )
    assert "peak 01:00 to 02:00, 0 filled, 0 cut out" in words


def test_times_that_may_be_ends_are_pointed_out(tmp_path: Path) -> None:
    got = take(tmp_path, "t,kwh", lambda i: f"{load(i)}", count=96, minutes=15)
    assert got.warnings == ()
    path = tmp_path / "ends.csv"
    rows = [f"{START + timedelta(hours=i + 1):%Y-%m-%d %H:%M},{load(i)}" for i in range(24)]
    path.write_text("\n".join(["t,kwh", *rows]) + "\n")
    (warning,) = import_file(path, ImportOptions("home", "UTC")).warnings
    assert "--end-stamps" in warning
    assert import_file(path, ImportOptions("home", "UTC", stamp="end")).warnings == ()
