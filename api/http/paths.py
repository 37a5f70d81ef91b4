"""Paths and methods that stand for others: those from before /v1, and HEAD."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/v1"
BEFORE_V1 = ("households", "rounds", "heads", "days", "forecasts", "proofs", "claims", "sums", "weather")
"""First parts of the paths that there were before; they mean the same below /v1."""


_NO_END = PREFIX + "/events"  # its answer goes on, and would for whoever wants none of it


class KnownPaths:
    """ASGI middleware: `/days/...` is `/v1/days/...`, and HEAD is GET without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].strip("/").split("/", 1)[0] in BEFORE_V1:
            scope = {**scope, "path": PREFIX + scope["path"], "raw_path": PREFIX.encode() + scope["raw_path"]}
        if scope["method"] == "HEAD" and scope["path"] != _NO_END:
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headers_only
