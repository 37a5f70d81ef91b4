"""A coordinator that cheats, against real agents over TLS, which are killed in between and remember."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fl.deployment.keys import roster_of_agents
from tests.fl.federation import HOMES, ROUND_S, Deployment

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def federation(deploy: Callable[..., Deployment]) -> Deployment:
    secure = {"enabled": True, "stage_timeout_s": ROUND_S}
    deployment = deploy(min_homes=4, evaluate_every=0, strategy={"weighting": "equal"}, secure_aggregation=secure)
    roster = deployment.folder / "roster.json"
    roster_of_agents(deployment.settings.deployment.keys_dir).write(roster)
    own = deployment.settings.secure_aggregation.model_copy(update={"roster": roster})
    deployment.settings = deployment.settings.model_copy(update={"secure_aggregation": own})
    return deployment


def told_by(deployment: Deployment, *attacks: str) -> dict[str, Any]:
    """What a coordinator that tries these attacks has of the agents, when it ends."""
    out = deployment.start_cheating_coordinator(*attacks)
    assert deployment.processes["coordinator"].wait(900) == 0, deployment.log("coordinator")
    return dict(json.loads(out.read_text()))


def test_agents_are_in_one_sum_of_a_model_though_they_were_killed_and_give_nothing_to_one_that_lies(
    federation: Deployment,
) -> None:
    for home in HOMES:
        federation.start_agent(home)
    assert told_by(federation, "honest")["honest"]["in"] == list(HOMES)
    for home in HOMES:
        federation.kill(home)
        federation.start_agent(home)
    told = told_by(federation, "again", "other plan", "survivors")
    first, *others = HOMES

    assert told["again"]["in"] == [] and told["again"]["answered"] == {}
    assert all("SecondSum" in told["again"]["left_out"][home] for home in others)

    assert told["other plan"]["in"] == [] and told["other plan"]["answered"]["mask"] == [first]
    assert {told["other plan"]["left_out"][home] for home in others} == {"MaskingRefused"}
    assert "agree" not in told["other plan"]["answered"], "the one masked update stays masked"

    assert told["survivors"]["in"] == [] and "reveal" not in told["survivors"]["answered"]
    assert sorted(told["survivors"]["answered"]["mask"]) == list(HOMES)
