"""An HTTP server that answers what a test tells it to: a community's API in the hands of somebody who cheats."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.served import served

_PAGE = re.compile(r"[?](limit|after)=.*")


@dataclass
class LyingApi:
    """A cheat's answers, and what it was asked.

    Args:
        answers: by method and path, without /v1 and without the page of a list, status and body, of which bytes go
            out as they are.
        asked: what came in.
        endless: an answer goes on and on until the other side hangs up; this is set as soon as it has begun.
    """

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    url: str = ""
    endless: threading.Event | None = None


@contextmanager
def lying_api(tls: ssl.SSLContext | None = None) -> Iterator[LyingApi]:
    api = LyingApi()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            what = f"{self.command} {_PAGE.sub('', self.path.removeprefix('/v1'))}"
            if api.endless is not None:
                self._go_on(api.endless)
                return
            api.asked.append((what, self.rfile.read(int(self.headers.get("content-length", 0)))))
            status, body = api.answers.get(what, (404, {"error": "not-found", "message": "no"}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"content-length": str(len(content))} | api.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _go_on(self, begun: threading.Event) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):
                while True:
                    self.wfile.write(b" ")
                    begun.set()
                    time.sleep(0.01)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with served(server) as port:
        api.url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        yield api
