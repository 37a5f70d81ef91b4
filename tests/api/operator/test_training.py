"""A deployed training asks for nothing that shows the homes' days."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from api.config.traced import traced
from api.config.tracing import TrainingRound
from api.config.tracing_settings import TracingSettings
from api.operator.community import Community
from api.operator.trained_model import ledger_of, model_shape, rounds_of
from api.operator.training import _following, coordinator_app, publisher
from bench.local_grid import AskingGrid
from data.atomic import write_bytes
from fl.deployment.telemetry import CoordinatorMetrics
from fl.errors import FederationError, QuorumMissed
from fl.settings import FederationSettings
from fl.store import RoundReport
from fl.task import initial_weights
from tests.api.conftest import small_config
from tests.support.otlp_receiver import otlp_receiver


class NoHomes(AskingGrid):
    """A coordinator's link that no home has come to."""

    def get_node_ids(self) -> list[int]:
        return []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        assert not list(messages)
        return []


def community(folder: Path, told: dict[str, Any]) -> Community:
    federation = FederationSettings.model_validate(told)
    return Community(small_config(folder).model_copy(update={"federation": federation}))


def test_a_coordinator_asks_for_no_gradients_that_nothing_hides(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match=r"220 asks the homes for gradients after round 40.*rounds: 40 on"):
        coordinator_app(community(tmp_path, {}))
    coordinator_app(community(tmp_path, {"rounds": 40}))
    alone = {"privacy": {"mode": "local"}, "strategy": {"weighting": "equal"}, "evaluate_every": 0}
    coordinator_app(community(tmp_path, alone | {"rounds": 41}))


def test_export_is_trained_once_after_load_and_only_where_the_community_wants_it(tmp_path: Path) -> None:
    insecure = {"rounds": 40, "min_homes": 3, "deployment": {"insecure": True}}
    assert _following(community(tmp_path, insecure))(CoordinatorMetrics(), time.sleep) is None
    both = community(tmp_path, insecure | {"export": True})
    following = _following(both)
    export = following(CoordinatorMetrics(), time.sleep)
    assert export is not None and export.quantity == "export" and export.settings.rounds == 12
    assert export.store.directory == tmp_path / "export" / "rounds"
    assert following(CoordinatorMetrics(), time.sleep) is None, "nor does it begin again"


def test_a_training_of_export_that_fails_leaves_the_model_of_load_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"rounds": 40, "export": True, "deployment": {"insecure": True}, "wait_for_homes_s": 0.001}
    export = _following(community(tmp_path, settings))(CoordinatorMetrics(), time.sleep)
    assert export is not None
    with pytest.raises(QuorumMissed):
        super(type(export), export).run(NoHomes(), {})
    assert export.run(NoHomes(), {}) == {} and not export.hand_out
    (said,) = [vars(record)["reason"] for record in caplog.records if record.msg == "no model of export"]
    assert "0 homes online after" in said


def test_both_quantities_spend_from_one_ledger_but_one_that_was_begun_goes_on(tmp_path: Path) -> None:
    ours = community(tmp_path, {"rounds": 40})
    assert ledger_of(ours, "export") == ledger_of(ours) == rounds_of(ours).directory / "privacy.json"
    own = rounds_of(ours, "export").directory / "privacy.json"
    write_bytes(own, b"{}")
    assert ledger_of(ours, "export") == own and ledger_of(ours) != own


def test_a_round_of_any_training_is_the_first_step_of_its_trace_and_shows_no_home(tmp_path: Path) -> None:
    """By what a coordinator and a training on one machine call with each saved round."""
    ours = community(tmp_path, {"rounds": 40})
    store, weights = rounds_of(ours), initial_weights(model_shape(ours), 7)
    report = RoundReport(3, ("elm-3", "elm-4"), ("elm-3",), {"elm-4": "away"}, 0.5, None, {}, 0, 0, 2.0)
    store.save(report, weights, {})
    with otlp_receiver() as collector:
        with traced(TracingSettings(endpoint=collector.url), "wattproof-coordinator"):
            publisher(ours, store, lambda *_: None)(3, weights, report)
        whole, commit = sorted(collector.spans, key=lambda span: span.began_ns)
        assert not any(b"elm-" in body for body in collector.bodies)
    of = TrainingRound(ours.config.community.identifier, "load", 3)
    assert (whole.name, whole.trace, whole.span, whole.parent) == (
        "training round", f"{of.ids[0]:032x}", f"{of.ids[1]:016x}", "",
    )  # fmt: skip
    assert whole.ended_ns - whole.began_ns == 2_000_000_000 and (commit.name, commit.parent) == (
        "commit to model", whole.span,
    )  # fmt: skip
    assert (whole.attributes["wattproof.homes"], whole.attributes["wattproof.left_out"]) == (1, 1)
