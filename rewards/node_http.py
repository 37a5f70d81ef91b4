"""Questions to a chain node over HTTP, whose answer is bounded in bytes and time. Loads no web3."""

from __future__ import annotations

from data.http_client import TimedClient

_MOST_BYTES = 1 << 26
"""More than a year's events of a large community come to."""
_WHOLE_S = 60.0


class NodeHttp:
    """A node by its URL; for any thread. `timeout_s`: how long it may be silent."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        # It loads root certificates: one for all questions.
        self._client = TimedClient(whole_s=_WHOLE_S, timeout=timeout_s)

    def post(self, content: bytes) -> bytes:
        """The answer's body. Raises httpx.HTTPError, httpx.InvalidURL, and ValueError for one too large."""
        body = bytearray()
        json = {"content-type": "application/json"}
        with self._client.stream("POST", self._url, content=content, headers=json) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError("the answer is too large")
        return bytes(body)
