"""SOAP: Adam in the basis of a matrix's own gradients."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fl.aggregation import soap
from fl.aggregation.strategy import ServerStep
from fl.settings import FederationSettings
from fl.weights import Weights
from tests.support.laws import examples

Array = NDArray[np.float64]
BETAS = (0.9, 0.99)
SEEDS = st.integers(0, 2**32 - 1)


def correction(number: int) -> float:
    return math.sqrt(1 - BETAS[1] ** number) / (1 - BETAS[0] ** number)


def directions(steps: list[Array]) -> list[Array]:
    """Those of one matrix, step after step."""
    moments: dict[str, Array] = {}
    return [soap.direction(moments, "w", step, *BETAS, correction(k)) for k, step in enumerate(steps, start=1)]


@examples(20)
@given(SEEDS)
def test_it_turns_with_the_gradients(seed: int) -> None:
    """Whatever basis rows and columns are written in, the step is the same: Adam's is not."""
    generator = np.random.default_rng(seed)
    steps = [generator.normal(size=(3, 3)) for _ in range(4)]
    left, right = (np.linalg.qr(generator.normal(size=(3, 3)))[0] for _ in range(2))
    for found, turned in zip(directions(steps), directions([left @ s @ right for s in steps]), strict=True):
        np.testing.assert_allclose(turned, left @ found @ right, atol=1e-5)


@examples(20)
@given(SEEDS, st.integers(1, 3), st.floats(1e-8, 1e4))
def test_a_step_is_finite_and_bounded_whatever_the_gradients(seed: int, rank: int, size: float) -> None:
    generator = np.random.default_rng(seed)
    steps = [size * generator.normal(size=(6, rank)) @ generator.normal(size=(rank, 9)) for _ in range(6)]
    steps[3] *= 1e3
    for number, found in enumerate(directions(steps), start=1):
        assert np.isfinite(found).all()
        assert correction(number) * np.sqrt((found**2).mean()) <= 1 + 1e-9


def test_without_a_gradient_nothing_moves() -> None:
    assert not np.any(directions([np.zeros((2, 3))] * 3))


def error_after(rounds: int, soap_moves_it: bool) -> float:
    """Of a linear model whose inputs are nearly the same, trained by the coordinator's steps."""
    settings = FederationSettings.model_validate(
        {"rounds": 1 + rounds, "strategy": {"local_rounds": 1}, "local": {"final_learning_rate": 0.1}}
    )
    generator = np.random.default_rng(4)
    inputs = generator.normal(size=(400, 1)) + 0.1 * generator.normal(size=(400, 12))
    wanted = inputs @ generator.normal(size=(12, 3))
    name = "head.weight" if soap_moves_it else "mean.weight"  # which is left to Adam
    weights: Weights = {name: np.zeros((3, 12), dtype=np.float32)}
    step = ServerStep(settings)
    for number in range(2, 2 + rounds):
        missed = inputs @ weights[name].T - wanted
        gradient = missed.T @ inputs / len(inputs)
        weights = step(weights, {name: (weights[name] - gradient).astype(np.float32)}, number)
    return float((missed**2).mean())


def test_it_needs_fewer_steps_than_adam_where_inputs_depend_on_each_other() -> None:
    assert error_after(150, soap_moves_it=True) < 0.5 * error_after(150, soap_moves_it=False)


def test_a_coordinator_that_starts_again_goes_on_where_it_was() -> None:
    settings = FederationSettings.model_validate({"rounds": 9, "strategy": {"local_rounds": 1}})
    gradients = np.random.default_rng(2).normal(size=(8, 4, 5)).astype(np.float32)

    def last(restarted_before: int | None) -> Weights:
        step, weights = ServerStep(settings), {"head.weight": np.zeros((4, 5), dtype=np.float32)}
        for number, gradient in enumerate(gradients, start=2):
            if number == restarted_before:
                step = ServerStep(settings, {name: value.copy() for name, value in step.moments.items()})
            weights = step(weights, {"head.weight": weights["head.weight"] - gradient}, number)
        return weights

    np.testing.assert_array_equal(last(None)["head.weight"], last(5)["head.weight"])
