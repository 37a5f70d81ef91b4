"""A home's privacy budget in a deployment: kept over a kill, refused to the coordinator, told in its metrics."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.ports import free_port
from fl.dp.accountant import epsilon
from fl.protection_settings import PrivacySettings
from tests.fl.federation import HOMES, Deployment
from tests.support.waiting import until

pytestmark = pytest.mark.process


def test_an_agent_whose_budget_is_spent_trains_no_more_though_it_was_killed_in_between(
    deploy: Callable[..., Deployment],
) -> None:
    own = PrivacySettings(mode="local", noise_multiplier=4)
    deployment = deploy(
        rounds=5000, min_homes=3, evaluate_every=0, strategy={"weighting": "equal"}, attempts=5,
        privacy=own.model_dump(),
    )  # fmt: skip
    deployment.start_coordinator()
    thrifty, *others = HOMES
    for home in others:
        deployment.start_agent(home, seconds=0.5)
    budget = own.model_copy(update={"max_epsilon": epsilon(own, 3) + 1e-6})
    deployment.settings = deployment.settings.model_copy(update={"privacy": budget})  # this home's own
    port = free_port()
    deployment.start_agent(thrifty, seconds=0.5, heartbeat_s=10)  # the shortest: it may come back after two
    number = deployment.hold(thrifty)
    deployment.kill(thrifty)  # in its first training, which counts
    deployment.let_go(thrifty)
    deployment.run_out(number)
    deployment.join(thrifty, held=others[0], seconds=0.5, agent_metrics_port=port)
    deployment.wait_for_log(thrifty, "one more would make it")
    assert deployment.log(thrifty).count("training round") == 3
    assert "its own privacy.max_epsilon" in deployment.log(thrifty)

    def refused() -> str | None:
        latest = deployment.store.latest()
        return None if latest is None else latest.report.left_out.get(thrifty)

    assert "HomeBudgetSpent" in until(refused, "a round without the home")
    told = deployment.metrics(port)
    assert "wattproof_agent_privacy_releases 3.0" in told
    assert f"wattproof_agent_epsilon_spent {epsilon(own, 3)}" in told
