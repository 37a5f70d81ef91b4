"""A federation on one machine: Flower's simulation with one client per home, resumable and deterministic."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.clientapp.typing import Mod

from data.windows import Windows
from fl.client_app import Learner, make_client_app
from fl.client_mods import client_mods
from fl.deployment.link_state import WaitingLinkStateFactory
from fl.errors import FederationError
from fl.rounds import OnRound, Rounds
from fl.server_app import make_server_app
from fl.settings import FederationSettings
from fl.stoppable import Stopped, stopped_by_signals
from fl.store import RoundStore
from fl.task import HomeFolder, initial_weights, projection, write_homes
from fl.weights import Weights
from forecasting.settings import ForecastingSettings
from forecasting.shape import ModelShape

_log = logging.getLogger(__name__)
LoadHome = Callable[[str], Learner]


def run_simulation(
    settings: FederationSettings,
    homes: Sequence[str],
    load_home: LoadHome,
    initial: Weights,
    store: RoundStore,
    *,
    on_round: OnRound | None = None,
    project: Callable[[Weights], Weights] | None = None,
    rounds: Rounds | None = None,
    mods: Sequence[Mod] | None = None,
    once: bool = False,
) -> Weights:
    """Train with Flower's simulation (Ray), resuming from the last round saved in `store`.

    Args:
        homes: `unique_id`s; the first `settings.num_clients` of them take part.
        load_home: opens a home in a worker process. It is pickled with each message, so it must carry paths, not
            data, and should cache what it opens (see `task.HomeFolder`).
        initial: the model of round 0.
        on_round: called in this process as each round ends, with its number, the global model and the report.
        project: puts each new global model back where it may be (see `task.projection`).
        rounds: the loop with another way to gather or combine; made from the arguments above otherwise.
        mods: Flower client mods; by default those the settings ask for (`fl.client_mods.client_mods`).
        once: one round more than are saved (`Rounds.run_once`), in place of all that are left.

    Returns the last global model. Raises FederationError, what `on_round` raised, or once Ray has been shut down
    and what was finished is saved, KeyboardInterrupt after SIGINT and SystemExit after SIGTERM.
    """
    chosen = list(homes)[: settings.num_clients]
    if len(chosen) < settings.min_homes:
        raise FederationError(f"{len(chosen)} homes, but federation.min_homes asks for {settings.min_homes}")
    rounds = rounds or Rounds(settings, store, project=project, on_round=on_round)
    saved = store.latest()
    last = 1 + (0 if saved is None else saved.round) if once else settings.rounds
    if saved is None or saved.round < last or not saved.published:
        own = client_mods(settings) if mods is None else mods
        _simulate(settings, chosen, load_home, rounds, initial, own, once=once)
        saved = store.latest()
    if saved is None or saved.round < last:
        raise FederationError("the simulation ended before its last round; see the log above")
    return saved.weights


def simulate_community(
    federation: FederationSettings,
    forecasting: ForecastingSettings,
    train: Windows,
    validation: Windows,
    directory: Path,
    *,
    on_round: OnRound | None = None,
) -> Weights:
    """Train the community's forecaster on the windows of its homes, each seen by its own client only.

    Args:
        train, validation: windows of all homes; a home's files lie under `directory`/homes while this runs.
        directory: `directory`/rounds keeps the rounds; training resumes from the last of them.

    Returns the global model after the last round. Raises as `run_simulation` does.
    """
    shape = ModelShape.of(forecasting.model)
    store = RoundStore(directory / "rounds")
    rounds = Rounds(federation, store, project=projection(shape), on_round=on_round)
    homes_dir = (directory / "homes").absolute()
    try:
        homes = write_homes(homes_dir, train, validation)
        load_home = HomeFolder(homes_dir, shape, forecasting.huber)
        initial = initial_weights(shape, federation.seed)
        return run_simulation(federation, homes, load_home, initial, store, rounds=rounds)
    finally:
        shutil.rmtree(homes_dir, ignore_errors=True)


def _simulate(
    settings: FederationSettings,
    homes: list[str],
    load_home: LoadHome,
    rounds: Rounds,
    initial: Weights,
    mods: Sequence[Mod],
    *,
    once: bool,
) -> None:
    from flwr.simulation import run_simulation as flower_simulation

    # Flower's simulation takes no state from its caller.
    sys.modules[flower_simulation.__module__].LinkStateFactory = WaitingLinkStateFactory  # type: ignore[attr-defined]
    logging.getLogger("flwr").setLevel(logging.ERROR)  # it reports each round on the console; so do we
    backend: dict[str, Any] = {
        "client_resources": {"num_cpus": 1, "num_gpus": 0},
        "init_args": {
            "num_cpus": settings.simulation.workers,
            "object_store_memory": settings.simulation.object_store_mb * 1_000_000,
            "logging_level": "ERROR",
            "log_to_driver": False,
        },
    }
    with stopped_by_signals() as stop:
        try:
            flower_simulation(
                server_app=make_server_app(rounds, initial, stop, once=once),
                client_app=make_client_app(partial(_open_partition, homes, load_home), mods),
                num_supernodes=len(homes),
                backend_config=backend,
            )
        except Stopped:
            done = rounds.store.rounds()
            _log.warning("training stopped; the same command resumes it", extra={"round": done[-1] if done else 0})
            raise stop.ended() from None
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # Flower's own of a broken engine; ours are subclasses
                raise
            raise FederationError(
                "the simulation's engine broke down; its own errors are in the log above"
            ) from error
        finally:
            stop.set()  # the training's thread outlives a broken engine, and with it the process


def _open_partition(homes: list[str], load_home: LoadHome, context: Context) -> Learner:
    return load_home(homes[int(context.node_config["partition-id"])])
