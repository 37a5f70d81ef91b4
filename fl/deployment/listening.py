"""The coordinator's listening socket: how often one address may connect, checked before the TLS handshake.

A handshake costs the coordinator some milliseconds and the client almost nothing. An agent keeps its connection and
needs a new one only occasionally, so an address that keeps connecting is disconnected at once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from fl.deployment.rate_limit import RateLimit, source_of
from fl.errors import FederationError

BURST, RATE = 100, 5.0  # connections of one address at once, and a second in the long run
_AT_A_TIME = 100
_POLL_S = 0.02


class LimitedListener(socket.socket):
    """A listening socket that disconnects addresses which connect too often. Made by `listen`."""

    limit: RateLimit

    def accept(self) -> tuple[socket.socket, Any]:
        """As `socket.socket.accept`. Also raises BlockingIOError after dropping a hundred connections."""
        for _ in range(_AT_A_TIME):
            connection, address = super().accept()
            if self.limit.take(source_of(address[0])):
                return connection, address
            connection.close()
        raise BlockingIOError("later")


def listen(bind: str, port: int) -> LimitedListener:
    """A socket that listens there. Raises FederationError if it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = LimitedListener(family, kind, protocol)
    except OSError as problem:
        raise FederationError(f"cannot listen on {bind}:{port}: {problem.strerror}") from problem
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
        listener.bind(address)
        listener.listen()
    except OSError as problem:
        listener.close()
        raise FederationError(
            f"cannot listen on {bind}:{port} ({problem.strerror}): is another coordinator running?"
        ) from problem
    listener.limit = RateLimit(RATE, BURST)
    return listener


@contextmanager
def serving(config: uvicorn.Config, bind: str, port: int, name: str) -> Iterator[None]:
    """Serve in a thread while the block runs; `name`: of what is served. Raises FederationError where it can't be."""
    with listen(bind, port) as listener:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(_POLL_S)
        if not server.started:
            raise FederationError(f"{name} did not start; the log says why")
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
