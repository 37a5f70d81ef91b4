"""Requests to servers that never finish an answer end all the same."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from api.protocol.bounded_client import BoundedHttpClient, Unreachable
from data.http_client import get
from rewards import node_http
from rewards.errors import NodeUnreachable
from rewards.json_rpc import JsonRpc

_DROPS, _PAUSE_S = 400, 0.05


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """A server that sends `first` and then a letter at a time; for 20 s, so that no test waits for good."""
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            line, _ = listening.accept()
            with line:
                line.recv(1 << 16)
                line.sendall(first)
                for _ in range(_DROPS):
                    if done.wait(_PAUSE_S):
                        return
                    line.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            done.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nX-Long: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("first", [HEAD, BODY, b""])
def test_an_answer_that_comes_a_byte_at_a_time_ends_a_request(first: bytes) -> None:
    """Each byte came in time, and so a thread waited without end."""
    with dripping(first) as url, pytest.raises(httpx.ReadTimeout):
        get(url, whole_s=0.5)


def test_a_node_and_a_server_that_send_headers_without_end_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_http, "_WHOLE_S", 0.5)
    with dripping(HEAD) as url, pytest.raises(NodeUnreachable, match="ReadTimeout"):
        JsonRpc(url).number("eth_chainId")
    monkeypatch.setattr("api.protocol.bounded_client._WHOLE_S", 0.5)
    with dripping(HEAD) as url, pytest.raises(Unreachable, match="ReadTimeout"):
        BoundedHttpClient(url).ask("GET", "/livez")
