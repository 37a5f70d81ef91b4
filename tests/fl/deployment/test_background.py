"""What is done again and again: a failure is told in few words, waits longer each time, and ends nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fl.deployment.background import Attempt, repeated
from tests.support.waiting import LIMIT_S

LOG = logging.getLogger("test")
SOON_S = 1e-9


def full_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as device:
        device.write(b"x")


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "test"]


class Tried:
    """`act` attempted until it has been called so often."""

    def __init__(self, act: Callable[[], None], times: int) -> None:
        self._act, self.calls = act, 0
        self._attempt = Attempt("daily task", LOG, SOON_S)
        while self.calls < times:
            self.again()

    def again(self) -> bool:
        return self._attempt(self._counted)

    def _counted(self) -> None:
        self.calls += 1
        self._act()


def test_a_full_disk_is_one_line_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    Tried(full_disk, 3)
    for record in told(caplog):
        assert record.getMessage() == "daily task failed" and record.exc_info is None
        assert record.__dict__["reason"] == "No space left on device: free some space"
    assert len(told(caplog)) == 3


def test_it_waits_longer_each_time_and_is_not_tried_before(caplog: pytest.LogCaptureFixture) -> None:
    attempt = Attempt("daily task", LOG, 1000.0)
    for _ in range(6):
        assert not attempt(full_disk), "its time has not come"
    assert len(told(caplog)) == 1
    caplog.clear()
    Tried(full_disk, 12)
    waits = [record.__dict__["again_in_s"] for record in told(caplog)]
    assert len(waits) == 12 and waits == sorted(waits)


def test_a_fault_is_told_with_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    faults = iter([KeyError("a"), KeyError("a"), KeyError("a"), KeyError("b"), None, KeyError("b")])

    def act() -> None:
        if (fault := next(faults)) is not None:
            raise fault

    Tried(act, 6)
    assert [bool(record.exc_info) for record in told(caplog)] == [True, False, False, True, True]
    assert told(caplog)[1].__dict__["reason"] == "KeyError"


def test_what_has_failed_works_again(caplog: pytest.LogCaptureFixture) -> None:
    room = threading.Event()
    attempt = Tried(lambda: None if room.is_set() else full_disk(), 4)
    room.set()
    while not attempt.again():
        pass
    assert attempt.again() and attempt.again() and len(told(caplog)) == 4


def test_a_thread_that_repeats_goes_on_after_a_failure() -> None:
    calls, enough, stop = [], threading.Event(), threading.Event()

    def act() -> None:
        calls.append(1)
        if len(calls) == 4:
            enough.set()
        full_disk()

    with repeated(act, SOON_S, stop, name="daily task", log=LOG):
        assert enough.wait(LIMIT_S)
    assert stop.is_set()
