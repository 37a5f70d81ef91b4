"""The listening socket: an address that connects too often is hung up on before anything is said, others are not."""

from __future__ import annotations

import socket

import pytest

from fl.deployment.listening import LimitedListener, listen
from fl.deployment.rate_limit import RateLimit
from fl.errors import FederationError

ELSEWHERE = "127.0.0.2"


def connect(listener: LimitedListener, source: str) -> socket.socket:
    return socket.create_connection(listener.getsockname(), 10, (source, 0))


def hung_up(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionResetError:
        return True


def test_an_address_that_connects_too_often_is_hung_up_on_and_others_are_not() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.limit = RateLimit(rate=0, burst=2)
        lines = [connect(listener, ELSEWHERE) for _ in range(4)]
        for _ in range(2):
            assert listener.accept()[1][0] == ELSEWHERE
        mine = connect(listener, "127.0.0.1")
        assert listener.accept()[1][0] == "127.0.0.1"
        assert all(hung_up(line) for line in lines[2:])
        for line in (*lines, mine):
            line.close()


def test_it_turns_to_something_else_after_a_hundred() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.limit = RateLimit(rate=0, burst=1)
        listener.listen(200)
        lines = [connect(listener, ELSEWHERE) for _ in range(101)]
        listener.accept()
        with pytest.raises(BlockingIOError):
            listener.accept()
        for line in lines:
            line.close()


def test_a_port_that_is_taken_and_an_address_that_is_none_are_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(FederationError, match=f"cannot listen on 127.0.0.1:{port} .* another coordinator"):
            listen("127.0.0.1", port)
    with pytest.raises(FederationError, match=r"cannot listen on no.such.host.invalid:1"):
        listen("no.such.host.invalid", 1)
