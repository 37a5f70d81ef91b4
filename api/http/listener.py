"""The port the server listens on: bound before anything slow is done, so that a busy port is reported at once."""

from __future__ import annotations

import errno
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.http.connections import BoundedProtocol

_STOP_S = 25  # a request may wait for a block (`rewards.chain.RELAY_WAIT_S`)
_REASONS = {
    errno.EADDRINUSE: "another program is listening there: stop it, or set api.port to another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: set api.host to one that it has",
    errno.EACCES: "this user may not use it: set api.port to one above 1023",
}


class PortRefused(OSError):
    """The server cannot listen on its address."""


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to the port that does not listen yet: connections are refused until the server is ready.

    Raises PortRefused, which says why and what to do.
    """
    where = f"cannot listen on {host}, port {port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PortRefused(f"{where}: api.host is neither an address nor a known name ({error.strerror})") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port released a moment ago is free
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise PortRefused(f"{where}: {_REASONS.get(error.errno or 0, error.strerror)}") from None
    return listener


class _Server(uvicorn.Server):
    """Ends the lines of those who listen for events as soon as it is told to stop: they would stay open.

    It takes signals before there is an event loop: one that comes earlier would leave a coroutine that nobody awaits.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        with self.capture_signals():
            super().run(sockets)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.events.end()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve on a bound socket until the process is asked to stop. Raises PortRefused."""
    config = uvicorn.Config(
        app, http=BoundedProtocol, ws="none", log_config=None, log_level="error", access_log=False,
        server_header=False, timeout_graceful_shutdown=_STOP_S,
    )  # fmt: skip
    try:
        _Server(config, app).run(sockets=[listener])
    except OSError as error:  # another socket bound to the same port was the first to listen
        raise PortRefused(f"cannot listen on the port: {_REASONS.get(error.errno or 0, error.strerror)}") from None
