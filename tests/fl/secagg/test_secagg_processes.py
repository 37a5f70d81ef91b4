"""Secure aggregation with real processes: agents over TLS, one killed after it has shared its secrets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fl.deployment.keys import roster_of_agents
from tests.fl.federation import HOMES, ROUND_S, Deployment

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
