"""A home, or the partner, of a vertical session as its own process: `vertical_party.py SETTINGS.json NAME OUT`.

It makes its own data and no one else's. A home writes its forecasts to OUT/NAME.npz.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl.client_mods import client_mods
from fl.deployment.agent import run_agent
from fl.deployment.keys import KeyFolder, load_agent_key, roster_of_agents
from fl.errors import FederationError
from fl.one_shot.fixed_point import Ints
from fl.one_shot.plan import OneShotPlan
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.vertical.columns import PartnerTable
from fl.vertical.entered import Entered
from fl.vertical.home import HomeData, HomeLimits, HomeSide
from fl.vertical.home_mod import VerticalHomeMod
from fl.vertical.partner import PartnerData, PartnerLimits, PartnerSide
from fl.vertical.partner_mod import VerticalPartnerMod
from fl.weights import Weights
from forecasting.model import LoadForecaster
from tests.fl.vertical.session_fixture import CLOCK, SHAPE, bookings, signed, windows_of
from tests.fl.vertical.session_names import COLUMNS, HOMES, PARTNER


@dataclass(frozen=True)
class NoLearner:
    """Who is here for vertical learning only."""

    home: str
    examples: int = 0

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        raise FederationError("this party trains in vertical sessions only")

    def evaluate(self, weights: Weights) -> dict[str, float]:
        raise FederationError("this party trains in vertical sessions only")

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        raise FederationError("this party trains in vertical sessions only")


def main(settings: str, name: str, out: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    keys = federation.deployment.keys_dir
    identity = load_agent_key(KeyFolder(keys).agent_key(name))
    roster = roster_of_agents(keys).members
    if name == PARTNER:
        table = PartnerTable(COLUMNS, {signed(home): bookings(home) for home in HOMES})
        data = PartnerData(PARTNER, table, CLOCK)
        mod = VerticalPartnerMod(lambda terms: PartnerSide(terms, data, PartnerLimits(), identity, roster))
        run_agent(federation.deployment, NoLearner(name), mods=[mod])
        return
    own = HomeData(name, signed(name), windows_of(name), lambda: LoadForecaster(SHAPE, 3), 0.5)
    entered = Entered(Path(out) / f"{name}.entered.json")
    home_mod = VerticalHomeMod(
        lambda terms: HomeSide(terms, own, HomeLimits((PARTNER,)), identity, roster, entered),
        lambda side, forecasts: np.savez(Path(out) / f"{name}.npz", **forecasts),
    )
    run_agent(federation.deployment, NoLearner(name), mods=[*client_mods(federation, name), home_mod])


if __name__ == "__main__":
    main(*sys.argv[1:])
