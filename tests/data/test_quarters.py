"""A table of quarters holds what was measured, by whole hours, and agrees with the table of hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.day import DayClock
from data.errors import NoReadingsYet, TableError
from data.quarters import QUARTERS_PER_DAY, HomeQuarters, disagreeing_hours, hourly, load_quarters, read_quarters
from data.settings import DataSettings
from data.table import HOUR, MAX_WH_PER_HOUR, QUARTER, long_table, read_table, validate_table, write_table

CLOCK = DayClock(23)
START = CLOCK.start_of(20_458)


def quarters(count: int = 96, first: int = 0, *, home: str = "elm-3", export: bool = True) -> pd.DataFrame:
    ds = pd.date_range(START, periods=first + count, freq="15min", unit="ns")[first:]
    wh = np.arange(first, first + count)
    return long_table(home, ds, wh, False, pd.Series(wh + 1000, dtype="Int64") if export else None, QUARTER)


def test_a_day_begins_where_the_community_s_day_begins() -> None:
    both = HomeQuarters(quarters(192), "elm-3", CLOCK)
    assert both.whole_days == [20_458, 20_459]
    day = both.day(20_459)
    assert day.import_wh == tuple(range(96, 192)) and day.export_wh == tuple(range(1096, 1192))
    assert len(day.import_wh) == QUARTERS_PER_DAY
    assert "96" not in repr(day) and "1096" not in repr(both)


def test_a_day_that_lacks_quarters_names_them() -> None:
    home = HomeQuarters(quarters(184, 4), "elm-3", CLOCK)
    assert home.whole_days == []
    with pytest.raises(
        TableError, match=r"elm-3, day 20458 .*4 of its 96 .* of import .*: those of 2026-01-05 23:00"
    ):
        home.day(20_458)
    with pytest.raises(TableError, match=r"day 20459 .*4 of its 96 .*import"):
        home.day(20_459)
    with pytest.raises(TableError, match=r"day 20470 .*none of its quarters"):
        home.day(20_470)


def test_a_day_needs_both_registers() -> None:
    table = quarters()
    assert HomeQuarters(quarters(export=False), "elm-3", CLOCK).whole_days == []
    part = table.assign(export=table["export"].where(np.arange(96) >= 8))
    home = HomeQuarters(validate_table(part, QUARTER), "elm-3", CLOCK)
    assert home.whole_days == []
    with pytest.raises(TableError, match=r"8 of its 96 quarters of an hour of export .*: those of 2 hours from"):
        home.day(20_458)


def test_a_home_whose_table_has_hours_only_is_named() -> None:
    with pytest.raises(TableError, match=r"no quarters of an hour of 'oak-1'.*--quarters TABLE.*data\.quarters"):
        HomeQuarters(quarters(), "oak-1", CLOCK)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.assign(ds=t["ds"] + pd.Timedelta(minutes=5)), "not the start of a quarter of an hour"),
        (lambda t: t.iloc[1:].reset_index(drop=True), "lacks others of its hour"),
        (lambda t: t.iloc[::4].reset_index(drop=True), "is it a table of hours"),
        (lambda t: t.assign(filled=True), "only what was measured"),
        (lambda t: t.assign(export=t["export"].where(t.index > 0)), "export is known in part"),
        (lambda t: t.assign(y=t["y"] + MAX_WH_PER_HOUR // 4 + 1), "check the unit"),
        (lambda t: t.assign(y=-1 - t["y"]), "negative energy"),
    ],
)
def test_what_is_no_table_of_quarters(change: object, problem: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=problem):
        validate_table(change(quarters()), QUARTER)  # type: ignore[operator]


def test_a_table_of_one_step_is_never_read_as_one_of_the_other(tmp_path: Path) -> None:
    hours, fine = tmp_path / "hours.csv", tmp_path / "quarters.csv"
    write_table(hourly(quarters()), hours)
    write_table(quarters(), fine, QUARTER)
    pd.testing.assert_frame_equal(read_quarters(fine), quarters())
    with pytest.raises(TableError, match=r"hours\.csv.*is it a table of hours"):
        read_quarters(hours)
    with pytest.raises(TableError, match=r"quarters\.csv.*not the start of an hour"):
        read_table(fine)
    with pytest.raises(NoReadingsYet, match=r"none\.csv does not exist.*--quarters"):
        read_quarters(tmp_path / "none.csv")


def test_quarters_that_do_not_add_up_to_their_hour_are_named(tmp_path: Path) -> None:
    fine = [tmp_path / f"{home}.csv" for home in ("elm-3", "oak-1")]
    for path in fine:
        write_table(quarters(home=path.stem), path, QUARTER)
    hours = pd.concat([hourly(quarters(home=path.stem)) for path in fine], ignore_index=True)
    assert len(load_quarters(fine, validate_table(hours, HOUR))) == 2 * 96
    other = hours.assign(y=hours["y"] + (hours.index == 3))
    with pytest.raises(TableError, match=r"1 hour of elm-3 \(2026-01-06T02.*do not add up.*--quarters and --replace"):
        load_quarters(fine, other)
    exported = hours.assign(export=hours["export"] + (hours.index == 30))
    assert disagreeing_hours(exported, load_quarters(fine, hours))["unique_id"].tolist() == ["oak-1"]
    filled = other.assign(filled=hours.index == 3)
    assert len(load_quarters(fine, filled)) == 2 * 96, "an hour that was filled in says nothing against them"


def test_settings_keep_the_two_tables_apart() -> None:
    hours, fine = Path("elm-3.csv"), Path("elm-3-quarters.csv")
    assert DataSettings(source="files", files=(hours,), quarters=(fine,)).quarters == (fine,)
    with pytest.raises(ValueError, match="under files: and under quarters:"):
        DataSettings(source="files", files=(hours,), quarters=(hours,))
    with pytest.raises(ValueError, match="quarters: needs source: files"):
        DataSettings(source="none", quarters=(fine,))
