"""Heavy work in a separate process, whose memory is released when the process is closed.

A gateway has little memory, and what training and proving load takes most of what an agent may use. So the agent
itself only talks to the coordinator; training and proving are done by processes of this kind, one at a time
(`fl.deployment.training_process`).
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from data.failures import WORKER, describe, outline
from data.process_pool import end_with_parent, out_of_reach_of_ctrl_c
from fl.errors import FederationError

_SPAWN = get_context("spawn")  # a forked process would hold everything its parent has loaded
_CLOSE_S = 10.0
_Subject = TypeVar("_Subject")
_Result = TypeVar("_Result")
_P = ParamSpec("_P")


class WorkProcessDied(FederationError):
    """The process ended in the middle of its work, for instance killed because the machine ran out of memory."""


class WorkFailed(FederationError):
    """The work failed with an error, or returned a result, that cannot be pickled; its type, and its message if it is
    our own."""


class WorkProcess(Generic[_Subject]):
    """A process that opens something once, then runs jobs with it, one after another. For one thread at a time.

    It ends with this process, however that ends; if it dies, the next call starts another.

    Args:
        open_subject: called in the process. It, the jobs, their arguments and results travel as pickles.
    """

    def __init__(self, open_subject: Callable[[], _Subject]) -> None:
        self._open = open_subject
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Start the process, if it does not run, and wait until its subject is open. Raises what opening raised."""
        if self._pipe is not None:
            return
        self._pipe, theirs = _SPAWN.Pipe()
        try:
            with theirs:  # while it is also open here, the end of the process would not be noticed
                process = _SPAWN.Process(target=_serve, args=(theirs, self._open), daemon=True)
                with out_of_reach_of_ctrl_c():  # it is for this process, which then closes the other
                    process.start()
                self._process = process
            self._answer()
        except BaseException:
            self.close()
            raise

    def call(
        self, job: Callable[Concatenate[_Subject, _P], _Result], *arguments: _P.args, **named: _P.kwargs
    ) -> _Result:
        """What `job(subject, ...)` returns there. Raises what it raised, or WorkProcessDied."""
        self.start()
        assert self._pipe is not None
        with contextlib.suppress(BrokenPipeError):  # a process that is gone is found so by the missing answer
            self._pipe.send((job, arguments, named))
        return cast(_Result, self._answer())

    def close(self) -> None:
        """End the process and release its memory. It may be called again."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()  # the process takes that as the end
        if process is not None:
            process.join(_CLOSE_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> Any:
        assert self._pipe is not None and self._process is not None
        try:
            done, value = self._pipe.recv()
        except (EOFError, ConnectionResetError) as gone:
            self._process.join(_CLOSE_S)
            code = self._process.exitcode
            self.close()
            raise WorkProcessDied(f"the process that did the work ended in the middle of it (exit {code})") from gone
        if not done:
            raise value
        return value


def _serve(pipe: Connection, open_subject: Callable[[], Any]) -> None:
    end_with_parent()
    opened, subject = _attempt(open_subject)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionResetError):  # the agent is gone: so is this
        _send(pipe, opened, subject if not opened else None)
        while opened:
            job, arguments, named = pipe.recv()
            _send(pipe, *_attempt(partial(job, subject, *arguments, **named)))


def _attempt(work: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return True, work()
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is raised again in the agent
        problem.add_note(WORKER + outline(problem))
        return False, problem


def _send(pipe: Connection, done: bool, value: Any) -> None:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception as problem:  # noqa: BLE001 - an exception need not survive pickling, and is raised without its class
        lost = value if isinstance(value, Exception) else problem
        done, value = False, WorkFailed(f"{type(lost).__name__}: {describe(lost)}")
    pipe.send((done, value))
