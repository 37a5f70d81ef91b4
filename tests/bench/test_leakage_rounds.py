"""All masked sums of a training, solved together, are the readings of every home, if its days are drawn as the plan
says; on a gateway they are drawn by a secret, and the same attack finds nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.leakage import learners, noise_for
from bench.leakage_joint import RoundSeen
from bench.leakage_rounds import (
    Case,
    drawn_alike,
    judged,
    measure_differences,
    measure_one_step,
    measure_repeats,
    sums_of,
)
from bench.local_rounds import SHAPE
from data.day import DayClock
from data.features import DAY_FEATURES, STEP_FEATURES, PublicFeatures
from data.windows import Windows, make_windows

pytestmark = pytest.mark.slow

DAYS, STEPS, SEED = 40, 40, 3


def windows_of(homes: tuple[str, ...]) -> Windows:
    """Hours in a row: windows share them, as those of real homes do."""
    draw, hours = np.random.default_rng(5), DAYS * 24
    ds = pd.date_range("2026-01-01", periods=hours, freq="h", tz="UTC", unit="ns")
    load = 600 + 300 * np.sin(2 * np.pi * np.arange(hours) / 24)
    tables = [
        pd.DataFrame({"unique_id": home, "ds": ds, "y": (load + draw.uniform(0, 900, hours)).astype(np.int64)})
        for home in homes
    ]
    steps = draw.uniform(-1, 1, (hours + 24, len(STEP_FEATURES))).astype(np.float32)
    ahead = draw.uniform(-1, 1, hours + 24).astype(np.float32)
    first_hour = int(ds[0].timestamp()) // 3600
    features = PublicFeatures(first_hour, steps, ahead, DayClock(0))
    found = make_windows(pd.concat(tables), features, DayClock(0), steps=SHAPE.steps, shifts=(-3, 0, 3))
    assert found.exogenous.shape[1] == DAY_FEATURES
    return found


HOMES = learners(windows_of(("a", "b", "c")))


def test_all_sums_together_are_the_readings_of_days_that_the_plan_tells() -> None:
    found = judged(sums_of(HOMES, Case(rounds=40), SEED), HOMES, STEPS)
    assert found["correlation"] > 0.9 and found["nmae"] < 0.5 * found["guess_nmae"]


def test_homes_that_come_and_go_change_nothing_of_that() -> None:
    found = judged(sums_of(HOMES, Case(rounds=40, absent=0.2), SEED), HOMES, STEPS)
    assert found["correlation"] > 0.9 and found["nmae"] < 0.5 * found["guess_nmae"]


@pytest.fixture(scope="module")
def secret() -> list[RoundSeen]:
    return sums_of(HOMES, Case(rounds=40, secret=True), SEED)


@pytest.mark.parametrize("alike", [False, True])
def test_of_days_drawn_in_secret_they_show_less_than_the_average_day(alike: bool, secret: list[RoundSeen]) -> None:
    found = judged(drawn_alike(secret, HOMES) if alike else secret, HOMES, STEPS)
    assert abs(found["correlation"]) < 0.35 and found["nmae"] > found["guess_nmae"]


def test_noise_hides_them_too() -> None:
    found = judged(sums_of(HOMES, Case(rounds=40, privacy=noise_for(10.0)), SEED), HOMES, STEPS)
    assert abs(found["correlation"]) < 0.35 and found["nmae"] > found["guess_nmae"]


def test_a_difference_of_sums_shows_the_less_of_a_home_the_more_there_are() -> None:
    shown = measure_differences(HOMES, (2, 3), SEED)["local rounds"]
    assert 1 > shown["2 homes"]["difference"] > shown["3 homes"]["difference"] > 0


def test_the_mean_of_many_draws_at_one_place_goes_towards_the_gradient_of_all_days() -> None:
    """So secret draws do not stop a coordinator that repeats rounds (docs/federation-privacy.md)."""
    shown = measure_repeats(HOMES, (3,), SEED)["3 homes"]
    assert shown["1 times"] < shown["64 times"] and shown["64 times"] > 0.7


def test_a_local_round_of_one_step_shows_the_gradient() -> None:
    """So a plain local round protects from nobody who writes the plan (docs/federation-privacy.md)."""
    assert measure_one_step(HOMES[0], SEED)["cosine"] > 0.7
