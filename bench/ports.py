"""Ports on loopback for servers that benches and tests start."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 10_240, 32_000


def free_port() -> int:
    """A port that nobody listens on, below those that a system takes for connections: one of these would be taken by
    any connection before whoever asked for it here listens."""
    for port in iter(lambda: random.SystemRandom().randint(_FIRST, _LAST), None):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always another port to try")
