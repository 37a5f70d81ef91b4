"""One-shot training with real processes: agents over TLS, one killed before its sums are in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fl.deployment.keys import roster_of_agents
from fl.one_shot.peak_file import kept_peak_head
from tests.fl.federation import HOMES, ROUND_S, Deployment, made_up_windows
from tests.fl.one_shot.read_out import is_read_out_of
from tests.support.waiting import until

pytestmark = pytest.mark.process

TRAIN = made_up_windows(HOMES, days=40).between(0, 30)


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
    theirs = TRAIN.where(np.isin(TRAIN.unique_id, others))
    assert is_read_out_of(deployment.store.load(number).weights, report, theirs)
    for home in others:
        folder = deployment.folder / "homes" / f"{home}.model"
        until(lambda folder=folder: kept_peak_head(folder), f"{home} has the head of the peak classes")  # type: ignore[misc]
