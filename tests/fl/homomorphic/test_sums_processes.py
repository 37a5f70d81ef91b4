"""Sums under BFV with real processes: a coordinator and agents over TLS, each with keys and a record of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fl.deployment.keys import roster_of_agents
from tests.fl.federation import HOMES, ROUND_S, Deployment

pytestmark = pytest.mark.process


def test_agents_train_under_bfv(deploy: Callable[..., Deployment]) -> None:
    secure = {"enabled": True, "scheme": "bfv", "threshold": 0.6, "stage_timeout_s": ROUND_S}
    deployment = deploy(rounds=2, evaluate_every=0, secure_aggregation=secure)
    roster = deployment.folder / "roster.json"
    roster_of_agents(deployment.settings.deployment.keys_dir).write(roster)
    deployment.start_coordinator()
    own = deployment.settings.secure_aggregation.model_copy(update={"roster": roster})
    deployment.settings = deployment.settings.model_copy(update={"secure_aggregation": own})
    for home in HOMES:
        deployment.start_agent(home)
    report = deployment.wait_for_round(2)
    assert report.participants == HOMES and report.left_out == {}
    assert {report.homes[home]["train_loss"] for home in HOMES} == {report.train_loss}  # nobody's own is known
