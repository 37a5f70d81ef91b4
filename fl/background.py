"""What a process does again and again in a thread of its own, beside what it is there for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(
    act: Callable[[], None], every_s: float, stop: threading.Event, *, name: str, log: logging.Logger
) -> Iterator[None]:
    """Call `act` now and every so many seconds until `stop` is set, which the end of the block does.

    What `act` raises is logged (`NAME failed`), and it is called again: one bad day or file must not end the process.
    """

    def attend() -> None:
        while True:
            try:
                act()
            except Exception:
                log.exception("%s failed", name)
            if stop.wait(every_s):
                return

    thread = threading.Thread(target=attend, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
