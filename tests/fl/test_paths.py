"""The path of an update in docs/architecture.md is the one that it takes."""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context
from flwr.clientapp import ClientApp

from fl.client_app import Learner, make_client_app
from fl.message_gate import MessageGate
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.task import HomeLearner, initial_weights, projection
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows
from tests.fl.local_grid import LeastSquares, LocalGrid
from tests.support.walk import drawn, walked

HOMES = ("elm-1", "elm-2")
SHAPE = ModelShape.of(ModelSettings(hidden=4))


class GatedGrid(LocalGrid):
    """Its homes train the forecaster, behind the gate that an agent has."""

    def __init__(self, settings: FederationSettings, homes: list[HomeLearner]) -> None:
        super().__init__([LeastSquares(home.home) for home in homes])

        def app_of(home: HomeLearner) -> ClientApp:
            def learner(_: Context) -> Learner:
                return home

            return make_client_app(learner, [MessageGate(settings)])

        nodes = zip(self._apps.items(), homes, strict=True)
        self._apps = {node: (known, app_of(home)) for (node, (known, _)), home in nodes}


def test_an_update_from_home_to_aggregate(tmp_path: Path) -> None:
    settings = FederationSettings(rounds=1, min_homes=2, evaluate_every=0)
    windows = made_up_windows(HOMES, days=12)
    learners = [HomeLearner(h, windows.of_home(h), windows.between(0, 0), SHAPE, huber=1.0) for h in HOMES]
    rounds = Rounds(settings, RoundStore(tmp_path), project=projection(SHAPE))
    grid, initial = GatedGrid(settings, learners), initial_weights(SHAPE, 1)
    with walked() as walk:
        rounds.run(grid, initial)
    assert walk.modules == drawn("An update, from home to aggregate"), walk
