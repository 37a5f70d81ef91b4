"""One form for all readings; what is not of that form is refused with a reason."""

import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.day import DayClock
from data.errors import TableError
from data.table import (
    MAX_WH_PER_HOUR,
    differing_rows,
    long_table,
    merge_tables,
    named_rows,
    read_table,
    readings_as,
    validate_table,
    whole_days,
    write_table,
)
from zkp.algebra.commitment import MAX_READING_WH

DS = pd.date_range("2026-01-05T00:00Z", periods=48, freq="h")


def table(home: str = "a", first: int = 0, count: int = 48) -> pd.DataFrame:
    return long_table(home, DS[first : first + count], np.arange(first, first + count))


def test_it_is_sorted_and_typed() -> None:
    both = long_table(pd.Series(["b", "a", "a"]), DS[[0, 1, 0]], pd.Series([1, 2, 3]))
    assert both["unique_id"].tolist() == ["a", "a", "b"]
    assert both["y"].tolist() == [3, 2, 1]
    assert str(both["ds"].dtype) == "datetime64[ns, UTC]"


def test_local_times_become_utc() -> None:
    local = long_table("a", pd.DatetimeIndex(["2026-01-05T00:00-08:00"]), np.array([1]))
    assert local["ds"].iloc[0] == pd.Timestamp("2026-01-05T08:00Z")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.drop(columns="filled"), "lacks filled"),
        (lambda t: t.assign(ds=t["ds"].dt.tz_localize(None)), "not datetime64"),
        (lambda t: t.assign(y=t["y"] / 1000), "whole Wh"),
        (lambda t: t.assign(filled=0), "not bool"),
        (lambda t: t.assign(unique_id=7), "must be text"),
        (lambda t: t.assign(ds=t["ds"] + pd.Timedelta(minutes=30)), "start of an hour"),
        (lambda t: pd.concat([t, t], ignore_index=True), "appears twice"),
        (lambda t: t.assign(y=-t["y"]), "negative"),
        (lambda t: t.assign(y=t["y"] + MAX_WH_PER_HOUR), "check the unit"),
        (lambda t: t.assign(export=1), "export is int64, not Int64"),
        (lambda t: t.assign(export=pd.array([-1] * len(t), dtype="Int64")), "negative export"),
        (lambda t: t.assign(export=pd.array([1 << 20] * len(t), dtype="Int64")), "of export: check the unit"),
        (lambda t: t.iloc[::-1].reset_index(drop=True), "not in order"),
    ],
)
def test_what_is_not_a_long_table(change: object, problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        validate_table(change(table()))  # type: ignore[operator]


def test_every_reading_that_passes_can_be_committed_to() -> None:
    assert MAX_WH_PER_HOUR == MAX_READING_WH


def test_written_and_read_again_it_is_the_same_and_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "home.csv"
    write_table(table(), path)
    pd.testing.assert_frame_equal(read_table(path), table())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["home.csv"]


@pytest.mark.parametrize("home", ["a", "NA"])
def test_export_is_written_where_it_is_known(tmp_path: Path, home: str) -> None:
    export = pd.Series([None if hour % 5 == 0 else hour for hour in range(48)], dtype="Int64")
    both = long_table(home, DS, np.arange(48), False, export)
    write_table(both, tmp_path / "home.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "home.csv"), both)


def test_a_table_that_is_refused_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "home.csv"
    write_table(table(), path)
    with pytest.raises(TableError):
        write_table(table().assign(y=-1), path)
    pd.testing.assert_frame_equal(read_table(path), table())


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", "unique_id,ds,y,filled\na,2026-01-05T00:00:00Z,secret,False\n"]
)
def test_a_file_that_is_not_a_table_is_named_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "home.csv"
    path.write_text(content)
    with pytest.raises(TableError, match=r"home\.csv") as refused:
        read_table(path)
    assert "secret" not in str(refused.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="wattproof data import"):
        read_table(tmp_path / "home.csv")


def test_tables_of_two_months_and_two_homes_merge() -> None:
    merged = merge_tables(merge_tables(table(count=30), table(first=20, count=28)), table("b"))
    pd.testing.assert_frame_equal(merged, pd.concat([table("a"), table("b")], ignore_index=True))


def test_a_measured_hour_replaces_a_filled_one() -> None:
    guessed = long_table("a", DS[:2], np.array([9, 9]), np.array([False, True]))
    measured = long_table("a", DS[1:3], np.array([4, 5]))
    for merged in (merge_tables(guessed, measured), merge_tables(measured, guessed)):
        assert merged["y"].tolist() == [9, 4, 5]
        assert not merged["filled"].any()


def test_of_two_measured_values_the_new_one_stands_and_the_hours_are_named() -> None:
    corrected = table().assign(y=lambda t: t["y"].where(t.index % 24 != 3, 7))
    assert merge_tables(table(), corrected)["y"].tolist() == corrected["y"].tolist()
    changed = differing_rows(table(), corrected)
    assert changed["ds"].tolist() == [DS[3], DS[27]]
    assert named_rows(changed) == "2 hours of a (from 2026-01-05T03:00:00+00:00 to 2026-01-06T03:00:00+00:00)"
    assert differing_rows(table(), corrected.assign(filled=True)).empty, "what is filled is no other measurement"


@pytest.mark.parametrize("home", ["NA", "null", "nan", "None", "1e3", "007", "true"])
def test_a_home_may_be_called_what_others_take_for_nothing(tmp_path: Path, home: str) -> None:
    path = tmp_path / "home.csv"
    write_table(table(home), path)
    pd.testing.assert_frame_equal(read_table(path), table(home))


@pytest.mark.parametrize("home", ["", " ", ".", "..", "../evil", "a/b", "a\\b", "elm 3", "-x", "a" * 65, "a\n"])
def test_a_home_is_called_what_a_file_and_an_address_can_be(home: str) -> None:
    with pytest.raises(TableError, match="a home's name has at most 64 letters"):
        table(home)


def test_whole_days_are_those_with_all_their_hours() -> None:
    clock = DayClock(8)
    days = whole_days(pd.concat([table("a"), table("b")], ignore_index=True), "b", clock)
    first = clock.day_of(DS[8])
    assert list(days) == [first]
    assert days[first].tolist() == list(range(8, 32))
    with pytest.raises(TableError, match="no readings of home 'c'"):
        whole_days(table(), "c", clock)


def test_a_table_of_a_quantity_has_the_hours_in_which_it_is_known() -> None:
    export = pd.Series([5, None, 7], dtype="Int64")
    both = long_table("a", DS[:3], np.array([1, 2, 3]), np.array([True, False, False]), export)
    assert readings_as(both, "load") is both
    fed_in = readings_as(both, "export")
    assert fed_in["y"].to_list() == [5, 7] and fed_in["ds"].to_list() == [DS[0], DS[2]]
    assert fed_in["filled"].to_list() == [True, False] and "export" not in fed_in
    for nothing in (table(), table().assign(export=pd.array([pd.NA] * 48, dtype="Int64"))):
        with pytest.raises(TableError, match="no column export"):
            readings_as(nothing, "export")
