"""A home's learners of load and of export: each in a process of its own, of which one is open at a time."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest

from fl.deployment.training_process import TrainingProcess
from tests.support.waiting import until

pytestmark = pytest.mark.process


def opened(quantity: str) -> Any:
    return quantity


def whose(subject: Any) -> tuple[str, int]:
    return str(subject), os.getpid()


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_of_two_learners_is_open_at_a_time_and_other_work_closes_both() -> None:
    load = TrainingProcess("ada", partial(opened, "load"))
    export = TrainingProcess("ada", partial(opened, "export"), beside=load)
    try:
        (first, of_load), (second, of_export) = load.call(whose), export.call(whose)
        assert (first, second) == ("load", "export") and of_load != of_export
        until(lambda: not runs(of_load) or None, "the process of load has ended")
        again, anew = load.call(whose)
        assert again == "load" and anew != of_load
        until(lambda: not runs(of_export) or None, "and that of export, once load goes on")
        with load.paused_for(partial(opened, "proofs")) as other:
            assert other.call(whose)[0] == "proofs" and not runs(anew)
    finally:
        load.close()
