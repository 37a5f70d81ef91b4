"""A chain node asked over JSON-RPC: the line that every client without web3 shares. Loads no web3."""

from __future__ import annotations

import json
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from data.json_text import loads
from rewards.errors import NodeUnreachable, is_outbid
from rewards.node_http import NodeHttp
from rewards.node_url import shown

_TIMEOUT_S = 10.0
_REVERTED = 3  # what nodes answer with for a call that a contract refuses


class NodeError(NodeUnreachable):
    """The node answers, with an error of its own or with a contract's refusal."""

    def __init__(self, url: str, method: str, code: object, text: str) -> None:
        super().__init__(f"{shown(url)} fails at {method} (error {code})")
        self.text = text.removeprefix("execution reverted: ")[:200]
        self.is_refusal = code == _REVERTED or "revert" in text or "nonce" in text
        self.is_outbid = is_outbid(text)
        self.is_unfunded = "insufficient funds" in text.lower()


class JsonRpc:
    """A node by its URL. Every method raises NodeUnreachable, without the URL: it may hold a key.

    Args:
        setting: what holds the URL, to be named where the node does not answer.
    """

    def __init__(self, url: str, setting: str = "") -> None:
        self._url = url
        self._named = f"{setting}, {shown(url)}" if setting else shown(url)
        self._http = NodeHttp(url, _TIMEOUT_S)

    @property
    def shown(self) -> str:
        """Its address without what may be a key."""
        return shown(self._url)

    def ask(self, method: str, *arguments: Any) -> Any:
        """The result of a call. Raises NodeError where the node answers with an error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(arguments)}
        try:
            answer = loads(self._http.post(json.dumps(request).encode()))
            problem = answer.get("error")
            if problem is None:
                return answer["result"]
            code, text = problem.get("code"), str(problem.get("message", ""))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, AttributeError) as error:
            # Not `from error`: the library's message quotes the URL.
            raise NodeUnreachable(f"no answer to {method} from {self._named} ({_reason(error)})") from None
        raise NodeError(self._url, method, code, text)

    def number(self, method: str, *arguments: Any) -> int:
        """The result of a call that gives a number."""
        try:
            return int(str(self.ask(method, *arguments)), 16)
        except ValueError as error:
            raise NodeUnreachable(f"{self.shown} gives no number for {method}") from error

    def base_fee(self) -> int | None:
        """Of the latest block; None on a chain without base fees."""
        return self._latest("baseFeePerGas")

    def block_time(self) -> int:
        """Of the latest block, UTC seconds."""
        if (moment := self._latest("timestamp")) is None:
            raise NodeUnreachable(f"{self.shown} gives no latest block")
        return moment

    def _latest(self, name: str) -> int | None:
        """A number of the latest block; None where it has none."""
        block = self.ask("eth_getBlockByNumber", "latest", False)
        try:
            found = block.get(name)
            return None if found is None else int(str(found), 16)
        except (AttributeError, ValueError):
            raise NodeUnreachable(f"{self.shown} gives no latest block") from None

    def view(
        self, to: str, signature: str, *values: Any, result: list[str], absent: str, block: str = "latest"
    ) -> tuple[Any, ...]:
        """What a contract answers, by its types in `result`.

        Args:
            signature: as `head_of(address,uint32)`.
            absent: what an address is not that gives no such answer, and what to check.
        """
        call = {"to": to, "data": "0x" + call_data(signature, *values).hex()}
        answer = self.ask("eth_call", call, block)
        try:
            return tuple(decode(result, bytes.fromhex(str(answer).removeprefix("0x"))))
        except (ValueError, DecodingError) as error:
            raise NodeUnreachable(f"{self.shown} knows no {absent}") from error


def call_data(signature: str, *values: Any) -> bytes:
    """The data of a call of a contract; arguments of plain types, or arrays of such."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak(signature.encode())[:4] + encode(types.split(",") if types else [], values)


def _reason(error: Exception) -> str:
    """Why a node did not answer, without the library's message, which may quote the URL."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__
