"""Combining updates, choosing homes, and the server's step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fl.settings import FederationSettings, StrategySettings
from fl.strategy import ServerStep, Update, choose_homes, local_plan, mean
from fl.weights import Weights

values = arrays(np.float32, 4, elements=st.floats(-100, 100, width=32))
updates = st.lists(st.tuples(values, st.integers(1, 365)), min_size=1, max_size=6).map(
    lambda drawn: [Update(f"home-{i}", {"w": w}, n, {}) for i, (w, n) in enumerate(drawn)]
)
START: Weights = {"w": np.zeros(4, np.float32)}


@given(updates)
def test_the_mean_lies_between_the_updates(drawn: list[Update]) -> None:
    stack = np.stack([update.weights["w"] for update in drawn])
    combined = mean()(drawn, START)["w"]
    assert combined.dtype == np.float32
    assert (combined >= stack.min(0) - 1e-4).all() and (combined <= stack.max(0) + 1e-4).all()


@given(updates)
def test_the_mean_counts_days_or_homes(drawn: list[Update]) -> None:
    stack = np.stack([update.weights["w"] for update in drawn])
    days = [update.examples for update in drawn]
    np.testing.assert_allclose(mean("examples")(drawn, START)["w"], np.average(stack, 0, days), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(mean("equal")(drawn, START)["w"], stack.mean(0), rtol=1e-5, atol=1e-4)


@given(values)
def test_homes_that_agree_are_not_moved(agreed: np.ndarray) -> None:
    drawn = [Update(f"home-{i}", {"w": agreed}, i + 1, {}) for i in range(5)]
    np.testing.assert_allclose(mean()(drawn, START)["w"], agreed, rtol=1e-6)


@given(st.integers(1, 60), st.floats(0.01, 1), st.integers(0, 5), st.integers(1, 99))
def test_the_homes_of_a_round_follow_from_seed_and_round_alone(
    n: int, fraction: float, seed: int, round: int
) -> None:
    settings = FederationSettings(fraction=fraction, seed=seed)
    homes = [f"home-{i:02d}" for i in range(n)]
    chosen = choose_homes(homes, settings, round)
    assert chosen == choose_homes(homes[::-1], settings, round) == sorted(set(chosen))
    assert len(chosen) == min(n, max(settings.min_homes, int(np.ceil(fraction * n))))


def test_the_learning_rate_falls_to_its_final_part() -> None:
    settings = FederationSettings.model_validate(
        {"rounds": 11, "local": {"learning_rate": 1, "final_learning_rate": 0.1}}
    )
    rates = [local_plan(settings, round).learning_rate for round in range(1, 12)]
    assert rates[0] == 1 and rates[-1] == pytest.approx(0.1) and rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(("name", "mu"), [("fedavg", 0), ("fedprox", 0.5), ("fedadam", 0)])
def test_only_fedprox_holds_homes_near_the_global_model(name: str, mu: float) -> None:
    settings = FederationSettings.model_validate({"strategy": {"name": name, "proximal_mu": 0.5}})
    assert local_plan(settings, 1).proximal_mu == mu


def test_without_an_optimiser_the_server_takes_the_combined_model() -> None:
    combined: Weights = {"w": np.array([1, 2, 3, 4], np.float32)}
    assert ServerStep(StrategySettings())(START, combined) is combined


def test_fedadam_follows_its_equations() -> None:
    """Two steps worked out from algorithm 2 of Reddi et al. for one number: moments, then the step over tau."""
    settings = StrategySettings(name="fedadam", server_learning_rate=0.1, beta_1=0.9, beta_2=0.99, tau=0.01)
    step = ServerStep(settings)
    first = step({"w": np.float32([1.0])}, {"w": np.float32([2.0])})
    m, v = 0.1 * 1.0, 0.01 * 1.0
    x = 1 + 0.1 * m / (v**0.5 + 0.01)
    assert first["w"][0] == pytest.approx(x, rel=1e-6)
    second = step(first, {"w": np.float32([x - 1])})
    m, v = 0.9 * m - 0.1, 0.99 * v + 0.01
    assert second["w"][0] == pytest.approx(x + 0.1 * m / (v**0.5 + 0.01), rel=1e-5)
