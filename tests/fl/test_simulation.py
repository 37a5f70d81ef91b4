"""Flower's simulation (Ray) with real homes' training: repeatable, resumable, and never silently empty."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fl.errors import FederationError, QuorumMissed
from fl.settings import FederationSettings
from fl.simulation import run_simulation, simulate_community
from fl.store import RoundStore
from fl.task import HomeFolder, initial_weights
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, ROOT, made_up_windows
from tests.support.waiting import LIMIT_S, until

FORECASTING = ForecastingSettings(model=ModelSettings(hidden=4))
WINDOWS = made_up_windows(HOMES, days=40)
LOCAL = {"epochs": 1, "final_learning_rate": 1.0}  # a round is the same whatever the number of rounds
TRAIN, VALIDATION = WINDOWS.between(0, 30), WINDOWS.between(30, 40)


def settings(**changes: Any) -> FederationSettings:
    return FederationSettings.model_validate({"rounds": 3, "evaluate_every": 1, "local": LOCAL} | changes)


@pytest.mark.process
def test_homes_that_all_fail_end_the_simulation_with_an_error(tmp_path: Path) -> None:
    shape = ModelShape.of(FORECASTING.model)
    nowhere = HomeFolder(tmp_path / "nowhere", shape, FORECASTING.huber)
    with pytest.raises(QuorumMissed):
        run_simulation(
            settings(wait_for_homes_s=1), HOMES, nowhere, initial_weights(shape, 0), RoundStore(tmp_path / "rounds")
        )


@pytest.mark.process
def test_an_engine_that_breaks_down_ends_the_training_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went on waiting for homes that nobody ran, for ever."""
    monkeypatch.setattr("flwr.server.superlink.fleet.vce.backend.raybackend.BasicActorPool", None)
    shape = ModelShape.of(FORECASTING.model)
    nowhere = HomeFolder(tmp_path / "nowhere", shape, FORECASTING.huber)
    with pytest.raises(FederationError, match="the simulation's engine broke down"):
        run_simulation(settings(), HOMES, nowhere, initial_weights(shape, 0), RoundStore(tmp_path / "rounds"))
    until(lambda: not [t for t in threading.enumerate() if "server_th" in t.name] or None, "the training's end")


def test_too_few_homes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    shape = ModelShape.of(FORECASTING.model)
    with pytest.raises(FederationError, match=r"1 homes, but federation\.min_homes asks for 2"):
        run_simulation(
            settings(), HOMES[:1], HomeFolder(tmp_path, shape, 1.0), initial_weights(shape, 0), RoundStore(tmp_path)
        )


@pytest.mark.process
def test_two_workers_stopped_by_ctrl_c_and_resumed_give_the_model_of_one(tmp_path: Path) -> None:
    script = Path(__file__).parent / "processes" / "simulation.py"
    stopped, environment = tmp_path / "stopped", os.environ | {"PYTHONPATH": str(ROOT)}
    store = RoundStore(stopped / "rounds")

    def start(rounds: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(script), str(stopped), str(rounds)], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def saved() -> bool | None:
        assert process.poll() is None, process.communicate()[0]
        return len(store.rounds()) >= 2 or None

    process = start(10_000)
    until(saved, "a second round")
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all that run there, Ray's processes among them
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, output
    assert "training stopped; the same command resumes it" in output and "Traceback" not in output
    done = store.rounds()
    assert done == list(range(1, len(done) + 1)) and store.load(done[-1]).published
    last = done[-1] + 1
    process = start(last)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, output
    assert store.rounds() == [*done, last]

    told: list[int] = []
    whole = simulate_community(
        settings(rounds=last, simulation={"workers": 1}), FORECASTING, TRAIN, VALIDATION, tmp_path / "whole",
        on_round=lambda number, *_: told.append(number),
    )  # fmt: skip
    assert told == [*done, last]
    resumed = store.load(last)
    assert all(whole[name].tobytes() == resumed.weights[name].tobytes() for name in whole)
    assert resumed.report.participants == HOMES and resumed.report.validation_loss is not None
    assert not (tmp_path / "whole" / "homes").exists()
