"""A chain node over HTTP as web3 asks it; every failure raises NodeUnreachable."""

from __future__ import annotations

from typing import Any, cast

import httpx
from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from data.json_text import loads
from rewards.errors import NodeUnreachable
from rewards.node_http import NodeHttp


class Node(JSONBaseProvider):
    """A node by its URL, without retries: web3's own would try five times, and its callers would wait for each.

    Raises NodeUnreachable without the URL, which may hold a key.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__()
        self._http = NodeHttp(url, timeout_s)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            answer = loads(self._http.post(self.encode_rpc_request(method, params)))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: an answer that is no JSON
            # Not `from error`: its message quotes the URL.
            raise NodeUnreachable(f"the chain node does not answer {method} ({type(error).__name__})") from None
        if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
            raise NodeUnreachable(f"the chain node's answer to {method} is empty")
        return cast(RPCResponse, answer)
