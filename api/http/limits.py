"""Bounds on request bodies, for all routes: size, nesting, and the time that a body may take.

Every body of this API is JSON in UTF-8.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import ApiError, answer
from data.json_text import MOST_NESTING, Outline

BODY_S = 30.0
_MOST_PARTS = 16_384  # keys and values: a submitted forecast has under 2,500, and each takes time to inspect
_DRAIN_BYTES = 4 << 20  # read and discarded, so that the client finishes sending and receives the refusal


class BodyLimits:
    """ASGI middleware: reads each body before anything else does, and refuses what is out of bounds.

    Args:
        most_bytes: counted as they arrive, whatever the headers announce.
        seconds: until the whole body must have arrived.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, seconds: float = BODY_S) -> None:
        self._app, self._most_bytes, self._seconds = app, most_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = _announced(scope) if scope["type"] == "http" else 0
        if announced == 0:
            await self._app(scope, receive, send)
            return
        try:
            if announced is not None and announced > self._most_bytes + _DRAIN_BYTES:
                raise self._too_large()
            body = await self._read(receive)
        except ApiError as refusal:
            await answer(refusal, {"connection": "close"})(scope, receive, send)
        else:
            if body is not None:
                await self._app(scope, _again(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None if the client has disconnected. Raises ApiError."""
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size <= self._most_bytes:
                        body += part
                    if size > self._most_bytes + _DRAIN_BYTES or not message.get("more_body", False):
                        break
        except TimeoutError:
            raise ApiError("slow-request", f"the body did not arrive within {self._seconds:.0f} s", 408) from None
        if size > self._most_bytes:
            raise self._too_large()
        _check_text(bytes(body))
        return bytes(body)

    def _too_large(self) -> ApiError:
        return ApiError("too-large", f"the request body is larger than {self._most_bytes // 1024} kB", 413)


def _check_text(body: bytes) -> None:
    """Raises ApiError for anything but UTF-8 (which JSON requires), or nesting too deep for a parser."""
    if b"\0" in body or not _is_utf8(body):
        raise ApiError("malformed-request", "the request body is not JSON in UTF-8", 400)
    outline = Outline.of(body)
    if outline.is_deeper_than(MOST_NESTING):
        raise ApiError("too-deep", f"the body nests more than {MOST_NESTING} arrays and objects", 400)
    if outline.parts > _MOST_PARTS:
        raise ApiError("too-large", f"the body has more than {_MOST_PARTS} keys and values", 413)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _announced(scope: Scope) -> int | None:
    """The body's length according to the headers: 0 if there is none, None if they do not say."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else None


def _again(body: bytes, receive: Receive) -> Receive:
    """A channel that replays a body already read, then passes on what follows."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
