"""What the server counts, for Prometheus: requests by route and status, and how long they took; no path, no host."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.paths import PREFIX

_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0)
_KEPT, _NO_ROUTE = "(kept answer)", "(none)"


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "wattproof_http_requests", "Requests that were answered.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "wattproof_http_request_seconds", "Seconds until the answer began.", ["route"], buckets=_BUCKETS,
            registry=self.registry,
        )  # fmt: skip

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request. Its route is the pattern, so that there are as many series as routes."""
        route = getattr(scope.get("route"), "path", _KEPT if status < 400 else _NO_ROUTE)  # without its prefix
        route = PREFIX + route if "route" in scope and scope["path"].startswith(f"{PREFIX}/") else route
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "OPTIONS") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Counted:
    """ASGI middleware: counts what is answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(scope, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)
