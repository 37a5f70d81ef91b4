"""The one way to ask a community's API: bounded in bytes and time, redirects not followed, nothing believed.

Every failure is one of two: Unreachable, to be tried again, or ApiRefused, with the API's code.
"""

from __future__ import annotations

import threading
import time

import httpx

from api.protocol import json_text
from data.tls import client_context

_TIMEOUT = httpx.Timeout(
    10, read=30
)  # who stops a gateway may wait so long; a block that takes longer is asked for again
_WHOLE_S = 300.0
_AGAIN = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)  # too slow, or too many: not refused for good
_ANSWER_BYTES = 1 << 20


class Unreachable(Exception):
    """There is no useable answer just now."""


class ApiRefused(Exception):
    """The API said no; `code` is its word for programs, `status` HTTP's."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class BoundedHttpClient:
    """A line to the API at `url`. Once `stop` is set nothing is asked any more."""

    def __init__(self, url: str, stop: threading.Event | None = None) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT, follow_redirects=False, verify=client_context())
        self._stop = stop or threading.Event()

    def ask(self, method: str, path: str, content: bytes | None = None, limit: int = _ANSWER_BYTES) -> bytes:
        """The answer's body of at most `limit` bytes. Raises Unreachable, ApiRefused."""
        if self._stop.is_set():
            raise Unreachable(f"{method} {path} is not asked: this process ends")
        headers = {"content-type": "application/json"} if content is not None else {}
        try:
            with self._client.stream(method, path, content=content, headers=headers) as answer:
                body = self._read(answer, limit)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__}: {error}") from error
        if answer.is_success:
            return body
        raise _refusal(answer.status_code, body, f"{method} {path}")

    def _read(self, answer: httpx.Response, limit: int) -> bytes:
        """The body, if it is not larger than `limit` and does not trickle in for ever."""
        body, until = bytearray(), time.monotonic() + _WHOLE_S
        for part in answer.iter_bytes():
            body += part
            if len(body) > limit:
                raise Unreachable(f"the answer is larger than {limit} bytes")
            if time.monotonic() > until:
                raise Unreachable(f"the answer takes longer than {_WHOLE_S:.0f} s")
            if self._stop.is_set():
                raise Unreachable("the answer is not waited for: this process ends")
        return bytes(body)

    def close(self) -> None:
        self._client.close()


def _refusal(status: int, body: bytes, what: str) -> ApiRefused | Unreachable:
    """The refusal in the API's one form; anything else (a proxy's page, a server in trouble) may be mended."""
    try:
        told = json_text.loads(body)
        refused = ApiRefused(_printable(told["error"], 40), _printable(told["message"], 500), status)
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"{what}: status {status} without a word of the API: is that the community's server?")
    again = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _AGAIN
    return Unreachable(f"{what}: {refused.code}: {refused}") if again else refused


def _printable(told: object, most: int) -> str:
    """A text for logs and terminals, which a server in the wrong hands can't play tricks on."""
    return "".join(letter for letter in str(told)[:most] if letter.isprintable())
