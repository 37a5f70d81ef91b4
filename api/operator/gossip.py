"""The operator's part in a training without a server: it deploys the registry, and publishes what comes out.

It has no say in between. What it takes over is the merge that the registry's committee has accepted, each block held
against the accepted root, so that it can't be given another model.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from api.config.community_yaml import ConfigError
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.trained_model import model_shape, rounds_of
from api.operator.training import OnRound, publisher
from api.protocol.gossip_registry import ChainRegistry
from fl.deployment.keys import KeyFolder
from fl.errors import FederationError, NoModelYet
from fl.gossip.duties import Duties
from fl.gossip.fixed_point import from_fixed
from fl.gossip.folder import PeerFolder
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf
from fl.gossip.transport import PeerLine, read_peers
from fl.store import RoundReport
from fl.task import initial_weights, projection
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
    """Deploy the registry of a new training, whose members are the community's households; its address."""
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
    config, store = community.config, rounds_of(community)
    start = initial_weights(model_shape(community), config.forecasting.seed)
    registry = ChainRegistry(_client(community))
    terms = registry.terms()
    if registry.accepted(terms.epochs) is None:
        raise NoModelYet(
            f"the training is in epoch {registry.moment().epoch} of {terms.epochs}, and no merge of the last one is "
            "accepted yet: run this again when it is"
        )
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
    number = config.federation.gossip.round or terms.epochs
    report = RoundReport(
        round=number, asked=(), participants=(), left_out={}, train_loss=math.nan, validation_loss=None, homes={},
        bytes_down=line.bytes_in, bytes_up=0, seconds=time.monotonic() - begun,
    )  # fmt: skip
    with store.locked():
        store.bind(config.federation)
        store.save(report, weights, {})
        publisher(community, store, on_round)(number, weights, report)
        store.mark_published(number)
    return number


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
