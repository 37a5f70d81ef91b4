"""An outage is said once for each reason, once an hour after that, and when it is over."""

from __future__ import annotations

import logging

import pytest

from fl.deployment.outage import Outage

LOG = logging.getLogger("tests.outage")


@pytest.fixture(autouse=True)
def _all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_a_day_without_a_coordinator_is_a_line_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    outage = Outage(LOG, "line", lambda: now[0])
    while now[0] < 86_400:
        now[0] += outage.failed("refused")
    assert 24 <= len(caplog.records) <= 25
    assert caplog.records[-1].__dict__["reason"] == "refused" and caplog.records[-1].__dict__["for_s"] > 80_000
    assert outage.active
    outage.over()
    assert caplog.records[-1].message == "line up again" and not outage.active


def test_reasons_that_take_turns_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(LOG, "line", lambda: 0.0)
    for number in range(50):
        outage.failed(("refused", "timed out")[number % 2])
    assert [record.__dict__["reason"] for record in caplog.records] == ["refused", "timed out"]


def test_waits_grow_and_begin_anew_after_it_worked() -> None:
    outage = Outage(LOG, "line", lambda: 0.0)
    waits = [outage.failed("refused") for _ in range(12)]
    assert waits[0] <= 0.5 and all(15 <= wait <= 30 for wait in waits[6:])
    outage.over()
    assert outage.failed("refused") <= 0.5


def test_what_works_all_along_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(LOG, "line", lambda: 0.0)
    outage.over()
    assert caplog.records == []
