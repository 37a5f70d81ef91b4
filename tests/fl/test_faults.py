"""Faults of a running federation, with real processes: whatever one side does, training goes on with the rest."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from fl.store import RoundReport
from tests.fl.deployment import HOMES, Deployment, until
from tests.fl.slow_link import SlowLink

pytestmark = pytest.mark.process

A, B, C, LATE = HOMES
TIMEOUT_S = 6


@pytest.fixture(scope="module")
def federation(deploy: Callable[..., Deployment]) -> Deployment:
    """Three of four homes at work, in a training far longer than the tests."""
    deployment = deploy(rounds=500, min_homes=2, round_timeout_s=TIMEOUT_S, evaluate_every=0, attempts=5)
    deployment.start_coordinator()
    for home in (A, B, C):
        deployment.start_agent(home, seconds=0.5)
    _round_with(deployment, {A, B, C})
    return deployment


def test_an_agent_killed_in_a_round_is_left_out_and_trains_again_once_restarted(federation: Deployment) -> None:
    number = _next(federation)
    federation.wait_for_log(B, f"training round {number}")
    federation.kill(B)
    report = federation.wait_for_round(number)
    assert B in report.left_out and set(report.participants) == {A, C}
    federation.start_agent(B, seconds=0.5)
    _round_with(federation, {A, B, C})


def test_a_hanging_agent_costs_a_timeout_and_no_more(federation: Deployment) -> None:
    number = _next(federation)
    federation.wait_for_log(C, f"training round {number}")
    federation.kill(C, signal.SIGSTOP)
    report = federation.wait_for_round(number)
    assert report.left_out == {C: f"no answer in {TIMEOUT_S} s"}
    assert set(report.participants) == {A, B}
    assert TIMEOUT_S <= report.seconds < TIMEOUT_S + 3
    federation.kill(C, signal.SIGCONT)
    _round_with(federation, {A, B, C})


def test_an_agent_whose_training_hangs_is_not_waited_for_again_until_it_is_done(federation: Deployment) -> None:
    """Its heart goes on beating, so that it counts as online all the while."""
    federation.kill(C)
    before = (federation.folder / f"{C}.log").stat().st_size
    federation.start_agent(C, seconds=5 * TIMEOUT_S)
    until(lambda: "training round" in federation.log(C)[before:] or None, 60, f"training at {C}")
    hung = federation.wait_for_round(_next(federation))
    assert hung.left_out == {C: f"no answer in {TIMEOUT_S} s"}
    following = federation.wait_for_round(hung.round + 1)
    assert C not in following.asked and following.seconds < TIMEOUT_S
    until(lambda: federation.log(C)[before:].count("training round") > 1 or None, 120, f"{C} asked again")
    federation.kill(C)
    federation.start_agent(C, seconds=0.5)
    _round_with(federation, {A, B, C})


def test_an_agent_that_joins_late_takes_part_from_then_on(federation: Deployment) -> None:
    assert all(LATE not in _report(federation, number).asked for number in federation.store.rounds())
    federation.start_agent(LATE, seconds=0.5)
    _round_with(federation, set(HOMES))


def test_a_killed_coordinator_resumes_from_its_last_round_and_agents_come_back(federation: Deployment) -> None:
    federation.wait_for_round(_next(federation))
    federation.kill("coordinator")
    done = federation.store.rounds()
    before = {number: (federation.store.path(number) / "weights.npz").stat().st_mtime_ns for number in done}
    federation.start_coordinator()
    report = federation.wait_for_round(done[-1] + 1)
    assert len(report.participants) >= 2
    _round_with(federation, set(HOMES))
    assert federation.store.rounds()[: len(done)] == done == list(range(1, len(done) + 1))
    for number, written in before.items():
        assert (federation.store.path(number) / "weights.npz").stat().st_mtime_ns == written


def test_a_slow_line_is_waited_for_and_a_cut_one_is_not(federation: Deployment) -> None:
    federation.kill(A, signal.SIGTERM)
    with SlowLink(federation.settings.deployment.port, bytes_per_s=30_000) as line:
        federation.start_agent(A, seconds=0.1, port=line.port)
        slow = _round_with(federation, set(HOMES))
        assert slow.seconds > 1.5  # the model goes down and up at 30 kB/s
        assert line.carried > 50_000
        line.cut()
        _round_with(federation, {B, C, LATE})
        line.mend()
        _round_with(federation, set(HOMES))


def test_too_few_homes_end_the_training_with_a_reason(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(rounds=2, min_homes=2, wait_for_homes_s=2)
    deployment.start_coordinator()
    assert deployment.processes["coordinator"].wait(60) != 0
    assert "0 homes online after 2 s, 2 are needed" in deployment.log("coordinator")
    assert deployment.store.rounds() == []


def _report(deployment: Deployment, number: int) -> RoundReport:
    return deployment.store.load(number).report


def _next(deployment: Deployment) -> int:
    """The round being trained now."""
    return (deployment.store.rounds() or [0])[-1] + 1


def _round_with(deployment: Deployment, homes: set[str], seconds: float = 90) -> RoundReport:
    """The first round from now on in which exactly these homes took part."""
    first = _next(deployment)

    def found() -> RoundReport | None:
        reports = (_report(deployment, number) for number in deployment.store.rounds() if number >= first)
        return next((report for report in reports if set(report.participants) == homes), None)

    return until(found, seconds, f"a round of {', '.join(sorted(homes))}")
