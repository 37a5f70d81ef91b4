"""A home answers nothing but what its own settings allow, whatever a coordinator calls its message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod

from fl.aggregation.strategy import local_plan
from fl.client_app import ARRAYS, HELLO, MODEL, PEAKS, PLAN, WHO, make_client_app
from fl.client_mods import client_mods, open_ledger
from fl.dp.accountant import epsilon, epsilon_of
from fl.dp.budget import HomeBudgetSpent, HomeLedger
from fl.message_gate import MessageGate, NotAnswered, answered_types
from fl.plan import LocalPlan, PlanRefused
from fl.settings import FederationSettings
from fl.weights import Weights, to_record
from tests.fl.local_grid import ZERO, LeastSquares, LocalGrid

NONE: dict[str, Any] = {}
SECURE = {"secure_aggregation": {"enabled": True}, "evaluate_every": 0, "min_homes": 3}
EQUAL = {"strategy": {"weighting": "equal"}}
LOCAL = {"privacy": {"mode": "local", "noise_multiplier": 4}, "evaluate_every": 0, **EQUAL}
DISTRIBUTED = SECURE | EQUAL | {"privacy": {"mode": "distributed"}}
CENTRAL = {"privacy": {"mode": "central"}, **EQUAL}
PROTECTED = {"secure aggregation": SECURE, "local": LOCAL, "distributed": DISTRIBUTED}


def settings(values: dict[str, Any]) -> FederationSettings:
    return FederationSettings.model_validate(values)


def ask(app: ClientApp, kind: str, weights: Weights = ZERO, plan: LocalPlan | None = None) -> Message:
    LocalGrid([])  # Flower's messages want to know whose they are
    told = (plan or local_plan(settings(NONE), 1)).to_record()
    content = RecordDict({ARRAYS: to_record(weights), PLAN: told, WHO: ConfigRecord({"round": 1})})
    message = Message(content, dst_node_id=1, message_type=kind)
    message.metadata.__dict__["_message_id"] = "1"
    return app(message, Context(1, 1, UserConfig(), RecordDict(), UserConfig()))


def home(values: dict[str, Any], mods: list[Mod] | None = None) -> ClientApp:
    return make_client_app(lambda _: LeastSquares("ada"), client_mods(settings(values)) if mods is None else mods)


def told_losses(app: ClientApp) -> list[float]:
    """The coordinator's attack: the losses of models of its choice."""
    chosen = [{"w": np.float32(step)} for step in ([0, 0, 0], [1, 0, 0], [-1, 0, 0])]
    return [float(ask(app, "evaluate", w).content.metric_records["metrics"]["loss"]) for w in chosen]


def test_without_the_gate_chosen_models_measure_the_homes_data() -> None:
    """What the gate is for: the loss along one coordinate gives a moment of the home's data, exactly."""
    at, up, down = told_losses(home(LOCAL, client_mods(settings(LOCAL))[1:]))
    x, _ = LeastSquares("ada").data()
    assert (up + down - 2 * at) / 2 == pytest.approx(float(np.mean(x[:, 0] ** 2)), rel=1e-5)


@pytest.mark.parametrize("protection", PROTECTED)
def test_a_protected_home_answers_no_evaluation(protection: str) -> None:
    with pytest.raises(NotAnswered, match="allow no message of type 'evaluate'"):
        told_losses(home(PROTECTED[protection]))


def test_evaluate_every_0_in_a_homes_own_settings_binds_the_home() -> None:
    with pytest.raises(NotAnswered):
        told_losses(home({"evaluate_every": 0}))
    assert len(told_losses(home({"evaluate_every": 5}))) == 3
    assert len(told_losses(home(CENTRAL | {"evaluate_every": 5}))) == 3


def test_without_the_gate_another_name_of_training_passes_every_protection() -> None:
    told = ask(home(LOCAL, client_mods(settings(LOCAL))[1:]), "train.default")
    exact, _ = LeastSquares("ada").fit(ZERO, local_plan(settings(NONE), 1))
    assert told.content.array_records["arrays"]["w"].numpy().tolist() == exact["w"].tolist(), "no noise at all"


@pytest.mark.parametrize("values", [NONE, CENTRAL, LOCAL], ids=["none", "central", "local"])
def test_an_agent_sends_no_gradient_that_the_coordinator_would_see_as_it_is(values: dict[str, Any]) -> None:
    """Readings can be computed from it (`bench.leakage`); local rounds are answered."""
    gate, asked = MessageGate(settings(values)), replace(local_plan(settings(NONE), 1), gradient=True)
    local = local_plan(settings(NONE), 1)
    app = make_client_app(lambda _: LeastSquares("ada"), [gate])
    ask(app, "train", plan=local)
    if values is LOCAL:
        ask(app, "train", plan=asked)
    else:
        with pytest.raises(PlanRefused, match=r"days that it is of can be computed.*secure_aggregation.enabled"):
            ask(app, "train", plan=asked)
    ask(home(values), "train", plan=asked)  # of a simulation, which is one machine


NAMES = (
    "train.default", "evaluate.default", "query.default", "train.more", "evaluate.scores", "query", "query.readings",
    "query.hello.default", "system", "system.fetch", "TRAIN", "train ", "",
)  # fmt: skip


@pytest.mark.parametrize("values", [NONE, *PROTECTED.values(), CENTRAL], ids=["none", *PROTECTED, "central"])
@pytest.mark.parametrize("kind", NAMES)
def test_a_type_that_nobody_has_thought_about_is_refused(kind: str, values: dict[str, Any]) -> None:
    """Also where the app has, or will have, a function for it."""
    app = home(values)
    for name in ("more", "readings", "scores"):
        app.train(name)(lambda message, context: Message(RecordDict(), reply_to=message))
        app.evaluate(name)(lambda message, context: Message(RecordDict(), reply_to=message))
        app.query(name)(lambda message, context: Message(RecordDict(), reply_to=message))
    with pytest.raises((NotAnswered, ValueError)):
        ask(app, kind)


def test_every_function_of_the_app_has_been_thought_about() -> None:
    plain = {kind if "." in kind else f"{kind}.default" for kind in answered_types(settings(NONE))}
    assert set(home(NONE)._registered_funcs) == plain


@pytest.mark.parametrize("values", [NONE, *PROTECTED.values(), CENTRAL], ids=["none", *PROTECTED, "central"])
def test_the_gate_is_the_outermost_mod_of_every_home(values: dict[str, Any]) -> None:
    assert isinstance(client_mods(settings(values))[0], MessageGate)
    allowed = {HELLO, MODEL, PEAKS, MessageType.TRAIN}
    assert answered_types(settings(values)) - {MessageType.EVALUATE} == allowed


def test_a_home_whose_budget_is_spent_answers_no_evaluation(tmp_path: Path) -> None:
    budget = epsilon(settings(CENTRAL).privacy, 1) + 1e-6
    own = settings(CENTRAL | {"privacy": {"mode": "central", "max_epsilon": budget}, "evaluate_every": 5})
    assert open_ledger(settings(NONE), tmp_path / "none.json") is None

    def account(spent: float, each: float, delta: float, count: int) -> list[float]:
        return [epsilon_of(spent + k * each, delta) for k in range(min(count, 4))]

    ledger = HomeLedger(tmp_path / "ada.json", own.privacy, account)
    app = home(NONE, client_mods(own, "ada", ledger))
    assert len(told_losses(app)) == 3
    ask(app, "train")
    with pytest.raises(HomeBudgetSpent):
        told_losses(app)
