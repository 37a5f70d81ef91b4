"""A household's own file comes in whole: energy conserved, time right through daylight saving, nothing hidden."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.errors import ImportRefused
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions
from tests.data.importing.conftest import Write
from tests.support.laws import examples

BERLIN = "Europe/Berlin"
START = datetime(2026, 1, 5, tzinfo=UTC)


def rows(moments: list[datetime], values: list[float], header: str = "timestamp,kwh") -> str:
    return "\n".join([header, *(f"{m.isoformat()},{v:.6f}" for m, v in zip(moments, values, strict=True))]) + "\n"


def every(minutes: int, count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(minutes=minutes * i) for i in range(count)]


def berlin_wall(first: datetime, count: int, minutes: int) -> list[datetime]:
    """Wall times of Berlin without offset, as many meters write them."""
    return [m.astimezone(ZoneInfo(BERLIN)).replace(tzinfo=None) for m in every(minutes, count, first)]


def take(path: Path, **options: object) -> Imported:
    return import_file(path, ImportOptions("home", **options))  # type: ignore[arg-type]


# What comes in.


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize(("header", "unit"), [("timestamp,kwh", 0.001), ("Timestamp, Wh", 1.0)])
def test_intervals_add_up_to_hours(write: Write, minutes: int, header: str, unit: float) -> None:
    per_hour = 60 // minutes
    values = [100.0 * (i + 1) * unit for i in range(3 * per_hour)]
    got = take(write(rows(every(minutes, len(values)), values, header)))
    expected = [sum(100 * (i + 1) for i in range(h * per_hour, (h + 1) * per_hour)) for h in range(3)]
    assert got.readings["y"].tolist() == expected
    assert got.readings["ds"].tolist() == list(pd.date_range(START, periods=3, freq="h"))
    assert not got.readings["filled"].any()
    assert (got.interval_minutes, got.filled_hours, got.cut_hours) == (minutes, 0, 0)
    assert "export" not in got.readings


def test_a_stamp_may_name_the_end_of_its_interval(write: Write) -> None:
    path = write(rows(every(15, 8, START + timedelta(minutes=15)), [0.1] * 8))
    assert take(path, stamp="end").readings["ds"].iloc[0] == pd.Timestamp(START)
    assert take(path, stamp="end").readings["y"].tolist() == [400, 400]
    assert take(path, stamp="start").readings["y"].tolist() == [400]


def test_export_is_a_column_of_its_own(write: Write) -> None:
    lines = [f"{m.isoformat()},0.5,{i / 10}" for i, m in enumerate(every(60, 3))]
    got = take(write("timestamp,kwh,export_kwh\n" + "\n".join(lines)))
    assert got.readings["y"].tolist() == [500, 500, 500]
    assert got.readings["export"].tolist() == [0, 100, 200]


def test_a_register_gives_its_differences(write: Write) -> None:
    got = take(write(rows(every(30, 7), [41_000 + 0.25 * i for i in range(7)])), cumulative=True)
    assert got.readings["y"].tolist() == [500, 500, 500]
    assert got.readings["ds"].iloc[0] == pd.Timestamp(START)


def test_spreadsheet_habits_are_understood(write: Write) -> None:
    path = write("")
    path.write_bytes(b"\xef\xbb\xbfTimestamp,kWh\r\n2026-01-05 00:00Z,1\r\n\r\n2026-01-05 01:00Z,2\r\n")
    assert take(path).readings["y"].tolist() == [1000, 2000]


# Time.


@pytest.mark.parametrize(
    ("day", "hours"), [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)]
)
@pytest.mark.parametrize("minutes", [15, 60])
@pytest.mark.parametrize("stamp", ["start", "end"])
def test_days_of_23_and_25_hours(write: Write, day: datetime, hours: int, minutes: int, stamp: str) -> None:
    count = hours * 60 // minutes
    first = day + (timedelta(minutes=minutes) if stamp == "end" else timedelta())
    values = [0.001 * (count - i) for i in range(count)]
    got = take(write(rows(berlin_wall(first, count, minutes), values)), timezone=BERLIN, stamp=stamp)
    assert got.readings["ds"].tolist() == list(pd.date_range(day, periods=hours, freq="h"))
    assert got.readings["y"].sum() == count * (count + 1) // 2


def test_offsets_need_no_time_zone_and_overrule_one(write: Write) -> None:
    path = write("timestamp,kwh\n2026-10-25T02:00:00+02:00,1\n2026-10-25T02:00:00+01:00,2\n")
    for timezone in (None, "America/Los_Angeles"):
        got = take(path, timezone=timezone)
        assert got.readings["ds"].tolist() == [pd.Timestamp("2026-10-25T00:00Z"), pd.Timestamp("2026-10-25T01:00Z")]


def test_half_hour_zones_work_at_half_hours_only(write: Write) -> None:
    def india(minutes: int) -> str:
        return rows([datetime(2026, 1, 5) + timedelta(minutes=minutes * i) for i in range(8)], [0.1] * 8)

    assert take(write(india(30)), timezone="Asia/Kolkata").readings["ds"].iloc[0] == pd.Timestamp("2026-01-04T19:00Z")
    with pytest.raises(ImportRefused, match="grid of UTC hours"):
        take(write(india(60)), timezone="Asia/Kolkata")


# Gaps.


def without(values: list[datetime], gone: range) -> list[datetime]:
    return [v for i, v in enumerate(values) if i not in gone]


def test_a_short_gap_is_filled_and_flagged(write: Write) -> None:
    moments = without(every(60, 8), range(3, 5))
    got = take(write(rows(moments, [0.1, 0.1, 0.1, 0.4, 0.4, 0.4])))
    assert got.readings["y"].tolist() == [100, 100, 100, 200, 300, 400, 400, 400]
    assert got.readings["filled"].tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert (got.filled_hours, got.cut_hours) == (2, 0)


def test_a_long_gap_is_cut_out(write: Write) -> None:
    got = take(write(rows(without(every(60, 10), range(3, 7)), [0.1] * 6)))
    assert len(got.readings) == 6
    assert pd.Timestamp(START + timedelta(hours=4)) not in got.readings["ds"].tolist()
    assert (got.filled_hours, got.cut_hours) == (0, 4)


def test_an_hour_that_is_there_in_part_is_cut_out(write: Write) -> None:
    got = take(write(rows(every(15, 10, START + timedelta(minutes=30)), [0.1] * 10)))
    assert got.readings["y"].tolist() == [400, 400]
    assert got.cut_hours == 1


def test_a_register_tells_the_energy_of_a_gap(write: Write) -> None:
    register = [10.0, 10.1, 10.2, 11.1, 11.2, 11.3]
    got = take(write(rows(without(every(60, 8), range(3, 5)), register)), cumulative=True)
    assert got.readings["y"].tolist() == [100, 100, 300, 300, 300, 100, 100]
    assert got.readings["filled"].tolist() == [False, False, True, True, True, False, False]


# The law: energy is conserved.

energies = st.lists(st.floats(0, 30), min_size=4, max_size=200)


@examples(60)
@given(energies, st.sampled_from([15, 30, 60]), st.booleans())
def test_energy_is_conserved(
    tmp_path_factory: pytest.TempPathFactory, kwh: list[float], minutes: int, wh: bool
) -> None:
    per_hour = 60 // minutes
    kwh = [round(v, 4) for v in (kwh * per_hour)[: len(kwh) // per_hour * per_hour or per_hour]]
    path = tmp_path_factory.mktemp("law") / "meter.csv"
    values = [1000 * v for v in kwh] if wh else kwh
    path.write_text(rows(every(minutes, len(kwh)), values, "timestamp,wh" if wh else "timestamp,kwh"))
    if len(kwh) == 1:
        with pytest.raises(ImportRefused, match="only one reading"):
            take(path)
        return
    got = take(path, accept_unusual=True).readings["y"]
    hours = 1000 * np.array(kwh).reshape(-1, per_hour).sum(axis=1)
    assert np.all(np.abs(got.to_numpy() - hours) <= 0.5 + 1e-6)


@examples(60)
@given(energies, st.sets(st.integers(1, 198), max_size=20))
def test_a_register_conserves_energy_over_short_gaps(
    tmp_path_factory: pytest.TempPathFactory, kwh: list[float], gone: set[int]
) -> None:
    register = [round(float(v), 4) for v in np.cumsum([5.0, *kwh])]
    kept = [i for i in range(len(register)) if i not in gone or i % 3 != 1 or i in (1, len(register) - 1)]
    path = tmp_path_factory.mktemp("law") / "meter.csv"
    path.write_text(rows([every(60, len(register))[i] for i in kept], [register[i] for i in kept]))
    try:
        got = import_file(path, ImportOptions("home", cumulative=True, max_fill_hours=200, accept_unusual=True))
    except ImportRefused as refused:  # so many gaps that they look like another interval
        assert "minutes apart" in str(refused)
        return
    assert len(got.readings) == len(kwh)
    assert abs(int(got.readings["y"].sum()) - 1000 * (register[-1] - register[0])) <= 1 + 1e-6


def test_decimals_add_up_exactly(write: Write) -> None:
    """0.0005 four times are 2 Wh; 0.1 + 0.2 in binary is not 0.3, and a half is no half any more."""
    path = write(rows(every(15, 8), [0.0005, 0.0005, 0.0005, 0.0005, 0.1, 0.2, 0.0002, 0.0003]))
    assert take(path).readings["y"].tolist() == [2, 300]


def test_rounding_of_intervals_leans_to_neither_side(write: Write) -> None:
    path = write(rows(every(30, 400), [0.0, 0.0005, 0.001, 0.0005] * 100))
    assert take(path, accept_unusual=True).readings["y"].sum() == 200


# The law: a meter's hours are the same in every export of it.

Meter = list[tuple[datetime, Decimal]]


@st.composite
def meters(draw: st.DrawFn) -> tuple[Meter, int, bool]:
    """Rows of a meter with gaps, its interval in minutes, and whether they are a register's."""
    minutes, register = draw(st.sampled_from([15, 30, 60])), draw(st.booleans())
    digits, count = draw(st.integers(0, 6)), draw(st.integers(4, 120))
    steps = [Decimal(v).scaleb(-digits) for v in draw(st.lists(st.integers(0, 3 * 10**digits), min_size=count))]
    values = [sum(steps[: i + 1], Decimal(90_000)) for i in range(len(steps))] if register else steps
    gone = draw(st.sets(st.integers(1, count - 2), max_size=10))
    kept = [row for i, row in enumerate(zip(every(minutes, len(values)), values, strict=True)) if i not in gone]
    return kept, minutes, register


REFUSALS = ("minutes apart", "one reading", "no readings", "single whole hour")


def hours_of(folder: Path, meter: Meter, minutes: int, register: bool) -> dict[pd.Timestamp, tuple[int, bool]]:
    """The hours that come in: value, filled. None of an export whose gaps leave too few rows to tell the interval."""
    path = folder / "meter.csv"
    path.write_text("timestamp,kwh\n" + "".join(f"{moment.isoformat()},{value:f}\n" for moment, value in meter))
    try:
        got = take(path, cumulative=register, accept_unusual=True)
    except ImportRefused as refused:
        assert any(reason in str(refused) for reason in REFUSALS), str(refused)
        return {}
    if got.interval_minutes != minutes:
        return {}
    columns = (got.readings[name] for name in ("ds", "y", "filled"))
    return {ds: (int(y), bool(filled)) for ds, y, filled in zip(*columns, strict=True)}


@examples(40)
@given(meters(), st.integers(1, 40), st.integers(0, 40))
@example((list(zip(every(15, 12), [Decimal("0.0004")] * 12, strict=True)), 15, False), 3, 0)  # 45 minutes later
@example((list(zip(every(15, 12), [Decimal(i) / 3000 for i in range(12)], strict=True)), 15, True), 3, 0)
def test_where_an_export_starts_and_ends_changes_no_hour(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Meter, int, bool], later: int, earlier: int
) -> None:
    meter, minutes, register = drawn
    folder = tmp_path_factory.mktemp("law")
    whole = hours_of(folder, meter, minutes, register)
    part = hours_of(folder, meter[later : max(0, len(meter) - earlier)], minutes, register)
    assert not whole or part.items() <= whole.items()


# What is refused, with its line.

HOUR_LINES = "timestamp,kwh\n2026-01-05T00:00Z,0.11\n2026-01-05T01:00Z,0.12\n"
NIGHT = "timestamp,kwh\n2026-10-25 01:00,0.1\n2026-10-25 02:00,0.1\n2026-10-25 03:00,0.1\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", None, "is empty"),
        ("timestamp,kwh\n", None, "no readings: only a header"),
        (HOUR_LINES.replace("kwh", "colour"), None, "not certain.*its columns are timestamp, colour"),
        (HOUR_LINES.removeprefix("timestamp,kwh\n"), None, "have no names.*--map timestamp=#1"),
        (HOUR_LINES + "2026-01-05T02", 4, "1 of 2 columns: is the file cut off"),
        (HOUR_LINES + "2026-01-05T02:00Z,0.1e", 4, "not a number"),
        (HOUR_LINES + "2026-01-05T02:00Z,0x1", 4, "not a number"),
        (HOUR_LINES + "2026-01-05T02:00Z,inf", 4, "not a number"),
        (HOUR_LINES + "2026-01-05T02:00Z,1e12", 4, "exceeds what any meter counts"),
        (HOUR_LINES + "2026-01-05T02:00Z,-0.13", 4, "negative"),
        (HOUR_LINES + "2026-01-05T01:00Z,0.13", 4, "appears twice"),
        (HOUR_LINES + "5 January,0.13", 4, "is not a time"),
        (HOUR_LINES + "0026-01-05T02:00Z,0.13", 4, "is not a time"),
        (HOUR_LINES + "2026-01-05T02:00,0.13", 4, "no UTC offset"),
        (HOUR_LINES + "2026-01-05T02:07Z,0.13", 4, "grid of UTC hours"),
        (HOUR_LINES + "2026-01-05T02:00Z,200", 4, "is it Wh"),
        (HOUR_LINES + '2026-01-05T02:00Z,"0.13', 4, "not CSV"),
        ("timestamp,kwh\n2026-01-05T00:00Z,1\n", 2, "only one reading"),
        ("timestamp,kwh\n2026-01-05T00:00Z,1\n2026-01-05T00:07Z,1\n", None, "7 minutes apart"),
        ("timestamp,kwh\n2026-01-05T00:30Z,1\n2026-01-05T00:45Z,1\n", None, "single whole hour"),
    ],
)
def test_what_is_refused(write: Write, text: str, line: int | None, problem: str) -> None:
    with pytest.raises(ImportRefused, match=problem) as refused:
        take(write(text))
    assert refused.value.line == line
    assert "meter.csv" in str(refused.value)
    assert "0.13" not in str(refused.value)


def test_an_hour_that_happened_twice_but_is_there_once(write: Write) -> None:
    with pytest.raises(ImportRefused, match="occurred twice in Europe/Berlin") as refused:
        take(write(NIGHT), timezone=BERLIN)
    assert refused.value.line == 3


def test_a_wall_time_that_clocks_skipped(write: Write) -> None:
    text = "timestamp,kwh\n2026-03-29 01:00,0.1\n2026-03-29 02:00,0.1\n"
    with pytest.raises(ImportRefused, match="did not occur") as refused:
        take(write(text), timezone=BERLIN)
    assert refused.value.line == 3


def test_a_register_that_goes_down(write: Write) -> None:
    with pytest.raises(ImportRefused, match="goes down") as refused:
        take(write(rows(every(60, 4), [10, 11, 2, 3])), cumulative=True)
    assert refused.value.line == 4


def test_an_interval_that_changes_on_the_way(write: Write) -> None:
    moments = every(15, 40) + every(30, 20, START + timedelta(hours=10))
    with pytest.raises(
        ImportRefused, match="the interval changes: readings are 30 minutes apart here, elsewhere 15"
    ) as refused:
        take(write(rows(moments, [0.1] * 60)))
    assert refused.value.line == 42


def test_an_unknown_time_zone_and_a_missing_file(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="unknown time zone 'Berlin'"):
        take(write(NIGHT), timezone="Berlin")
    with pytest.raises(ImportRefused, match="no such file"):
        take(tmp_path / "nothing.csv")


def test_bytes_that_are_not_text(write: Write) -> None:
    path = write("")
    path.write_bytes(bytes(range(1, 256)) * 4)
    with pytest.raises(ImportRefused, match="is binary"):
        take(path)


@examples(150)
@given(st.integers(0, 400), st.binary(max_size=6))
def test_a_damaged_file_is_read_or_refused_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    whole = rows(every(60, 12), [0.1] * 12).encode()
    path = tmp_path_factory.mktemp("fuzz") / "meter.csv"
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        take(path)
    except ImportRefused as refused:
        assert "meter.csv" in str(refused)


def test_its_repr_shows_no_reading(write: Write) -> None:
    assert (
        repr(take(write(HOUR_LINES)))
        == "Imported(interval_minutes=60, filled_hours=0, cut_hours=0, offset_s=0, warnings=(), hours_only='')"
    )
