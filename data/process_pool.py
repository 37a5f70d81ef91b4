"""A pool of processes that Ctrl-C does not reach.

A terminal sends it to all processes, and each would print a traceback. The process that owns the pool handles it: it
starts no more jobs and waits for the running ones.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ProcessPool(ProcessPoolExecutor):
    """Spawned processes, each of which begins with `start`; used as a context."""

    def __init__(self, workers: int, start: Callable[[], None] | None = None) -> None:
        super().__init__(workers, get_context("spawn"), start)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        # This may start a process, which inherits the blocked signals; it could ignore a signal only once running.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.shutdown(cancel_futures=kind is not None)
        return None
