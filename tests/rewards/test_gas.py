"""What the steps of a day cost on the chain is what docs/figures says, and within the limits that were set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.gas import Community, batch, claim_together, play_a_day

pytestmark = pytest.mark.slow

KEPT = json.loads((Path(__file__).parents[2] / "docs" / "figures" / "bench-gas.json").read_text(encoding="utf-8"))
LIMITS = {
    "register_direct": 85_000, "register_batched_128": 1_000, "reward_single": 900_000, "reward_many_20": 310_000
}  # fmt: skip


def test_the_steps_of_a_day_cost_what_was_measured() -> None:
    """A proof's bytes that happen to be zero make a few hundred gas of difference. Otherwise: `make figures`."""
    community = Community.founded()
    play_a_day(community)
    spent = {name: max(each) for name, each in community.chain.gas.items()}
    for name in ("submit", "pin_head", "claim", "finalise", "collect_many", "enrol", "assign_meter"):
        assert spent[name] == pytest.approx(KEPT[name], rel=0.01), name


def test_a_days_root_costs_next_to_nothing_for_each_home() -> None:
    community = Community.founded()
    registry = community.contracts.forecast_registry.functions
    community.chain.send(community.household, registry.pin_head(1, b"\2" * 32))
    assert batch(community)["register_batched_128"] == pytest.approx(KEPT["register_batched_128"], rel=0.02)


def test_claims_together_cost_less_than_alone() -> None:
    """Four of them, where the docs have twenty: 20 % and more are saved already."""
    assert claim_together(Community.founded(), 4)["reward_many_4"] < 0.85 * KEPT["reward_single"]
    assert KEPT["reward_many_20"] < 0.7 * KEPT["reward_single"]


def test_what_was_measured_is_within_the_limits() -> None:
    assert {name: KEPT[name] for name, most in LIMITS.items() if KEPT[name] > most} == {}
