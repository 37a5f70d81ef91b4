"""Files as households get them, of every kind: read right as they are, or refused with what to type instead."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from data.errors import ImportRefused
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions
from data.importing.presets import PRESETS
from tests.data.sources.telegrams import crc16

DAY = [
    150,
    140,
    130,
    130,
    140,
    160,
    310,
    520,
    480,
    300,
    260,
    250,
    410,
    380,
    290,
    270,
    280,
    460,
    820,
    930,
    760,
    540,
    330,
    210,
]
"""Wh of the hours of a day: each test writes them in another form, and they come back."""
START = datetime(2026, 3, 2)
ROME = "Europe/Rome"


def take(tmp_path: Path, content: str | bytes, name: str = "export.csv", **options: object) -> Imported:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_file(path, ImportOptions("home", **({"timezone": "UTC"} | options)))  # type: ignore[arg-type]


def hours(count: int = 48) -> list[tuple[datetime, int]]:
    return [(START + timedelta(hours=i), DAY[i % 24]) for i in range(count)]


def table(header: str, row: Callable[[datetime, int], str], count: int = 48) -> str:
    return "\n".join([header, *(row(at, wh) for at, wh in hours(count))]) + "\n"


def so_far(moment: datetime) -> int:
    """A register in Wh."""
    return sum(wh for at, wh in hours(60) if at < moment)


def comma(number: float) -> str:
    return f"{number:.3f}".replace(".", ",")


def grouped(wh: int, mark: str) -> str:
    return f"{2 * wh:,}".replace(",", mark)


PLAIN = table("timestamp,kwh", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh / 1000}")

DIALECTS: dict[str, str | bytes] = {
    "semicolons and decimal commas": table(
        "Datum;Verbrauch (kWh)", lambda at, wh: f"{at:%d.%m.%Y %H:%M};{comma(wh / 1000)}"
    ),
    "tabs": table("Zeit\tBezug [kWh]", lambda at, wh: f"{at:%Y-%m-%d %H:%M}\t{wh / 1000}"),
    "a sep= line": "sep=;\n" + PLAIN.replace(",", ";"),
    "quoted decimal commas": table("timestamp,kwh", lambda at, wh: f'{at:%Y-%m-%d %H:%M},"{comma(wh / 1000)}"'),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-8 with a mark and CRLF": b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(),
    "Latin-1": table(
        "Zeitpunkt;Menge für Gerät [kWh] Bezug", lambda at, wh: f"{at:%d.%m.%Y %H:%M};{wh / 1000}"
    ).encode("latin-1"),
    "old Mac line ends": PLAIN.replace("\n", "\r"),
    "a delimiter at the end of each line": PLAIN.replace("\n", ",\n"),
    "a delimiter at the end of rows alone": PLAIN.replace("\n", ",\n").replace("kwh,", "kwh"),
    "lines above the header": "Name,A. Household\nMeter,0000\n\n" + PLAIN,
    "a sum at the end": PLAIN + "Total,16.6\n",
    "date and time apart": table("Date,Start Time,Usage kWh", lambda at, wh: f"{at:%Y-%m-%d,%H:%M},{wh / 1000}"),
    "AM and PM": table("Interval,kWh", lambda at, wh: f"{at:%m/%d/%Y %I:%M %p},{wh / 1000}"),
    "names of months": table("Date,kWh", lambda at, wh: f"{at:%d-%b-%y %H:%M},{wh / 1000}"),
    "epoch seconds": table("time,kWh", lambda at, wh: f"{at.replace(tzinfo=UTC).timestamp():.0f},{wh / 1000}"),
    "epoch milliseconds": table(
        "time,kWh", lambda at, wh: f"{at.replace(tzinfo=UTC).timestamp():.0f}000,{wh / 1000}"
    ),
    "compact stamps": table("from;kWh", lambda at, wh: f"{at:%Y%m%d%H%M};{wh / 1000}"),
    "newest first": "timestamp,kwh\n" + "\n".join(reversed(PLAIN.splitlines()[1:])),
    "days in any order": "timestamp,kwh\n" + "\n".join(PLAIN.splitlines()[25:] + PLAIN.splitlines()[1:25]),
    "the last row twice": PLAIN + PLAIN.splitlines()[-1] + "\n",
    "starts, ends, costs": table(
        "Consumption (kwh), Cost (p), Start, End",
        lambda at, wh: f"{wh / 1000}, 3.1, {at:%Y-%m-%dT%H:%MZ}, {at + timedelta(hours=1):%Y-%m-%dT%H:%MZ}",
    ),
    "ends alone": table("interval_end,kwh", lambda at, wh: f"{at + timedelta(hours=1):%Y-%m-%dT%H:%MZ},{wh / 1000}"),
    "hours numbered 1 to 24": table("Date,Hour,kWh", lambda at, wh: f"{at:%Y-%m-%d},{at.hour + 1},{wh / 1000}"),
    "midnight as 24:00": table(
        "Fecha;Hora;Consumo_kWh", lambda at, wh: f"{at:%Y/%m/%d};{at.hour + 1:02d}:00;{comma(wh / 1000)}"
    ),
    "mean power": table("Time,Power (W)", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh}"),
    "a unit in each cell": table("Time,Usage", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh / 1000} kWh"),
    "no unit, as kWh": table("Datum,Verbrauch", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh / 1000}"),
    "no unit, as Wh": table("Datum,Verbrauch", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh}"),
    "two tariffs": table(
        "Hour Start,Electricity 1 kWh (low),Electricity 2 kWh (normal),Electricity 1 Returned,Gas",
        lambda at, wh: f"{at:%Y-%m-%dT%H:%M},{f'{wh / 1000},' if at.hour < 7 else f',{wh / 1000}'},0,0.1",
    ),
    "imported, not consumed": table(
        "Date/Time,Energy Produced (Wh),Energy Consumed (Wh),Exported to Grid (Wh),Imported from Grid (Wh)",
        lambda at, wh: f"{at:%m/%d/%Y %H:%M},500,{wh + 300},200,{wh}",
    ),
    "a row for each direction": table(
        "Van datum;Van tijdstip;Register;Volume;Eenheid",
        lambda at, wh: "\n".join(
            f"{at:%d-%m-%Y;%H:%M:%S};{label}" for label in (f"Afname;{comma(wh / 1000)};kWh", "Injectie;0,1;kWh")
        ),
    ),
    "a row for each day": "Day;" + ";".join(f"{h:02d}:00" for h in range(24)) + "\n" + "".join(
        f"0{day}/03/2026;" + ";".join(comma(wh / 1000) for wh in DAY) + "\n" for day in (2, 3)
    ),
    "a column for each time": "entity_id,type,unit," + ",".join(f"{at:%Y-%m-%dT%H:%M:%S.000Z}" for at, _ in hours())
    + "\nsensor.in,grid_consumption,kWh," + ",".join(f"{wh / 1000}" for _, wh in hours())
    + "\nsensor.sun,solar_production,kWh," + ",".join("0.9" for _ in hours()) + "\n",
    "last seconds of intervals": table("time,kWh", lambda at, wh: f"{at:%Y-%m-%d %H}:59:59,{wh / 1000}"),
    "last minutes of intervals": table("time,kWh", lambda at, wh: f"{at:%Y-%m-%d %H}:59,{wh / 1000}"),
    "names of zones": table(
        "time,kWh", lambda at, wh: f"{at + timedelta(hours=1):%Y-%m-%d %H:%M} CET,{wh / 1000}"
    ),
    "statistics at the end of each hour": table(
        "statistic_id,unit,start,sum,state",
        lambda at, wh: f"sensor.in,Wh,{at - timedelta(hours=1):%d.%m.%Y %H:%M},{so_far(at)},{so_far(at) + 9000}",
        49,
    ),
    "JSON": json.dumps(
        {"all": [{"consumption": wh / 1000, "interval_start": f"{at:%Y-%m-%dT%H:%MZ}"} for at, wh in hours()][::-1]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DIALECTS)
def test_a_table_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    got = take(tmp_path, DIALECTS[kind])
    assert got.readings["y"].tolist() == DAY * 2
    assert got.readings["ds"].iloc[0] == START.replace(tzinfo=UTC)
    assert not got.readings["filled"].any() and got.cut_hours == 0


@pytest.mark.parametrize("mark", [".", ","])
def test_a_mark_between_thousands_is_none_of_decimals(tmp_path: Path, mark: str) -> None:
    text = table("timestamp;wh", lambda at, wh: f"{at:%Y-%m-%d %H:%M};{grouped(wh, mark)}")
    assert take(tmp_path, text).readings["y"].tolist() == [2 * wh for wh in DAY] * 2


def test_whole_numbers_among_decimals_are_no_thousands(tmp_path: Path) -> None:
    text = table("timestamp;kwh", lambda at, wh: f"{at:%Y-%m-%d %H:%M};{'1.234' if at.hour == 5 else '1'}")
    assert take(tmp_path, text).readings["y"].tolist()[:6] == [1000] * 5 + [1234]


def test_registers_of_a_meter_are_recognised_by_their_codes(tmp_path: Path) -> None:
    text = "Zählerstand;Einheit;OBIS;Zeitpunkt\n"
    stand = 8350.0
    for at, wh in hours(49):
        for code, kwh in (("1-0:1.8.0", stand), ("1-0:1.8.1", stand / 2), ("1-0:2.8.0", 99.5)):
            text += f"{comma(kwh)};kWh;{code};{at:%d.%m.%Y %H:%M:%S}\n"
        stand += wh / 1000
    got = take(tmp_path, text)
    assert got.readings["y"].tolist() == DAY * 2
    assert got.readings["export"].tolist() == [0] * 48


METERS = {
    "Meter 1 kWh": "Meter 2 kWh",
    "Zähler 1 [kWh]": "Zähler 2 [kWh]",
    "Contatore 1 T1 (kWh)": "Contatore 2 T1 (kWh)",
    "Meter 1 day kWh": "Meter 2 day kWh",
    "Consumption (meter 12345) kWh": "Consumption (meter 67890) kWh",
    "Apartment 1 kWh": "Apartment 2 kWh",
    "Energy 1 kWh": "Energy 2 kWh",
    "kWh #1": "kWh #2",
}


@pytest.mark.parametrize("first", list(METERS))
def test_meters_side_by_side_are_not_summed_unasked(tmp_path: Path, first: str) -> None:
    """Of two meters one may count a part of the other, or be a neighbour's."""
    second = METERS[first]
    text = table(f"Time,{first},{second}", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh / 1000},{wh / 500}")
    with pytest.raises(ImportRefused, match=r"several columns could be the energy.*--map.*of one role are summed"):
        take(tmp_path, text)
    one = take(tmp_path, text, columns={"timestamp": ("Time",), "kwh": (first,)})
    both = take(tmp_path, text, columns={"timestamp": ("Time",), "kwh": (first, second)})
    assert (both.readings["y"] == 3 * one.readings["y"]).all()


@pytest.mark.parametrize(
    "parts", ["Meter T1 kWh,Meter T2 kWh", "Verbruik tarief 1,Verbruik tarief 2", "Afname_1,Afname_2"]
)
def test_numbered_tariffs_of_one_meter_are_summed(tmp_path: Path, parts: str) -> None:
    text = table(f"Time,{parts}", lambda at, wh: f"{at:%Y-%m-%d %H:%M},{wh / 2000},{wh / 2000}")
    assert take(tmp_path, text).readings["y"].tolist() == DAY * 2


def test_rows_of_several_meters_are_not_summed_unasked(tmp_path: Path) -> None:
    text = "Time,type,kWh\n" + "".join(
        f"{at:%Y-%m-%d %H:%M},Import meter {number},{wh / 1000}\n" for at, wh in hours(48) for number in (1, 2)
    )
    with pytest.raises(ImportRefused, match=r"several kinds have the same times.*--where COLUMN=VALUE"):
        take(tmp_path, text)


def test_a_register_polled_beside_the_quarter_loses_nothing(tmp_path: Path) -> None:
    at = [START + timedelta(minutes=15 * i, seconds=(i * 7) % 23) for i in range(97)]
    text = "timestamp,kwh\n" + "".join(f"{t:%Y-%m-%d %H:%M:%S},{4000 + 0.1 * i:.3f}\n" for i, t in enumerate(at))
    got = take(tmp_path, text, cumulative=True)
    assert got.readings["y"].tolist() == [400] * 24 and not got.readings["filled"].any()


def test_a_register_polled_at_any_time_is_interpolated_at_the_full_hours(tmp_path: Path) -> None:
    """Steady load of 600 W; a gap of two hours is filled, one of a day is cut out."""
    seconds = [437 * i for i in range(900) if not 60_000 < 437 * i < 66_600 and not 100_000 < 437 * i < 190_000]
    rows = "".join(f"sensor.grid,{100 + s / 6000:.4f},{START + timedelta(seconds=s)}\n" for s in seconds)
    got = take(tmp_path, "entity_id,state,last_changed\n" + rows)
    assert set(got.readings["y"]) <= {599, 600, 601}
    assert got.interval_minutes is None and 2 <= got.filled_hours <= 4 and 23 <= got.cut_hours <= 28


def test_a_register_that_rolled_over_goes_on(tmp_path: Path) -> None:
    text = table(
        "timestamp,kwh",
        lambda at, wh: f"{at:%Y-%m-%d %H:%M},{(99_990 + (at - START).days * 8 + at.hour / 3) % 100_000:.3f}",
    )
    assert take(tmp_path, text, cumulative=True).readings["y"].sum() == pytest.approx(8000 + 23_000 / 3, abs=2)


@pytest.mark.parametrize("minutes", [1, 5, 10, 15, 20, 30])
def test_any_interval_that_divides_an_hour(tmp_path: Path, minutes: int) -> None:
    each = 60 // minutes
    rows = [(START + timedelta(minutes=minutes * i), DAY[i // each % 24] / each) for i in range(24 * each)]
    got = take(tmp_path, "timestamp,wh\n" + "".join(f"{at:%Y-%m-%d %H:%M},{wh:.6f}\n" for at, wh in rows))
    assert got.readings["y"].tolist() == DAY and got.interval_minutes == minutes


def test_a_nights_24_rows_when_clocks_go_forward(tmp_path: Path) -> None:
    rows = [f"2026-03-29 {h:02d}:00,{0 if h == 2 else 0.3}" for h in range(24)]
    got = take(tmp_path, "timestamp,kwh\n" + "\n".join(rows), timezone=ROME)
    assert got.readings["y"].tolist() == [300] * 23
    with pytest.raises(ImportRefused, match="did not occur"):
        take(tmp_path, "timestamp,kwh\n" + "\n".join(rows).replace("02:00,0", "02:00,0.1"), timezone=ROME)


def test_ends_of_intervals_as_starts_and_their_length(tmp_path: Path) -> None:
    """25 rows of a day named 01:00 to 24:00 with 03:00 twice: each an hour after its start, not a moment."""
    starts = [0, 1, 2, 2, *range(3, 24)]
    rows = "".join(f"25/10/2026;{h + 1:02d}:00;0,{100 + i * 7 % 26}\n" for i, h in enumerate(starts))
    rows += "26/10/2026;01:00;0,119\n"
    got = take(tmp_path, "Fecha;Hora;Consumo_kWh\n" + rows, timezone="Europe/Madrid")
    assert got.readings["y"].tolist() == [100 + i * 7 % 26 for i in range(25)] + [119]
    assert str(got.readings["ds"].iloc[0]) == "2026-10-24 22:00:00+00:00"


def test_a_workbook(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Notes"])
    sheet = workbook.create_sheet("Readings")
    sheet.append(["Meter", "0000"])
    sheet.append(["Début", "Fin", "Valeur (en kW)"])
    for at, wh in hours():
        sheet.append([at, at + timedelta(hours=1), wh / 1000])
    workbook.save(tmp_path / "made.xlsx")
    assert take(tmp_path, (tmp_path / "made.xlsx").read_bytes(), "export.xlsx").readings["y"].tolist() == DAY * 2


def espi(flow: int, first: int, value: Callable[[int], int], address: str) -> str:
    block = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{first + 3600 * i}</start></timePeriod>"
        f"<value>{value(i)}</value></IntervalReading>"
        for i in range(24)
    )
    return (
        f'<entry><link rel="self" href="/ReadingType/{address}"/><content><ReadingType><flowDirection>{flow}'
        "</flowDirection><powerOfTenMultiplier>-1</powerOfTenMultiplier><uom>72</uom></ReadingType></content></entry>"
        f'<entry><link rel="self" href="/MeterReading/{address}"/><link rel="related" href="/ReadingType/{address}"/>'
        "<content><MeterReading/></content></entry>"
        f'<entry><link rel="self" href="/MeterReading/{address}/IntervalBlock/1"/><content><IntervalBlock>{block}'
        "</IntervalBlock></content></entry>"
    )


def test_green_button_with_imports_and_exports(tmp_path: Path) -> None:
    first = int(START.replace(tzinfo=UTC).timestamp())
    entries = espi(1, first, lambda i: 10 * DAY[i], "a") + espi(19, first, lambda i: 50, "b")
    feed = f'<feed xmlns="http://naesb.org/espi">{entries}</feed>'
    got = take(tmp_path, feed, "gb.xml").readings
    assert got["y"].tolist() == DAY and got["export"].tolist() == [5] * 24
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]>' + feed.replace("<value>50", "<value>&a;")
    for damaged in (feed[:-200], bomb):
        with pytest.raises(ImportRefused, match="cut off, damaged or unsafe"):
            take(tmp_path, damaged, "gb.xml")


def test_nem12_in_market_time(tmp_path: Path) -> None:
    values = ",".join(f"{wh / 2000}" for wh in DAY for _ in range(2))
    text = (
        "100,NEM12,202603030000,MDP1,RET1\n200,NMI0000000,E1B1,1,E1,N1,METER1,kWh,30,20260303\n"
        f"300,20260302,{values},A,,,20260303010000,\n200,NMI0000000,E1B1,2,B1,N1,METER1,kWh,30,20260303\n"
        f"300,20260302,{values},A,,,20260303010000,\n900\n"
    )
    got = take(tmp_path, text, timezone="Australia/Sydney").readings
    assert got["y"].tolist() == DAY == got["export"].tolist()
    assert str(got["ds"].iloc[0]) == "2026-03-01 14:00:00+00:00"  # UTC+10, summer time or not


def telegram(at: datetime, low: float, normal: float, returned: float) -> str:
    lines = [
        "/Ene5\\T210-D ESMR5.0", "", "1-3:0.2.8(50)", f"0-0:1.0.0({at:%y%m%d%H%M%S}W)",
        f"1-0:1.8.1({low:010.3f}*kWh)",
        f"1-0:1.8.2({normal:010.3f}*kWh)", f"1-0:2.8.1({returned:010.3f}*kWh)", "1-0:2.8.2(000000.000*kWh)", "!",
    ]  # fmt: skip
    body = "\r\n".join(lines)
    return f"{body}{crc16(body):04X}\r\n"


def test_a_log_of_p1_telegrams(tmp_path: Path) -> None:
    log = "".join(
        telegram(START + timedelta(minutes=15 * i), 100 + 0.05 * i, 200 + 0.05 * i, 7 + 0.01 * i) for i in range(9)
    )
    got = take(tmp_path, log, "p1.log").readings
    assert got["y"].tolist() == [400, 400] and got["export"].tolist() == [40, 40]
    assert str(got["ds"].iloc[0]) == "2026-03-01 23:00:00+00:00"  # W: winter time of the meter
    with pytest.raises(ImportRefused, match=r"line 10: this P1 telegram is damaged: its checksum"):
        take(tmp_path, log.replace("000100.050", "000100.051"), "p1.log")


def test_what_is_no_table_is_called_by_its_name(tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export.csv", PLAIN)
    files: dict[str, tuple[str | bytes, str]] = {
        "a.csv.gz": (gzip.compress(PLAIN.encode()), "gz.*gunzip"),
        "b.xlsx": (packed.read_bytes()[:200], "damaged zip archive or xlsx"),
        "a.pdf": (b"%PDF-1.7 ...", "PDF"),
        "nul.csv": (PLAIN.encode() + b"\0\0\0", "line 50: has NUL bytes"),
        "bin.csv": (bytes(range(256)) * 9, "binary"),
        "json.csv": ('{"count": 1, "res', "not JSON"),
        "xml.csv": ("<readings><reading>1</reading></readings>", "not Green Button"),
        "page.csv": ("<html><body>Please log in</body></html>", "a web page"),
        "one.csv": ("timestamp 1\n2026 1\n", "not a table"),
    }
    for name, (content, words) in files.items():
        with pytest.raises(ImportRefused, match=words):
            take(tmp_path, content, name)


def test_a_library_that_is_missing_is_named_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nemreader", None)
    with pytest.raises(
        ImportRefused, match=r"NEM12 file, for which a library is missing: pip install 'wattproof\[meters\]'"
    ):
        take(tmp_path, "100,NEM12,202603030000,MDP1,RET1\n900\n")


def test_presets_are_named_as_they_are_typed() -> None:
    assert {"enedis", "e-distribuzione", "fluvius", "datadis", "octopus", "homewizard", "home-assistant"} <= set(
        PRESETS
    )
