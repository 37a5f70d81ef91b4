"""Flower's simulation (Ray) with real homes' training: repeatable, resumable, and never silently empty."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl.aggregation.strategy import local_plan
from fl.errors import FederationError, QuorumMissed
from fl.one_shot.kept import PEAK_HEAD
from fl.one_shot.rounds import one_shot_rounds
from fl.settings import FederationSettings
from fl.simulation import run_simulation, simulate_community
from fl.store import RoundStore
from fl.task import HomeFolder, HomeLearner, initial_weights, projection, write_homes
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, ROOT, ROUND_S, made_up_windows
from tests.fl.one_shot.read_out import is_read_out_of
from tests.support.waiting import LIMIT_S, until

FORECASTING = ForecastingSettings(model=ModelSettings(hidden=4))
SHAPE = ModelShape.of(FORECASTING.model)
WINDOWS = made_up_windows(HOMES, days=40)
LOCAL = {"epochs": 1, "final_learning_rate": 1.0}  # a round is the same whatever the number of rounds
TRAIN, VALIDATION = WINDOWS.between(0, 30), WINDOWS.between(30, 40)


def settings(**changes: Any) -> FederationSettings:
    """All simulations of this process have one worker, for they share an engine."""
    values = {"rounds": 3, "evaluate_every": 1, "local": LOCAL, "simulation": {"workers": 1}}
    return FederationSettings.model_validate(values | changes)


@pytest.fixture(scope="module")
def one_engine() -> Iterator[None]:
    """Ray is started by the first simulation and ends with the last, not anew for each; workers are each one's."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "shutdown", lambda: None)
        yield
    ray.shutdown()


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_homes_that_all_fail_end_the_simulation_with_an_error(tmp_path: Path) -> None:
    nowhere = HomeFolder(tmp_path / "nowhere", SHAPE, FORECASTING.huber)
    with pytest.raises(QuorumMissed):
        run_simulation(
            settings(wait_for_homes_s=1), HOMES, nowhere, initial_weights(SHAPE, 0), RoundStore(tmp_path / "rounds")
        )


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_an_engine_that_breaks_down_ends_the_training_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went on waiting for homes that nobody ran, for ever."""
    monkeypatch.setattr("flwr.server.superlink.fleet.vce.backend.raybackend.BasicActorPool", None)
    nowhere = HomeFolder(tmp_path / "nowhere", SHAPE, FORECASTING.huber)
    with pytest.raises(FederationError, match="the simulation's engine broke down"):
        run_simulation(settings(), HOMES, nowhere, initial_weights(SHAPE, 0), RoundStore(tmp_path / "rounds"))
    until(lambda: not [t for t in threading.enumerate() if "server_th" in t.name] or None, "the training's end")


def test_too_few_homes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match=r"1 homes, but federation\.min_homes asks for 2"):
        run_simulation(
            settings(), HOMES[:1], HomeFolder(tmp_path, SHAPE, 1.0), initial_weights(SHAPE, 0), RoundStore(tmp_path)
        )


def stopped_by(stop: Callable[[subprocess.Popen[str]], None], folder: Path) -> tuple[int, str]:
    """The exit code and all that was printed of a long simulation that is stopped once it has saved two rounds."""
    script = Path(__file__).parent / "processes" / "simulation.py"
    store, environment = RoundStore(folder / "rounds"), os.environ | {"PYTHONPATH": str(ROOT)}

    def saved() -> bool | None:
        assert process.poll() is None, process.communicate()[0]
        return len(store.rounds()) >= 2 or None

    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), "10000"], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    until(saved, "a second round")
    stop(process)
    output, _ = process.communicate(timeout=LIMIT_S)
    return process.returncode, output


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_one_that_is_terminated_ends_in_order(tmp_path: Path) -> None:
    """Not wherever its main thread stands, as Ray would have it: other threads that waited for Ray then aborted."""
    code, output = stopped_by(lambda process: process.terminate(), tmp_path)
    assert code == 143, output
    assert "training stopped; the same command resumes it" in output and "Traceback" not in output
    assert RoundStore(tmp_path / "rounds").latest() is not None


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_two_workers_stopped_by_ctrl_c_and_resumed_give_the_model_of_one(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    # A terminal sends it to all that run there, Ray's processes among them.
    code, output = stopped_by(lambda process: os.killpg(process.pid, signal.SIGINT), stopped)
    store = RoundStore(stopped / "rounds")
    assert code == 130, output
    assert "training stopped; the same command resumes it" in output and "Traceback" not in output
    done = store.rounds()
    assert done == list(range(1, len(done) + 1)) and store.load(done[-1]).published
    last = done[-1] + 1
    simulate_community(settings(rounds=last), FORECASTING, TRAIN, VALIDATION, stopped)
    assert store.rounds() == [*done, last]

    told: list[int] = []
    whole = simulate_community(
        settings(rounds=last), FORECASTING, TRAIN, VALIDATION, tmp_path / "whole",
        on_round=lambda number, *_: told.append(number),
    )  # fmt: skip
    assert told == [*done, last]
    resumed = store.load(last)
    assert all(whole[name].tobytes() == resumed.weights[name].tobytes() for name in whole)
    assert resumed.report.participants == HOMES and resumed.report.validation_loss is not None
    assert not (tmp_path / "whole" / "homes").exists()


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_masked_sums_give_the_model_of_plain_averaging(tmp_path: Path) -> None:
    secure = {"enabled": True, "stage_timeout_s": ROUND_S}
    chosen = settings(
        rounds=2, min_homes=len(HOMES), evaluate_every=0, local={"epochs": 1}, secure_aggregation=secure
    )
    masked = simulate_community(chosen, FORECASTING, TRAIN, VALIDATION, tmp_path)
    assert RoundStore(tmp_path / "rounds").load(2).report.participants == HOMES

    plain = initial_weights(SHAPE, chosen.seed)
    homes = [HomeLearner(h, TRAIN.of_home(h), VALIDATION.of_home(h), SHAPE, FORECASTING.huber) for h in HOMES]
    for number in (1, 2):
        fitted = [home.fit(plain, local_plan(chosen, number))[0] for home in homes]
        plain = projection(SHAPE)({name: np.mean([one[name] for one in fitted], axis=0) for name in plain})
    for name in plain:
        np.testing.assert_allclose(masked[name], plain[name], atol=1e-5)


@pytest.mark.process
@pytest.mark.usefixtures("one_engine")
def test_a_one_shot_training_sums_under_masks_whatever_its_updates_do(tmp_path: Path) -> None:
    chosen = settings(
        rounds=2, evaluate_every=0, local={"epochs": 1}, one_shot={"fewest_days": 5},
        secure_aggregation={"stage_timeout_s": ROUND_S},
    )  # fmt: skip
    store, initial = RoundStore(tmp_path / "rounds"), initial_weights(SHAPE, 1)
    homes = write_homes(tmp_path / "homes", TRAIN, VALIDATION)
    load_home = HomeFolder(tmp_path / "homes", SHAPE, 0.1)
    weights = run_simulation(
        chosen, homes, load_home, initial, store, rounds=one_shot_rounds(chosen, store, SHAPE), once=True
    )
    report = store.load(1).report
    assert report.participants == HOMES and is_read_out_of(weights, report, TRAIN)
    assert (store.path(1) / f"{PEAK_HEAD}.npz").exists()
    run_simulation(chosen, homes, load_home, initial, store)
    assert store.rounds() == [1, 2]
