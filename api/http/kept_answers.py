"""Answers that follow from the community's totals alone: each is computed once until the totals change.

One that is kept is given before routes are looked through and parameters read, which takes longer than all the rest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.conditional import Answer
from api.http.work_queue import Lane
from api.operator.database.totals_version import TotalsVersion

_P = ParamSpec("_P")
_MOST_BYTES = 16 << 20


class KeptAnswers:
    """By path, those asked for last, up to so many bytes. Several who ask at once wait for one computation."""

    def __init__(self, version: TotalsVersion, most_bytes: int = _MOST_BYTES) -> None:
        self._version, self._most_bytes, self._lock = version, most_bytes, threading.Lock()
        self._kept: OrderedDict[str, tuple[str, Answer]] = OrderedDict()
        self._bytes = 0
        self._at_work: dict[tuple[str, str], Future[Answer]] = {}

    async def answer(
        self, request: Request, lane: Lane, make: Callable[_P, Answer], *arguments: _P.args, **named: _P.kwargs
    ) -> Response:
        """What `make` returns, computed behind `lane` unless it is kept. Raises what it raises, and Busy."""
        path = request.url.path
        version = self._version.at_once()
        if version is None:
            version = await run_in_threadpool(self._version.read)
        found = self._get(path, version)
        if found is None:
            waiting = self._begun(path, version, lane, lambda: make(*arguments, **named))
            found = await asyncio.shield(asyncio.wrap_future(waiting))  # others wait for it, too
        return found.to(request)

    def at_once(self, path: str) -> Answer | None:
        """The answer to a path, if it is kept and nothing was committed since."""
        version = self._version.at_once() if path in self._kept else None
        return None if version is None else self._get(path, version)

    def _get(self, path: str, version: str) -> Answer | None:
        with self._lock:
            of, answer = self._kept.get(path, ("", None))
            if of != version:
                return None
            self._kept.move_to_end(path)
            return answer

    def clear(self) -> None:
        """Keep none of them."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _begun(self, path: str, version: str, lane: Lane, make: Callable[[], Answer]) -> Future[Answer]:
        with self._lock:
            known = self._at_work.get((path, version))
            if known is not None:
                return known
            future = self._at_work[path, version] = lane.submit(make)
        future.add_done_callback(lambda done: self._keep(path, version, done))
        return future

    def _keep(self, path: str, version: str, done: Future[Answer]) -> None:
        with self._lock:
            del self._at_work[path, version]
            if done.cancelled() or done.exception() is not None:
                return
            _, before = self._kept.pop(path, ("", None))
            self._kept[path] = version, done.result()
            self._bytes += len(done.result().body) - (0 if before is None else len(before.body))
            while self._bytes > self._most_bytes:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= len(oldest.body)


class KeptFirst:
    """ASGI middleware: gives answers that are kept, and passes all other requests on."""

    def __init__(self, app: ASGIApp, kept: KeptAnswers) -> None:
        self._app, self._kept = app, kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["method"] == "GET":
            answer = self._kept.at_once(scope["path"])
        app: ASGIApp = self._app if answer is None else answer.to(Request(scope))
        await app(scope, receive, send)
