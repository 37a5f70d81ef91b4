"""Tables as exporters of many countries write them: names of columns, numbered intervals, units beside readings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from data.errors import ImportRefused
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions

ROME = ZoneInfo("Europe/Rome")
QUARTER = timedelta(minutes=15)
NO_BREAK = "\u00a0"
Load = list[tuple[datetime, int]]
"""Starts of quarters of an hour (UTC) and Wh."""
Row = Callable[[datetime, int], str]


def load(start: datetime, hours: int) -> Load:
    drawn = np.random.default_rng(7).integers(20, 400, 4 * hours)
    return [(start + k * QUARTER, int(wh)) for k, wh in enumerate(drawn)]


WINTER = load(datetime(2026, 1, 4, 23, tzinfo=UTC), 72)
SPRING = load(datetime(2026, 3, 27, 23, tzinfo=UTC), 71)
AUTUMN = load(datetime(2026, 10, 23, 22, tzinfo=UTC), 73)
HOURS: dict[str, Load] = {
    name: [(quarters[k][0], sum(wh for _, wh in quarters[k : k + 4])) for k in range(0, len(quarters), 4)]
    for name, quarters in {"winter": WINTER, "spring": SPRING, "autumn": AUTUMN}.items()
}


def local(time: datetime, form: str = "%d.%m.%Y %H:%M") -> str:
    return f"{time.astimezone(ROME):{form}}"


def number(time: datetime, step: timedelta) -> int:
    """Of an interval: how many of its day have begun."""
    midnight = time.astimezone(ROME).replace(hour=0, minute=0, fold=0)
    return (time - midnight.astimezone(UTC)) // step + 1


def comma(wh: float) -> str:
    return f"{wh / 1000:.3f}".replace(".", ",")


def table(header: str, of: Load, row: Row) -> str:
    return "\n".join([header, *(row(time, wh) for time, wh in of), ""])


def kwh_row(time: datetime, wh: int) -> str:
    return f"{local(time)};{comma(wh)}"


def registers(of: Load, columns: Callable[[int, int], str]) -> Row:
    """A row of registers: `columns` of what was taken before each time, in all and by night."""
    before, total, night = {}, 0, 0
    for time, wh in of:
        before[time] = columns(total, night)
        total += wh
        night += wh if time.hour < 6 else 0
    return lambda time, _: f"{local(time)};{before[time]}"


def tariffs(time: datetime, wh: int) -> str:
    night, day = (comma(wh), "0,000") if time.hour < 6 else ("0,000", comma(wh))
    return f"{local(time)};{day};{night}"


def lists(*kinds: str) -> str:
    values = [{"date": local(time, "%Y-%m-%d %H:%M:%S"), "value": wh} for time, wh in WINTER]
    return json.dumps({"details": {"unit": "Wh", "meters": [{"type": kind, "values": values} for kind in kinds]}})


def labelled(of: Load, shares: dict[str, float]) -> str:
    rows = [f"{local(time)};{label};{share * wh}" for time, wh in of for label, share in shares.items()]
    return "\n".join(["Zeit;Register;Wh", *rows, ""])


def by_wall_time(of: Load) -> Load:
    """Rows as tables have them that are sorted by local time: those of an hour that comes twice stand in pairs."""
    return sorted(of, key=lambda row: row[0].astimezone(ROME).replace(tzinfo=None))


def of_kinds(of: Load, kinds: dict[str, float]) -> str:
    """A row for each kind of reading, which alone tells the unit; `kinds`: how large its number is to one of kWh."""
    rows = [f"{local(time)},{kind},{share * wh / 1000:.5f}" for time, wh in of for kind, share in kinds.items()]
    return "\n".join(["Read Date,Read Type,Read Value", *rows, ""])


def in_a_column_each(of: Load, names: list[str]) -> str:
    days: dict[str, list[str]] = {}
    for time, wh in of:
        days.setdefault(local(time, "%d/%m/%Y"), []).append(comma(wh))
    return "\n".join([";".join(["Date", *names]), *(";".join([day, *cells]) for day, cells in days.items()), ""])


ON_THE_CLOCK = [f"{hour % 12 or 12}:00 {'AM' if hour < 12 else 'PM'}" for hour in range(24)]

READ: dict[str, tuple[str, Load]] = {
    "units beneath the names": (
        table(
            "Zeit;Energie vom Netz bezogen;Verbrauch\n[dd.MM.yyyy HH:mm];[Wh];[Wh]", WINTER,
            lambda t, wh: f"{local(t)};{wh};{wh + 9}",
        ), WINTER,
    ),
    "kilowatt-hours written out": (
        table("Time;Usage (real energy in kilowatt-hours)", WINTER, kwh_row), WINTER,
    ),
    "a column of power named Watts": (
        table("Time;Mains (Watts)", WINTER, lambda t, wh: f"{local(t)};{4 * wh}"), WINTER,
    ),
    "a register, and those of its tariffs": (
        table(
            "Zeit;1-0:1.8.0*255 [kWh];1-0:1.8.1*255 [kWh];1-0:1.8.2*255 [kWh]", WINTER,
            registers(WINTER, lambda all_, n: f"{comma(9000 + all_)};{comma(9000 + all_ - n)};{comma(n)}"),
        ), WINTER[:-4],
    ),
    "codes without points": (
        table(
            "Zeit;verbr_kwh_181;verbr_kwh_182", WINTER,
            registers(WINTER, lambda all_, n: f"{comma(9000 + all_ - n)};{comma(n)}"),
        ), WINTER[:-4],
    ),
    "a register beside the energy": (
        table("Zeit;Zählerstand (kWh);Verbrauch (kWh)", WINTER, lambda t, wh: f"{local(t)};5000;{comma(wh)}"), WINTER,
    ),
    "registers of two Dutch tariffs": (
        table(
            "Datum;Stand laag;Stand normaal", WINTER,
            registers(WINTER, lambda all_, n: f"{comma(9000 + all_ - n)};{comma(n)}"),
        ), WINTER[:-4],
    ),
    "tariffs and their total": (
        table("Zeit;Bezug HT (kWh);Bezug NT (kWh);Bezug Total (kWh)", WINTER,
              lambda t, wh: f"{tariffs(t, wh)};{comma(wh)}"), WINTER,
    ),
    "tariffs at the peak and off it": (table("Date;On-Peak (kWh);Off-Peak (kWh)", WINTER, tariffs), WINTER),
    "Danish names": (
        table("MålepunktsID;Fra_dato;Til_dato;Mængde;Måleenhed;Kvalitet", AUTUMN,
              lambda t, wh: f"5713;{local(t)};{local(t + QUARTER)};{comma(wh)};KWH;Målt"), AUTUMN,
    ),
    "Finnish names": (
        table("Tunnus;Resoluutio;Yksikkötyyppi;Alkuaika;Määrä;Laatu", AUTUMN,
              lambda t, wh: f"6430;PT15MIN;kWh;{t:%Y-%m-%dT%H:%MZ};{comma(wh)};OK"), AUTUMN,
    ),
    "a mean in kWh/h": (
        table("Zeit;Bezug [kWh/h]", WINTER, lambda t, wh: f"{local(t)};{comma(4 * wh)}"), WINTER,
    ),
    "what the import costs": (
        table("Time;Energy consumption;Import cost;ct/kWh", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};0,3;25"),
        WINTER,
    ),
    "days of the week before dates": (
        table("Tag;Zeit;kWh", WINTER, lambda t, wh: f"{local(t, 'Mo, %d.%m.%Y;%H:%M Uhr')};{comma(wh)}"),
        WINTER,
    ),
    "days of the week in English": (
        table("Date;kWh", WINTER, lambda t, wh: f"{local(t, '%A, %B %d, %Y %H:%M')};{comma(wh)}"), WINTER,
    ),
    "clock times of four digits": (
        table("DATE;TIME;KWH", WINTER, lambda t, wh: f"{local(t, '%Y%m%d')};{local(t, '%H%M')};{comma(wh)}"), WINTER,
    ),
    "hours numbered as clock times, 1 to 25": (
        table("fecha;hora;kWh", HOURS["autumn"],
              lambda t, wh: f"{local(t, '%Y/%m/%d')};{number(t, 4 * QUARTER):02d}:00;{comma(wh)}"), AUTUMN,
    ),
    "quarters numbered 1 to 100": (
        table("Date;Settlement Period;kWh", AUTUMN,
              lambda t, wh: f"{local(t, '%Y-%m-%d')};{number(t, QUARTER)};{comma(wh)}"), AUTUMN,
    ),
    "quarters numbered 1 to 92": (
        table("Date;Period;kWh", SPRING, lambda t, wh: f"{local(t, '%Y-%m-%d')};{number(t, QUARTER)};{comma(wh)}"),
        SPRING,
    ),
    "columns with AM and PM": (in_a_column_each(HOURS["winter"], ON_THE_CLOCK), WINTER),
    "columns of hours with AM and PM": (
        in_a_column_each(HOURS["winter"], [name.replace(":00", "") for name in ON_THE_CLOCK]), WINTER,
    ),
    "a title that tells the unit of all columns": (
        "Leistung in kW\n" + in_a_column_each([(t, 4 * wh) for t, wh in WINTER], [
            f"{k // 4:02d}:{15 * (k % 4):02d}" for k in range(96)]), WINTER,
    ),
    "a note that tells the unit": (
        table("Units: kWh\n\nTime,Value", WINTER, lambda t, wh: f"{local(t)},{wh / 1000}"), WINTER,
    ),
    "rows of tariffs and of their total": (
        labelled(WINTER, {"Afname Dag": 0.25, "Afname Nacht": 0.75, "Afname Totaal": 1}), WINTER,
    ),
    "rows of codes and of their total": (
        labelled(WINTER, {"1-1:1.29.0": 1, "1-1:1.29.1": 0.25, "1-1:1.29.2": 0.75}), WINTER,
    ),
    "a unit in the kind of each row": (
        of_kinds(WINTER, {"Active Import Interval (kW)": 4, "Active Export Interval (kW)": 2}), WINTER,
    ),
    "a space that does not break, between date and time": (
        table("Zeit;kWh", WINTER, lambda t, wh: f"{local(t)};{comma(wh)} kWh".replace(" ", NO_BREAK)),
        WINTER,
    ),
    "texts that Excel is to leave alone": (
        table("Zeit;kWh", WINTER, lambda t, wh: f'"=""{local(t)}""";="{comma(wh)}"'), WINTER,
    ),
    "a heat pump's electricity": (table("Zeit;Wärmepumpe Bezug (kWh)", WINTER, kwh_row), WINTER),
    "phases and their sum, which has the unit in brackets": (
        table("Time;Energy L1 (Wh);Energy L2 (Wh);Energy (Wh)", WINTER,
              lambda t, wh: f"{local(t)};{wh / 4};{3 * wh / 4};{wh}"), WINTER,
    ),
    "hours numbered HE01 to HE24": (
        table("Date;HE;kWh", HOURS["winter"],
              lambda t, wh: f"{local(t, '%Y-%m-%d')};HE{number(t, 4 * QUARTER):02d};{comma(wh)}"), WINTER,
    ),
    "times in nanoseconds": (
        table("time,energy_wh", WINTER, lambda t, wh: f"{int(t.timestamp())}000000000,{wh}"), WINTER,
    ),
    "when it was revised, in each row": (
        table("Date;Revised;Start;kWh", WINTER,
              lambda t, wh: f"{local(t, '%d.%m.%Y')};20.01.2026 06:01;{local(t, '%H:%M')};{comma(wh)}"), WINTER,
    ),
    "a note with a date at the end": (table("Zeit;kWh", WINTER, kwh_row) + "Erstellt am 20.01.2026 10:31;\n", WINTER),
    "an hour that comes twice, sorted by local time": (table("Zeit;kWh", by_wall_time(AUTUMN), kwh_row), AUTUMN),
    "dates above the header": (
        "Start Date;05.01.2026;\nEnd Date;08.01.2026;\n"
        + table("Zeit;Status;kWh", WINTER, lambda t, wh: f"{local(t)};ok;{comma(wh)}"), WINTER,
    ),
    "a status W, which is no unit": (
        table("Einheit;kWh;\n\nZeit;Profilwert;Status", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};W"), WINTER,
    ),
    "what an energy community leaves over": (
        table("Zeit;Gemessener Verbrauch (kWh);Restnetzbezug (kWh)", WINTER,
              lambda t, wh: f"{local(t)};{comma(wh)};{comma(wh / 2)}"), WINTER,
    ),
    "one kind of rows, which tells the unit": (of_kinds(WINTER, {"Active Import Interval (kWh)": 1}), WINTER),
    "the offset of winter in the name of the times": (table("Zeit (UTC+1);kWh", WINTER, kwh_row), WINTER),
    "a time zone above the header": (
        table("Zeitzone;Europe/Rome;\n\nZeit;kWh;Status", WINTER, lambda t, wh: f"{kwh_row(t, wh)};W"), WINTER,
    ),
    "active energy beside reactive": (
        table("Zeit;Energieart;kWh", WINTER,
              lambda t, wh: f"{local(t)};Wirkarbeit Bezug;{comma(wh)}\n{local(t)};Blindarbeit;0,5"), WINTER,
    ),
    "dates with a point at their end": (
        table("Zeit;kWh", WINTER, lambda t, wh: f"{local(t, '%Y.%m.%d. %H:%M')};{comma(wh)}"), WINTER,
    ),
    "columns of hours, 00-01 to 23-24": (
        in_a_column_each(HOURS["winter"], [f"{hour:02d}-{hour + 1:02d}" for hour in range(24)]), WINTER,
    ),
    "a meter's number as long as a time": (
        table("Mittauspiste;Zeit;kWh", WINTER, lambda t, wh: f"643006966001;{local(t)};{comma(wh)}"), WINTER,
    ),
    "power beside energy, neither with a unit": (
        table("Čas;Energija A+;P+ Prejeta moč", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};{comma(4 * wh)}"),
        WINTER,
    ),
    "a register's reading beside the usage": (
        table("Zeit;Reading Start;Usage;Unit", WINTER, lambda t, wh: f"{local(t)};5000;{comma(wh)};kWh"), WINTER,
    ),
    "what a SlimmeMeterPortal calls by its end": (
        table("datum_tijd;levering_normaal;levering_laag;buitentemperatuur", WINTER,
              lambda t, wh: f"{local(t + QUARTER, '%d-%m-%Y %H:%M:%S')};{comma(wh)};;14,0"), WINTER,
    ),
    "a unit elsewhere in the document": (
        json.dumps({"reading_type": {"unit": "W"}, "interval_reading": [
            {"value": str(4 * wh), "date": t.isoformat()} for t, wh in WINTER]}), WINTER,
    ),
    "pairs, and their unit": (
        json.dumps({"units": "kWh", "data": [[int(t.timestamp()), wh / 1000] for t, wh in WINTER]}), WINTER,
    ),
}  # fmt: skip


def imported(folder: Path, content: str) -> Imported:
    path = folder / "export"
    path.write_text(content)
    return import_file(path, ImportOptions("elm-3", timezone="Europe/Rome"))


@pytest.mark.parametrize("form", READ)
def test_the_load_is_read_as_it_is(form: str, tmp_path: Path) -> None:
    content, truth = READ[form]
    readings = imported(tmp_path, content).readings
    hours = [(truth[k][0], sum(wh for _, wh in truth[k : k + 4])) for k in range(0, len(truth), 4)]
    assert [moment.to_pydatetime() for moment in readings["ds"]] == [time for time, _ in hours]
    assert np.abs(readings["y"].to_numpy() - [wh for _, wh in hours]).max() <= 1
    assert not readings["filled"].any()


EXPORT = {
    "energies of intervals by their codes": "1-1:1.29.0 (kWh);1-1:2.29.0 (kWh)",
    "both directions in Swedish": "Uttag kWh;Inmatning kWh",
    "in Polish": "Pobór energii czynnej (kWh);Oddanie energii czynnej (kWh)",
    "by their signs": "+A/10015 [kWh];-A/10015 [kWh]",
    "by signs behind letters": "Energija A+ (kWh);Energija A- (kWh)",
    "by signs in brackets": "Wirkenergie (+A) kWh;Wirkenergie (-A) kWh",
    "in Dutch": "Afgenomen (kWh);Teruggeleverd (kWh)",
    "in Hungarian": "Fogyasztás (kWh);Betáplálás (kWh)",
    "in Spanish, by letters": "AE_kWh;AS_kWh",
    "by what is received beside what is delivered": "Delivered (kWh);Received (kWh)",
    "by what is delivered, beside what is taken": "Energiebezug (kWh);Energielieferung (kWh)",
    "by positive and negative": "Positive Wirkenergie (kWh);Negative Wirkenergie (kWh)",
    "by offtake and injection": "Offtake (kWh);Injection (kWh)",
    "in Estonian": "Tarbimine (kWh);Võrku antud energia (kWh)",
    "what was fed in": "Netzbezug kWh;Energie ins Netz eingespeist kWh",
}


@pytest.mark.parametrize("names", EXPORT)
def test_export_is_told_from_import(names: str, tmp_path: Path) -> None:
    content = table(f"Zeit;{EXPORT[names]}", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};{comma(2 * wh)}")
    readings = imported(tmp_path, content).readings
    assert readings["y"].sum() == sum(wh for _, wh in WINTER)
    assert readings["export"].sum() == 2 * readings["y"].sum()


def test_a_row_for_each_day_and_direction(tmp_path: Path) -> None:
    header, *days = in_a_column_each(HOURS["winter"], [f"{hour:02d}:00" for hour in range(24)]).splitlines()
    rows = [f"{label};{day}" for day in days for label in ("Bezug", "Einspeisung")]
    readings = imported(tmp_path, "\n".join([f"Richtung;{header}", *rows, ""])).readings
    assert readings["y"].sum() == readings["export"].sum() == sum(wh for _, wh in WINTER)


def test_exports_may_follow_all_imports(tmp_path: Path) -> None:
    of = load(WINTER[0][0], 600)  # more than the rows that columns are recognised by
    rows = [f"{local(t)};{kind};{comma(wh)}" for kind in ("Elektriciteit", "Teruglevering") for t, wh in of]
    readings = imported(tmp_path, "\n".join(["Datum;Type;kWh", *rows, ""])).readings
    assert readings["y"].sum() == readings["export"].sum() == sum(wh for _, wh in of)


def test_a_victorian_generation_is_what_is_fed_in(tmp_path: Path) -> None:
    header, *days = in_a_column_each(
        HOURS["winter"], [f"{h:02d}:00 - {(h + 1) % 24:02d}:00" for h in range(24)]
    ).splitlines()
    rows = [f"6407;{label};{day}" for label in ("Consumption", "Generation") for day in days]
    readings = imported(tmp_path, "\n".join([f"NMI;CON/GEN;{header}", *rows, ""])).readings
    assert readings["y"].sum() == readings["export"].sum() == sum(wh for _, wh in WINTER)


def test_rows_that_a_person_chooses_tell_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text(table("Zeit;Wert;Einheit", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};kWh\n{local(t)};9;m3"))
    options = ImportOptions("elm-3", timezone="Europe/Rome", where={"Einheit": "kWh"})
    assert import_file(path, options).readings["y"].sum() == sum(wh for _, wh in WINTER)


@pytest.mark.parametrize("name", ["Produktkode", "Product number", "Solar radiation", "Production price (EUR/kWh)"])
def test_what_only_sounds_like_production_is_left_out(tmp_path: Path, name: str) -> None:
    content = table(f"Tid;{name};Forbruk (kWh)", WINTER, lambda t, wh: f"{local(t)};1147;{comma(wh)}")
    assert imported(tmp_path, content).readings["y"].sum() == sum(wh for _, wh in WINTER)


def test_production_of_nothing_is_none_that_was_fed_in(tmp_path: Path) -> None:
    content = table("Tid;Forbruk (kWh);Produksjon (kWh)", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};0,000")
    readings = imported(tmp_path, content).readings
    assert readings["y"].sum() == sum(wh for _, wh in WINTER) and "export" not in readings


@pytest.mark.parametrize(
    ("said", "zone", "day", "told", "remedy"),
    [
        ("Zeit (MEZ)", "Europe/Rome", "2026-06-01", "UTC+1", "Etc/GMT-1"),
        ("Alle Zeiten in MEZ", "Europe/Rome", "2026-06-01", "UTC+1", "Etc/GMT-1"),
        ("Zeit MESZ", "Europe/Rome", "2026-01-05", "UTC+2", "Etc/GMT-2"),
        ("Time (EST)", "America/New_York", "2026-06-01", "UTC-5", "Etc/GMT+5"),
        ("Hora (WET)", "Europe/Lisbon", "2026-06-01", "UTC+0", "UTC"),
        ("Time (ACST)", "Australia/Adelaide", "2026-01-05", "UTC+9:30", "a place whose clocks are always at that"),
        ("Time (CET)", "Europe/Helsinki", "2026-01-05", "UTC+1", "Etc/GMT-1"),
    ],
)
def test_times_of_one_half_of_the_year_in_the_other_are_pointed_out(
    tmp_path: Path, said: str, zone: str, day: str, told: str, remedy: str
) -> None:
    """Most who write CET mean the clocks in their kitchen; some do not."""
    rows = "".join(f"{day} {hour:02d}:{half};0.5\n" for hour in range(24) for half in ("00", "30"))
    path = tmp_path / "export"
    header = f"{said}\n\nZeit;kWh" if said.startswith("Alle") else f"{said};kWh"
    path.write_text(f"{header}\n{rows}")
    (warning,) = import_file(path, ImportOptions("elm-3", timezone=zone)).warnings
    assert f"the file says {said!r}, {told}; its times were read by the clocks of {zone}" in warning
    assert warning.endswith(f"import with --timezone {remedy}") and day in warning


@pytest.mark.parametrize(
    ("said", "day"),
    [("Zeit (MEZ)", "2026-01-05"), ("Zeit (MESZ)", "2026-06-01"), ("Zeit (MEZ/MESZ)", "2026-06-01")],
)
def test_times_of_this_half_of_the_year_are_not(tmp_path: Path, said: str, day: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"{said};kWh\n" + "".join(f"{day} {hour:02d}:00;0.5\n" for hour in range(24)))
    assert import_file(path, ImportOptions("elm-3", timezone="Europe/Rome")).warnings == ()


def test_a_japanese_export_is_read_in_its_own_encoding(tmp_path: Path) -> None:
    path = tmp_path / "export"
    rows = "".join(f"2026/06/01,{hour:02d}:{half},0.25\r\n" for hour in range(24) for half in ("00", "30"))
    path.write_bytes(f"年月日,時刻,使用量(kWh)\r\n{rows}".encode("shift_jis"))
    readings = import_file(path, ImportOptions("elm-3", timezone="Asia/Tokyo")).readings
    assert readings["y"].tolist() == [500] * 24 and str(readings["ds"].iloc[0]) == "2026-05-31 15:00:00+00:00"


def test_text_in_an_encoding_that_is_not_known_is_no_binary(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes("Ťas;Spotřeba síť (kWh)\r\n01.06.2026 00:00;0,5\r\n".encode("cp1250"))
    with pytest.raises(ImportRefused, match=r"is text in an encoding that is not known .* save it as xlsx or as CSV"):
        import_file(path, ImportOptions("elm-3", timezone="Europe/Prague"))


def test_a_person_knows_better_which_clocks_a_file_follows(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text(table("Zeit (UTC+1);kWh", AUTUMN[:96], kwh_row))
    with pytest.raises(ImportRefused, match="not the time of Europe/Rome on 2026-10-24: use --timezone Etc/GMT-1"):
        import_file(path, ImportOptions("elm-3", timezone="Europe/Rome"))
    read = import_file(path, ImportOptions("elm-3", timezone="Europe/Rome", accept_unusual=True)).readings
    assert read["ds"].iloc[0] == AUTUMN[0][0]


def test_lists_that_tell_their_direction(tmp_path: Path) -> None:
    readings = imported(tmp_path, lists("Purchased", "FeedIn")).readings
    assert readings["y"].sum() == readings["export"].sum() == sum(wh for _, wh in WINTER)


def test_a_list_of_other_columns_is_named_as_not_read(tmp_path: Path) -> None:
    """As Tibber's production, which is fed in."""
    lists = {
        name: {
            "nodes": [{"from": t.isoformat(), name: round(wh / share, 3), f"{name}Unit": "kWh"} for t, wh in WINTER]
        }
        for name, share in (("consumption", 1000), ("production", 5000))
    }
    got = imported(tmp_path, json.dumps({"data": lists | {"prices": [{"at": 1, "p": 2}, {"at": 2, "p": 3}]}}))
    assert got.readings["y"].sum() == sum(wh for _, wh in WINTER)
    assert got.warnings == (f"not read, as its columns are others: list data.production.nodes ({len(WINTER)} rows)",)


def test_a_zero_that_was_not_measured_is_a_gap(tmp_path: Path) -> None:
    gone = {time for time, _ in WINTER[40:80]}
    row: Row = lambda t, wh: f"{local(t)};{'0,000;fehlt' if t in gone else f'{comma(wh)};gemessen'}"  # noqa: E731
    got = imported(tmp_path, table("Zeit;kWh;Status", WINTER, row))
    assert len(got.readings) == 62 and got.cut_hours == 10


ASKED = {
    "two columns of one name": (
        table("Zeit;kWh;kWh", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};{comma(wh / 2)}"), "several columns",
    ),
    "what could be power": (
        table("Zeit;Wert", WINTER, lambda t, wh: f"{local(t)};{wh}"), "names no unit: is it energy .* or power",
    ),
    "from the grid to two places": (
        table("Time;Grid to consumers kWh;Grid to battery kWh", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};0.1"),
        "several columns",
    ),
    "standard time in summer": (
        table("Zeit;kWh", SPRING, lambda t, wh: f"{t + timedelta(hours=1):%d.%m.%Y %H:%M};{comma(wh)}"),
        "standard time all year, use --timezone Etc/GMT-1",
    ),
    "rows that are all exports": (labelled(WINTER, {"Injectie Dag": 1}), "no readings of imported energy"),
    "a register of export alone": (labelled(WINTER, {"1-0:2.8.0": 1}), "no readings of imported energy"),
    "a list of export alone": (lists("FeedIn"), "no readings of imported energy"),
    "rows of which some may be part of others": (
        labelled(WINTER, {"Consumption": 1.5, "Grid import": 1}), "several kinds have the same times.*--where",
    ),
    "a price of a kWh": (
        table("Tid;kr/kWh", WINTER, lambda t, _: f"{local(t)};1,5"), "which column is the energy is not certain",
    ),
    "power and energy of the same times": (
        of_kinds(WINTER, {"Active Import Interval (kWh)": 1, "Active Import Interval (kW)": 4}),
        "several kinds have the same times.*--where",
    ),
    "heat": (table("Zeit;Wärmemenge (kWh)", WINTER, kwh_row), "which column is the energy is not certain"),
    "heat of a district": (table("Tid;Fjernvarme (kWh)", WINTER, kwh_row), "which column is the energy is not cert"),
    "another unit of energy": (
        table("Zeit;Energie (MJ)", WINTER, lambda t, wh: f"{local(t)};{comma(3.6 * wh)}"),
        "which column is the energy is not certain",
    ),
    "cells of two units": (
        table("Zeit;Bezug", WINTER, lambda t, wh: f"{local(t)};{f'{wh} Wh' if wh < 100 else f'{comma(wh)} kWh'}"),
        "the energy is not a number",
    ),
    "a unit of gas": (
        table("Zeit;Usage;Unit", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};m3"), "has values in m3, and not",
    ),
    "reactive energy": (
        table("Zeit;Wert;Einheit", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};kvarh"), "in kvarh, and not",
    ),
    "kWh and m3": (
        table("Zeit;Wert;Einheit", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};kWh\n{local(t)};9;m3"),
        "in m3 beside those in kWh: choose rows with --where",
    ),
    "another offset in the name of the times": (
        table("Zeit (UTC+2);kWh", WINTER, lambda t, wh: f"{t + timedelta(hours=2):%d.%m.%Y %H:%M};{comma(wh)}"),
        r"says 'Zeit \(UTC\+2\)', and that is not the time of Europe/Rome on 2026-01-05: use --timezone Etc/GMT-2\.",
    ),
    "another zone above the header": (
        table("Time zone: America/New_York\n\nTime,kWh", WINTER, lambda t, wh: f"{t:%Y-%m-%d %H:%M},{wh / 1000}"),
        "use --timezone America/New_York",
    ),
    "another zone in a column": (
        table("Time,TZ,kWh", WINTER, lambda t, wh: f"{t:%Y-%m-%d %H:%M},UTC,{wh / 1000}"), "use --timezone UTC",
    ),
    "production beside consumption": (
        table("Fra;Til;KWH 60 Forbruk;KWH 60 Produksjon", HOURS["winter"],
              lambda t, wh: f"{local(t)};{local(t + timedelta(hours=1))};{comma(wh)};{comma(wh / 3)}"),
        "'KWH 60 Produksjon' beside 'KWH 60 Forbruk' may be what the home fed in, or all .*export_kwh=COLUMN",
    ),
    "production in Finnish": (
        table("Aika;Kulutus (kWh);Tuotanto (kWh)", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};{comma(wh / 3)}"),
        r"'Tuotanto \(kWh\)' beside 'Kulutus \(kWh\)' may be",
    ),
    "rows of production beside those of consumption": (
        table("Tid;Retning;kWh", WINTER,
              lambda t, wh: f"{local(t)};Forbruk;{comma(wh)}\n{local(t)};Produksjon;{comma(wh / 3)}"),
        "has rows of Produksjon beside Forbruk, .*: leave them out with --where Retning='Forbruk'",
    ),
    "what the supplier delivers, and what the community": (
        table("Zeit;Verbrauch gesamt (kWh);Bezug aus Gemeinschaft (kWh);Bezug vom Lieferanten (kWh)", WINTER,
              lambda t, wh: f"{local(t)};{comma(wh)};{comma(wh / 4)};{comma(wh * 0.75)}"), "several columns",
    ),
    "a forecast": (table("Zeit;Forecast consumption (kWh)", WINTER, kwh_row), "which column is the energy is not"),
    "what a charger diverts": (table("Zeit;Diverter Energy (kWh)", WINTER, kwh_row), "which column is the energy"),
    "rows of gas": (
        table("Datum;Verbruik;Type", WINTER, lambda t, wh: f"{local(t)};{comma(wh)};Gas"), "has rows of Gas only",
    ),
    "what an inverter generates": (
        json.dumps({"energy": {"unit": "Wh", "measuredBy": "INVERTER", "values": [
            {"date": local(t, "%Y-%m-%d %H:%M:%S"), "value": wh} for t, wh in WINTER]}}), "has rows of INVERTER only",
    ),
    "lists of generation": (lists("Production", "SelfConsumption"), "no rows of energy from the grid"),
    "gas by SlimmeMeterPortal": (
        table("datum_tijd;levering;buitentemperatuur", HOURS["winter"], lambda t, wh: f"{local(t)};{comma(wh)};14"),
        "is a file of SlimmeMeterPortal with gas in m³",
    ),
    "a register that began at nothing": (
        table("Zeit;kWh", WINTER, registers(WINTER, lambda all_, _: comma(all_))), "use --cumulative",
    ),
    "times twice, an hour that comes twice among them": (
        table("Zeit;kWh", sorted(2 * [row for row in AUTUMN if not row[0].astimezone(ROME).fold]), kwh_row),
        "occurred twice .* has it once",
    ),
    "a web page": ("<html><table><tr><td>05.01.2026</td></tr></table></html>", "is a web page"),
    "a message of the market": ("UNA:+.? '\nUNB+UNOC:3+99+98+260105:0000+1'", "EDIFACT, such as MSCONS"),
}  # fmt: skip


@pytest.mark.parametrize("form", ASKED)
def test_what_is_not_certain_is_asked_for(form: str, tmp_path: Path) -> None:
    content, says = ASKED[form]
    with pytest.raises(ImportRefused, match=says):
        imported(tmp_path, content)
