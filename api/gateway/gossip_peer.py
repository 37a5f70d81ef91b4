"""A gateway in a training without a server (`federation.topology: gossip`): its peer, beside its daily task."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.community_yaml import Config, ConfigError
from api.gateway.gossip_bond import check_registry
from api.gateway.gossip_traces import GossipTraces
from api.gateway.home import Home
from api.protocol.gossip_registry import ChainRegistry
from fl.deployment.background import repeated
from fl.deployment.certificates import LOOK_EVERY_S, Certificates
from fl.deployment.keys import KeyFolder, PeerKeys
from fl.deployment.telemetry import AgentMetrics
from fl.dp.budget import HomeBudgetSpent
from fl.gossip.folder import PeerFolder
from fl.gossip.ledger import DaysLedger
from fl.gossip.metrics import PeerMetrics
from fl.gossip.peer import Peer
from fl.gossip.shelf import Shelf
from fl.gossip.transport import PeerLine, ShelfServer, read_peers
from fl.plan import LocalPlan
from fl.weights import Weights
from rewards.gossip_client import GossipClient

if TYPE_CHECKING:  # it loads pandas, which is for the process that trains
    from fl.deployment.training_process import TrainingProcess
    from fl.gossip.settings import GossipSettings
    from fl.task import HomeLearner
    from forecasting.settings import ForecastingSettings

_log = logging.getLogger(__name__)
_TIMEOUT_S = 30.0


def open_client(config: Config, home: str) -> GossipClient:
    """The registry, as the household's own node tells of it. Raises ConfigError for what the settings lack."""
    settings, gossip = config.gateway, config.federation.gossip
    if settings.rpc_url is None or gossip.registry is None:
        raise ConfigError(
            "a training without a server needs gateway.rpc_url (with gateway.forecast_registry), a chain node that "
            "the household trusts, and federation.gossip.registry, which `wattproof gossip deploy` prints"
        )
    wallet = Home(home, config.api.homes_dir / home).wallet
    return GossipClient(settings.rpc_url.get_secret_value(), gossip.registry, wallet, settings.most_fee)


@dataclass(frozen=True)
class PeerParts:
    """What is opened before the peer runs: all that the settings may have wrong is found out here."""

    peers: dict[bytes, str]
    keys: PeerKeys
    client: GossipClient
    ledger: DaysLedger | None

    @staticmethod
    def of(config: Config, home: str) -> PeerParts:
        """Raises ConfigError, KeysError, FederationError."""
        gossip = config.federation.gossip
        if gossip.peers is None:
            raise ConfigError("federation.gossip.peers names no file: it has each member's address and URL")
        if gossip.clusters > 1:
            raise ConfigError(
                f"federation.gossip.clusters is {gossip.clusters}: peers on a network don't sum profiles, only those "
                "of a training on one machine do (`wattproof train`); set it to 1"
            )
        keys = KeyFolder(config.federation.deployment.keys_dir).peer(home)
        keys.check()
        path = config.api.homes_dir / home / "days-privacy.json"
        ledger = DaysLedger(path, gossip) if gossip.sampled_privacy == "days" else None
        return PeerParts(read_peers(gossip.peers), keys, open_client(config, home), ledger)


def run_peer(
    config: Config,
    home: str,
    training: TrainingProcess,
    *,
    daily_task: Callable[[AgentMetrics], None],
    ready: Callable[[AgentMetrics, threading.Event], None],
    stop: threading.Event,
) -> None:
    """Take part until `stop` is set; as `fl.deployment.agent.run_agent`, without a coordinator.

    Raises ConfigError, KeysError, FederationError where the settings can't be used.
    """
    parts, federation = PeerParts.of(config, home), config.federation
    deployment, metrics, shelf = federation.deployment, AgentMetrics(home), Shelf()
    certificates = Certificates({"peer": parts.keys.certificate, "authority": parts.keys.authority})
    metrics.follow_certificates(certificates)
    peer_metrics = PeerMetrics(metrics.registry)
    server, line = ShelfServer(shelf), PeerLine(parts.peers, parts.keys, _TIMEOUT_S)
    peer_metrics.follow(server)
    task = repeated(partial(daily_task, metrics), deployment.task_interval_s, stop, name="daily task", log=_log)
    warnings = repeated(certificates.warn, LOOK_EVERY_S, stop, name="certificates", log=_log)
    gossip = federation.gossip
    with (
        metrics.serve(deployment.agent_metrics_port),
        warnings,
        task,
        server.serve(gossip.bind, gossip.port, parts.keys),
    ):
        ready(metrics, stop)
        if stop.is_set():
            return
        check_registry(config, parts.client)
        start = training.call(_initial, config.forecasting)
        folder = PeerFolder(config.api.state_dir / "gossip" / parts.client.registry.lower())
        peer = Peer(
            federation, start, ChainRegistry(parts.client), folder, shelf, line,
            partial(_fit, training, gossip, parts.ledger, peer_metrics),
            partial(_keep, training, config.api.model_dir, gossip.round), peer_metrics,
            GossipTraces(config.community.identifier, parts.client.registry, str(parts.client.account.address)),
        )  # fmt: skip
        _log.info("peer ready", extra={"home": home, "address": f"{gossip.bind}:{gossip.port}"})
        try:
            peer.run(stop)
        finally:
            stop.set()
            line.close()


def _fit(
    training: TrainingProcess,
    gossip: GossipSettings,
    ledger: DaysLedger | None,
    metrics: PeerMetrics,
    weights: Weights,
    plan: LocalPlan,
) -> Weights:
    """Train in the home's process; with noise, what it costs is written down first."""
    if ledger is None:
        trained, _ = training.fit(weights, plan)
        return trained
    try:
        ledger.spend(plan.round)
    except HomeBudgetSpent as spent:
        _log.warning("not trained", extra={"reason": str(spent)})
        return weights
    metrics.epsilon.set(ledger.epsilon())
    return training.call(_fit_private, weights, plan, gossip)


def _keep(training: TrainingProcess, folder: Path, number: int | None, epoch: int, weights: Weights) -> None:
    training.call(_keep_model, folder, number or epoch, weights)


def _initial(learner: HomeLearner, forecasting: ForecastingSettings) -> Weights:
    from fl.task import initial_weights

    return initial_weights(learner.shape, forecasting.seed)


def _fit_private(learner: HomeLearner, weights: Weights, plan: LocalPlan, gossip: GossipSettings) -> Weights:
    from fl.gossip.private_training import fit_private

    return fit_private(learner, weights, plan, gossip)


def _keep_model(learner: HomeLearner, folder: Path, number: int, weights: Weights) -> None:
    from fl.deployment.kept_model import keep_model
    from fl.task import projection

    keep_model(folder, number, projection(learner.shape)(weights), learner.shape)
