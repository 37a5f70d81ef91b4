"""Processes that Ctrl-C does not reach, and a pool of such.

A terminal sends it to all processes, and each would print a traceback. The process that has started them handles it:
the owner of a pool starts no more jobs and waits for the running ones. Where it is killed, so are they: the standard
library's would wait for its jobs for ever.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from threading import Thread
from types import TracebackType
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Processes that this thread starts in the block inherit the blocked signal. (To ignore it they must run.)"""
    resource_tracker.ensure_running()  # or the first process has it started, which unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """From now on this process, which another one has started, ends as soon as that one does, at whatever it is."""
    Thread(target=_follow, name="end with parent", daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class ProcessPool(ProcessPoolExecutor):
    """Spawned processes, each of which begins with `start`; used as a context."""

    def __init__(self, workers: int, start: Callable[[], None] | None = None) -> None:
        super().__init__(workers, get_context("spawn"), partial(_begin, start))

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        with out_of_reach_of_ctrl_c():  # this may start a process
            return super().submit(fn, *args, **kwargs)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.shutdown(cancel_futures=kind is not None)
        return None


def _begin(start: Callable[[], None] | None) -> None:
    end_with_parent()
    if start is not None:
        start()
