"""The one client for a community's API: bounded in bytes and time, follows no redirects, trusts no answer.

Every failure is one of two: Unreachable, to be retried, or ApiRefused, with the API's code.
"""

from __future__ import annotations

import asyncio
import threading

import httpx

from api.config.tracing import current_traceparent
from data import json_text
from data.http_client import TimedClient
from data.tls import client_context

_TIMEOUT = httpx.Timeout(
    10, read=30
)  # who stops a gateway may wait so long; a block that takes longer is asked for again
_WHOLE_S = 300.0
_AGAIN = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)  # too slow, or too many: not refused for good
_ANSWER_BYTES = 1 << 20


class Unreachable(Exception):
    """There is no usable answer at the moment."""


class ApiRefused(Exception):
    """The API refused; `code` is the API's error code, `status` the HTTP status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class BoundedHttpClient:
    """A client for the API at `url`. Once `stop` is set it sends no more requests."""

    def __init__(self, url: str, stop: threading.Event | None = None) -> None:
        self._client = TimedClient(
            whole_s=_WHOLE_S, base_url=url, timeout=_TIMEOUT, follow_redirects=False, verify=client_context()
        )
        self._stop = stop or threading.Event()

    def ask(self, method: str, path: str, content: bytes | None = None, limit: int = _ANSWER_BYTES) -> bytes:
        """The answer's body of at most `limit` bytes. Raises Unreachable, ApiRefused."""
        if self._stop.is_set():
            raise Unreachable(f"{method} {path} not requested: this process is stopping")
        try:
            with self._client.stream(method, path, content=content, headers=_headers(content)) as answer:
                body = self._read(answer, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__}: {error}") from error
        return _body(answer, body, f"{method} {path}")

    def _read(self, answer: httpx.Response, limit: int) -> bytes:
        """The body, unless it is larger than `limit`."""
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > limit:
                raise Unreachable(f"the answer is larger than {limit} bytes")
            if self._stop.is_set():
                raise Unreachable("not waiting for the answer: this process is stopping")
        return bytes(body)

    def close(self) -> None:
        self._client.close()


class AsyncBoundedHttpClient:
    """The same for an event loop; a task that is cancelled asks no more."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, follow_redirects=False, verify=client_context()
        )

    async def ask(self, method: str, path: str, content: bytes | None = None, limit: int = _ANSWER_BYTES) -> bytes:
        """The answer's body of at most `limit` bytes. Raises Unreachable, ApiRefused."""
        body = bytearray()
        try:
            async with asyncio.timeout(_WHOLE_S):
                async with self._client.stream(method, path, content=content, headers=_headers(content)) as answer:
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > limit:
                            raise Unreachable(f"the answer is larger than {limit} bytes")
        except TimeoutError:
            raise Unreachable(f"the answer takes longer than {_WHOLE_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__}: {error}") from error
        return _body(answer, bytes(body), f"{method} {path}")

    async def close(self) -> None:
        await self._client.aclose()


def _headers(content: bytes | None) -> dict[str, str]:
    traced = {"traceparent": traceparent} if (traceparent := current_traceparent()) else {}
    return traced if content is None else {"content-type": "application/json"} | traced


def _body(answer: httpx.Response, body: bytes, what: str) -> bytes:
    """The body of a success. Raises what a refusal is."""
    if answer.is_success:
        return body
    raise _refusal(answer.status_code, body, what)


def _refusal(status: int, body: bytes, what: str) -> ApiRefused | Unreachable:
    """A refusal in the API's form; anything else (a proxy's page, a failing server) may resolve itself."""
    try:
        answer = json_text.loads(body)
        refused = ApiRefused(_printable(answer["error"], 40), _printable(answer["message"], 500), status)
    except (ValueError, KeyError, TypeError):
        problem = f"HTTP {status}, and the answer is not in the API's format. Is this a Wattproof server?"
        return Unreachable(f"{what}: {problem}")
    again = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _AGAIN
    return Unreachable(f"{what}: {refused.code}: {refused}") if again else refused


def _printable(value: object, most: int) -> str:
    """Text that is safe to print in logs and terminals, whatever the server sent."""
    return "".join(letter for letter in str(value)[:most] if letter.isprintable())
