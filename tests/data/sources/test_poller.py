"""A polled meter's hours are stored once each, whatever happens to the gateway in between."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedFile
from data.sources import poller as module
from data.sources.poller import Poller
from data.sources.source import Hour, Reading, Register
from data.sources.store import hours_between
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
