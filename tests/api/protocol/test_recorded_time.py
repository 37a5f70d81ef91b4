"""Recorded time runs as fast as it is told to, from where it was set."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.config.community_yaml import Config, ConfigError, parse
from api.config.replay_settings import ReplaySettings
from api.operator.community import Community
from api.protocol.recorded_time import RecordedClock
from tests.support.laws import examples

START = datetime(2017, 5, 1, 20, tzinfo=UTC)


@examples(50)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=5), st.floats(0.1, 1440))
def test_a_recorded_day_takes_as_many_minutes_as_the_settings_say(passing: list[float], day_minutes: float) -> None:
    machine = 5.0
    clock = RecordedClock(ReplaySettings(start=START, day_minutes=day_minutes), lambda: machine)
    for seconds in passing:
        machine += seconds
    days = (machine - 5.0) / 60 / day_minutes
    assert clock() == pytest.approx(START.timestamp() + days * 86_400)
    clock.set(7.0)
    assert clock() == 7.0


@examples(50)
@given(st.floats(-10_000, 10_000), st.floats(0, 600), st.floats(0, 600))
def test_a_clock_that_is_held_never_goes_back_and_goes_on_from_where_it_stood(
    at: float, before: float, held: float
) -> None:
    machine = 0.0
    clock = RecordedClock(ReplaySettings(start=START, day_minutes=1440), lambda: machine)
    machine += before
    began = clock()
    for _ in range(2):  # it may be asked for again and again
        clock.hold(START.timestamp() + at)
        assert clock() == pytest.approx(began)
    machine += held
    stood = clock()
    assert stood == pytest.approx(max(began, min(began + held, START.timestamp() + at)))
    clock.let_go()
    assert clock() == pytest.approx(stood)
    machine += 5
    assert clock() == pytest.approx(stood + 5)


def settings(folder: Path) -> Config:
    return Config.model_validate(
        {
            "community": {"name": "Recorded"}, "data": {"source": "none"}, "api": {"state_dir": folder},
            "replay": {"start": START, "day_minutes": 1},
        }
    )  # fmt: skip


def test_recorded_time_stands_while_the_server_is_off(tmp_path: Path) -> None:
    first = Community(settings(tmp_path))
    chain = first.open_chain()
    assert START.timestamp() <= chain.now < START.timestamp() + 86_400
    assert isinstance(first.now, RecordedClock)
    first.now.set(START.timestamp() + 9 * 86_400)
    chain.fund("0x00000000000000000000000000000000000000A1")  # a block, of that time
    chain.close()
    again = Community(settings(tmp_path)).open_chain()
    assert START.timestamp() + 9 * 86_400 <= again.now < START.timestamp() + 10 * 86_400
    again.close()


REPLAY = "replay: {start: '2017-05-01T20:00:00Z'"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("replay: {start: '2017-05-01T20:00:00'}", "timezone"),
        (f"{REPLAY}, day_minutes: 0}}", "greater than or equal to 0.1"),
        (f"{REPLAY}}}\nrewards: {{clock: standing}}", "needs the embedded chain"),
        (f"{REPLAY}, recorded: r.csv}}", "needs gateway.api_url"),
        (f"{REPLAY}, recorded: r.csv}}\ngateway: {{api_url: 'http://127.0.0.1:8000'}}", "needs data.source: files"),
    ],
)
def test_settings_that_recorded_time_cannot_run_by_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse(f"community: {{name: A}}\ndata: {{source: none}}\n{text}\n", "community.yaml")
