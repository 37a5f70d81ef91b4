"""A polled meter's hours are stored once each, whatever happens to the gateway in between."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedFile
from data.quarters import disagreeing_hours, read_quarters
from data.sources import poller as module
from data.sources.exports import hours_of_export
from data.sources.poller import Poller
from data.sources.source import Hour, Quarters, Reading, Register, without_export
from data.sources.store import hours_between, store_hours
from data.table import read_table
from tests.support.laws import examples

START = datetime(2026, 1, 5, 9, 50, tzinfo=UTC)
EPOCH = int(START.timestamp())


class Played:
    """A meter whose registers grow by 10 Wh in and 1 Wh out each minute; `now` is set by the test."""

    def __init__(self) -> None:
        self.now = START
        self.asked: list[datetime | None] = []

    def poll(self, since: datetime | None) -> list[Reading]:
        self.asked.append(since)
        minutes = int((self.now - START).total_seconds()) // 60
        return [Register(self.now, 50_000 + 10 * minutes, 7000 + minutes)]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours are stored in this process: that another one does it is tested with the folder, and costs a second."""
    monkeypatch.setattr(module, "isolated", lambda work, *arguments: work(*arguments))


def run(tmp_path: Path, meter: Played, minutes: range, poller: Poller | None = None) -> Poller:
    poller = poller or Poller(meter, "elm-3", tmp_path / "elm-3.csv", tmp_path / "live.json")
    for minute in minutes:
        meter.now = START + timedelta(minutes=minute, seconds=13)
        poller.poll()
    return poller


def test_each_whole_hour_is_stored_when_it_is_over(tmp_path: Path) -> None:
    meter = Played()
    poller = run(tmp_path, meter, range(69))
    assert not (tmp_path / "elm-3.csv").exists()  # 10:59: its first hour is not over
    run(tmp_path, meter, range(69, 200), poller)
    table = read_table(tmp_path / "elm-3.csv")
    assert table["ds"].dt.hour.tolist() == [10, 11, 12] and table["y"].tolist() == [600] * 3
    assert table["export"].tolist() == [60] * 3 and not table["filled"].any()


def test_a_restart_loses_nothing_and_stores_nothing_twice(tmp_path: Path) -> None:
    meter = Played()
    run(tmp_path, meter, range(100)).close()
    run(tmp_path, meter, range(103, 200))  # another process; this one is not closed, as by a power cut
    run(tmp_path, meter, range(206, 260))
    table = read_table(tmp_path / "elm-3.csv")
    assert table["y"].tolist() == [600] * 4 and not table["filled"].any()


def test_a_gap_is_spread_and_flagged_if_it_is_short_and_left_out_if_not(tmp_path: Path) -> None:
    meter = Played()
    poller = run(tmp_path, meter, range(80))
    run(tmp_path, meter, range(200, 300), poller)
    table = read_table(tmp_path / "elm-3.csv")
    assert table["ds"].dt.hour.tolist() == [10, 11, 12, 13]
    assert table["filled"].tolist() == [False, True, True, True] and table["y"].tolist() == [600] * 4
    run(tmp_path, meter, range(900, 1000), poller)
    assert read_table(tmp_path / "elm-3.csv")["ds"].dt.hour.tolist() == [10, 11, 12, 13, 1]


def test_a_meter_that_was_exchanged_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    meter = Played()
    poller = run(tmp_path, meter, range(100))

    def smaller(since: datetime | None) -> list[Reading]:
        minutes = int((meter.now - START).total_seconds()) // 60
        return [Register(meter.now, 10 * minutes, minutes)]

    meter.poll = smaller  # type: ignore[method-assign]
    run(tmp_path, meter, range(100, 260), poller)
    assert read_table(tmp_path / "elm-3.csv")["ds"].dt.hour.tolist() == [10, 12, 13]
    assert "goes down" in caplog.text


def test_an_hour_that_was_imported_stays_and_the_next_ones_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Played()
    poller = run(tmp_path, meter, range(75))
    table = tmp_path / "elm-3.csv"
    table.write_text(table.read_text().replace(",600,", ",555,"))
    meter.poll = lambda since: [Hour(START.replace(hour=h, minute=0), 600, None) for h in (10, 11)]  # type: ignore[method-assign]
    assert poller.poll() == 1
    assert read_table(table)["y"].tolist() == [555, 600]
    assert "other values" in caplog.text


def test_a_source_of_hours_is_asked_from_where_the_table_ends(tmp_path: Path) -> None:
    meter = Played()
    run(tmp_path, meter, range(75))
    run(tmp_path, meter, range(75, 76))
    assert meter.asked[0] is None and meter.asked[-1] == START.replace(hour=11, minute=0)


def test_a_damaged_state_is_named_with_a_remedy_that_costs_little(tmp_path: Path) -> None:
    (tmp_path / "live.json").write_text('{"since": 3, "regi')
    with pytest.raises(DamagedFile, match=r"live\.json is damaged.*Move it away: at most an hour"):
        run(tmp_path, Played(), range(1))


@examples(60)
@given(st.lists(st.tuples(st.integers(1, 7000), st.integers(0, 5000)), min_size=2, max_size=40))
def test_energy_is_conserved_wherever_hours_begin(steps: list[tuple[int, int]]) -> None:
    """The hours between two readings are what the register grew by in them, however it was polled."""
    registers, at, wh = [(EPOCH, 1000, None)], EPOCH, 1000
    for seconds, energy in steps:
        at, wh = at + seconds, wh + energy
        registers.append((at, wh, None))
    hours = hours_between(registers)
    for hour in hours:
        if hour.quarters is not None:
            assert sum(hour.quarters.imported) == hour.imported and not hour.filled
    assert sum(hour.imported for hour in hours) <= wh - 1000
    first, last = -(-EPOCH // 3600) * 3600, at // 3600 * 3600
    assert len(hours) == max(0, (last - first) // 3600)
    if first <= EPOCH and last == at:
        assert sum(hour.imported for hour in hours) == wh - 1000


@pytest.mark.parametrize("impossible", [(-1, 0), (131_072, 0), (10**19, 0), (600, 131_072), (600, -1)])
def test_an_hour_that_no_home_has_keeps_no_other_out(
    impossible: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Told by a source of hours: the next ones come, and it is told of once."""
    meter = Played()
    wh = {10: (600, 1), 11: impossible, 12: (601, 1)}
    hours = [Hour(START.replace(hour=h, minute=0), *wh[h]) for h in wh]
    meter.poll = lambda since: [hour for hour in hours if since is None or hour.start >= since]  # type: ignore[method-assign]
    poller = Poller(meter, "elm-3", tmp_path / "elm-3.csv", tmp_path / "live.json")
    assert poller.poll() == 2 and "left out" in caplog.text
    caplog.clear()
    assert poller.poll() == 0 and not caplog.text
    assert read_table(tmp_path / "elm-3.csv")["y"].tolist() == [600, 601]


def test_a_register_that_leaps_costs_its_hour_and_no_more(tmp_path: Path) -> None:
    """A meter that was exchanged for one that stands higher: until now no hour was stored ever after."""
    meter, leap = Played(), 10**9

    def told(since: datetime | None) -> list[Reading]:
        (register,) = Played.poll(meter, since)
        assert isinstance(register, Register)
        higher = leap if meter.now >= START.replace(hour=11, minute=30) else 0
        return [Register(register.taken, register.imported + higher, register.exported)]

    meter.poll = told  # type: ignore[method-assign]
    run(tmp_path, meter, range(260))
    table = read_table(tmp_path / "elm-3.csv")
    assert table["ds"].dt.hour.tolist() == [10, 12, 13] and table["y"].tolist() == [600] * 3


def test_what_a_source_tells_once_is_stored_when_the_disk_has_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, here = Played(), module.isolated
    told = [[Hour(START.replace(hour=10, minute=0), 600, None)], []]
    meter.poll = lambda since: told.pop(0)  # type: ignore[method-assign]
    poller = Poller(meter, "elm-3", tmp_path / "elm-3.csv", tmp_path / "live.json")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "isolated", full)
    with pytest.raises(OSError, match="No space left"):
        poller.poll()
    monkeypatch.setattr(module, "isolated", here)
    assert poller.poll() == 1
    assert read_table(tmp_path / "elm-3.csv")["y"].tolist() == [600]


def with_quarters(tmp_path: Path, meter: Played) -> Poller:
    return Poller(meter, "elm-3", tmp_path / "elm-3.csv", tmp_path / "live.json", tmp_path / "quarters.csv")


def test_quarters_are_stored_with_their_hour_across_restarts(tmp_path: Path) -> None:
    meter = Played()
    run(tmp_path, meter, range(120), with_quarters(tmp_path, meter)).close()
    run(tmp_path, meter, range(123, 200), with_quarters(tmp_path, meter))  # as by a power cut
    run(tmp_path, meter, range(206, 260), with_quarters(tmp_path, meter))
    quarters = read_quarters(tmp_path / "quarters.csv")
    assert quarters["ds"].tolist() == list(pd.date_range(START.replace(hour=10, minute=0), periods=16, freq="15min"))
    assert quarters["y"].tolist() == [150] * 16 and quarters["export"].tolist() == [15] * 16
    assert disagreeing_hours(read_table(tmp_path / "elm-3.csv"), quarters).empty


def test_an_hour_in_which_the_meter_was_not_read_for_a_quarter_has_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an hour all the same: its own energy is known."""
    meter = Played()
    poller = run(tmp_path, meter, range(80), with_quarters(tmp_path, meter))
    assert not caplog.text
    run(tmp_path, meter, range(97, 260), poller)
    assert read_table(tmp_path / "elm-3.csv")["ds"].dt.hour.tolist() == [10, 11, 12, 13]
    assert not read_table(tmp_path / "elm-3.csv")["filled"].any()
    assert sorted(set(read_quarters(tmp_path / "quarters.csv")["ds"].dt.hour)) == [10, 12, 13]
    assert caplog.text.count("hours without quarters of an hour") == 1


def test_a_home_that_feeds_nothing_in_has_an_export_of_zero(tmp_path: Path) -> None:
    """Its meter has no register of export, or its source does not tell it."""
    meter, tables = Played(), [tmp_path / "elm-3.csv", tmp_path / "quarters.csv"]
    told = meter.poll

    def imported(since: datetime | None) -> list[Reading]:
        return [replace(reading, exported=None) for reading in told(since)]

    meter.poll = imported  # type: ignore[method-assign]
    run(
        tmp_path,
        meter,
        range(135),
        Poller(meter, "elm-3", tables[0], tmp_path / "live.json", tables[1], no_export=True),
    )
    assert read_table(tables[0])["export"].tolist() == [0, 0]
    assert read_quarters(tables[1])["export"].tolist() == [0] * 8
    four = Quarters((1, 2, 3, 4), None)
    assert without_export(hour(10, 10, four)) == Hour(
        START.replace(minute=0, hour=10), 10, 0, False, Quarters((1, 2, 3, 4), (0,) * 4)
    )
    assert without_export(Hour(START, 10, 3)) == Hour(START, 10, 3)


def hour(of: int, imported: int, quarters: Quarters | None, filled: bool = False) -> Hour:
    return Hour(START.replace(hour=of, minute=0), imported, None, filled, quarters)


@pytest.mark.parametrize(
    "told",
    [
        hour(10, 10, Quarters((1, 2, 3, 5), None)),
        hour(10, 10, Quarters((1, 2, 3, 4), (1, 1, 1, 1))),
        hour(10, 10, Quarters((1, 2, 3, 4), None), filled=True),
        hour(10, 10, Quarters((-1, 4, 3, 4), None)),
        hour(10, 40_000, Quarters((40_000, 0, 0, 0), None)),
    ],
)
def test_quarters_that_are_none_cost_the_hour_nothing(told: Hour, tmp_path: Path) -> None:
    """Another package's source may tell anything: not adding up, not measured, not possible."""
    table, quarters = tmp_path / "elm-3.csv", tmp_path / "quarters.csv"
    stored = store_hours(table, "elm-3", [told, hour(11, 10, Quarters((1, 2, 3, 4), None))], quarters)
    assert (stored.added, stored.without_quarters) == (2, 1)
    assert read_quarters(quarters)["y"].tolist() == [1, 2, 3, 4]


def test_quarters_that_were_imported_stay_and_so_does_their_hour(tmp_path: Path) -> None:
    table, quarters = tmp_path / "elm-3.csv", tmp_path / "quarters.csv"
    store_hours(table, "elm-3", [hour(10, 10, None), hour(11, 10, Quarters((1, 2, 3, 4), None))], quarters)
    again = [hour(10, 10, Quarters((4, 3, 2, 1), None)), hour(11, 10, Quarters((4, 3, 2, 1), None))]
    stored = store_hours(table, "elm-3", [*again, hour(12, 4, Quarters((1, 1, 1, 1), None))], quarters)
    assert (stored.added, stored.otherwise) == (1, 1)
    assert read_quarters(quarters)["y"].tolist() == [4, 3, 2, 1, 1, 2, 3, 4, 1, 1, 1, 1]
    assert disagreeing_hours(read_table(table), read_quarters(quarters)).empty


def test_an_export_that_is_put_into_a_folder_has_its_quarters(tmp_path: Path) -> None:
    file, rows = tmp_path / "meter.csv", ["timestamp,kwh,export_kwh"]
    for i in range(12):
        rows.append(
            f"{(START.replace(hour=10, minute=0) + timedelta(minutes=15 * i)).isoformat()},0.{i + 10},0.0{i % 3}"
        )
    file.write_text("\n".join(rows) + "\n")
    export = hours_of_export(file, {"unique_id": "home"})
    assert not isinstance(export, str), export
    assert export.hours[1].quarters == Quarters((140, 150, 160, 170), (10, 20, 0, 10))
    stored = store_hours(tmp_path / "elm-3.csv", "elm-3", export.hours, tmp_path / "quarters.csv")
    assert (stored.added, stored.without_quarters) == (3, 0)
    assert read_quarters(tmp_path / "quarters.csv")["y"].tolist() == list(range(100, 220, 10))
