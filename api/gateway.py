"""A household's gateway: the agent that trains, and its daily duty, the forecast of the home and the proof of it.

The agent's own process stays small. Training and proving run in processes of their own, one at a time, so that their
memory does not add up (`fl.home_process`).
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from api.config import Config
from api.gateway_work import open_learner, open_prover, prove
from fl.agent import run_agent
from fl.home_mods import home_mods
from fl.home_process import HomeProcess
from fl.kept_model import kept_model_path
from fl.telemetry import AgentMetrics
from fl.work_process import WorkProcess

if TYPE_CHECKING:  # the agent's own process stays clear of the proof system
    from api.open_home import ProofFigures

_log = logging.getLogger(__name__)


def run_gateway(config: Config, home: str) -> None:
    """Run the home's agent until it is told to stop.

    Raises DataError if the home's readings can't be had, KeysError if its key can't.
    """
    process = HomeProcess(home, partial(open_learner, config, home))
    process.start()  # what is wrong with the readings is told now
    try:
        run_agent(
            config.federation.deployment,
            process,
            mods=home_mods(config.federation, home),
            keep=partial(process.keep, config.api.model_dir),
            duty=DailyProof(config, home, process),
        )
    finally:
        process.close()


class DailyProof:
    """Forecasts and proves the day after the home's readings end, whenever readings or model have changed."""

    def __init__(self, config: Config, home: str, training: HomeProcess) -> None:
        self._config, self._home, self._training = config, home, training
        self._seen: list[tuple[str, int]] = []

    def __call__(self, metrics: AgentMetrics) -> None:
        now = self._inputs()
        if now == self._seen:
            return
        self._seen = now  # what can't be proven from these files is not tried again and again
        with self._training.set_aside():
            _log.info("proving", extra={"home": self._home})
            prover = WorkProcess(partial(open_prover, self._config, self._home))
            try:
                proven = prover.call(prove, self._config)
            finally:
                prover.close()
        if proven is not None:
            metrics.proven(proven.day, proven.seconds)
            _log.info("forecast proven", extra={"home": self._home, **asdict(proven)})

    def _inputs(self) -> list[tuple[str, int]]:
        """Files and when they changed; empty while there is no model to prove with."""
        model = kept_model_path(self._config.api.model_dir)
        if model is None:
            return []
        data = self._config.data
        files = [model, *data.files, *([data.weather] if data.weather else [])]
        return [(str(path), path.stat().st_mtime_ns) for path in files]


def prove_on_gateway(config: Config, home: str, day: int) -> tuple[bytes, ProofFigures] | None:
    """The bundle of a day, made now if it was not before; None where no model has been handed out (no gateway).

    Raises DataError, ValueError where the day can't be forecast.
    """
    if kept_model_path(config.api.model_dir) is None:
        return None
    from api.bundle import encode
    from api.open_home import ProofFolder, open_home

    prove(open_home(config, home), config, day)
    kept = ProofFolder(config.api.proofs_dir).read(day, home)
    assert kept is not None  # just made, or before
    return encode(kept[0]), kept[1]
