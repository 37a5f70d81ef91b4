"""Every day has a forecast or a reason: told when it comes up, told and counted once its deadline has passed."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway.day_watch import DayWatch
from api.gateway.not_forecast import NOT_RUNNING, REASONS
from fl.deployment.telemetry import AgentMetrics

DAY, START_H, GRACE_S = 20_000, 23, 3600


class Watched:
    """A watch whose clock and forecasts the test sets; it looks once at each moment."""

    def __init__(self) -> None:
        self.metrics, self.forecasts = AgentMetrics("elm-3"), set[int]()
        self.at(DAY, 1)
        self.watch = DayWatch("elm-3", START_H, GRACE_S, lambda day: day in self.forecasts, lambda: self.now)

    def at(self, day: int, seconds: int) -> None:
        self.now = float(day * 86_400 + START_H * 3600 + seconds)

    def look(self, code: str | None = None, day: int | None = None) -> None:
        if code is not None:
            self.watch.because(self.watch.today if day is None else day, code, f"because of {code}")
        self.watch.settle(self.metrics)

    def counted(self) -> dict[str, float]:
        name = "wattproof_agent_days_without_forecast_total"
        found = {r: self.metrics.registry.get_sample_value(name, {"reason": r}) for r in REASONS}
        assert None not in found.values(), "a series that begins with its first count raises no alert"
        return {reason: count for reason, count in found.items() if count}


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[tuple[int, str]]:
    return [(r.__dict__["day"], r.__dict__["code"]) for r in caplog.records if r.levelno == level]


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    caplog.set_level(logging.INFO)
    return Watched()


def test_a_reason_is_told_at_once_and_counted_when_the_deadline_has_passed(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        watched.look("gap")
    assert told(caplog, logging.INFO) == [(DAY, "gap")] and not watched.counted()
    watched.at(DAY, GRACE_S + 1)
    for _ in range(3):
        watched.look("gap")
    assert told(caplog, logging.WARNING) == [(DAY, "gap")] and watched.counted() == {"gap": 1}


def test_what_comes_in_time_is_not_counted(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.look("no-readings")
    watched.forecasts.add(DAY)
    watched.at(DAY, GRACE_S + 1)
    watched.look()
    assert not watched.counted() and not told(caplog, logging.WARNING)


def test_the_last_reason_is_the_one_that_counts(watched: Watched) -> None:
    watched.look("no-readings")
    watched.look("gap")
    watched.at(DAY, GRACE_S + 1)
    watched.look()
    assert watched.counted() == {"gap": 1}


def test_a_day_of_the_past_is_counted_at_once(watched: Watched) -> None:
    """Readings of old days that are brought in late, or a community that plays days of the past."""
    watched.look("gap", day=DAY - 300)
    watched.look("gap", day=DAY - 300)
    assert watched.counted() == {"gap": 1}


def test_days_on_which_the_agent_slept_are_counted_too(watched: Watched) -> None:
    watched.forecasts.add(DAY)
    watched.look()
    watched.at(DAY + 4, 5)
    watched.look()
    assert watched.counted() == {NOT_RUNNING: 3}


@given(
    days=st.lists(st.sampled_from(["forecast", "late", *sorted(REASONS - {NOT_RUNNING})]), min_size=1, max_size=30),
    looks=st.lists(st.integers(0, 86_399), min_size=1, max_size=4),
)
def test_each_day_that_is_over_has_a_forecast_or_is_counted_once(days: list[str], looks: list[int]) -> None:
    watched = Watched()
    for number, what in enumerate(days):
        for second in sorted({0, *looks, GRACE_S + 1}):
            watched.at(DAY + number, second)
            if what == "forecast" or (what == "late" and second > GRACE_S + 1):
                watched.forecasts.add(DAY + number)
            watched.look("no-readings" if what in ("forecast", "late") else what)
    expected = {r: days.count(r) + (days.count("late") if r == "no-readings" else 0) for r in REASONS}
    assert watched.counted() == {reason: count for reason, count in expected.items() if count}
