"""The operator's part in a training without a server: it deploys the registry, and publishes what comes out.

It has no say in between. What it takes over is the merge that the registry's committee has accepted, each block held
against the accepted root, so that it can't be given another model.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from api.config.community_yaml import ConfigError
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.trained_model import model_shape, rounds_of
from api.operator.training import OnRound, publisher
from api.protocol.gossip_registry import ChainRegistry
from fl.deployment.keys import KeyFolder
from fl.errors import FederationError, NoModelYet
from fl.gossip import registry as gossip_terms
from fl.gossip.draws import DRAWS
from fl.gossip.duties import Duties
from fl.gossip.fixed_point import from_fixed
from fl.gossip.folder import PeerFolder
from fl.gossip.registry import Registry
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf
from fl.gossip.transport import PeerLine, read_peers
from fl.store import RoundReport, RoundStore
from fl.task import initial_weights, projection
from fl.weights import Weights
from rewards.gossip import Terms, deploy_registry
from rewards.gossip_client import GossipClient

OBSERVER = "operator"
"""Under this name the operator has a certificate, by which peers let it fetch blocks."""
_COIN, _MOST_FEE = 10**18, 10**17
_TIMEOUT_S = 30.0


def terms_of(community: Community) -> Terms:
    """What a training's registry is deployed with, from the settings and the model's size."""
    federation = community.config.federation
    gossip = federation.gossip
    return Terms(
        segments=gossip.segments, numbers=_segments(community).size,
        epochs=federation.rounds + gossip.settle_epochs, fewest=max(2, federation.min_homes),
        publish_s=gossip.publish_s, reveal_s=gossip.reveal_s, leader_s=gossip.leader_s,
        challenge_s=gossip.challenge_s, committee=gossip.committee, bond=round(gossip.bond * _COIN),
        deposit=round(gossip.challenge_deposit * _COIN),
    )  # fmt: skip


def deploy_training(community: Community, chain_session: ChainSession) -> str:
    """Deploy the registry of a new training, whose members are the community's households; its address.

    Raises ConfigError where the round that it is to end in is not after those that there are.
    """
    _check_number(community, rounds_of(community))
    households = str(chain_session.contracts.forecast_registry.address)
    registry = deploy_registry(
        chain_session.chain, community.operator, community.config.community.identifier, households,
        terms_of(community),
    )  # fmt: skip
    return str(registry.address)


def take_accepted(community: Community, on_round: OnRound) -> int:
    """Save the model that the training has ended in as a round, with its commitment; its number.

    A server that runs publishes it then (`api.operator.publisher`), as any round. Raises NoModelYet where no merge of
    the last epoch is accepted, FederationError where no peer has its blocks, ConfigError.
    """
    config = community.config
    start = initial_weights(model_shape(community), config.forecasting.seed)
    registry = ChainRegistry(_client(community))
    terms = registry.terms()
    if registry.accepted(terms.epochs) is None:
        raise NoModelYet(_why_no_model(registry, terms))
    begun, line = time.monotonic(), _line(community)
    try:
        duties = Duties(
            config.federation, registry, terms, _segments(community), PeerFolder(community.folder / "gossip"),
            Shelf(), line,
        )  # fmt: skip
        model = duties.fetch_accepted(terms.epochs)
    finally:
        line.close()
    if model is None:
        raise FederationError("no peer has all blocks of the accepted merge now: run this again when peers are there")
    weights = projection(model_shape(community))(from_fixed(model, start))
    number = _number(community)
    report = RoundReport(
        round=number, asked=(), participants=(), left_out={}, train_loss=math.nan, validation_loss=None, homes={},
        bytes_down=line.bytes_in, bytes_up=0, seconds=time.monotonic() - begun,
    )  # fmt: skip
    _keep(community, report, weights, on_round)
    return number


def _keep(community: Community, report: RoundReport, weights: Weights, on_round: OnRound) -> None:
    """Save the round and publish it, unless that is done: the command may be repeated, whenever it was stopped.

    Raises ConfigError where other rounds stand in its place.
    """
    store = rounds_of(community)
    with store.locked():
        if not _is_kept(store, report.round, weights):
            _check_number(community, store)
            store.bind(community.config.federation)
            store.save(report, weights, {})
        store.publish(report.round, publisher(community, store, on_round))


def _number(community: Community) -> int:
    """Of the round that the training's model becomes."""
    federation = community.config.federation
    return federation.gossip.round or federation.rounds + federation.gossip.settle_epochs


def _check_number(community: Community, store: RoundStore) -> None:
    """Raises ConfigError for a number that is not after those of the saved rounds: forecasts refer to them."""
    number, last = _number(community), max(store.rounds(), default=0)
    if number <= last:
        raise ConfigError(
            f"the training would end in round {number}, and there are rounds up to {last}: on every machine set "
            f"federation.gossip.round to {last + 1} or more"
        )


def _is_kept(store: RoundStore, number: int, weights: Weights) -> bool:
    """Whether the round is saved, with this very model."""
    if number not in store.rounds():
        return False
    kept = store.load(number).weights
    return all(np.array_equal(kept[name], array) for name, array in weights.items())


def _why_no_model(registry: Registry, terms: gossip_terms.Terms) -> str:
    moment, another = registry.moment(), "deploy another registry for another training (`wattproof gossip deploy`)"
    if moment.epoch <= terms.epochs:
        return f"the training is in epoch {moment.epoch} of {terms.epochs}: run this again when it has ended"
    drawn = registry.drawn(terms.epochs)
    if drawn is None:
        return f"the training has ended without a model, for too few members revealed in its last epoch: {another}"
    if moment.time >= (until := drawn.at + DRAWS * terms.draw_s):
        return f"the training has ended, and none of {DRAWS} committees has accepted its last merge: {another}"
    return (
        "no committee has accepted the last epoch's merge yet: run this again when it has. Others are drawn until "
        f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
    )


def _segments(community: Community) -> Segments:
    start = initial_weights(model_shape(community), 0)
    return Segments(sum(array.size for array in start.values()), community.config.federation.gossip.segments)


def _client(community: Community) -> GossipClient:
    url, registry = community.config.rewards.rpc_url, community.config.federation.gossip.registry
    if url is None or registry is None:
        raise ConfigError(
            "a training without a server needs rewards.rpc_url, a chain node, and federation.gossip.registry, which "
            "`wattproof gossip deploy` prints"
        )
    return GossipClient(url.get_secret_value(), registry, community.operator, _MOST_FEE)


def _line(community: Community) -> PeerLine:
    federation = community.config.federation
    peers: Path | None = federation.gossip.peers
    if peers is None:
        raise ConfigError("federation.gossip.peers names no file: it has each member's address and URL")
    keys = KeyFolder(federation.deployment.keys_dir).peer(OBSERVER)
    keys.check()
    return PeerLine(read_peers(peers), keys, _TIMEOUT_S)
