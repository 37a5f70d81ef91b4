"""Queues: bounded, in the order of their lanes, with workers of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from api.http.work_queue import Busy, WorkQueue


class Gate:
    """A job that waits until it is opened, and says when it has begun."""

    def __init__(self) -> None:
        self.begun, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self._open.wait(60)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    made = WorkQueue("test", 1)
    yield made
    made.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


def test_a_job_gives_what_it_returns_or_raises(queue: WorkQueue) -> None:
    lane = queue.lane("work", 4)
    assert asyncio.run(lane.run(divmod, 7, 3)) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(lane.run(divmod, 7, 0))
    assert lane.submit(int, "11", base=2).result() == 3, "and the worker goes on"


def test_the_first_lane_goes_first_and_each_is_in_order(queue: WorkQueue, gate: Gate) -> None:
    reads, writes, done = queue.lane("reads", 9), queue.lane("writes", 9), list[str]()
    writes.submit(gate)
    assert gate.begun.wait(60)
    jobs = [writes.submit(done.append, "w1"), writes.submit(done.append, "w2")]
    jobs += [reads.submit(done.append, "r1"), reads.submit(done.append, "r2")]
    gate.open()
    for job in jobs:
        job.result()
    assert done == ["r1", "r2", "w1", "w2"]


def test_beyond_its_bound_a_lane_refuses_at_once_and_says_when_to_come_again(queue: WorkQueue, gate: Gate) -> None:
    lane, other = queue.lane("a proof", 3), queue.lane("another", 1)
    first = lane.submit(gate)
    waiting = [lane.submit(int), lane.submit(int)]
    for _ in range(2):
        with pytest.raises(Busy, match="too many requests are waiting for a proof: try again in 1 s") as busy:
            asyncio.run(lane.run(int))
        assert busy.value.retry_after_s == 1
    assert not first.done() and other.submit(int), "a lane's bound is its own"
    gate.open()
    for job in waiting:
        job.result()
    assert lane.submit(int).result() == 0, "there is room again"


def test_the_wait_is_reckoned_from_how_long_jobs_take(queue: WorkQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("api.http.work_queue.time.monotonic", lambda: now[0])

    def take(seconds: float) -> None:
        now[0] += seconds

    lane, gate = queue.lane("work", 10), Gate()
    for _ in range(50):
        lane.submit(take, 3.0).result()
    queue.close()  # then all that was done is counted
    lane.submit(gate)
    for _ in range(9):
        lane.submit(int)
    with pytest.raises(Busy) as busy:
        lane.submit(int)
    gate.open()
    assert busy.value.retry_after_s == 30, "ten jobs of three seconds"


def test_a_job_that_nobody_waits_for_any_more_is_not_begun(queue: WorkQueue, gate: Gate) -> None:
    lane, begun = queue.lane("work", 3), list[int]()
    lane.submit(gate)
    left: Future[None] = lane.submit(begun.append, 1)
    assert left.cancel()
    gate.open()
    lane.submit(begun.append, 2).result()
    assert begun == [2]
    assert [lane.submit(int).result() for _ in range(4)] == [0] * 4, "and it takes no place"


def test_closing_finishes_what_waits_and_the_next_job_opens_it_again(gate: Gate) -> None:
    queue = WorkQueue("test", 2)
    lane, done = queue.lane("work", 9), list[int]()
    lane.submit(gate)
    jobs = [lane.submit(done.append, k) for k in range(4)]
    gate.open()
    queue.close()
    assert sorted(done) == [0, 1, 2, 3] and all(job.done() for job in jobs)
    assert lane.submit(int).result() == 0
    queue.close()


def test_workers_work_side_by_side() -> None:
    queue = WorkQueue("test", 3)
    lane, meet = queue.lane("work", 3), threading.Barrier(3)
    assert sorted(job.result(60) for job in [lane.submit(meet.wait) for _ in range(3)]) == [0, 1, 2]
    queue.close()
