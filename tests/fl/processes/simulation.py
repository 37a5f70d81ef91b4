"""A simulation as its own process, for Ctrl-C: `simulation.py FOLDER ROUNDS`."""

import logging
import sys
from pathlib import Path

from fl.settings import FederationSettings
from fl.simulation import simulate_community
from forecasting.settings import ForecastingSettings, ModelSettings
from tests.fl.federation import HOMES, made_up_windows


def main(folder: str, rounds: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    local = {"epochs": 1, "final_learning_rate": 1.0}  # whatever the number of rounds
    settings = FederationSettings.model_validate({"rounds": int(rounds), "evaluate_every": 1, "local": local})
    windows = made_up_windows(HOMES, days=40)
    forecasting = ForecastingSettings(model=ModelSettings(hidden=4))
    try:
        simulate_community(settings, forecasting, windows.between(0, 30), windows.between(30, 40), Path(folder))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(*sys.argv[1:])
