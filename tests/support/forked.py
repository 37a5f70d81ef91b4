"""Commands as processes that begin with everything loaded: what a server or an agent imports takes as long as what
most tests let it do, and a worker's tests start dozens. So do the processes that they start in turn.

They are processes of their own in all else: folder, environment, output, signals, and what they start. That a command
starts from nothing is tested by those that run as installed (`test_agent`, `test_server_process`, `test_loaded`).
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.context import ForkServerContext, SpawnProcess
from pathlib import Path
from types import ModuleType

import wattproof

PRELOADED = [
    "api.cli.main", "api.gateway.agent", "api.gateway.answers", "api.gateway.secure_sum.contribution",
    "api.gateway.submitter", "api.http.listener", "api.http.server", "api.one_machine.community",
    "fl.deployment.coordinator", "fl.deployment.home", "fl.one_shot.rounds", "fl.server_app", "torch",
    "anyio._backends._asyncio", "httpcore", "uvicorn.protocols.http.httptools_impl",  # by whoever sends or serves
    "tests.support.warmed_up",
]  # fmt: skip


def loaded() -> ForkServerContext:
    """What starts processes with everything loaded. A worker has one server of them, that of the first who asks: who
    asked for one of its own would leave it to all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Forked:
    """A process that runs `main` as a command; told of and stopped as a `subprocess.Popen`.

    `prepare` is called first, and what it changes is so in the processes that are started later, too.
    """

    def __init__(
        self,
        main: Callable[[], None],
        arguments: list[str],
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        prepare: Callable[[], None] | None = None,
    ) -> None:
        log.touch()
        self._arguments, given = arguments, (main, arguments, folder, log, dict(environment), prepare)
        self._process = loaded().Process(target=_run, args=given, daemon=False)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises TimeoutExpired if it does not end."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self._arguments, timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self._process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def forked(arguments: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> Forked:
    """`wattproof` with these arguments."""
    return Forked(wattproof.main, ["wattproof", *arguments], folder, log, environment)


def _run(
    main: Callable[[], None],
    arguments: list[str],
    folder: Path,
    log: Path,
    environment: dict[str, str],
    prepare: Callable[[], None] | None,
) -> None:
    with log.open("ab") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    os.chdir(folder)
    os.environ |= environment
    sys.argv = arguments
    sys.modules["__main__"] = ModuleType("__main__")  # or what it starts would load pytest first
    if prepare is not None:
        prepare()
    _start_children_loaded()
    main()


def _start_children_loaded() -> None:
    """Let what this process spawns from now on begin as it is now, and not with a new interpreter.

    It is forked from a server that is forked here, before there are threads, sockets or secrets. The server ends with
    the last of those that may ask it.
    """
    address = f"\0{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        alive, ours = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(ours)
                forkserver.main(listener.detach(), alive, [])
            finally:
                os._exit(0)
    os.close(alive)
    server = forkserver._forkserver
    server._forkserver_address, server._forkserver_alive_fd, server._forkserver_pid = address, ours, pid
    SpawnProcess._Popen = staticmethod(popen_forkserver.Popen)  # type: ignore[method-assign]
