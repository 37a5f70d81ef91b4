"""The gateway's own page, for the people who live there: their forecasts and readings, on this machine alone.

Who may see it: whoever has the link that the command prints, whose key is new each time; it is kept as a cookie that
scripts can't read. A page elsewhere can't ask for it: the Host header must be this machine's (a name that was made to
point here is refused, as DNS rebinding does), and the cookie is sent to this page only.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from data.errors import DataError
from data.failures import describe, outline

_OWN = Path(__file__).parent / "static"
_SHARED = Path(__file__).parents[1] / "http" / "static"  # files of the community's page that this one uses, too
_FILES = {
    "/": (_OWN / "home.html", "text/html; charset=utf-8"),
    "/home.js": (_OWN / "home.js", "text/javascript"),
    "/app.css": (_SHARED / "app.css", "text/css"),
    "/chart.js": (_SHARED / "chart.js", "text/javascript"),
    "/page.js": (_SHARED / "page.js", "text/javascript"),
    "/surplus.js": (_SHARED / "surplus.js", "text/javascript"),
    "/words.js": (_SHARED / "words.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip


class LocalPage(ThreadingHTTPServer):
    """The page of one home on 127.0.0.1. `shown`: what there is to see, asked for at each look. Raises OSError."""

    daemon_threads = True

    def __init__(self, port: int, shown: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.shown, self.key = shown, secrets.token_urlsafe(32)

    @property
    def cookie(self) -> str:
        """Its name: cookies are kept by address without the port, and a machine may serve two homes."""
        return f"wattproof_home_{self.server_port}"

    @property
    def link(self) -> str:
        """Where the page is, with its key."""
        return f"http://127.0.0.1:{self.server_port}/?key={self.key}"

    def is_here(self, host: str | None) -> bool:
        """Whether a request names this machine, rather than somebody's name that points here."""
        return host in (f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}")

    def handle_error(self, request: object, client_address: object) -> None:
        """A fault's outline: the library would print its message, which may quote a reading."""
        problem = sys.exception()
        if problem is not None and not isinstance(problem, ConnectionError):
            print(outline(problem), file=sys.stderr)  # noqa: T201 - this process has no log

    def opens(self, key: str | None) -> bool:
        return key is not None and hmac.compare_digest(key.encode(), self.key.encode())


class _Request(BaseHTTPRequestHandler):
    server: LocalPage
    server_version, sys_version = "wattproof", ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if not self.server.is_here(self.headers.get("host")):
            self._answer(421, b"this page answers to 127.0.0.1 only", "text/plain")
        elif address.path == "/" and "key" in (query := parse_qs(address.query)):
            self._take(query["key"][0])
        elif not self.server.opens(self._cookie()):
            self._answer(403, b"open the link that `wattproof page` printed", "text/plain")
        elif address.path == "/days.json":
            self._show()
        elif address.path in _FILES:
            path, kind = _FILES[address.path]
            self._answer(200, path.read_bytes(), kind)
        else:
            self._answer(404, b"there is no such page", "text/plain")

    def _show(self) -> None:
        """What there is to see; a file that cannot be read is named to the household."""
        try:
            content = json.dumps(self.server.shown()).encode()
        except (DataError, OSError) as problem:
            self._answer(500, json.dumps({"detail": describe(problem)}).encode(), "application/json")
            return
        self._answer(200, content, "application/json")

    def _take(self, key: str) -> None:
        """A right key becomes a cookie, and leaves the address bar."""
        if not self.server.opens(key):
            self._answer(403, b"this link is of an earlier start: open the one that was printed last", "text/plain")
            return
        cookie = f"{self.server.cookie}={key}; Path=/; HttpOnly; SameSite=Strict"
        self._answer(303, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie})

    def _cookie(self) -> str | None:
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(self.server.cookie)
        except CookieError:
            return None
        return None if found is None else found.value

    def _answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the key would be in it."""
