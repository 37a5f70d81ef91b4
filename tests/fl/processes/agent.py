"""A household agent as its own process: `agent.py SETTINGS.json HOMES_DIR HOME SECONDS`.

SECONDS stretches each training, so that the rounds of a long training don't fill the disk. While HOMES_DIR/HOME.hold
is there, a training that begins does not end, so that a test can act in the middle of a round. The work is real.
"""

import logging
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flwr.app import Message

import fl.deployment.agent
from fl.client_mods import client_mods, open_ledger, open_record
from fl.deployment.agent import run_agent
from fl.deployment.fleet_client import FleetClient
from fl.one_shot.fixed_point import Ints
from fl.one_shot.peak_file import keep_peak_head
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.task import HomeFolder, HomeLearner
from fl.weights import Weights
from forecasting.numpy_forecaster import NumpyForecaster
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape


@dataclass(frozen=True)
class Stretched:
    """A home on slow hardware."""

    learner: HomeLearner
    seconds: float
    hold: Path

    @property
    def home(self) -> str:
        return self.learner.home

    @property
    def examples(self) -> int:
        return self.learner.examples

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        self._take_time(plan.round)
        return self.learner.fit(weights, plan)

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        if plan.kind == STATISTICS:
            self._take_time(1)
        return self.learner.sums(plan)

    def _take_time(self, number: int) -> None:
        logging.info("training round %d", number)
        if self.hold.exists():
            logging.info("held in round %d", number)
            while self.hold.exists():
                time.sleep(0.05)
        time.sleep(self.seconds)

    def evaluate(self, weights: Weights) -> dict[str, float]:
        return self.learner.evaluate(weights)


class ToldClient(FleetClient):
    """Says in the log when the coordinator has all of a reply."""

    def send(self, reply: Message, seconds: float) -> None:
        super().send(reply, seconds)
        logging.info("reply sent")


def main(settings: str, homes: str, home: str, seconds: str) -> None:
    told = logging.StreamHandler()
    told.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s %(reason)s", defaults={"reason": ""}))
    logging.basicConfig(level=logging.INFO, handlers=[told])
    forecasting = ForecastingSettings(model=ModelSettings(hidden=4))
    opened = HomeFolder(Path(homes), ModelShape.of(forecasting.model), forecasting.huber)(home)
    learner = replace(opened, open_model=NumpyForecaster)  # as on a gateway, which has no PyTorch
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    ledger = open_ledger(federation, Path(homes) / f"{home}.privacy.json")
    record = open_record(federation, Path(homes) / f"{home}.sums.jsonl")
    mods = client_mods(federation, home, ledger, record)
    fl.deployment.agent.FleetClient = ToldClient  # type: ignore[attr-defined, misc]
    stretched = Stretched(learner, float(seconds), Path(homes) / f"{home}.hold")
    keep_peaks = partial(keep_peak_head, Path(homes) / f"{home}.model")
    run_agent(federation.deployment, stretched, mods=mods, keep_peaks=keep_peaks, ledger=ledger)


if __name__ == "__main__":
    main(*sys.argv[1:])
