"""HTTP clients whose requests end in time.

httpx bounds each wait for a server, not how many there are: whoever sends a byte of a header every few seconds would
hold a thread for good.
"""

from __future__ import annotations

import ssl
import time
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from data.tls import client_context

_until: ContextVar[float] = ContextVar("until")
"""When the request that this thread has sent last has to be over, by time.monotonic()."""
_WRITTEN_AT_ONCE = 1 << 16


class TimedClient(httpx.Client):
    """Asks as httpx.Client does; a request that is not over after `whole_s` seconds, with the last byte of its answer
    read, ends with httpx.ReadTimeout or WriteTimeout. A thread has one request at a time."""

    def __init__(self, *, whole_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._whole_s = whole_s
        for transport in (self._transport, *self._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):  # httpx has no option for it
                transport._pool._network_backend = _Network()

    def send(self, *arguments: Any, **options: Any) -> httpx.Response:
        """The answer; of a stream, its head."""
        _until.set(time.monotonic() + self._whole_s)
        return super().send(*arguments, **options)


class _Network(httpcore.SyncBackend):
    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*arguments, **options))

    def connect_unix_socket(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_unix_socket(*arguments, **options))


class _Stream(httpcore.NetworkStream):
    """A connection on which nobody waits beyond the end of the request."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            part = buffer[start : start + _WRITTEN_AT_ONCE]
            self._stream.write(part, _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _left(timeout: float | None, over: type[Exception]) -> float:
    """How long may be waited, in seconds. Raises `over` where the request's time is up."""
    left = _until.get() - time.monotonic()
    if left <= 0:
        raise over("the request takes too long")
    return left if timeout is None else min(timeout, left)


def get(url: str, *, whole_s: float, **options: Any) -> httpx.Response:
    """One answer, whole, from an address that is asked once. Raises httpx.HTTPError, httpx.InvalidURL."""
    with TimedClient(whole_s=whole_s, timeout=whole_s, verify=client_context()) as client:
        return client.get(url, **options)
