"""The household's own chain node, asked over JSON-RPC for the few facts a gateway checks. Loads no web3."""

from __future__ import annotations

from typing import Any

from rewards.json_rpc import JsonRpc
from rewards.signing import PinnedHead, Registration, SigningFacts, fair_price

_HEAD = "(bytes32,uint256)"


class RpcClient:
    """The registry as this node sees it. Every method raises NodeUnreachable, without the URL: it may hold a key."""

    def __init__(self, url: str, forecast_registry: str) -> None:
        self._line, self._registry = JsonRpc(url, "gateway.rpc_url"), forecast_registry

    def facts(self, household: str) -> SigningFacts:
        """What the household's next transaction must say."""
        line = self._line
        chain, price = line.number("eth_chainId"), fair_price(line.number("eth_gasPrice"), line.base_fee())
        nonce = line.number("eth_getTransactionCount", household, "pending")
        return SigningFacts(chain, self._registry, nonce, price)

    def digest_of(self, number: int, registry: str | None = None) -> bytes | None:
        """The digest registered for a round's model, or None. `registry`: of models, if not those of load."""
        models = registry or self._view(self._registry, "MODELS()", result="address")
        digest = self._view(str(models), "digest_of(uint32)", number, result="bytes32")
        return bytes(digest) if any(digest) else None

    def head_of(self, household: str, number: int) -> PinnedHead | None:
        """The personal head that a household has pinned to a round, or None."""
        digest, moment = self._view(self._registry, "head_of(address,uint32)", household, number, result=_HEAD)
        return PinnedHead(bytes(digest), int(moment)) if any(digest) else None

    def holds(self, household: str, registration: Registration) -> bool:
        """Whether exactly this forecast is registered."""
        asked = household, registration.day
        kept = self._view(self._registry, "forecast_of(address,uint32)", *asked, result="bytes32")
        return bytes(kept) == registration.digest

    def _view(self, to: str, signature: str, *values: Any, result: str) -> Any:
        absent = f"registry at {to}: check gateway.forecast_registry"
        (found,) = self._line.view(to, signature, *values, result=[result], absent=absent)
        return found
