"""Slow work, behind bounded queues with their own workers, so that nothing else waits for it.

A queue has lanes. Its workers take the oldest job of the first lane that has one, and each lane holds a bounded
number of jobs: a request beyond that is refused at once, with a time to retry, rather than kept waiting (the bulkhead
and load-shedding patterns of M. Nygard, "Release It!"). By hand: Celery and RQ need a broker, and refuse nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import PriorityQueue
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LAST = 1 << 30  # comes after every lane
_LONGEST_S = 60
_WEIGHT = 0.2  # of the newest job in the moving average of their times


class Busy(Exception):
    """A lane is full; `retry_after_s`: when some of its jobs should be done."""

    def __init__(self, name: str, retry_after_s: int) -> None:
        super().__init__(f"too many requests are waiting for {name}: try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class WorkQueue:
    """Threads that do the jobs of lanes. They start with the first job, and again with the first after `close`."""

    def __init__(self, name: str, workers: int) -> None:
        self._name, self._workers = name, workers
        self._jobs: PriorityQueue[tuple[int, int, Callable[[], None] | None]] = PriorityQueue()
        self._numbers, self._lanes = itertools.count(), itertools.count()
        self._lock, self._threads = threading.Lock(), list[threading.Thread]()

    def lane(self, name: str, most: int) -> Lane:
        """A lane with lower priority than those created before it; holds `most` jobs, waiting or running."""
        return Lane(name, partial(self._put, next(self._lanes)), most, self._workers)

    def close(self) -> None:
        """Finish the waiting jobs, then end the threads."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put((_LAST, next(self._numbers), None))
        for thread in threads:
            thread.join()

    def _put(self, lane: int, job: Callable[[], None]) -> None:
        with self._lock:
            self._jobs.put((lane, next(self._numbers), job))
            while len(self._threads) < self._workers:
                self._threads.append(threading.Thread(target=self._serve, name=self._name, daemon=True))
                self._threads[-1].start()

    def _serve(self) -> None:
        while True:
            _, _, job = self._jobs.get()
            if job is None:
                return
            job()


class Lane:
    """An entrance to a queue, with its own bound. For any thread."""

    def __init__(self, name: str, put: Callable[[Callable[[], None]], None], most: int, workers: int) -> None:
        self.name, self._put, self._most, self._workers = name, put, most, workers
        self._lock, self._held, self._mean_s = threading.Lock(), 0, 0.0

    async def run(self, job: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """What the job returns or raises. Raises Busy."""
        return await asyncio.wrap_future(self.submit(job, *arguments, **named))

    def submit(self, job: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> Future[_T]:
        """`run`, for threads. Raises Busy."""
        with self._lock:
            if self._held >= self._most:
                seconds = math.ceil(self._held * self._mean_s / self._workers)
                raise Busy(self.name, min(max(seconds, 1), _LONGEST_S))
            self._held += 1
        future: Future[_T] = Future()
        self._put(partial(self._do, future, partial(job, *arguments, **named)))
        return future

    def _do(self, future: Future[Any], job: Callable[[], Any]) -> None:
        started = time.monotonic()
        wanted = future.set_running_or_notify_cancel()
        result, problem = _attempt(job) if wanted else (None, None)
        with self._lock:  # before the result is returned, so that a retry finds room
            self._held -= 1
            if wanted:
                self._mean_s += _WEIGHT * (time.monotonic() - started - self._mean_s)
        if problem is not None:
            future.set_exception(problem)
        elif wanted:
            future.set_result(result)


def _attempt(job: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return job(), None
    except BaseException as problem:  # noqa: BLE001 - whatever it is, it is raised where the job is waited for
        return None, problem
