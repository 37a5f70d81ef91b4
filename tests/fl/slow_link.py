"""A TCP proxy that can be slow or cut: a bad line between an agent and the coordinator."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class SlowLink:
    """Forwards `port` to `target` on loopback at `bytes_per_s` in each direction; `cut` drops and refuses all."""

    def __init__(self, target: int, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s
        self.carried = 0
        self._target = target
        self._cut = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> SlowLink:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        self._cut.set()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._cut.clear()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self._cut.is_set():
                inner.close()
                continue
            try:
                outer = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                inner.close()
                continue
            self._open += [inner, outer]
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(4096):
                time.sleep(len(chunk) / self.bytes_per_s)
                sink.sendall(chunk)
                self.carried += len(chunk)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
