"""The coordinator as its own process: `coordinator.py SETTINGS.json ROUNDS_DIR TIME`; TIME: see `round_time`."""

import logging
import sys
from pathlib import Path

from fl.deployment.coordinator import agents_roster, identify_by_key, run_coordinator
from fl.rounds import Rounds
from fl.server_app import make_server_app
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.task import initial_weights, projection
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.processes.round_time import RoundTime


def main(settings: str, rounds_dir: str, time: str) -> None:
    RoundTime.rules(Path(time))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    shape = ModelShape.of(ModelSettings(hidden=4))
    rounds = Rounds(
        federation,
        RoundStore(Path(rounds_dir)),
        identify=identify_by_key(federation.deployment),
        roster=agents_roster(federation),
        project=projection(shape),
    )
    run_coordinator(federation.deployment, make_server_app(rounds, initial_weights(shape, federation.seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
