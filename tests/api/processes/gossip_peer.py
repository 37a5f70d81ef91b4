"""A peer of a training without a server as a process. What it is told to do wrong, it does; all else is real.

A file HOME.hold with an epoch's number in it stops the peer before it publishes in that epoch, and one called `hold`
before it proposes, until the file is gone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from prometheus_client import CollectorRegistry

from api.gateway.gossip_registry import ChainRegistry
from fl.deployment.keys import KeyFolder
from fl.gossip.fixed_point import LARGEST, Fixed, to_fixed
from fl.gossip.folder import PeerFolder
from fl.gossip.metrics import PeerMetrics
from fl.gossip.peer import Peer
from fl.gossip.registry import Moment
from fl.gossip.shelf import Shelf
from fl.gossip.transport import PeerLine, ShelfServer, read_peers
from fl.settings import FederationSettings
from fl.task import HomeFolder, initial_weights
from fl.weights import Weights, save
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape
from rewards.gossip_client import GossipClient

FORECASTING = ForecastingSettings(model=ModelSettings(hidden=4))


def shape() -> ModelShape:
    return ModelShape.of(FORECASTING.model)


@dataclass(frozen=True)
class Given:
    """What a process is started with; travels as a pickle. `manner`: honest, lying or silent."""

    folder: Path
    home: str
    key: bytes
    port: int
    node: str
    registry: str
    settings: str
    manner: str


class HeldRegistry(ChainRegistry):
    """Waits before it proposes."""

    def __init__(self, client: GossipClient, folder: Path) -> None:
        super().__init__(client)
        self._hold = folder / "hold"

    def propose(self, epoch: int, rank: int, root: bytes) -> str:
        while self._hold.exists():
            time.sleep(0.05)
        return super().propose(epoch, rank, root)


class TestedPeer(Peer):
    """A peer in one of the test's manners."""

    given: Given

    def _publish(self, moment: Moment) -> bool:
        hold = self.given.folder / f"{self.given.home}.hold"
        if hold.exists() and moment.epoch >= int(hold.read_text()):
            logging.info("held in epoch %d", moment.epoch)
            while hold.exists():
                time.sleep(0.05)
            return True
        return super()._publish(moment)

    def _trained(self, epoch: int, base: Fixed) -> Fixed:
        trained = super()._trained(epoch, base)
        return (base - 3 * (trained - base)).clip(-LARGEST, LARGEST) if self.given.manner == "lying" else trained

    def _answer_challenges(self, epoch: int) -> None:
        if self.given.manner != "silent":
            super()._answer_challenges(epoch)


def run(given: Given) -> None:
    """Run the peer until it is killed."""
    log = given.folder / f"{given.home}.log"
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = FederationSettings.model_validate_json(given.settings)
    learner = HomeFolder(given.folder / "homes", shape(), FORECASTING.huber)(given.home)
    keys = KeyFolder(given.folder / "keys").peer(given.home)
    client = GossipClient(given.node, given.registry, Account.from_key(given.key), 10**17)
    shelf, line = Shelf(), PeerLine(read_peers(given.folder / "peers.json"), keys, timeout_s=10)

    def keep(epoch: int, weights: Weights) -> None:
        save(given.folder / f"{given.home}.model.npz", weights)
        digest = hashlib.sha256(to_fixed(weights).tobytes()).hexdigest()
        (given.folder / f"{given.home}.done").write_text(json.dumps({"epoch": epoch, "digest": digest}))

    TestedPeer.given = given
    peer = TestedPeer(
        settings, initial_weights(shape(), 1), HeldRegistry(client, given.folder),
        PeerFolder(given.folder / given.home), shelf, line, lambda weights, plan: learner.fit(weights, plan)[0], keep,
        PeerMetrics(CollectorRegistry()),
    )  # fmt: skip
    try:
        if given.manner == "silent":
            peer.run(threading.Event())
        with ShelfServer(shelf).serve("127.0.0.1", given.port, keys):
            peer.run(threading.Event())
    except BaseException:
        logging.exception("the peer has ended")
        raise
