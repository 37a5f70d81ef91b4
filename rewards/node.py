"""A chain node over HTTP; every failure raises NodeUnreachable."""

from __future__ import annotations

from typing import Any, cast

from requests import RequestException
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from data.json_text import loads
from rewards.errors import NodeUnreachable


class Node(HTTPProvider):
    """A node by its URL, without retries: web3 would try five times, and its callers would wait for each.

    Raises NodeUnreachable without the URL, which may hold a key.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None)

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        """Raises ValueError, also for JSON that nests so deep that web3's own parser would end the process."""
        return cast(RPCResponse, loads(raw_response))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            answer = super().make_request(method, params)
        except (RequestException, ValueError) as error:  # ValueError: an answer that is no JSON
            # Not `from error`: its message quotes the URL.
            raise NodeUnreachable(f"the chain node does not answer {method} ({type(error).__name__})") from None
        if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
            raise NodeUnreachable(f"the chain node's answer to {method} is empty")
        return answer
