"""The coordinator's side: a ServerApp that runs the rounds (`rounds`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fl.deployment.certificates import Certificates
from fl.deployment.keys import KeyFolder
from fl.deployment.telemetry import CoordinatorMetrics
from fl.rounds import Rounds
from fl.stoppable import StoppableGrid
from fl.store import RoundReport
from fl.weights import Weights

Wait = Callable[[float], None]
"""Lets so many seconds pass, in which homes that come online are handed what has been trained."""

Following = Callable[[CoordinatorMetrics, Wait], Rounds | None]
"""Waits until another training is due, and gives its rounds; None if none is to follow."""

_log = logging.getLogger(__name__)
_LATE_EVERY_S = 2.0  # how often the coordinator looks for homes that were not there when a model was handed out


def make_server_app(
    rounds: Rounds,
    initial: Weights,
    stop: threading.Event | None = None,
    *,
    once: bool = False,
    stay: bool = False,
    following: Following = lambda metrics, wait: None,
) -> ServerApp:
    """The ServerApp that trains from `initial`, or from the last round `rounds` has saved.

    `once`: one additional round (`Rounds.run_once`), instead of all that remain. It serves Prometheus metrics while
    it runs, if the settings give it a port. Once `stop` is set it raises `stoppable.Stopped`. `following`: asked for
    another training whenever one has ended. `stay`: it does not end, and hands the model to homes that come later.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        metrics = CoordinatorMetrics()
        metrics.follow_certificates(Certificates.of(KeyFolder(rounds.settings.deployment.keys_dir)))
        with metrics.serve(rounds.settings.deployment.coordinator_metrics_port):
            link = grid if stop is None else StoppableGrid(grid, stop)
            with metrics.training():
                run = rounds.run_once if once else rounds.run
                run(link, initial, metrics.saw)
            trained = {rounds.quantity: rounds}

            def wait(seconds: float) -> None:
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    time.sleep(min(left, _LATE_EVERY_S))
                    for done in trained.values():
                        done.hand_out_to_late(link)

            while (further := following(metrics, wait)) is not None:
                with metrics.training():
                    further.run(link, initial, metrics.saw if further.quantity == "load" else _unseen)
                trained[further.quantity] = further
            if stay:
                _log.info("the training has ended; homes that come later are handed its model")
            while stay:
                wait(_LATE_EVERY_S)

    return app


def _unseen(report: RoundReport) -> None:
    """The metrics of rounds are of the model of load."""
