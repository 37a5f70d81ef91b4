"""Work that a process repeats in a separate thread, beside its main task.

By hand: one thread and one event per task; APScheduler brings job stores and triggers that nothing here needs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data.errors import DataError
from data.failures import describe
from fl.deployment.backoff import Backoff

LONGEST_WAIT_S = 300.0


class Attempt:
    """Work that is retried; what it raises is logged, and the waits grow.

    A failure of the system (a full disk) or of data is logged as one line. Any other failure is logged with a
    traceback the first time, and as one line while the same failure repeats.

    Args:
        name: what the work is called in the log: "NAME failed".
        first_s: the wait after a first failure; later ones wait up to `LONGEST_WAIT_S`.
    """

    def __init__(self, name: str, log: logging.Logger, first_s: float) -> None:
        self._name, self._log = name, log
        self._wait = Backoff(first_s, LONGEST_WAIT_S)
        self._last_problem: tuple[type[Exception], str] | None = None

    def __call__(self, act: Callable[[], None]) -> bool:
        """Try, if its time has come; returns whether it worked."""
        if not self._wait.due:
            return False
        try:
            act()
        except Exception as problem:  # noqa: BLE001 - one bad day or file must not end the process
            self._tell(problem, round(self._wait.failed(), 1))
            return False
        self._wait.worked()
        self._last_problem = None
        return True

    def _tell(self, problem: Exception, again_s: float) -> None:
        same, self._last_problem = self._last_problem == (type(problem), str(problem)), (type(problem), str(problem))
        is_fault = not (same or isinstance(problem, OSError | DataError))
        extra = {"reason": describe(problem), "again_in_s": again_s}
        self._log.error("%s failed", self._name, extra=extra, exc_info=problem if is_fault else None)


@contextmanager
def repeated(
    act: Callable[[], None], every_s: float, stop: threading.Event, *, name: str, log: logging.Logger
) -> Iterator[None]:
    """Call `act` now and periodically until `stop` is set, which the end of the block does.

    What it raises is logged, and it is called again with growing waits (`Attempt`).
    """
    attempt = Attempt(name, log, every_s)

    def run() -> None:
        attempt(act)
        while not stop.wait(every_s):
            attempt(act)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
