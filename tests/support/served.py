"""An HTTP server of the standard library in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer


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
