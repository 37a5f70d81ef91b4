"""Combining updates, choosing homes, and the server's step."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from flwr.app import Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdam
from flwr.supercore.task_identity import TaskIdentity
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fl.aggregation import strategy as strategies
from fl.aggregation.strategy import ServerStep, Update, choose_homes, local_plan, mean
from fl.settings import FederationSettings
from fl.training_settings import StrategySettings
from fl.weights import Weights, to_record
from tests.support.laws import examples

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
    assert ServerStep(FederationSettings())(START, combined, 1) is combined


def flowers(strategy: FedAdam, start: Weights, combined: Weights, round: int) -> Weights:
    """The step of Flower's own strategy: one home's reply with the combined model, in the round's messages."""
    strategy.current_arrays = dict(start)
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    asked = Message(RecordDict(), dst_node_id=1, message_type="train")
    content = RecordDict({"arrays": to_record(combined), "metrics": MetricRecord({"num-examples": 1})})
    arrays, _ = strategy.aggregate_train(round, [Message(content, reply_to=asked)])
    assert arrays is not None
    return {name: array.numpy().astype(np.float32) for name, array in arrays.items()}


@given(st.lists(values, min_size=1, max_size=12), st.floats(0, 0.99), st.floats(0, 0.999), st.floats(1e-4, 1))
def test_fedadam_steps_as_flowers_does(models: list[np.ndarray], beta_1: float, beta_2: float, tau: float) -> None:
    settings = StrategySettings(name="fedadam", server_learning_rate=0.1, beta_1=beta_1, beta_2=beta_2, tau=tau)
    step, strategy = (
        ServerStep(FederationSettings(strategy=settings)),
        FedAdam(eta=0.1, beta_1=beta_1, beta_2=beta_2, tau=tau),
    )
    ours = theirs = START
    for number, model in enumerate(models, start=1):
        ours = step(ours, {"w": model}, number)
        theirs = flowers(strategy, theirs, {"w": model}, number)
        np.testing.assert_allclose(ours["w"], theirs["w"], rtol=1e-3, atol=1e-4)


def test_fedadam_follows_its_equations() -> None:
    """Two steps worked out for one number: moments of Reddi et al., algorithm 2, and Adam's corrected step size."""
    settings = StrategySettings(name="fedadam", server_learning_rate=0.1, beta_1=0.9, beta_2=0.99, tau=0.01)
    step = ServerStep(FederationSettings(strategy=settings))
    first = step({"w": np.float32([1.0])}, {"w": np.float32([2.0])}, 1)
    m, v = 0.1 * 1.0, 0.01 * 1.0
    rate = 0.1 * (1 - 0.99**2) ** 0.5 / (1 - 0.9**2)
    x = 1 + rate * m / (v**0.5 + 0.01)
    assert first["w"][0] == pytest.approx(x, rel=1e-6)
    second = step(first, {"w": np.float32([x - 1])}, 2)
    m, v = 0.9 * m - 0.1, 0.99 * v + 0.01
    rate = 0.1 * (1 - 0.99**3) ** 0.5 / (1 - 0.9**3)
    assert second["w"][0] == pytest.approx(x + rate * m / (v**0.5 + 0.01), rel=1e-5)


GRADIENTS = FederationSettings.model_validate(
    {
        "rounds": 9,
        "strategy": {"local_rounds": 2, "gradient_learning_rate": 0.05},
        "local": {"final_learning_rate": 1},
    }
)


def test_gradients_are_asked_for_after_the_local_rounds() -> None:
    plans = [local_plan(GRADIENTS, round) for round in range(1, 10)]
    assert [plan.gradient for plan in plans] == [False] * 2 + [True] * 7
    assert not any(local_plan(FederationSettings(rounds=40), round).gradient for round in range(1, 41))


@examples(20)
@given(st.lists(values, min_size=1, max_size=7))
def test_the_steps_of_gradients_are_those_of_adam(gradients: list[np.ndarray]) -> None:
    """Against PyTorch's Adam, on one parameter (float64 there)."""
    theirs = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.99), eps=1e-10)
    step, ours = ServerStep(GRADIENTS), START
    for number, gradient in enumerate(gradients, start=3):
        theirs.grad = torch.tensor(gradient - 0.0, dtype=torch.float64)
        optimiser.step()
        combined: Weights = {"w": ours["w"].astype(np.float64) - gradient}  # type: ignore[dict-item]
        ours = step(ours, combined, number)
        known = np.abs(np.stack(gradients)).min(axis=0) > 1e-3  # float32 keeps no small step beside a large weight
        np.testing.assert_allclose(ours["w"][known], theirs.detach().numpy()[known], rtol=1e-3, atol=1e-4)


def test_the_last_model_is_the_mean_of_the_last_quarter_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the coordinator restarts among them."""
    settings = FederationSettings.model_validate({"rounds": 14, "strategy": {"local_rounds": 2}})
    gradients = np.random.default_rng(1).normal(size=(12, 4))

    def models(restarted_before: int | None) -> list[np.ndarray]:
        step, found = ServerStep(settings), [START]
        for number, gradient in enumerate(gradients, start=3):
            if number == restarted_before:
                step = ServerStep(settings, {name: value.copy() for name, value in step.moments.items()})
            found.append(step(found[-1], {"w": (found[-1]["w"] - gradient).astype(np.float32)}, number))
        return [model["w"] for model in found[1:]]

    averaged, restarted = models(None), models(restarted_before=13)
    monkeypatch.setattr(strategies, "_AVERAGED", sys.maxsize)
    plain = models(None)
    np.testing.assert_array_equal(averaged, restarted)
    np.testing.assert_array_equal(averaged[:-1], plain[:-1])
    np.testing.assert_allclose(averaged[-1], np.mean(plain[-3:], axis=0), atol=1e-7)
    assert np.abs(averaged[-1] - plain[-1]).max() > 1e-4


def test_a_further_training_has_a_schedule_and_an_average_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the trainings before it have left: no model of theirs is in its last one."""
    settings = FederationSettings.model_validate({"rounds": 14, "strategy": {"local_rounds": 2}})
    first = ServerStep(settings)
    weights = START
    for number in range(3, 15):
        weights = first(weights, {"w": weights["w"] - np.float32(1)}, number)
    assert any(name.startswith("sum/") for name in first.moments)
    further = settings.model_copy(update={"rounds": 22})
    gradients = np.random.default_rng(1).normal(size=(8, 4))

    def models() -> list[np.ndarray]:
        step, found = ServerStep(further, dict(first.moments), earlier_rounds=14), [weights]
        for number, gradient in enumerate(gradients, start=15):
            found.append(step(found[-1], {"w": (found[-1]["w"] - gradient).astype(np.float32)}, number))
        return [model["w"] for model in found[1:]]

    averaged = models()
    monkeypatch.setattr(strategies, "_AVERAGED", sys.maxsize)
    plain = models()
    np.testing.assert_array_equal(averaged[:-1], plain[:-1])
    np.testing.assert_allclose(averaged[-1], np.mean(plain[-2:], axis=0), atol=1e-6)
    assert np.abs(plain[0] - weights["w"]).mean() > 10 * np.abs(plain[-1] - plain[-2]).mean(), "rates fall anew"


def test_the_learning_rate_of_further_local_rounds_falls_anew() -> None:
    told = {"rounds": 9, "strategy": {"local_rounds": 9}, "local": {"learning_rate": 1, "final_learning_rate": 0.1}}
    settings = FederationSettings.model_validate(told)
    rates = [local_plan(settings, round, earlier_rounds=5).learning_rate for round in range(6, 10)]
    assert rates[0] == 1 and rates[-1] == pytest.approx(0.1)


def test_each_round_is_a_release_so_that_private_trainings_have_fewer() -> None:
    assert FederationSettings().rounds == 220 and FederationSettings().gradient_rounds == 180
    private = {"privacy": {"mode": "central"}, "strategy": {"weighting": "equal"}}
    assert FederationSettings.model_validate(private).rounds == 40
    assert FederationSettings.model_validate(private | {"rounds": 50}).gradient_rounds == 10
    assert FederationSettings(topology="gossip").rounds == 40
