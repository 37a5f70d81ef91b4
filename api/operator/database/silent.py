"""Connections to PostgreSQL on which nobody waits without end.

A server that was frozen or whose disk hangs says nothing, and its operating system keeps the connection alive.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

from psycopg import Connection, OperationalError

_SILENT_S = 60.0
"""No statement of a running server takes as long to begin its answer."""

_T = TypeVar("_T")


class AnsweringConnection(Connection[Any]):
    """A connection that is closed, with OperationalError, once the server has said nothing for too long."""

    def wait(self, gen: Generator[Any, Any, _T], *arguments: Any, **options: Any) -> _T:
        return super().wait(self._answered(gen), *arguments, **options)

    def _answered(self, waits: Generator[Any, Any, _T]) -> Generator[Any, Any, _T]:
        """The same waits, which psycopg resumes ten times a second with what is ready, if anything is."""
        heard, ready = time.monotonic(), None
        while True:
            try:
                wait = waits.send(ready)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            ready = yield wait
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENT_S:
                self.close()
                raise OperationalError(f"the server has not answered for {_SILENT_S:.0f} s")
