"""The attacks of `bench.leakage` work on what is sent in plain, so that failing on sums and noise says something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.leakage import gradient_plan, learners, noise_for, observed
from bench.leakage_inversion import Recovered, average_day, match, read_off, recovered
from bench.leakage_membership import losses, told_apart
from bench.local_rounds import SHAPE
from fl.protection_settings import PrivacySettings
from fl.task import initial_weights
from tests.fl.federation import made_up_windows

HOMES = learners(made_up_windows(("a", "b", "c", "d", "e", "f"), days=40))
START = initial_weights(SHAPE, seed=7)


def attacked(homes: int, days: int, privacy: PrivacySettings | None = None) -> Recovered:
    seen = observed(HOMES[:homes], START, days, privacy or PrivacySettings())
    return recovered(read_off(seen).part(0, days), HOMES[0].drawn(gradient_plan(days), START), average_day(HOMES[0]))


@pytest.mark.parametrize("days", [1, 16, 30])
def test_readings_are_computed_from_a_plain_gradient(days: int) -> None:
    found = attacked(1, days)
    assert found.correlation > 0.999
    assert found.nmae < 0.02 * found.guess_nmae  # 30 windows are ill-conditioned: what float32 rounds shows


def test_a_sum_over_homes_hides_each_ones_days() -> None:
    few, many = attacked(2, 16), attacked(6, 30)
    assert abs(many.correlation) < 0.35 and few.correlation > 0.999
    assert many.nmae > many.guess_nmae, "guessing the home's average day is better"


def test_noise_hides_them() -> None:
    found = attacked(1, 16, noise_for(10.0))
    assert abs(found.correlation) < 0.35
    assert found.nmae > found.guess_nmae


def test_a_day_is_found_by_matching_its_gradient() -> None:
    seen = observed(HOMES[:1], START, 1)
    truth, usual = HOMES[0].drawn(gradient_plan(1), START), average_day(HOMES[0])
    before, after = (recovered(match(seen, 0.1, iterations), truth, usual) for iterations in (1, 80))
    assert after.nmae < 0.5 * before.nmae


def test_members_are_told_from_others_where_a_model_has_learnt_them_by_heart() -> None:
    """Twenty days like no others, and 201 weights to fit each hour's mean by."""
    noise = np.random.default_rng(3).integers(0, 5000, HOMES[0].train.target.shape)
    days = replace(HOMES[0].train, target=noise)
    members, others = days.between(0, 20), days.between(20, 40)
    scale = 128 / (2048 + members.history.sum(axis=1, keepdims=True))
    inputs = np.concatenate([members.history * scale, members.exogenous], axis=1)
    by_heart = np.linalg.lstsq(inputs, members.target * scale, rcond=None)[0].T.astype(np.float32)
    learnt = START | {"mean.weight": by_heart}
    found = told_apart(*(losses(START, half, SHAPE) - losses(learnt, half, SHAPE) for half in (members, others)))
    assert found.auc > 0.9 and found.advantage > 0.7
    untaught = told_apart(-losses(START, members, SHAPE), -losses(START, others, SHAPE))
    assert untaught.auc < 0.75


def test_scores_by_chance_and_perfect_ones() -> None:
    draw = np.random.default_rng(0)
    chance = told_apart(draw.normal(size=4000), draw.normal(size=4000))
    assert chance.auc == pytest.approx(0.5, abs=0.03) and chance.advantage < 0.06
    perfect = told_apart(np.ones(10), np.zeros(10))
    assert (perfect.auc, perfect.advantage, perfect.found_at_1_percent) == (1.0, 1.0, 1.0)
