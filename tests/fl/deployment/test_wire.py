"""Agents and coordinators of two releases as processes: they train together, or who can act is told what to update.

No earlier release can be run here, so one side is made to tell no number, as those do. What real ones did is in
docs/upgrade.md.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fl.deployment.wire import HEADER, SPOKEN, UPDATE_AGENT, spoken_by
from tests.fl.federation import HOMES, Deployment
from tests.support.waiting import LIMIT_S


@pytest.mark.parametrize(("told", "number"), [("1", 1), ("0012", 12), ("²", 0), ("-1", 0), ("", 0), ("9" * 5000, 0)])
def test_a_number_is_read_and_anything_else_is_none(told: str, number: int) -> None:
    assert spoken_by({HEADER: told}) == number
    assert spoken_by({}) == 0 < SPOKEN


@pytest.mark.process
def test_an_earlier_agent_is_left_out_and_an_earlier_coordinator_is_named_and_neither_keeps_the_others_from_training(
    deploy: Callable[..., Deployment],
) -> None:
    *upgraded, earlier = HOMES
    deployment = deploy(rounds=2, min_homes=len(upgraded))
    deployment.start_coordinator(rounds=1, strategy={"local_rounds": 1})
    deployment.start_earlier_agent(earlier)
    deployment.wait_for_log(earlier, UPDATE_AGENT)
    for home in upgraded:
        deployment.start_agent(home)
    assert deployment.wait_for_round(1).participants == tuple(upgraded)
    assert deployment.processes["coordinator"].wait(LIMIT_S) == 0
    assert deployment.log("coordinator").count("agent refused") == 1

    deployment.start_earlier_coordinator()
    assert len(deployment.wait_for_round(2).participants) >= len(upgraded)
    for home in upgraded:
        deployment.wait_for_log(home, "the coordinator is of an earlier release")
    assert deployment.processes["coordinator"].wait(LIMIT_S) == 0
    assert all(deployment.processes[home].poll() is None for home in HOMES)
    assert not any("Traceback" in deployment.log(name) for name in deployment.processes)
