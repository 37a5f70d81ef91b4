"""Questions to a chain node over HTTP, whose answer is bounded in bytes and time. Loads no web3."""

from __future__ import annotations

import time

import httpx

_MOST_BYTES = 1 << 26
"""More than a year's events of a large community come to."""
_WHOLE_S = 60.0


class NodeHttp:
    """A node by its URL; for any thread. `timeout_s`: how long it may be silent."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._client = httpx.Client(timeout=timeout_s)  # loads root certificates: one for all questions

    def post(self, content: bytes) -> bytes:
        """The answer's body. Raises httpx.HTTPError, httpx.InvalidURL, and ValueError where it goes on and on."""
        body, until = bytearray(), time.monotonic() + _WHOLE_S
        json = {"content-type": "application/json"}
        with self._client.stream("POST", self._url, content=content, headers=json) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                body += part
                if len(body) > _MOST_BYTES or time.monotonic() > until:
                    raise ValueError("the answer is too large, or takes too long")
        return bytes(body)
