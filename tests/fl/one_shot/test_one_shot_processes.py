"""One-shot training with real processes: agents over TLS, one killed before its sums are in; and in Ray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.windows import Windows
from fl.deployment.keys import roster_of_agents
from fl.one_shot.home import own_statistics
from fl.one_shot.kept import PEAK_HEAD
from fl.one_shot.model import read_out
from fl.one_shot.moments import regression_moments
from fl.one_shot.peak_file import kept_peak_head
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.one_shot.ridge import ridge
from fl.one_shot.rounds import one_shot_rounds
from fl.settings import FederationSettings
from fl.simulation import run_simulation
from fl.store import RoundReport, RoundStore
from fl.task import HomeFolder, initial_weights, write_homes
from fl.weights import Weights
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, ROUND_S, Deployment, made_up_windows, until

pytestmark = pytest.mark.process

SHAPE = ModelShape.of(ModelSettings(hidden=4))
WINDOWS = made_up_windows(HOMES, days=40)
TRAIN = WINDOWS.between(0, 30)
PLAN = OneShotPlan(STATISTICS, (), fewest_days=10, private=False, most_windows=10_000)


def is_that_of(weights: Weights, report: RoundReport, windows: Windows, *homes: str) -> bool:
    """Whether the model's mean output is ridge on the days of these homes in one place."""
    total = own_statistics(windows.where(np.isin(windows.unique_id, homes)), replace(PLAN, kept=()))
    expected, _ = read_out(ridge(regression_moments(total), report.extra["one_shot_penalty"]))
    return bool(np.abs(weights["mean.weight"] - expected).max() < 1e-6)


def test_agents_sum_under_masks_and_survive_one_that_is_killed(deploy: Callable[..., Deployment]) -> None:
    secure = {"enabled": True, "threshold": 0.6, "stage_timeout_s": ROUND_S}
    deployment = deploy(
        min_homes=3, evaluate_every=0, secure_aggregation=secure, one_shot={"fewest_days": 5}, attempts=1
    )
    roster = deployment.folder / "roster.json"
    roster_of_agents(deployment.settings.deployment.keys_dir).write(roster)
    deployment.start_one_shot(len(HOMES))
    own = deployment.settings.secure_aggregation.model_copy(update={"roster": roster})
    deployment.settings = deployment.settings.model_copy(update={"secure_aggregation": own})  # the agents' own
    victim, *others = HOMES
    deployment.prepare_hold(victim)
    for home in HOMES:
        deployment.start_agent(home)
    number = deployment.held(victim)
    deployment.kill(victim)  # its keys and shares are out, its sums are not
    deployment.run_out(number, *others)
    report = deployment.wait_for_round(number)
    assert victim in report.left_out and set(report.participants) == set(others)
    assert is_that_of(deployment.store.load(number).weights, report, TRAIN, *others)
    for home in others:
        folder = deployment.folder / "homes" / f"{home}.model"
        until(lambda folder=folder: kept_peak_head(folder), f"{home} has the head of the peak classes")  # type: ignore[misc]


def test_the_simulation_sums_under_masks_whatever_its_updates_do(tmp_path: Path) -> None:
    settings = FederationSettings.model_validate(
        {"rounds": 2, "local": {"epochs": 1}, "evaluate_every": 0, "one_shot": {"fewest_days": 5},
         "secure_aggregation": {"stage_timeout_s": 600}}
    )  # fmt: skip
    store, initial = RoundStore(tmp_path / "rounds"), initial_weights(SHAPE, 1)
    homes = write_homes(tmp_path / "homes", TRAIN, WINDOWS.between(30, 40))
    load_home = HomeFolder(tmp_path / "homes", SHAPE, 0.1)
    weights = run_simulation(
        settings, homes, load_home, initial, store, rounds=one_shot_rounds(settings, store, SHAPE), once=True
    )
    report = store.load(1).report
    assert report.participants == HOMES and is_that_of(weights, report, TRAIN, *HOMES)
    assert (store.path(1) / f"{PEAK_HEAD}.npz").exists()
    run_simulation(settings, homes, load_home, initial, store)
    assert store.rounds() == [1, 2]
