"""In a replay the clock waits for late homes: for as long as a day takes, and not twice for one that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from api.config.settings import HouseholdEntry
from api.operator.community import Community
from api.operator.database.tables import Departure, Forecast, ModelRound
from api.operator.held_time import HeldTime
from api.protocol.recorded_time import RecordedClock
from tests.api.protocol.test_recorded_time import START, settings

HOMES = ("0x" + "1" * 40, "0x" + "2" * 40)
GRACE_S, HOUR_S, DAY_S = 12 * 3600, 3600, 86_400


class Replayed:
    """A community whose day takes a minute; `pass_s` lets the machine's seconds pass, the server looking each."""

    def __init__(self, folder: Path) -> None:
        self.machine = 0.0
        config = settings(folder)
        rewards = config.rewards.model_copy(update={"grace_seconds": GRACE_S})
        members = tuple(HouseholdEntry(household=home, meter="0x" + "9" * 40) for home in HOMES)
        street = config.community.model_copy(update={"members": members})
        self.community = Community(config.model_copy(update={"rewards": rewards, "community": street}))
        assert config.replay is not None
        self.clock = RecordedClock(config.replay, lambda: self.machine)
        self.community.now = self.clock
        self.held = HeldTime(self.community, lambda: self.machine)
        self.first = self.community.clock.day_of(START) + 1

    def publish(self) -> None:
        with self.community.sessions.begin() as session:
            session.add(ModelRound(number=1, digest="0x1"))

    def forecast(self, day: int, homes: Sequence[str] = HOMES) -> None:
        with self.community.sessions.begin() as session:
            for home in homes:
                session.add(
                    Forecast(household=home, day=day, round=1, head="", commitment="", proof_hash=f"{home}{day}",
                             bundle=b"")
                )  # fmt: skip

    def pass_s(self, seconds: int) -> None:
        for _ in range(2 * seconds):
            self.machine += 0.5
            self.held.look()

    def hour_of(self, day: int) -> float:
        return (self.clock() - self.community.start_of(day)) / HOUR_S


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    made = Replayed(tmp_path)
    made.held.look()
    return made


def until_the_first_day(replayed: Replayed) -> None:
    while replayed.hour_of(replayed.first) < 0:
        replayed.pass_s(1)


def test_it_stands_before_forecasts_close_until_the_last_one_is_there(replayed: Replayed) -> None:
    replayed.publish()
    until_the_first_day(replayed)
    replayed.pass_s(40)  # 16 hours, if nothing held them up
    assert replayed.hour_of(replayed.first) == pytest.approx(10)
    replayed.forecast(replayed.first, HOMES[:1])
    replayed.pass_s(5)
    assert replayed.hour_of(replayed.first) == pytest.approx(10)
    replayed.forecast(replayed.first, HOMES[1:])
    replayed.pass_s(5)
    assert replayed.hour_of(replayed.first) == pytest.approx(10 + 5 * 24 / 60, abs=0.3), "it goes on, at its pace"


def test_the_first_day_is_waited_for_also_where_its_model_came_in_the_evening_before(replayed: Replayed) -> None:
    replayed.machine += 0.1  # no look is at the very moment that a day begins
    until_the_first_day(replayed)
    replayed.pass_s(45)  # the day before is waited for no more: there is no model
    replayed.publish()
    while replayed.hour_of(replayed.first + 1) < 0:
        replayed.pass_s(1)
    replayed.pass_s(40)
    assert replayed.hour_of(replayed.first + 1) == pytest.approx(10)


def test_a_member_that_has_left_is_not_waited_for(replayed: Replayed) -> None:
    replayed.publish()
    with replayed.community.sessions.begin() as session:
        session.add(Departure(household=HOMES[1], left_at=0))
    until_the_first_day(replayed)
    replayed.forecast(replayed.first, HOMES[:1])
    replayed.pass_s(40)
    assert replayed.hour_of(replayed.first) > 12


def test_a_home_that_was_stopped_is_waited_for_once(replayed: Replayed) -> None:
    replayed.publish()
    until_the_first_day(replayed)
    for day in (replayed.first, replayed.first + 1):
        replayed.forecast(day, HOMES[:1])
    replayed.pass_s(50)
    assert replayed.hour_of(replayed.first) == pytest.approx(10)
    replayed.pass_s(75)  # it waits for a minute, which a day takes
    assert replayed.hour_of(replayed.first + 1) > 0
    replayed.pass_s(60)
    assert replayed.hour_of(replayed.first + 2) > 0, "and not on the next day"


@pytest.mark.parametrize("late", [False, True], ids=["no model", "a model that the day does not forecast with"])
def test_nobody_is_waited_for_without_a_model_that_was_there_when_the_day_began(
    replayed: Replayed, late: bool
) -> None:
    until_the_first_day(replayed)
    replayed.pass_s(5)
    if late:
        replayed.publish()
    replayed.pass_s(60)
    assert replayed.hour_of(replayed.first) > 24
