"""Robust rules: harmless among honest homes, unmoved by as many attackers as they are set for, clear when too few."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fl.aggregation.flat import moved, rows_of
from fl.aggregation.robust import aggregate, robust
from fl.aggregation.strategy import Update
from fl.errors import FederationError
from fl.protection_settings import RobustSettings, Rule
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.weights import Weights
from tests.fl.local_grid import ZERO, LeastSquares, LocalGrid, Spoilt
from tests.support.laws import examples

RULES = [rule for rule in get_args(Rule) if rule != "none"]
HOMES, SIZE, F = 17, 40, 3


def honest(count: int = HOMES, seed: int = 0) -> NDArray[np.float64]:
    """Updates around (1, 1, ..., 1), with the spread that homes have."""
    return 1 + 0.3 * np.random.default_rng(seed).normal(size=(count, SIZE))


def attacked(rows: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    rows = rows.copy()
    if how == "sign flip":
        rows[:F] *= -4
    elif how == "scaling":
        rows[:F] *= 50
    elif how == "sybils":  # clones that agree with each other
        rows[:F] = -3 * np.ones(SIZE)
    else:
        rows[:F] = 1e9
    return rows


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("how", ["sign flip", "scaling", "sybils", "huge"])
def test_attackers_do_not_move_the_step_far(rule: Rule, how: str) -> None:
    rows = honest()
    step = aggregate(attacked(rows, how), RobustSettings(rule=rule, attackers=F))
    # Bounded norms limit what attackers do rather than undo it: f of n updates at 1.5 median lengths.
    allowed = 1.5 * 2 * F / HOMES if rule == "norm_bound" else 0.35
    assert np.abs(step - rows[F:].mean(axis=0)).mean() < allowed


@pytest.mark.parametrize("how", ["sign flip", "scaling", "sybils", "huge"])
def test_the_plain_mean_is_moved(how: str) -> None:
    rows = honest()
    step = aggregate(attacked(rows, how), RobustSettings(rule="none"))
    assert np.abs(step - rows.mean(axis=0)).mean() > 0.5


@pytest.mark.parametrize("rule", RULES)
@examples(20)
@given(order=st.permutations(range(HOMES)), seed=st.integers(0, 100))
def test_the_order_of_homes_does_not_matter(rule: Rule, order: list[int], seed: int) -> None:
    rows, settings = honest(seed=seed), RobustSettings(rule=rule, attackers=F)
    np.testing.assert_allclose(aggregate(rows[order], settings), aggregate(rows, settings), rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("equal", [0.0, 2.5])
def test_equal_updates_give_that_update(rule: Rule, equal: float) -> None:
    rows = np.full((HOMES, SIZE), equal)
    np.testing.assert_allclose(aggregate(rows, RobustSettings(rule=rule, attackers=F)), rows[0])


@pytest.mark.parametrize("rule", RULES)
@given(shift=st.floats(-100, 100), seed=st.integers(0, 100))
@examples(10)
def test_a_shift_of_all_updates_shifts_the_step(rule: Rule, shift: float, seed: int) -> None:
    if rule == "norm_bound":
        return  # lengths are not the same after a shift
    rows, settings = honest(seed=seed), RobustSettings(rule=rule, attackers=F)
    np.testing.assert_allclose(aggregate(rows + shift, settings), aggregate(rows, settings) + shift, atol=1e-9)


def test_rules_against_their_definitions() -> None:
    rows = honest(11)
    ordered = np.sort(rows, axis=0)
    settings = RobustSettings(attackers=2)

    def step(rule: Rule) -> NDArray[np.float64]:
        return aggregate(rows, settings.model_copy(update={"rule": rule}))

    np.testing.assert_allclose(step("median"), ordered[5])
    np.testing.assert_allclose(step("trimmed_mean"), ordered[2:-2].mean(axis=0))
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    scores = np.sort(distances, axis=1)[:, 1 : 11 - 2 - 2 + 1].sum(axis=1)
    best = np.argsort(scores)
    np.testing.assert_allclose(step("krum"), rows[best[0]])
    np.testing.assert_allclose(step("multi_krum"), rows[best[:7]].mean(axis=0))
    chosen = rows[best[:7]]
    near = np.argsort(np.abs(chosen - np.median(chosen, axis=0)), axis=0)[:3]
    np.testing.assert_allclose(step("bulyan"), np.take_along_axis(chosen, near, axis=0).mean(axis=0))


@pytest.mark.parametrize("attackers", range(6))
def test_trimming_cuts_exactly_the_attackers_off_both_ends(attackers: int) -> None:
    rows = honest()
    expected = np.sort(rows, axis=0)[attackers : HOMES - attackers].mean(axis=0)
    np.testing.assert_allclose(aggregate(rows, RobustSettings(rule="trimmed_mean", attackers=attackers)), expected)


@pytest.mark.parametrize(
    ("rule", "needed"),
    [("median", 7), ("trimmed_mean", 7), ("krum", 9), ("multi_krum", 9), ("bulyan", 15), ("norm_bound", 7)],
)
def test_too_few_homes_for_a_rule_is_an_error_that_says_how_many(rule: Rule, needed: int) -> None:
    settings = RobustSettings(rule=rule, attackers=3)
    assert np.isfinite(aggregate(honest(needed), settings)).all()
    with pytest.raises(FederationError, match=f"{rule} against 3 wrong homes needs {needed} updates"):
        aggregate(honest(needed - 1), settings)


def error_of(folder: Path, **how: Any) -> float:
    """How far nine homes, one of which reverses its updates, stay from what the others know."""

    def flip(weights: Weights) -> Weights:
        return {"w": -30 * weights["w"]}

    learners = [LeastSquares(f"home-{k}", 40) for k in range(8)] + [Spoilt("mallory", 40, spoil=flip)]
    settings = FederationSettings.model_validate(
        {"rounds": 30, "evaluate_every": 0, "strategy": {"weighting": "equal"}}
    )
    weights = Rounds(settings, RoundStore(folder), **how).run(LocalGrid(learners), ZERO)
    return float(np.abs(weights["w"] - [1, -2, 3]).max())


@pytest.mark.parametrize("rule", RULES)
def test_a_federation_learns_in_spite_of_an_attacker(tmp_path: Path, rule: Rule) -> None:
    assert error_of(tmp_path, combine=robust(RobustSettings(rule=rule, attackers=1))) < 0.6


def test_by_plain_averaging_it_does_not(tmp_path: Path) -> None:
    assert error_of(tmp_path) > 3


def test_rows_go_back_to_weights_as_they_came() -> None:
    generator = np.random.default_rng(1)
    start: Weights = {"a": generator.normal(size=(2, 3)).astype(np.float32), "b": np.float32([1, 2])}
    updated = {name: array + np.float32(0.5) for name, array in start.items()}
    back = moved(start, rows_of([Update("ada", updated, 1, {})], start)[0])
    for name, array in updated.items():
        np.testing.assert_array_equal(back[name], array)
