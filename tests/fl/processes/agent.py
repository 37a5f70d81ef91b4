"""A household agent as its own process: `agent.py SETTINGS.json HOMES_DIR HOME SECONDS`.

SECONDS stretches each training, so that a test can act in the middle of a round; the work itself is real.
"""

import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fl.agent import run_agent
from fl.home_mods import home_mods, open_ledger
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.task import HomeFolder, HomeLearner
from fl.weights import Weights
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape


@dataclass(frozen=True)
class Stretched:
    """A home on slow hardware."""

    learner: HomeLearner
    seconds: float

    @property
    def home(self) -> str:
        return self.learner.home

    @property
    def examples(self) -> int:
        return self.learner.examples

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        logging.info("training round %d", plan.round)
        time.sleep(self.seconds)
        return self.learner.fit(weights, plan)

    def evaluate(self, weights: Weights) -> dict[str, float]:
        return self.learner.evaluate(weights)


def main(settings: str, homes: str, home: str, seconds: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    forecasting = ForecastingSettings(model=ModelSettings(hidden=4))
    learner = HomeFolder(Path(homes), ModelShape.of(forecasting.model), forecasting.huber)(home)
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    ledger = open_ledger(federation, Path(homes) / f"{home}.privacy.json")
    mods = home_mods(federation, home, ledger)
    run_agent(federation.deployment, Stretched(learner, float(seconds)), mods=mods, ledger=ledger)


if __name__ == "__main__":
    main(*sys.argv[1:])
