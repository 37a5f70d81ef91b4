"""The household's own chain node, asked over JSON-RPC for the few facts a gateway checks. Loads no web3."""

from __future__ import annotations

import json
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from rewards.errors import NodeUnreachable
from rewards.node_url import shown
from rewards.signing import PinnedHead, Registration, SigningFacts, fair_price

_TIMEOUT_S = 10.0
_MOST_BRACKETS = 64
_HEAD = "(bytes32,uint256)"


class RpcClient:
    """The registry as this node sees it. Every method raises NodeUnreachable, without the URL: it may hold a key."""

    def __init__(self, url: str, forecast_registry: str) -> None:
        self._url, self._registry = url, forecast_registry
        # A client loads root certificates: one for all questions. They are minutes apart: no connection is kept.
        self._client = httpx.Client(timeout=_TIMEOUT_S, limits=httpx.Limits(max_keepalive_connections=0))

    def facts(self, household: str) -> SigningFacts:
        """What the household's next transaction must say."""
        chain, price = self._number("eth_chainId"), fair_price(self._number("eth_gasPrice"), self._base_fee())
        nonce = self._number("eth_getTransactionCount", household, "pending")
        return SigningFacts(chain, self._registry, nonce, price)

    def digest_of(self, number: int) -> bytes | None:
        """The digest registered for a round's model, or None."""
        (models,) = self._call(self._registry, "MODELS()", [], [], "address")
        (digest,) = self._call(str(models), "digest_of(uint32)", ["uint32"], [number], "bytes32")
        return bytes(digest) if any(digest) else None

    def head_of(self, household: str, number: int) -> PinnedHead | None:
        """The personal head that a household has pinned to a round, or None."""
        arguments = [household, number]
        ((digest, moment),) = self._call(
            self._registry, "head_of(address,uint32)", ["address", "uint32"], arguments, _HEAD
        )
        return PinnedHead(bytes(digest), int(moment)) if any(digest) else None

    def holds(self, household: str, registration: Registration) -> bool:
        """Whether exactly this forecast is registered."""
        arguments = [household, registration.day]
        (kept,) = self._call(
            self._registry, "forecast_of(address,uint32)", ["address", "uint32"], arguments, "bytes32"
        )
        return bytes(kept) == registration.digest

    def _call(self, to: str, signature: str, types: list[str], values: list[Any], result: str) -> tuple[Any, ...]:
        data = keccak(signature.encode())[:4] + encode(types, values)
        answer = self._ask("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        try:
            return tuple(decode([result], bytes.fromhex(str(answer).removeprefix("0x"))))
        except (ValueError, DecodingError) as error:
            raise NodeUnreachable(
                f"{shown(self._url)} knows no registry at {to}: check gateway.forecast_registry"
            ) from error

    def _base_fee(self) -> int | None:
        """Of the latest block; None on a chain without base fees."""
        block = self._ask("eth_getBlockByNumber", "latest", False)
        try:
            fee = block.get("baseFeePerGas")
            return None if fee is None else int(str(fee), 16)
        except (AttributeError, ValueError):
            raise NodeUnreachable(f"{shown(self._url)} gives no latest block") from None

    def _number(self, method: str, *arguments: Any) -> int:
        try:
            return int(str(self._ask(method, *arguments)), 16)
        except ValueError as error:
            raise NodeUnreachable(f"{shown(self._url)} gives no number for {method}") from error

    def _ask(self, method: str, *arguments: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(arguments)}
        try:
            answer = self._client.post(self._url, json=request).raise_for_status().content
            # Python's parser recurses on the C stack; what is asked for here is a number or bytes, in one object.
            if answer.count(b"{") + answer.count(b"[") > _MOST_BRACKETS:
                raise ValueError("nested")
            return json.loads(answer)["result"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            # Not `from error`: the library's message quotes the URL.
            raise NodeUnreachable(
                f"no answer to {method} from gateway.rpc_url, {shown(self._url)} ({_reason(error)})"
            ) from None


def _reason(error: Exception) -> str:
    """Why a node did not answer, without the library's message, which may quote the URL."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__
