"""Headers that every answer has: a browser loads nothing from elsewhere, nothing is framed, no cache guesses."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""For a drawing (SVG), whose colours are styles inside it: no script, no form, nothing loaded."""
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: adds them to every answer.

    Args:
        by_origin: answers differ by who asks (CORS): caches are told so, also by those that name no origin.
    """

    def __init__(self, app: ASGIApp, by_origin: bool = False) -> None:
        self._app, self._by_origin = app, by_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_picture = headers.get("content-type", "").startswith("image/svg+xml")
                headers["content-security-policy"] = _PICTURE_POLICY if is_picture else _POLICY
                headers.setdefault("cache-control", "no-cache")  # what says nothing itself is asked for each time
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self._by_origin and "Origin" not in headers.get("vary", ""):
                    headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
