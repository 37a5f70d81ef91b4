"""Every contract and program that a deployment pins is compared with what this version compiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rewards import bytecode_check
from rewards.bytecode_check import other_codes
from rewards.deploy import CHALLENGES, GREEN, INFERENCE, NAMES, VERIFIER, Contracts, deploy
from rewards.settings import RewardSettings
from tests.rewards.conftest import COMMUNITY, DAY_START_UTC, Town, account
from zkp.lstm.integer_model import Shape


@pytest.fixture(scope="module")
def whole(deployed: Town) -> Contracts:
    """A deployment with challenges and inference verifiers, of a small model."""
    shape = Shape(24, 4, 2, 1, 3)
    return deploy(deployed.chain, account(1), RewardSettings(), DAY_START_UTC, COMMUNITY, shape)


def test_a_deployment_of_this_version_has_no_other_codes(whole: Contracts, deployed: Town) -> None:
    assert other_codes(deployed.chain, whole) == []


@pytest.mark.parametrize("name", [*NAMES, VERIFIER, CHALLENGES, GREEN])
def test_another_code_of_any_contract_is_told(name: str, whole: Contracts, deployed: Town) -> None:
    other = whole.model_registry if name != "model_registry" else whole.rewards
    assert other_codes(deployed.chain, replace(whole, **{name: other})) == [name]


@pytest.mark.parametrize("place", range(2))
def test_another_inference_verifier_is_told(place: int, whole: Contracts, deployed: Town) -> None:
    both = list(whole.inference_verifiers)
    both[place] = str(whole.rewards.address)
    found = other_codes(deployed.chain, replace(whole, inference_verifiers=(both[0], both[1])))
    assert found == [INFERENCE[place]]


PROGRAMS = {
    "program_code": [f"{VERIFIER}'s program"],
    "green_program_code": [f"{GREEN}'s program"],
    "ceremony_code": [f"{VERIFIER}'s ceremony", f"{GREEN}'s ceremony"],
}


@pytest.mark.parametrize("made", list(PROGRAMS))
def test_another_program_of_a_verifier_is_told(
    made: str, whole: Contracts, deployed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a release does that proves in another format."""
    own: Callable[[], bytes] = getattr(bytecode_check, made)
    monkeypatch.setattr(bytecode_check, made, lambda: own() + b"\0")
    assert other_codes(deployed.chain, whole) == PROGRAMS[made]


def test_where_an_auditor_stands_in_for_the_verifier_the_others_are_looked_at(
    whole: Contracts, deployed: Town
) -> None:
    bare = replace(whole, skill_verifier=None, challenges=None, green_share=None, inference_verifiers=(None, None))
    assert other_codes(deployed.chain, bare) == []
    assert other_codes(deployed.chain, replace(bare, rewards=whole.reward_token)) == ["rewards"]
