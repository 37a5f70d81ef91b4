"""Importing adds to a home's table: never loses an hour, never changes one unasked."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import append as module
from data.append import Addition, Appended, append_table, append_tables
from data.errors import TableError
from data.quarters import disagreeing_hours, load_quarters
from data.table import QUARTER, Step, long_table, read_table
from tests.support.laws import examples

DS = pd.date_range("2026-01-05T00:00Z", periods=96, freq="h")


def table(first: int = 0, count: int = 48, *, home: str = "elm-3", plus: int = 0) -> pd.DataFrame:
    return long_table(home, DS[first : first + count], np.arange(first, first + count) + plus)


def of_values(values: dict[int, tuple[int, bool]]) -> pd.DataFrame:
    hours = sorted(values)
    y, filled = (np.array([values[h][part] for h in hours]) for part in (0, 1))
    return long_table("elm-3", DS[hours], y.astype(np.int64), filled.astype(bool))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "readings" / "elm-3.csv"


def test_the_first_import_makes_the_table_and_the_next_adds_to_it(path: Path) -> None:
    assert append_table(path, table()) == Appended(48, 0, 0, 48)
    assert append_table(path, table(40, 20)) == Appended(12, 0, 0, 60)
    pd.testing.assert_frame_equal(read_table(path), table(0, 60))


def test_a_repeat_changes_nothing_not_even_the_file(path: Path) -> None:
    append_table(path, table())
    before = path.stat()
    assert append_table(path, table(10, 20)) == Appended(0, 0, 0, 48)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_other_values_are_refused_with_their_hours_unless_they_are_to_replace(path: Path) -> None:
    append_table(path, table())
    corrected = table(40, 20, plus=1)
    hours = r"8 hours of elm-3 \(from 2026-01-06T16:00:00\+00:00 to 2026-01-06T23:00:00\+00:00\).*--replace"
    with pytest.raises(TableError, match=hours):
        append_table(path, corrected)
    pd.testing.assert_frame_equal(read_table(path), table())
    assert append_table(path, corrected, replace=True) == Appended(12, 0, 8, 60)
    assert read_table(path)["y"].tolist() == [*range(40), *range(41, 61)]


def test_a_measured_hour_replaces_a_filled_one_and_a_filled_one_none(path: Path) -> None:
    append_table(path, of_values({0: (5, False), 1: (6, True), 2: (7, False)}))
    filled = of_values({0: (9, True), 1: (9, True), 2: (7, False)})
    for replace in (False, True):
        assert append_table(path, filled, replace=replace) == Appended(0, 0, 0, 3)
    assert append_table(path, of_values({1: (8, False)})) == Appended(0, 1, 0, 3)
    assert read_table(path)["y"].tolist() == [5, 8, 7] and not read_table(path)["filled"].any()


def test_another_homes_table_stays_as_it_is(path: Path) -> None:
    append_table(path, table())
    with pytest.raises(TableError, match=r"has readings of elm-3.*--out"):
        append_table(path, table(home="elm3"))
    pd.testing.assert_frame_equal(read_table(path), table())


def test_a_file_that_is_no_table_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("the holiday's photographs")
    with pytest.raises(TableError, match=r"elm-3\.csv.*nothing was written.*--out"):
        append_table(path, table())
    assert path.read_text() == "the holiday's photographs"
    with pytest.raises(TableError, match="is not a file"):
        append_table(path.parent, table())


def with_export(export: list[int | None], first: int = 0) -> pd.DataFrame:
    ds = DS[first : first + len(export)]
    return long_table("elm-3", ds, np.arange(first, first + len(export)), False, pd.Series(export, dtype="Int64"))


def test_export_is_kept_through_appending(path: Path) -> None:
    """A table made without it gains it; an import without it takes none away; another value is another reading."""
    append_table(path, table(0, 4))
    assert "export" not in read_table(path)
    assert append_table(path, with_export([7, None, 9], first=2)) == Appended(1, 0, 0, 5)
    append_table(path, table(2, 4))
    assert read_table(path)["export"].tolist() == [pd.NA, pd.NA, 7, pd.NA, 9, pd.NA]
    with pytest.raises(TableError, match="1 hour of elm-3"):
        append_table(path, with_export([8], first=2))
    assert append_table(path, with_export([8], first=2), replace=True).replaced == 1
    assert read_table(path)["export"].tolist() == [pd.NA, pd.NA, 8, pd.NA, 9, pd.NA]


hourly = st.dictionaries(st.integers(0, 30), st.tuples(st.integers(0, 3), st.booleans()), min_size=1)


@examples(12)
@given(st.lists(hourly, min_size=1, max_size=4))
def test_no_hour_is_lost_and_none_that_was_measured_changes(
    tmp_path_factory: pytest.TempPathFactory, imports: list[dict[int, tuple[int, bool]]]
) -> None:
    path = tmp_path_factory.mktemp("law") / "elm-3.csv"
    for values in imports:
        before = read_table(path) if path.exists() else table(count=0)
        try:
            append_table(path, of_values(values))
        except TableError:
            pd.testing.assert_frame_equal(read_table(path), before)
            continue
        after = read_table(path)
        assert set(after["ds"]) == {*before["ds"], *DS[list(values)]}
        measured = before[~before["filled"]].reset_index(drop=True)
        kept = after[after["ds"].isin(measured["ds"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, measured)
        content = path.read_bytes()
        append_table(path, of_values(values))
        assert path.read_bytes() == content


def _append(path: Path, first: int) -> None:
    append_table(path, table(first, 1))


@pytest.mark.process
@pytest.mark.process
def test_imports_at_the_same_time_lose_nothing(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(_append, [(path, hour) for hour in range(30)], chunksize=1)
    pd.testing.assert_frame_equal(read_table(path), table(0, 30))


Hours = dict[int, tuple[tuple[int, int, int, int], bool]]
"""By hour: its quarters, and whether it was filled in, so that it has none."""


def both_tables(hours: Hours) -> tuple[pd.DataFrame, pd.DataFrame]:
    measured = [hour for hour in sorted(hours) if not hours[hour][1]]
    ds = [DS[hour] + QUARTER.length * i for hour in measured for i in range(4)]
    fine = np.array([wh for hour in measured for wh in hours[hour][0]], dtype=np.int64)
    whole = of_values({hour: (sum(quarters), filled) for hour, (quarters, filled) in hours.items()})
    return whole, long_table("elm-3", pd.DatetimeIndex(ds, tz="UTC"), fine, step=QUARTER)


def append_both(folder: Path, hours: Hours, *, replace: bool = False) -> None:
    whole, fine = both_tables(hours)
    additions = [Addition(folder / "hours.csv", whole), Addition(folder / "quarters.csv", fine, QUARTER)]
    append_tables(additions, replace=replace)


imports_of_both = st.dictionaries(
    st.integers(0, 8), st.tuples(st.tuples(*[st.integers(0, 2)] * 4), st.booleans()), min_size=1
)


@examples(5)
@given(st.lists(st.tuples(imports_of_both, st.booleans()), min_size=1, max_size=4))
def test_quarters_add_up_to_their_hours_whatever_is_imported_when(
    tmp_path_factory: pytest.TempPathFactory, imports: list[tuple[Hours, bool]]
) -> None:
    """Corrections, filled hours that are measured later, and the reverse; if one table refuses, neither changes."""
    folder = tmp_path_factory.mktemp("law")
    tables = folder / "hours.csv", folder / "quarters.csv"
    for hours, replace in imports:
        before = [path.read_bytes() if path.exists() else b"" for path in tables]
        try:
            append_both(folder, hours, replace=replace)
        except TableError:
            assert [path.read_bytes() for path in tables] == before
            continue
        whole, fine = read_table(tables[0]), read_table(tables[1], QUARTER)
        assert disagreeing_hours(whole, fine).empty
        assert set(whole["ds"][~whole["filled"]]) == set(fine["ds"].dt.floor("h"))


def test_what_a_full_disk_left_half_done_is_completed_by_the_same_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hours are there and their quarters are not: such a day is not settled, and nothing says anything false."""
    hours: Hours = {hour: ((1, 2, 3, hour), False) for hour in range(4)}
    append_both(tmp_path, {0: hours[0]})
    kept, write = (tmp_path / "quarters.csv").read_bytes(), module.write_table

    def full(table: pd.DataFrame, path: Path, step: Step) -> None:
        if step == QUARTER:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(table, path, step)

    monkeypatch.setattr(module, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        append_both(tmp_path, hours)
    assert (tmp_path / "quarters.csv").read_bytes() == kept and len(read_table(tmp_path / "hours.csv")) == 4
    load_quarters([tmp_path / "quarters.csv"], read_table(tmp_path / "hours.csv"))
    monkeypatch.setattr(module, "write_table", write)
    append_both(tmp_path, hours)
    assert len(load_quarters([tmp_path / "quarters.csv"], read_table(tmp_path / "hours.csv"))) == 16
