"""The coordinator's listening socket: how often one address may connect, looked at before a handshake is begun.

A handshake costs the coordinator some milliseconds and whoever asks for it nothing. An agent keeps its connection and
needs one now and then, so an address that connects again and again is hung up on at once.
"""

from __future__ import annotations

import socket
from typing import Any

from fl.deployment.rate_limit import RateLimit, source_of
from fl.errors import FederationError

BURST, RATE = 100, 5.0  # connections of one address at once, and a second in the long run
_AT_A_TIME = 100


class LimitedListener(socket.socket):
    """A listening socket that hangs up on addresses that connect too often. Made by `listen`."""

    limit: RateLimit

    def accept(self) -> tuple[socket.socket, Any]:
        """As of `socket.socket`. Raises BlockingIOError also after a hundred that it hung up on."""
        for _ in range(_AT_A_TIME):
            connection, address = super().accept()
            if self.limit.take(source_of(address[0])):
                return connection, address
            connection.close()
        raise BlockingIOError("later")


def listen(bind: str, port: int) -> LimitedListener:
    """A socket that listens there. Raises FederationError where it can't."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = LimitedListener(family, kind, protocol)
    except OSError as problem:
        raise FederationError(f"{bind}:{port} can't be listened on: {problem.strerror}") from problem
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
        listener.bind(address)
        listener.listen()
    except OSError as problem:
        listener.close()
        raise FederationError(
            f"{bind}:{port} can't be listened on ({problem.strerror}): is another coordinator running?"
        ) from problem
    listener.limit = RateLimit(RATE, BURST)
    return listener
