"""Days on the command line: dates, words, numbers; and what names none."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from api.cli.day_names import LAST_NUMBER, day_named
from data.day import DayClock

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


@given(st.integers(0, LAST_NUMBER - 1), st.integers(0, 23))
def test_a_days_date_names_that_day_again(day: int, start_hour: int) -> None:
    clock = DayClock(start_hour)
    assert clock.day_on(clock.date_of(day)) == day
    assert day_named(str(day)).number(clock) == day


def test_a_day_that_begins_at_local_midnight_has_the_local_date() -> None:
    rome = DayClock(23)
    day = day_named("2026-03-02").number(rome)
    assert rome.start_of(day).isoformat() == "2026-03-01T23:00:00+00:00"
    fontana = DayClock(8)
    assert fontana.start_of(day_named("2017-05-30").number(fontana)).isoformat() == "2017-05-30T08:00:00+00:00"
    assert day_named("2017-05-30").number(fontana) == 17316


def test_yesterday_is_the_day_before_the_one_that_runs() -> None:
    clock = DayClock(23)
    assert clock.date_of(day_named("today").number(clock, NOON)) == date(2026, 11, 26)
    assert clock.date_of(day_named("yesterday").number(clock, NOON)) == date(2026, 11, 25)
    assert clock.date_of(day_named("tomorrow").number(clock, NOON)) == date(2026, 11, 27)


@pytest.mark.parametrize(
    "text", ["", "2017-02-30", "30/05/2017", "-1", "80001", "99999999999999", "1.5", "١٢", "1969-01-01"]
)
def test_what_is_no_day_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"date|days are numbered|dates run"):
        day_named(text)
