"""A coordinator of a vertical session: `vertical_coordinator.py SETTINGS.json OUT`.

Once all parties are there it matches, regresses, learns three steps and has the homes forecast; writes
OUT/learnt.json, and when OUT/go is there has them learn a step and forecast once more. Writes OUT/done.json.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from data.atomic import write_bytes
from fl.deployment.coordinator import identify_by_key, run_coordinator
from fl.settings import FederationSettings
from fl.vertical.coordinator import VerticalSession
from fl.vertical.terms import VerticalTerms
from tests.fl.vertical.session_names import COLUMNS, DAYS, LEARNT, PARTIES, PARTNER
from tests.support.waiting import until


def main(settings: str, out: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    identify, folder = identify_by_key(federation.deployment), Path(out)
    terms = VerticalTerms(b"processes".rjust(16, b"\0"), PARTNER, PARTIES, len(COLUMNS), 0, LEARNT, batch_days=16)
    app = ServerApp()

    @app.main()
    def lead(grid: Grid, context: Context) -> None:
        def all_there() -> dict[str, int] | None:
            names = {name: node for node, name in identify(grid, sorted(grid.get_node_ids())).items()}
            return names if names.keys() == {*PARTIES, PARTNER} else None

        session = VerticalSession(grid, terms, until(all_there, "all parties"), federation.round_timeout_s)
        matched = session.match()
        ridge = session.regress(1.0)
        session.learn(3)
        forecast = session.forecast(np.arange(LEARNT, DAYS))
        told = {
            "matched": matched,
            "forecast": forecast,
            "partner": ridge.partner.tolist(),
            "away": session.partner_away,
        }
        write_bytes(folder / "learnt.json", json.dumps(told).encode())
        until((folder / "go").exists, "the test goes on")
        session.partner_timeout = 3.0  # it is gone for certain
        session.learn(1)
        forecast = session.forecast(np.arange(LEARNT, DAYS))
        told = {"forecast": forecast, "away": session.partner_away, "left_out": session.left_out}
        write_bytes(folder / "done.json", json.dumps(told).encode())

    run_coordinator(federation.deployment, app)


if __name__ == "__main__":
    main(*sys.argv[1:])
