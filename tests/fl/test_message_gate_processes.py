"""A prying coordinator against real agents over TLS: under protection they give nothing but what is protected."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.fl.federation import HOMES, Deployment
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.process


def test_agents_over_tls_answer_no_type_that_their_own_settings_do_not_allow(
    deploy: Callable[..., Deployment],
) -> None:
    """Their budget is never touched, so that it can't be what refuses."""
    deployment = deploy(
        min_homes=3,
        evaluate_every=0,
        strategy={"weighting": "equal"},
        privacy={"mode": "local", "noise_multiplier": 4},
    )
    kinds = ("query.hello", "train.default", "evaluate", "evaluate.default", "query.readings", "train")
    out = deployment.start_prying_coordinator(*kinds)
    for home in HOMES[:3]:
        deployment.start_agent(home)
    assert deployment.processes["coordinator"].wait(LIMIT_S) == 0, deployment.log("coordinator")
    told = json.loads(out.read_text())
    assert set(told) == set(HOMES[:3])
    for home, answers in told.items():
        assert answers["query.hello"] == ["who"] and answers["train"] == ["arrays", "metrics"], home
        assert {answers[kind] for kind in kinds[1:4]} == {"NotAnswered"}, home
        assert answers["query.readings"] == "ValueError", "Flower's own: the app has no such function"
        log = deployment.log(home)
        assert log.count("message not answered") == 3 and log.count("Traceback") == 1, "a refusal is a line"
        ledger = json.loads((deployment.folder / "homes" / f"{home}.privacy.json").read_text())
        assert len(ledger["releases"]) == 1, "the one that was trained under noise"
