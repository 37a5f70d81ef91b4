"""A coordinator of a one-shot training: `one_shot_coordinator.py SETTINGS ROUNDS_DIR TIME HOMES`.

It begins once so many homes are there. TIME: see `round_time`.
"""

import logging
import sys
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fl.deployment.coordinator import agents_roster, identify_by_key, run_coordinator
from fl.one_shot.rounds import one_shot_rounds
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.task import initial_weights
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.processes.round_time import RoundTime


def main(settings: str, rounds_dir: str, round_time: str, homes: str) -> None:
    RoundTime.rules(Path(round_time))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    shape = ModelShape.of(ModelSettings(hidden=4))
    rounds = one_shot_rounds(
        federation,
        RoundStore(Path(rounds_dir)),
        shape,
        identify=identify_by_key(federation.deployment),
        roster=agents_roster(federation),
        hand_out=True,
    )
    app = ServerApp()

    @app.main()
    def once(grid: Grid, context: Context) -> None:
        while len(set(grid.get_node_ids())) < int(homes):
            time.sleep(0.1)
        rounds.run_once(grid, initial_weights(shape, federation.seed))

    run_coordinator(federation.deployment, app)


if __name__ == "__main__":
    main(*sys.argv[1:])
