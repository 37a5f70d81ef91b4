"""A file of 15 minutes or less gives quarters of an hour that add up to its hours; a coarser one says it has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ImportRefused
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions
from data.importing.summary import summary
from data.quarters import disagreeing_hours, hourly
from data.table import QUARTER, validate_table
from tests.data.importing.conftest import Write
from tests.support.laws import examples

START = datetime(2026, 1, 5, tzinfo=UTC)


def every(seconds: int, count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(seconds=seconds * i) for i in range(count)]


def rows(moments: list[datetime], *columns: list[float | str], header: str = "timestamp,kwh") -> str:
    lines = [",".join([m.isoformat(), *map(str, row)]) for m, *row in zip(moments, *columns, strict=True)]
    return "\n".join([header, *lines]) + "\n"


def take(path: Path, **options: object) -> Imported:
    return import_file(path, ImportOptions("home", quarters=True, **options))  # type: ignore[arg-type]


def values(imported: Imported, column: str = "y") -> list[int]:
    assert imported.quarters is not None, imported.hours_only
    return imported.quarters[column].tolist()  # type: ignore[no-any-return]


def test_a_quarter_is_what_its_readings_add_up_to(write: Write) -> None:
    kwh = [round(0.4 - i / 100, 2) for i in range(24)]
    text = rows(every(300, 24), kwh, [0.5] * 24, header="timestamp,kwh,export_kwh")
    got = take(write(text))
    assert values(got) == [round(1000 * sum(kwh[i : i + 3])) for i in range(0, 24, 3)]
    assert values(got, "export") == [1500] * 8
    assert got.quarters is not None
    assert got.quarters["ds"].tolist() == list(pd.date_range(START, periods=8, freq="15min"))
    assert summary(got, None).endswith("quarters of 2 of these hours")


def test_nobody_who_does_not_ask_gets_quarters(write: Write) -> None:
    path = write(rows(every(900, 8), [0.1, 0.2] * 4))
    assert import_file(path, ImportOptions("home")).quarters is None
    pd.testing.assert_frame_equal(import_file(path, ImportOptions("home")).readings, take(path).readings)


@pytest.mark.parametrize("seconds", [120, 240, 600, 720, 1200, 1800, 3600])
def test_an_interval_that_does_not_divide_a_quarter_gives_hours_only(write: Write, seconds: int) -> None:
    got = take(write(rows(every(seconds, 7200 // seconds), [0.01] * (7200 // seconds))))
    assert len(got.readings) == 2 and got.quarters is None
    why = f"readings are {seconds // 60} minutes apart, which does not divide 15 minutes"
    assert got.hours_only == why


def test_a_register_gives_quarters_where_it_was_read_that_often(write: Write) -> None:
    often = take(write(rows(every(900, 9), [5 + i * i / 100 for i in range(9)])), cumulative=True)
    assert values(often) == [10 + 20 * i for i in range(8)]
    for seconds, count in ((1800, 9), (1500, 12)):  # on the grid, and at any times
        seldom = take(write(rows(every(seconds, count), [5 + i / 10 for i in range(count)])), cumulative=True)
        assert seldom.quarters is None and "15 minutes" in seldom.hours_only


def test_a_register_polled_at_any_times_is_taken_at_the_quarters(write: Write) -> None:
    moments = every(431, 40, START - timedelta(seconds=7))
    got = take(write(rows(moments, [9 + 0.431 * i for i in range(40)])), cumulative=True)
    assert set(values(got)) <= {899, 900, 901}, "one Wh a second"
    assert disagreeing_hours(got.readings, _table(got)).empty


def test_a_reading_that_was_lost_costs_a_registers_hour_nothing_between_its_quarters(write: Write) -> None:
    """A telegram in a log is lost now and then: what the register counted between marks is known all the same. At a
    quarter (01:15), the hour is known and its quarters are not; at a full hour (04:00), no hour beside it is."""
    kept = [i for i in range(73) if i not in (7, 15, 48)]
    moments = every(300, 73)
    got = take(write(rows([moments[i] for i in kept], [round(50 + i * i / 1000, 3) for i in kept])), cumulative=True)
    assert got.readings["filled"].tolist() == [False, False, False, True, True, False]
    assert got.readings["y"].tolist()[:3] == [144, 432, 720], "(12 h + 12)² less (12 h)²"
    assert got.quarters is not None
    assert sorted(set(got.quarters["ds"].dt.hour)) == [0, 2, 5]
    assert values(got)[:4] == [9, 27, 45, 63]


def test_an_hour_that_was_filled_in_has_no_quarters(write: Write) -> None:
    """Neither those of the gap nor those beside it: the hour is not measured."""
    moments = every(900, 24)
    del moments[9]
    got = take(write(rows(moments, [0.1] * 23)), accept_unusual=True)
    assert got.readings["filled"].tolist() == [False, False, True, False, False, False]
    assert got.quarters is not None
    assert sorted(set(got.quarters["ds"].dt.hour)) == [0, 1, 3, 4, 5]


def test_export_that_would_be_filled_in_is_not_known(write: Write) -> None:
    """Its register was not read about 02:00; the other one was. Nothing would show that these hours are invented."""
    export: list[float | str] = [7 + i / 100 for i in range(25)]
    export[8] = export[9] = ""
    text = rows(every(900, 25), [3 + i / 10 for i in range(25)], export, header="timestamp,kwh,export_kwh")
    got = take(write(text), cumulative=True, accept_unusual=True)
    assert got.readings["export"].tolist() == [40, pd.NA, pd.NA, 40, 40, 40]
    assert not got.readings["filled"].any()
    assert values(got, "export") == [*[10] * 4, *[pd.NA] * 8, *[10] * 12]
    assert values(got) == [100] * 24


def test_a_home_that_feeds_nothing_in_has_an_export_of_zero(write: Write) -> None:
    """Not known is something else: without its export a home is no member of shared energy."""
    moments = every(900, 24)
    del moments[9]
    path = write(rows(moments, [0.1 + i % 4 / 10 for i in range(23)]))
    assert "export" not in take(path, accept_unusual=True).readings
    got = take(path, accept_unusual=True, no_export=True)
    assert got.readings["export"].tolist() == [0] * 6 and values(got, "export") == [0] * 20
    both = write(rows(every(900, 8), [0.1] * 8, [0.0] * 8, header="timestamp,kwh,export_kwh"))
    with pytest.raises(ImportRefused, match="exported energy in 'export_kwh': leave --no-export out"):
        take(both, no_export=True)


@pytest.mark.parametrize("pattern", [[0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.4, 0.0]])
def test_hours_that_a_program_has_split_up_are_no_quarters(write: Write, pattern: list[float]) -> None:
    kwh = [round(part * (1 + hour % 7), 4) for hour in range(30) for part in pattern]
    path = write(rows(every(900, 120), kwh))
    got = take(path)
    assert got.quarters is None and "as by a program that had hours only" in got.hours_only
    assert len(values(take(path, accept_unusual=True))) == 120
    one_of_them = write(rows(every(900, 120), [*kwh[:-4], 0.1, 0.2, 0.3, 0.4]))
    assert len(values(take(one_of_them))) == 120


def _table(imported: Imported) -> pd.DataFrame:
    assert imported.quarters is not None
    return validate_table(imported.quarters, QUARTER)


@examples(8)
@given(
    st.lists(st.integers(0, 90_000), min_size=12, max_size=60),
    st.sampled_from([180, 300, 900]),
    st.booleans(),
    st.integers(0, 5),
    st.integers(0, 40),
)
def test_quarters_add_up_to_their_hours_wherever_a_file_begins(
    tmp_path_factory: pytest.TempPathFactory, wh: list[int], seconds: int, register: bool, digits: int, later: int
) -> None:
    """Millionths of a kWh: an hour is the sum of its quarters exactly, and no start of a file changes one."""
    count = 4 * 3600 // seconds
    kwh = [round(wh[i % len(wh)] / 1e6 * (1 + i % 3), 1 + digits) for i in range(count)]
    if register:
        kwh = [round(90 + float(v), 6) for v in np.cumsum(kwh)]
    path = tmp_path_factory.mktemp("law") / "meter.csv"
    moments = every(seconds, count)
    path.write_text(rows(moments, kwh))
    got = take(path, cumulative=register, accept_unusual=True)
    table = _table(got)
    sums = hourly(table)
    pd.testing.assert_frame_equal(sums[["ds", "y"]], got.readings[["ds", "y"]])
    later = min(later, count - 2 * 3600 // seconds)
    path.write_text(rows(moments[later:], kwh[later:]))
    part = _table(take(path, cumulative=register, accept_unusual=True))
    same = table[table["ds"].isin(part["ds"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, same)
