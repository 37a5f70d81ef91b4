"""How many requests one address may make: a token bucket for reads and one for what changes something.

Addresses of one IPv6 network (/64) count as one. Requests from this machine are not counted: a proxy here is to name
whom it asks for (X-Forwarded-For, which uvicorn takes from this machine only).
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.errors import ApiError, answer

_MOST_ADDRESSES = 20_000
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimits:
    """ASGI middleware: 429 for an address that asks more than so often; it may save up one minute's requests.

    Args:
        reads, writes: requests a minute of one address; 0: as many as it likes.
        now: seconds that only ever grow.
    """

    def __init__(self, app: ASGIApp, reads: int, writes: int, now: Callable[[], float] = time.monotonic) -> None:
        self._app, self._most, self._now = app, {True: reads, False: writes}, now
        self._buckets: OrderedDict[tuple[str, bool], _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait_s = self._wait_s(scope) if scope["type"] == "http" else 0
        if not wait_s:
            await self._app(scope, receive, send)
            return
        message = f"this address asks more often than it may: try again in {wait_s} s"
        await answer(ApiError("too-many-requests", message, 429, wait_s))(scope, receive, send)

    def _wait_s(self, scope: Scope) -> int:
        """How long the sender has to wait; 0: its request is taken."""
        reads = scope["method"] in _SAFE
        most, sender = self._most[reads], sender_of(scope)
        if not most or sender is None:
            return 0
        now = self._now()
        bucket = self._buckets.setdefault((sender, reads), _Bucket(most, now))
        self._buckets.move_to_end((sender, reads))
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.filled_at) * most / 60)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return math.ceil((1 - bucket.tokens) * 60 / most)
        bucket.tokens -= 1
        return 0


def sender_of(scope: Scope) -> str | None:
    """Whom a request is counted for; None for this machine."""
    return _network((scope.get("client") or ("", 0))[0])


def _network(host: str) -> str | None:
    """Who is counted as one; None for this machine, and for what is no address (a socket in the file system)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
