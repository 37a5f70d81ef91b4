"""HTTP servers in a thread of their own: the standard library's, and uvicorn."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer

import uvicorn


@contextmanager
def served(server: HTTPServer) -> Iterator[int]:
    """The port that it answers on while the block runs."""
    look_every_s = 0.01  # for the end; half a second by default, which a few dozen tests would wait for
    threading.Thread(target=server.serve_forever, args=(look_every_s,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def uvicorn_served(config: uvicorn.Config) -> Iterator[int]:
    """The port on loopback that it answers on while the block runs."""
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
