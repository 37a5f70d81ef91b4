"""A simulation that can be stopped: Ctrl-C and SIGTERM reach the training thread, and Ray is shut down in order.

Flower's simulation trains in a separate thread, which knows nothing of a KeyboardInterrupt in the main one: it waits
for its messages until they time out, and the process with it. So the signal only sets an event here, which the
training sees when it next polls for answers; it then ends like any other training. Ray would take SIGTERM for itself,
its Python to exit wherever the main thread stands, and its core to abort with a stack trace: it is kept from both.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from flwr.app import Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

_log = logging.getLogger(__name__)
_POLL_S = 0.1
_NO_HANDLER = "RAY_DISABLE_FAILURE_SIGNAL_HANDLER"
"""What Ray's core looks for, as it is imported, before it takes SIGTERM (and SIGSEGV, of which it shows a trace)."""


class Stopped(Exception):
    """The training was asked to stop."""


class Stop(threading.Event):
    """Set once the training is to stop; `number`: the signal that asked for it."""

    number = signal.SIGINT

    def ended(self) -> BaseException:
        """What ends the process as that signal would have: with exit code 130 or 143."""
        return KeyboardInterrupt() if self.number == signal.SIGINT else SystemExit(128 + self.number)


class StoppableGrid(Grid):
    """Another Grid whose calls raise Stopped once `stop` is set, also while they wait."""

    def __init__(self, grid: Grid, stop: threading.Event) -> None:
        self._grid, self._stop = grid, stop

    @property
    def run(self) -> Run:
        return self._grid.run

    def set_run(self, run: Run) -> None:
        self._grid.set_run(run)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        self._check()
        return self._grid.get_node_ids()

    def get_nodes(self) -> Iterable[NodeInfo]:
        self._check()
        return self._grid.get_nodes()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        self._check()
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        self._check()
        return self._grid.pull_messages(message_ids)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        waiting, replies = set(self.push_messages(messages)), []
        deadline = None if timeout is None else time.monotonic() + timeout
        while waiting and (deadline is None or time.monotonic() < deadline):
            arrived = list(self.pull_messages(waiting))
            replies += arrived
            waiting -= {reply.metadata.reply_to_message_id for reply in arrived}
            if waiting:
                self._stop.wait(_POLL_S)
        return replies

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped("the training was asked to stop")


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """An event that the first SIGINT or SIGTERM sets while the block runs; a second one does what it usually does.

    Outside the main thread, which alone receives signals, nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def as_before() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupt(number: int, frame: FrameType | None) -> None:
        as_before()
        stop.number = signal.Signals(number)
        stop.set()
        _log.warning("stopping: finished rounds are saved (press again to stop at once)")

    for number in before:
        signal.signal(number, interrupt)
    try:
        with _sigterm_kept_from_ray():
            yield stop
    finally:
        as_before()


@contextmanager
def _sigterm_kept_from_ray() -> Iterator[None]:
    """While the block runs, Ray leaves SIGTERM with the handler that it has, also while it starts. Where it was
    imported before, its core does so once it has started."""
    told = os.environ.get(_NO_HANDLER)
    os.environ[_NO_HANDLER] = "1"
    import ray
    from ray._private import utils

    start, set_handler = ray.init, utils.set_sigterm_handler

    def init(**arguments: Any) -> Any:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            return start(**arguments)
        finally:
            signal.signal(signal.SIGTERM, handler)

    ray.init, utils.set_sigterm_handler = init, _leave_sigterm  # type: ignore[assignment]
    try:
        yield
    finally:
        ray.init, utils.set_sigterm_handler = start, set_handler
        if told is None:
            del os.environ[_NO_HANDLER]
        else:
            os.environ[_NO_HANDLER] = told


def _leave_sigterm(handler: Callable[[int, FrameType | None], Any]) -> None:
    """In place of Ray's, which would set `handler`."""
