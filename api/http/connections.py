"""uvicorn's HTTP/1.1 connection with bounds that uvicorn leaves to a proxy: on request heads, and on connections.

A client that opens connections and sends nothing, or a head that never ends, or takes in no answer, holds a socket
and memory. Bodies are bounded in `api.http.limits`, where the application reads them; what stands around their chunks
(RFC 9112, section 7.1) only here: uvicorn keeps every trailer as a header. When there are too many connections, the
one whose client has kept the server waiting longest is closed, so that complete requests are served.
"""

from __future__ import annotations

import itertools
from asyncio import BaseTransport, TimerHandle, Transport
from typing import cast

from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import PROBLEM_JSON, content_of

HEAD_BYTES = 64 << 10
_AROUND_BYTE = 8  # of a body in chunks; a chunk of a single byte takes five
HEAD_S = 10.0
TAKEN_S = 60.0  # for the 48 kB or so that are sent at once: a client of 1 kB/s is in time
MOST_CONNECTIONS = 512
_numbers = itertools.count()  # of connections, as they are made


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head of a request must be complete within HEAD_S seconds and about HEAD_BYTES bytes; of an
    answer, the client must take in some in TAKEN_S seconds."""

    _in_head, _in_body = True, False
    _head_bytes = _sent_bytes = _body_bytes = 0
    _deadline: TimerHandle | None = None
    _taken_by: TimerHandle | None = None
    _number = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Transport, transport))
        self._number = next(_numbers)
        self._start_head()
        if len(self.connections) > MOST_CONNECTIONS:
            others = (c for c in self.connections if isinstance(c, BoundedProtocol) and c._is_awaited)
            min(others, key=lambda c: c._number).transport.abort()

    @property
    def _is_awaited(self) -> bool:
        """Whether the server is waiting for the client, rather than the other way round."""
        return self._in_head or self.cycle.response_complete or self.cycle.more_body

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """There is more than the client takes: one that takes nothing would hold answer and connection for ever."""
        super().pause_writing()
        self._taken()
        self._taken_by = self.loop.call_later(TAKEN_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def _taken(self) -> None:
        if self._taken_by is not None:
            self._taken_by.cancel()
            self._taken_by = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "too-large", f"the request head is larger than {HEAD_BYTES >> 10} kB")
        elif self._in_body and not self.transport.is_closing():
            self._sent_bytes += len(data)
            if self._sent_bytes - self._body_bytes > 2 * HEAD_BYTES + _AROUND_BYTE * self._body_bytes:
                self._refuse(413, "too-large", "there is far more around the body's chunks than in them")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._start_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are dropped: nothing here reads any, and they would pass for headers."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_head()
        self._in_body, self._sent_bytes, self._body_bytes = True, 0, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Anything but HTTP is refused in the API's one form as well."""
        self._refuse(400, "malformed-request", msg)

    def _start_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._deadline = self.loop.call_later(HEAD_S, self._late)

    def _end_head(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self._refuse(408, "slow-request", f"the request head was not complete within {HEAD_S:.0f} s")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer and close. A connection with an answer under way is only closed."""
        self._end_head()
        if self.cycle is None or self.cycle.response_complete or not (self.cycle.response_started or self.pipeline):
            told = JSONResponse(content_of(code, status, message), status, {"connection": "close"}, PROBLEM_JSON)
            head = b"".join(b"%s: %s\r\n" % header for header in told.raw_headers)
            self.transport.write(b"HTTP/1.1 %d \r\n%s\r\n%s" % (status, head, bytes(told.body)))
        self.transport.close()
