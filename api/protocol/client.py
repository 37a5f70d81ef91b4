"""A client of a community's API, in its two forms: `Client` waits, `AsyncClient` is awaited. Both ask `calls`.

Bounded in bytes and time, redirects not followed, nothing believed: every failure is Unreachable, to be tried again,
or ApiRefused, with the API's code (`api.protocol.bounded_client`).
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self, TypeVar

from api.protocol.bounded_client import AsyncBoundedHttpClient, BoundedHttpClient, Unreachable
from api.protocol.calls import Call, Listing, NotAsDocumented

_T = TypeVar("_T")
_MOST_PAGES = 1000  # a server that always has one more page is not asked for ever


class Client:
    """Asks an API at `url`. Once `stop` is set nothing is asked any more."""

    def __init__(self, url: str, stop: threading.Event | None = None) -> None:
        self._http = BoundedHttpClient(url, stop)

    def __call__(self, call: Call[_T]) -> _T:
        """The answer. Raises Unreachable, ApiRefused."""
        body = self._http.ask(call.method, call.path, call.content, call.limit)
        return _parsed(call, body)

    def send(self, call: Call[Any]) -> None:
        """Have something done, where its being done is all there is to know: the answer's body is not looked at."""
        self._http.ask(call.method, call.path, call.content, call.limit)

    def all(self, listing: Listing[_T]) -> list[_T]:
        """All items of a list, page by page. Raises as a call does."""
        found: list[_T] = []
        for _ in range(_MOST_PAGES):
            page = self(listing.page(listing.key(found[-1]) if found else None))
            found += page
            if listing.is_last(page):
                return found
        raise Unreachable(f"{listing.path} does not end")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for an event loop."""

    def __init__(self, url: str) -> None:
        self._http = AsyncBoundedHttpClient(url)

    async def __call__(self, call: Call[_T]) -> _T:
        """The answer. Raises Unreachable, ApiRefused."""
        body = await self._http.ask(call.method, call.path, call.content, call.limit)
        return _parsed(call, body)

    async def send(self, call: Call[Any]) -> None:
        """Have something done, where its being done is all there is to know: the answer's body is not looked at."""
        await self._http.ask(call.method, call.path, call.content, call.limit)

    async def all(self, listing: Listing[_T]) -> list[_T]:
        """All items of a list, page by page. Raises as a call does."""
        found: list[_T] = []
        for _ in range(_MOST_PAGES):
            page = await self(listing.page(listing.key(found[-1]) if found else None))
            found += page
            if listing.is_last(page):
                return found
        raise Unreachable(f"{listing.path} does not end")

    async def close(self) -> None:
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _parsed(call: Call[_T], body: bytes) -> _T:
    """What a server in the wrong hands, or none of ours, answers is of no use, and may be mended."""
    try:
        return call.parse(body)
    except NotAsDocumented as problem:
        raise Unreachable(str(problem)) from None
