"""Fetches the newest published model for a gateway that was offline when the training ended."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from api.gateway.client import ApiClient, OfferedRound
from api.gateway.jobs import Isolated, keep_offered_model
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.quantity import Quantity
from fl.deployment.backoff import Backoff
from fl.deployment.kept_model import kept_round
from fl.deployment.telemetry import AgentMetrics
from forecasting.settings import ModelSettings
from rewards.errors import NodeUnreachable
from rewards.rpc_client import RpcClient

_log = logging.getLogger(__name__)
_ASK_AGAIN_S = 600.0


class ModelUpdater:
    """Keeps the gateway's model, in `folder`, up to date with what the community has published.

    The model is checked against the digest in the registry, read from the household's own node if it has one, else as
    reported by the API. It is opened in a separate process: it is untrusted, and needs memory.

    Args:
        model: what the community's model must be.
        first_s, most_s: the first and the longest wait before the API is asked again.
        quantity: what it forecasts; `registry`: where the node finds models of another quantity than load.
    """

    def __init__(
        self,
        folder: Path,
        model: ModelSettings,
        run: Isolated,
        client: ApiClient,
        node: RpcClient | None,
        *,
        first_s: float,
        most_s: float,
        quantity: Quantity = "load",
        registry: str | None = None,
    ) -> None:
        self._quantity, self._registry = quantity, registry
        self._folder, self._model, self._run, self._client, self._node = folder, model, run, client, node
        self._connection, self._doubt = Backoff(first_s, most_s), Backoff(first_s, max(most_s, _ASK_AGAIN_S))
        self._asked_at = -_ASK_AGAIN_S

    def refresh(self, metrics: AgentMetrics, urgent: bool) -> bool:
        """Fetch the newest model unless it is here. Returns whether the API has been asked since it was needed.

        `urgent`: there is something to prove; otherwise it is asked every few minutes.
        """
        if not urgent and time.monotonic() - self._asked_at < _ASK_AGAIN_S:
            return True
        if not self._connection.due:
            return False
        try:
            self._refresh(metrics)
        except (Unreachable, NodeUnreachable, ApiRefused) as down:
            again_s = round(self._connection.failed(), 1)
            _log.warning("model not asked for yet", extra={"reason": str(down), "again_in_s": again_s})
            return False
        self._connection.worked()
        self._asked_at = time.monotonic()
        return True

    def _refresh(self, metrics: AgentMetrics) -> None:
        offered, kept = self._client.newest_round(self._quantity), kept_round(self._folder)
        self._count(metrics, kept)
        if offered is None or offered.number <= kept or not self._doubt.due:
            return
        digest = offered.digest if self._node is None else self._node.digest_of(offered.number, self._registry)
        if digest is None:
            self._refuse(offered, "no model is registered on the chain for this round", metrics)
            return
        try:
            self._keep(offered.number, digest, self._client.weights(offered.number, self._quantity))
        except ValueError as refused:
            self._refuse(offered, str(refused), metrics)
            return
        self._doubt.worked()
        self._count(metrics, offered.number)
        context = {"quantity": self._quantity, "round": offered.number, "digest": digest.hex()}
        _log.info("model fetched", extra=context)

    def _count(self, metrics: AgentMetrics, number: int) -> None:
        if self._quantity == "load":
            metrics.model_round.set(number)

    def _keep(self, number: int, digest: bytes, content: bytes) -> None:
        self._run(keep_offered_model, self._folder, self._model, number, digest, content)

    def _refuse(self, offered: OfferedRound, reason: str, metrics: AgentMetrics) -> None:
        metrics.models_refused.inc()
        again_s = round(self._doubt.failed(), 1)
        context = {"quantity": self._quantity, "round": offered.number, "reason": reason, "again_in_s": again_s}
        _log.error("model refused", extra=context)
