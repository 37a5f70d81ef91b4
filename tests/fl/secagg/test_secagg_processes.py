"""Secure aggregation with real processes: agents over TLS, one killed after it has shared its secrets; and in Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl.aggregation.strategy import local_plan
from fl.deployment.keys import roster_of_agents
from fl.settings import FederationSettings
from fl.simulation import simulate_community
from fl.store import RoundStore
from fl.task import HomeLearner, initial_weights, projection
from forecasting.settings import ForecastingSettings, ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, ROUND_S, Deployment, made_up_windows

pytestmark = pytest.mark.process

SECURE = {"enabled": True, "threshold": 0.6, "stage_timeout_s": ROUND_S}


def test_agents_train_under_masks_and_survive_one_that_is_killed_in_a_round(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy(rounds=100, min_homes=3, evaluate_every=0, secure_aggregation=SECURE, attempts=3)
    roster = deployment.folder / "roster.json"
    roster_of_agents(deployment.settings.deployment.keys_dir).write(roster)
    deployment.start_coordinator()
    secure = deployment.settings.secure_aggregation.model_copy(update={"roster": roster})
    deployment.settings = deployment.settings.model_copy(update={"secure_aggregation": secure})  # the agents' own
    victim, *others = HOMES
    for home in HOMES:
        deployment.start_agent(home)
    deployment.wait_for_round_of(*HOMES)
    number = deployment.hold(victim)
    deployment.kill(victim)  # its keys and shares are out, its masked update is not
    deployment.run_out(number, *others)
    report = deployment.wait_for_round(number)
    assert victim in report.left_out
    assert set(report.participants) == set(HOMES) - {victim}
    assert np.isfinite(report.train_loss)
    for home in HOMES:  # nobody's own figures are in the report: all homes show the same
        assert report.homes.get(home, {}).get("train_loss", report.train_loss) == pytest.approx(report.train_loss)


def test_the_simulation_gives_the_model_of_plain_averaging(tmp_path: Path) -> None:
    windows = made_up_windows(HOMES, days=40)
    train, validation = windows.between(0, 30), windows.between(30, 40)
    forecasting = ForecastingSettings(model=ModelSettings(hidden=4))
    shape = ModelShape.of(forecasting.model)
    settings = FederationSettings.model_validate(
        {
            "rounds": 2, "min_homes": len(HOMES), "evaluate_every": 0, "local": {"epochs": 1},
            "secure_aggregation": {"enabled": True, "stage_timeout_s": ROUND_S},
        }
    )  # fmt: skip
    masked = simulate_community(settings, forecasting, train, validation, tmp_path)
    assert RoundStore(tmp_path / "rounds").load(2).report.participants == HOMES

    plain = initial_weights(shape, settings.seed)
    homes = [HomeLearner(h, train.of_home(h), validation.of_home(h), shape, forecasting.huber) for h in HOMES]
    for number in (1, 2):
        fitted = [home.fit(plain, local_plan(settings, number))[0] for home in homes]
        plain = projection(shape)({name: np.mean([one[name] for one in fitted], axis=0) for name in plain})
    for name in plain:
        np.testing.assert_allclose(masked[name], plain[name], atol=1e-5)
