"""Forms in which portals write one load: each is read right, or refused with what to do; none is misread."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pandas as pd
import pytest

from data.errors import ImportRefused
from data.importing.importer import import_file
from data.importing.options import ImportOptions

ROME = ZoneInfo("Europe/Rome")
Load = list[tuple[datetime, float]]
"""Starts of hours (UTC) and kWh."""


def load(start: datetime, hours: int) -> Load:
    drawn = np.random.default_rng(5).uniform(0, 0.3, hours)
    times = [start + timedelta(hours=k) for k in range(hours)]
    evening = [0.25 + 0.9 * np.exp(-(((local(t).hour - 19) / 3) ** 2)) for t in times]
    return [(t, round(float(e + d), 3)) for t, e, d in zip(times, evening, drawn, strict=True)]


def local(time: datetime) -> datetime:
    return time.astimezone(ROME)


def comma(number: float, decimals: int = 3) -> str:
    return f"{number:.{decimals}f}".replace(".", ",")


WINTER = load(datetime(2026, 1, 4, 23, tzinfo=UTC), 48)
SPRING = load(datetime(2026, 3, 27, 23, tzinfo=UTC), 71)
AUTUMN = load(datetime(2026, 10, 23, 22, tzinfo=UTC), 73)


def since_midnight(time: datetime) -> int:
    """Hours that have passed of the local day."""
    midnight = local(time).replace(hour=0, fold=0)
    return int((time - midnight.astimezone(UTC)).total_seconds()) // 3600


def lines(header: str, of: Load, row: Callable[[datetime, float], str]) -> bytes:
    return "\n".join([header, *(row(time, kwh) for time, kwh in of), ""]).encode()


def numbered(of: Load, first: int = 1) -> bytes:
    row: Callable[[datetime, float], str] = lambda t, v: f"{local(t):%d/%m/%Y};{since_midnight(t) + first};{comma(v)}"  # noqa: E731
    return lines("fecha;hora;kWh", of, row)


def by_day(of: Load, columns: int) -> bytes:
    """A row for each day, and a column for each of its intervals, also of those of the day of 25 hours."""
    a_day, an_hour = dict[str, dict[int, float]](), max(1, columns // 24)
    for time, kwh in of:
        a_day.setdefault(f"{local(time):%d/%m/%Y}", {})[since_midnight(time)] = kwh / an_hour
    rows = [
        ";".join([day, *(comma(v, 6) if (v := hours.get(k // an_hour)) is not None else "" for k in range(columns))])
        for day, hours in a_day.items()
    ]
    return "\n".join([";".join(["Data", *(f"H{k}" for k in range(1, columns + 1))]), *rows, ""]).encode()


def workbook(sheets: dict[str, Iterable[Sequence[object]]]) -> bytes:
    made, content = openpyxl.Workbook(), io.BytesIO()
    made.remove(made.worksheets[0])
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    made.save(content)
    return content.getvalue()


def bare(time: datetime) -> datetime:
    return local(time).replace(tzinfo=None)


def sheet_rows(of: Load, factor: float = 1) -> list[Sequence[object]]:
    return [("Start", "kWh"), *((bare(t), round(v * factor, 3)) for t, v in of)]


def objects(of: Load, factor: float = 1) -> list[dict[str, object]]:
    return [{"t": t.isoformat(), "kwh": round(v * factor, 3)} for t, v in of]


def until(time: datetime) -> datetime:
    return local(time + timedelta(hours=1))


def marked(time: datetime) -> str:
    """The clock time, in autumn with A and B for the hour that comes twice."""
    fold = [local(time + timedelta(hours=k)).hour == 2 for k in (-1, 1)]
    letter = "B" if local(time).hour == 2 and fold[0] else "A" if local(time).hour == 2 and fold[1] else ""
    return f"{local(time).hour}{letter}"


def in_marked_columns(of: Load, first: int) -> bytes:
    """A row for each day; columns `2A` and `2B` (`3A` and `3B` where hours are counted from 1)."""
    letters = [f"{hour + first}" if hour != 2 else f"{hour + first}A" for hour in range(24)]
    names = [*letters[:3], f"{2 + first}B", *letters[3:]]
    a_day = dict[str, dict[str, float]]()
    for time, kwh in of:
        hour = marked(time)
        number, letter = int(hour.rstrip("AB")), hour.lstrip("0123456789")
        name = f"{number + first}{letter or ('A' if number == 2 else '')}"
        a_day.setdefault(f"{local(time):%d/%m/%Y}", {})[name] = kwh
    rows = [";".join([day, *(comma(of[n]) if n in of else "" for n in names)]) for day, of in a_day.items()]
    return "\n".join([";".join(["Data", *(f"Hour {name}" for name in names)]), *rows, ""]).encode()


def quarters(of: Load) -> bytes:
    rows = [
        f"{local(t):%d.%m.%Y} {int(hour):02d}{letter}:{15 * k:02d};{comma(v / 4, 6)}"
        for t, v in of
        for hour, letter in [(marked(t).rstrip("AB"), marked(t).lstrip("0123456789"))]
        for k in range(4)
    ]
    return "\n".join(["Zeit;kWh", *rows, ""]).encode()


def counted(time: datetime) -> float:
    """A local time as spreadsheets count it."""
    return (bare(time) - datetime(1899, 12, 30)).total_seconds() / 86400


def with_sums(
    of: Load, row: Callable[[datetime, float], str], total: Callable[[str, float], str], *, above: bool = False
) -> str:
    """Rows with a sum above or below those of each day."""
    days = dict[str, list[tuple[datetime, float]]]()
    for time, kwh in of:
        days.setdefault(f"{local(time):%d/%m/%Y}", []).append((time, kwh))
    text = []
    for day, hours in days.items():
        mine = [row(time, kwh) for time, kwh in hours]
        told = [total(day, sum(kwh for _, kwh in hours))]
        text += [*told, *mine] if above else [*mine, *told]
    return "\n".join([*text, ""])


def clock_row(time: datetime, kwh: float) -> str:
    return f"{local(time):%d/%m/%Y;%H:%M};{comma(kwh)}"


def marked_row(time: datetime, kwh: float) -> str:
    return f"{local(time):%d.%m.%Y};{local(time):%H:%M}{marked(time).lstrip('0123456789')};{comma(kwh)}"


def stamp_row(time: datetime, kwh: float) -> str:
    return f"{local(time):%d/%m/%Y %H:%M};{comma(kwh)}"


SUMMARY = [("Month", "kWh"), (datetime(2026, 1, 1), 20.0), (datetime(2026, 2, 1), 3.0)]
READ: dict[str, tuple[bytes, Load]] = {
    "hours 1 to 23": (numbered(SPRING), SPRING),
    "hours 1 to 25": (numbered(AUTUMN), AUTUMN),
    "hours 0 to 24": (numbered(AUTUMN, first=0), AUTUMN),
    "clock hours, one left out": (
        lines("fecha;hora;kWh", SPRING, lambda t, v: f"{local(t):%d/%m/%Y};{local(t).hour + 1};{comma(v)}"), SPRING,
    ),
    "25 columns in spring": (by_day(SPRING, 25), SPRING),
    "25 columns in autumn": (by_day(AUTUMN, 25), AUTUMN),
    "25 columns in winter": (by_day(WINTER, 25), WINTER),
    "24 columns in spring, the last one empty": (by_day(SPRING, 24), SPRING),
    "100 columns": (by_day(AUTUMN, 100), AUTUMN),
    "a year of two digits first": (
        lines("d;kWh", WINTER, lambda t, v: f"{local(t):%y/%m/%d %H:%M};{comma(v)}"), WINTER,
    ),
    "a year of two digits last": (
        lines("d;kWh", WINTER, lambda t, v: f"{local(t):%d.%m.%y %H:%M};{comma(v)}"), WINTER,
    ),
    "clock times as ranges": (
        lines("Datum;Zeit;kWh", WINTER, lambda t, v: f"{local(t):%d.%m.%Y;%H:%M}-{until(t):%H:%M};{comma(v)}"),
        WINTER,
    ),
    "ranges in one cell": (
        lines("Zeitraum;kWh", WINTER, lambda t, v: f"{local(t):%d.%m.%Y %H:%M} bis {until(t):%H:%M};{comma(v)}"),
        WINTER,
    ),
    "clock times at an offset": (
        lines("Date,Time,kWh", WINTER, lambda t, v: f"{t - timedelta(hours=5):%Y-%m-%d,%H:%M}-05:00,{v}"), WINTER,
    ),
    "hours with an h, months in words": (
        lines("Jour;Heure;kWh", WINTER, lambda t, v: f"{local(t).day} janvier 2026;{local(t):%H}h00;{comma(v)}"),
        WINTER,
    ),
    "UTF-16 without a mark": (
        lines("t\tkWh", WINTER, lambda t, v: f"{t:%Y-%m-%dT%H:%MZ}\t{v}").decode().encode("utf-16-be"), WINTER,
    ),
    "times as spreadsheets count them": (
        lines("Date,kWh", SPRING, lambda t, v: f"{counted(t):.4f},{v}"), SPRING,
    ),
    "the same with a decimal comma, and whole days": (
        lines("Zeitpunkt;kWh", WINTER, lambda t, v: f"{comma(counted(t), 6)};{comma(v)}").replace(b",000000;", b";"),
        WINTER,
    ),
    "days as spreadsheets count them, and parts of a day": (
        lines("Datum;Uhrzeit;kWh", WINTER, lambda t, v: f"{int(counted(t))};{comma(counted(t) % 1, 5)};{comma(v)}"),
        WINTER,
    ),
    "days as spreadsheets count them, and hours": (
        lines("Fecha;Hora;kWh", WINTER, lambda t, v: f"{int(counted(t))};{local(t).hour + 1};{comma(v)}"), WINTER,
    ),
    "times without a format in a workbook": (
        workbook({"a": [("Start", "kWh"), *((counted(t), v) for t, v in WINTER)]}), WINTER,
    ),
    "hours 2A and 2B": (
        lines("Datum;Hour;kWh", AUTUMN, lambda t, v: f"{local(t):%d.%m.%Y};{marked(t)};{comma(v)}"), AUTUMN,
    ),
    "hours 2A and 2B, newest first": (
        lines("Datum;Hour;kWh", AUTUMN[::-1], lambda t, v: f"{local(t):%d.%m.%Y};{marked(t)};{comma(v)}"), AUTUMN,
    ),
    "02:00 B before 02:00 A": (
        lines("Datum;Zeit;kWh", sorted(AUTUMN, key=lambda row: "B" not in marked(row[0])), marked_row), AUTUMN,
    ),
    "quarters of 02A and 02B": (quarters(AUTUMN), AUTUMN),
    "columns 2A and 2B": (in_marked_columns(AUTUMN, 0), AUTUMN),
    "columns 3A and 3B": (in_marked_columns(AUTUMN, 1), AUTUMN),
    "columns 3A and 3B in spring": (in_marked_columns(SPRING, 1), SPRING),
    "a sum below each day": (
        f"Datum;Zeit;kWh\n{with_sums(WINTER, clock_row, lambda d, v: f'{d};Summe;{comma(v)}')}".encode(), WINTER,
    ),
    "a sum above each day, with its date alone": (
        f"Zeit;kWh\n{with_sums(WINTER, stamp_row, lambda d, v: f'{d};{comma(v, 1)}', above=True)}".encode(), WINTER,
    ),
    "a sum in words below each day, and one of all": (
        f"Zeit;kWh\n{with_sums(WINTER, stamp_row, lambda d, v: f'Total {d};{comma(v, 2)}')}"
        f"Total;{comma(sum(v for _, v in WINTER))}\n".encode(), WINTER,
    ),
    "exports put together, each with its names": (
        lines("d;kWh", WINTER[:20], stamp_row) + lines("d;kWh", WINTER[20:], stamp_row), WINTER,
    ),
    "a text that ends with control-Z": (lines("d;kWh", WINTER, stamp_row) + b"\x1a", WINTER),
    "and one whose last line has no end": (lines("d;kWh", WINTER, stamp_row).rstrip() + b"\x1a\r\n", WINTER),
    "sheets that share the hour at which they meet": (
        workbook({"Consumption Jan": sheet_rows(WINTER[:30]), "Consumption Feb": sheet_rows(WINTER[29:])}), WINTER,
    ),
    "a sheet for each month": (workbook({"a": sheet_rows(WINTER[:30]), "b": sheet_rows(WINTER[30:])}), WINTER),
    "a summary first": (workbook({"Sum": SUMMARY, "All": sheet_rows(WINTER)}), WINTER),
    "import and export on a sheet each": (
        workbook({"Export": sheet_rows(WINTER, 0.3), "Import": sheet_rows(WINTER)}), WINTER,
    ),
    "dates and times in a workbook": (
        workbook({"a": [("Datum", "Zeit", "kWh"), *((bare(t).date(), bare(t).time(), v) for t, v in WINTER)]}),
        WINTER,
    ),
    "lists of import and export": (
        json.dumps({"export": objects(WINTER, 0.3), "import": objects(WINTER)}).encode(), WINTER,
    ),
    "a list for each month": (json.dumps({"1": objects(WINTER[:20]), "2": objects(WINTER[20:])}).encode(), WINTER),
    "a list deep inside": (json.dumps({"a": {"b": [{"c": [{"d": {"e": objects(WINTER)}}]}]}}).encode(), WINTER),
    "an object on each line": ("\n".join(json.dumps(one) for one in objects(WINTER)).encode(), WINTER),
    "columns and rows": (
        json.dumps({"columns": ["time", "kwh"], "values": [[t.isoformat(), v] for t, v in WINTER]}).encode(), WINTER,
    ),
    "an object of columns": (
        json.dumps({"time": [int(t.timestamp()) for t, _ in WINTER], "kwh": [v for _, v in WINTER]}).encode(), WINTER,
    ),
}  # fmt: skip


def imported(folder: Path, content: bytes, **options: object) -> pd.DataFrame:
    path = folder / "export"
    path.write_bytes(content)
    return import_file(path, ImportOptions("elm-3", timezone="Europe/Rome", **options)).readings  # type: ignore[arg-type]


@pytest.mark.parametrize("form", READ)
def test_the_load_is_read_as_it_is(form: str, tmp_path: Path) -> None:
    content, truth = READ[form]
    table = imported(tmp_path, content)
    assert [moment.to_pydatetime() for moment in table["ds"]] == [time for time, _ in truth]
    assert np.abs(table["y"].to_numpy() - 1000 * np.array([kwh for _, kwh in truth])).max() <= 1
    assert not table["filled"].any()


def test_export_on_a_sheet_or_list_of_its_own_is_export(tmp_path: Path) -> None:
    for form in ("import and export on a sheet each", "lists of import and export"):
        table = imported(tmp_path, READ[form][0])
        assert table["export"].sum() == pytest.approx(0.3 * table["y"].sum(), rel=0.01)


def counted_today(of: Load) -> bytes:
    total: dict[str, float] = {}

    def row(time: datetime, kwh: float) -> str:
        day = f"{local(time):%Y-%m-%d}"
        total[day] = total.get(day, 0) + kwh
        return f"{until(time).astimezone(UTC):%Y-%m-%dT%H:%MZ},{total[day]:.3f}"

    return lines("time,energy today (kWh)", of, row)


REFUSED = {
    "a count of the day": (counted_today(WINTER), "begin anew each day.*of each hour, or the register"),
    "a 25th hour in winter": (
        numbered(WINTER).replace(b";24;", b";25;"), "the day has no 25th hour in this time zone",
    ),
    "25 columns that are all full": (
        by_day(WINTER, 25).replace(b";\n", b";0,500\n"), "no 25th hour in this time zone: its last column",
    ),
    "homes in lists of their own": (
        json.dumps([{"id": 1, "data": objects(WINTER)}, {"id": 2, "data": objects(WINTER, 2)}]).encode(),
        "appears twice, with different values: choose rows with --where",
    ),
    "times as spreadsheets count them, with too few decimals": (
        lines("Date,kWh", WINTER, lambda t, v: f"{counted(t):.2f},{v}"),
        "as spreadsheets count them: format that column as date and time",
    ),
    "a register that could be days": (
        lines("Zeit,Verbrauch (kWh)", WINTER, lambda t, v: f"{t + timedelta(days=20):%Y-%d-%m},{counted(t):.4f}"),
        "no time that is known",
    ),
    "an hour marked A in winter": (
        lines("Datum;Zeit;kWh", WINTER, marked_row).replace(b"02:00;", b"02:00A;"),
        "line 4: the hour is marked A or B, but did not occur twice in this time zone",
    ),
    "a sum that is none": (
        f"Datum;Zeit;kWh\n{with_sums(WINTER, clock_row, lambda d, v: f'{d};Summe;{comma(v * 1.02)}')}".encode(),
        "line 26: '05/01/2026' is not a time",
    ),
    "a time that is none, where nothing was used": (
        lines("Zeit;kWh", [(t, 0.0) for t, _ in WINTER], stamp_row).replace(b"05/01/2026 05:00", b"05/01/2026 o5:00"),
        "line 7: '05/01/2026 o5:00' is not a time",
    ),
    "year, day, month": (
        lines("Date,kWh", WINTER, lambda t, v: f"{t + timedelta(days=20):%Y-%d-%m %H:%M},{v}"),
        "is no time that is known: write 2026-01-31 14:15",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_what_cannot_be_known_is_refused_with_what_to_do(form: str, tmp_path: Path) -> None:
    content, says = REFUSED[form]
    with pytest.raises(ImportRefused, match=says):
        imported(tmp_path, content)


def test_a_sheet_that_was_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "export.xlsx"
    path.write_bytes(
        workbook({"Cost": [("Start", "kWh", "EUR"), (bare(WINTER[0][0]), 1.0, 2.0)], "A": sheet_rows(WINTER)})
    )
    (told,) = import_file(path, ImportOptions("elm-3", timezone="Europe/Rome")).warnings
    assert "not read" in told and "'Cost' (1 rows)" in told


def test_rows_of_one_list_can_be_chosen(tmp_path: Path) -> None:
    table = imported(tmp_path, REFUSED["homes in lists of their own"][0], where={"list": "0.data"})
    assert table["y"].sum() == pytest.approx(1000 * sum(kwh for _, kwh in WINTER), abs=48)
