"""Faults of a running federation, with real processes: whatever one side does, training goes on with the rest."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fl.client_app import ARRAYS, PLAN
from fl.deployment.fleet_client import FleetClient, MessageRefused
from fl.deployment.keys import KeyFolder, load_agent_key, load_authority
from fl.store import RoundReport
from tests.fl.federation import HOMES, ROUND_S, Deployment
from tests.fl.slow_link import SlowLink
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process

A, B, C, LATE = HOMES
NO_ANSWER = f"no answer in {ROUND_S} s"
SOON_S = 10  # the shortest heartbeat: a killed agent counts as gone after two, and only then may it come back


RUBBISH = (
    (RecordDict(), "no 'arrays'"),
    (RecordDict({ARRAYS: ArrayRecord({"w": Array("float32", (3,), "numpy.ndarray", b"PK")})}), "not the model's"),
    (RecordDict({ARRAYS: ArrayRecord({"w": Array("float32", (3,), "numpy.ndarray", b"")})}), "not the model's"),
    (RecordDict({"junk": ConfigRecord({"junk": bytes(2_000_000)})}), "larger than"),
)


def test_too_few_homes_end_the_training_with_a_reason(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(rounds=2, min_homes=2, wait_for_homes_s=2)
    deployment.start_coordinator()
    assert deployment.processes["coordinator"].wait(LIMIT_S) != 0
    assert "0 homes online after 2 s, 2 are needed" in deployment.log("coordinator")
    assert deployment.store.rounds() == []


@pytest.fixture(scope="module")
def at_work(deploy: Callable[..., Deployment], request: pytest.FixtureRequest) -> tuple[Deployment, int]:
    """Three of four homes at work, in a training far longer than the tests; how many tests had failed before."""
    failed = request.session.testsfailed
    deployment = deploy(rounds=5000, min_homes=2, evaluate_every=0, attempts=5)
    deployment.start_coordinator()
    deployment.start_agent(A, seconds=0.5)
    deployment.start_agent(B, seconds=0.5, heartbeat_s=SOON_S)
    deployment.start_agent(C, seconds=0.5)
    deployment.wait_for_round_of(A, B, C)
    return deployment, failed


@pytest.fixture
def federation(at_work: tuple[Deployment, int], request: pytest.FixtureRequest) -> Deployment:
    """Each test goes on from where the one before left off: after one that failed, all others would wait in vain."""
    deployment, failed = at_work
    assert request.session.testsfailed == failed, "a test before this one failed and left the federation as it was"
    return deployment


def test_an_agent_killed_in_a_round_is_left_out_and_trains_again_once_restarted(federation: Deployment) -> None:
    number = federation.hold(B)
    federation.kill(B)
    federation.let_go(B)
    federation.run_out(number, A, C)
    report = federation.wait_for_round(number)
    assert B in report.left_out and set(report.participants) == {A, C}
    federation.join(B, held=A, seconds=0.5)  # only once its predecessor counts as gone
    federation.wait_for_round_of(A, B, C)


def test_a_hanging_agent_costs_a_timeout_and_no_more(federation: Deployment) -> None:
    number = federation.hold(C)
    federation.kill(C, signal.SIGSTOP)
    federation.let_go(C)
    federation.run_out(number, A, B)
    report = federation.wait_for_round(number)
    assert report.left_out == {C: NO_ANSWER} and set(report.participants) == {A, B}
    federation.wait_for_round(number + 1)  # though no more time passes
    federation.kill(C, signal.SIGCONT)
    federation.wait_for_round_of(A, B, C)


def test_an_agent_whose_training_hangs_is_not_waited_for_again_until_it_is_done(federation: Deployment) -> None:
    """Its heart goes on beating, so that it counts as online all the while."""
    number = federation.hold(C)
    federation.run_out(number, A, B)
    assert federation.wait_for_round(number).left_out == {C: NO_ANSWER}
    assert C not in federation.wait_for_round(number + 1).asked
    federation.let_go(C)
    federation.wait_for_round_of(A, B, C)


def test_an_agent_that_joins_late_takes_part_from_then_on(federation: Deployment) -> None:
    assert all(LATE not in _report(federation, number).asked for number in federation.store.rounds())
    federation.join(LATE, held=A, seconds=0.5)
    federation.wait_for_round_of(*HOMES)


def test_a_killed_coordinator_resumes_from_its_last_round_and_agents_come_back(federation: Deployment) -> None:
    federation.wait_for_round(federation.next_round)
    federation.kill("coordinator")
    done = federation.store.rounds()
    before = {number: (federation.store.path(number) / "weights.npz").stat().st_mtime_ns for number in done}
    federation.start_coordinator()
    report = federation.wait_for_round(done[-1] + 1)
    assert len(report.participants) >= 2
    federation.wait_for_round_of(*HOMES)
    assert federation.store.rounds()[: len(done)] == done == list(range(1, len(done) + 1))
    for number, written in before.items():
        assert (federation.store.path(number) / "weights.npz").stat().st_mtime_ns == written


def test_a_slow_line_is_waited_for_and_a_cut_one_is_not(federation: Deployment) -> None:
    federation.kill(A, signal.SIGTERM)
    with SlowLink(federation.settings.deployment.port, bytes_per_s=30_000) as line:
        federation.join(A, held=B, seconds=0.1, port=line.port)
        slow = federation.wait_for_round_of(*HOMES)
        assert slow.seconds > 1.5  # the model goes down and up at 30 kB/s
        assert line.carried > 50_000
        number = federation.hold(A)
        line.cut()
        federation.let_go(A)
        federation.run_out(number, B, C, LATE)
        assert set(federation.wait_for_round(number).participants) == {B, C, LATE}
        line.mend()
        federation.wait_for_round_of(*HOMES)
        federation.kill(A, signal.SIGTERM)
    federation.join(A, held=B, seconds=0.5)
    federation.wait_for_round_of(*HOMES)


def test_a_key_that_is_deleted_while_training_goes_on_is_shut_out_and_may_come_back(federation: Deployment) -> None:
    public = KeyFolder(federation.folder / "keys").agent_public(B)
    key, before = public.read_bytes(), len(federation.log(B))
    with federation.paused(A):
        public.unlink()
        federation.wait_for_log("coordinator", "agent shut out")
        until(lambda: "no longer knows this agent" in federation.log(B)[before:], "a refusal in its log")
    federation.wait_for_round_of(A, C, LATE)
    assert B not in federation.wait_for_round(federation.next_round).asked
    with federation.paused(A):
        public.write_bytes(key)
        until(lambda: "agent ready" in federation.log(B)[before:], "its return")
    federation.wait_for_round_of(*HOMES)


def test_rubbish_over_the_line_is_left_out_and_stops_nobody(federation: Deployment) -> None:
    """A home's own key in other hands: they sign well, and answer each training with something else."""
    federation.kill(B, signal.SIGTERM)
    keys, stop = KeyFolder(federation.folder / "keys"), threading.Event()
    address = f"127.0.0.1:{federation.settings.deployment.port}"
    line = FleetClient(address, load_agent_key(keys.agent_key(B)), load_authority(keys.directory), SOON_S, stop)
    assert line.connect()
    try:
        for content, reason in RUBBISH:
            asked = until(line.receive, "a training")
            number = int(cast(int, asked.content.config_records[PLAN]["round"]))
            with suppress(MessageRefused):  # what is too large is refused on the way
                line.send(Message(content, reply_to=asked), 0.1)
            report = federation.wait_for_round(number)
            assert set(report.participants) == {A, C, LATE} and re.search(reason, report.left_out[B])
    finally:
        stop.set()
        line.close()
    federation.join(B, held=A, seconds=0.5)
    federation.wait_for_round_of(*HOMES)


def _report(deployment: Deployment, number: int) -> RoundReport:
    return deployment.store.load(number).report
