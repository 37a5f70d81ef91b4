"""Server-sent events: how things stand, to everybody who listens, whenever it has changed (WHATWG HTML, 9.2).

One task looks every second while anybody listens. A line is ended after a while, and by the server's end: browsers
come again by themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.http.errors import ApiError

_EVERY_S, _SILENCE_S, _LINE_S = 1.0, 15.0, 300.0
_MOST, _MOST_OF_ONE = 128, 16  # lines in all, and of one address: nobody alone keeps all others from listening


class Events:
    """`look`: what there is to tell, as JSON in a line; it is called in a thread."""

    def __init__(self, look: Callable[[], str]) -> None:
        self._look, self._listeners, self._ended = look, Counter[str | None](), False
        self._told, self._looked_at = "", 0.0

    def end(self) -> None:
        """End all lines soon, and let nobody listen any more."""
        self._ended = True

    def line(self, sender: str | None = None) -> AsyncIterator[bytes]:
        """What one listener is sent. `sender`: its address; None for this machine, which may have all lines.

        Raises ApiError where too many listen.
        """
        if self._is_full(sender):
            raise ApiError("busy", "too many others listen: try again later", 429, 10)
        return self._sent(sender)

    def _is_full(self, sender: str | None) -> bool:
        of_one = sender is not None and self._listeners[sender] >= _MOST_OF_ONE
        return self._ended or of_one or self._listeners.total() >= _MOST

    async def _sent(self, sender: str | None) -> AsyncIterator[bytes]:
        if self._is_full(sender):  # several may have asked before the first of them began
            return
        self._listeners[sender] += 1
        try:
            began = spoke = time.monotonic()
            told = ""
            yield b"retry: 2000\n\n"
            while not self._ended and time.monotonic() - began < _LINE_S:
                now = await self._now()
                if now != told:
                    told, spoke = now, time.monotonic()
                    yield f"event: progress\ndata: {told}\n\n".encode()
                elif time.monotonic() - spoke > _SILENCE_S:
                    spoke = time.monotonic()
                    yield b": still here\n\n"
                await asyncio.sleep(_EVERY_S)
        finally:
            self._listeners[sender] -= 1
            if not self._listeners[sender]:
                del self._listeners[sender]

    async def _now(self) -> str:
        """What there is to tell, looked at once a second for all listeners."""
        if time.monotonic() - self._looked_at >= _EVERY_S:
            self._looked_at = time.monotonic()
            try:
                self._told = await run_in_threadpool(self._look)
            except SQLAlchemyError:
                return self._told  # the database is away; /readyz says so
        return self._told
