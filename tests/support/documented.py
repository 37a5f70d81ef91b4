"""A client that holds every answer of the API against the API's own description."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Request, Response


class DocumentedClient(TestClient):
    """Raises AssertionError for an answer whose status, or whose code of a refusal, its route does not declare."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(app, **options)
        self._paths: dict[str, Any] = app.openapi()["paths"]  # here: two threads must not make it at once

    def ready(self) -> DocumentedClient:
        """This client, for several threads: FastAPI makes its routes with the first request, and two threads that
        make them at once find none. (A server has one thread for that.)"""
        super().send(self.build_request("GET", "/nothing"))
        return self

    def send(self, request: Request, **options: Any) -> Response:
        answer = super().send(request, **options)
        if not options.get("stream"):
            self._check(request, answer)
        return answer

    def _check(self, request: Request, answer: Response) -> None:
        operation = _operation(self._paths, request)
        if operation is None:  # no route: the framework's own refusal
            return
        told = f"{request.method} {request.url.path} answers {answer.status_code}"
        declared = operation["responses"].get(str(answer.status_code))
        assert declared is not None, f"{told}, which is not documented"
        examples = declared.get("content", {}).get("application/problem+json", {}).get("examples")
        if examples is not None:
            assert answer.json()["error"] in examples, f"{told} {answer.json()['error']!r}, which is not documented"


def _operation(paths: dict[str, Any], request: Request) -> dict[str, Any] | None:
    for path, item in paths.items():
        if re.fullmatch("(/v1)?" + re.sub(r"\{\w+\}", "[^/]+", path.removeprefix("/v1")), request.url.path):
            found: dict[str, Any] | None = item.get(request.method.lower())
            return found
    return None
