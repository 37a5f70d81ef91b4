"""A gateway of a training without a server as a process. What it is told to do wrong, it does; all else is real.

A file HOME.hold with an epoch's number in it stops the peer before it publishes in that epoch, and one called `hold`
before it proposes, until the file is gone. Training runs in the process itself: a second one for each of eight homes
is not the point here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from api.config.community_yaml import load
from api.config.traced import traced
from api.gateway import gossip_peer
from api.gateway.gossip_peer import run_peer
from api.protocol.gossip_registry import ChainRegistry
from fl.gossip.fixed_point import LARGEST, Fixed
from fl.gossip.peer import Peer
from fl.gossip.registry import Moment
from fl.plan import LocalPlan
from fl.task import HomeFolder, HomeLearner
from fl.weights import Weights
from forecasting.numpy_forecaster import NumpyForecaster
from forecasting.shape import ModelShape


@dataclass(frozen=True)
class Given:
    """What a process is started with; travels as a pickle. `manner`: honest, lying or silent."""

    folder: Path
    home: str
    manner: str

    @property
    def hold(self) -> Path:
        return self.folder / f"{self.home}.hold"


@dataclass(frozen=True)
class HereTraining:
    """As `fl.deployment.training_process.TrainingProcess`, without a process."""

    learner: HomeLearner

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        return self.learner.fit(weights, plan)

    def call(self, job: Callable[..., Any], *arguments: Any) -> Any:
        return job(self.learner, *arguments)


def _wait_while(path: Path) -> None:
    while path.exists():
        time.sleep(0.05)


def _as_told(given: Given) -> None:
    """Put the test's manners in the place of the real peer."""

    class HeldRegistry(ChainRegistry):
        def propose(self, epoch: int, rank: int, root: bytes) -> str:
            _wait_while(given.folder / "hold")
            return super().propose(epoch, rank, root[::-1] if given.manner == "lying" else root)

    class TestedPeer(Peer):
        def _publish(self, moment: Moment) -> bool:
            if given.hold.exists() and moment.epoch >= int(given.hold.read_text()):
                logging.info("held in epoch %d", moment.epoch)
                _wait_while(given.hold)
                return True
            return super()._publish(moment)

        def _trained(self, epoch: int, base: Fixed) -> Fixed:
            trained = super()._trained(epoch, base)
            return (base - 3 * (trained - base)).clip(-LARGEST, LARGEST) if given.manner == "lying" else trained

        def _answer_challenges(self, epoch: int) -> None:
            if given.manner != "silent":
                super()._answer_challenges(epoch)

    gossip_peer.Peer = TestedPeer  # type: ignore[misc]
    gossip_peer.ChainRegistry = HeldRegistry  # type: ignore[misc]
    if given.manner == "silent":
        gossip_peer.ShelfServer.serve = lambda *_: nullcontext()  # type: ignore[method-assign, assignment]


def run(given: Given) -> None:
    """Run the gateway's peer until it is killed."""
    log = given.folder / f"{given.home}.log"
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = load(given.folder / f"{given.home}.yaml")
    shape = ModelShape.of(config.forecasting.model)
    learner = HomeFolder(given.folder / "homes", shape, config.forecasting.huber)(given.home)
    training = HereTraining(replace(learner, open_model=NumpyForecaster))  # as on a gateway
    _as_told(given)
    try:
        with traced(config.tracing, "wattproof-gateway"):
            run_peer(
                config, given.home, training,  # type: ignore[arg-type]
                daily_task=lambda metrics: None, ready=lambda metrics, stop: None, stop=threading.Event(),
            )  # fmt: skip
    except BaseException:
        logging.exception("the peer has ended")
        raise
