"""The audit of epsilon bounds it from below, stays under what is true, and catches mechanisms that are broken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from bench.privacy_audit import Case, audit, best_bound, epsilon_at_least, probability

pytestmark = pytest.mark.slow


def test_without_delta_it_is_the_tail_of_a_binomial() -> None:
    share = 1 / (1 + np.exp(-1.5))
    assert probability(1000, 50, 45, 1.5, 0.0) == pytest.approx(binom.sf(44, 50, share))


def test_more_right_guesses_bound_more_and_delta_less() -> None:
    bounds = [epsilon_at_least(1000, 100, right, 1e-5, 0.05) for right in (50, 70, 90, 100)]
    assert bounds == sorted(bounds) and bounds[0] == 0 and bounds[-1] > 3
    assert epsilon_at_least(1000, 100, 95, 1e-4, 0.05) < epsilon_at_least(1000, 100, 95, 0.0, 0.05)


@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_randomised_response_is_bounded_by_its_epsilon_and_tightly(epsilon: float) -> None:
    """It tells a coin as it is with probability e^epsilon / (1 + e^epsilon): nothing of that epsilon tells more."""
    generator = np.random.default_rng(1)
    found = []
    for _ in range(60):
        coins = generator.random(2000) < 0.5
        truly = generator.random(2000) < 1 / (1 + np.exp(-epsilon))
        told = np.where(truly, coins, ~coins)
        found.append(best_bound(told + generator.random(2000) / 2, coins, 1e-9)[0])
    assert np.mean(np.array(found) <= epsilon) >= 0.9  # 95 %, of sixty
    assert np.mean(found) > 0.7 * epsilon


@pytest.mark.parametrize("case", [Case("central", 1, 1), Case("central", 2, 4), Case("local", 2, 1)])
def test_what_the_code_spends_is_something_and_no_more_than_it_claims(case: Case) -> None:
    found = audit(case, canaries=1000)
    assert 0.4 < found.at_least <= found.claimed


@pytest.mark.parametrize(
    "case",
    [
        Case("central", 2, 1, "a third of the noise"),
        Case("central", 2, 1, "no clipping"),
        Case("local", 4, 1, "a third of the noise"),
        Case("local", 4, 1, "no clipping"),
    ],
    ids=lambda case: f"{case.mode}, {case.broken}",
)
def test_a_broken_mechanism_is_caught(case: Case) -> None:
    found = audit(case, canaries=2000)
    assert found.at_least > found.claimed
