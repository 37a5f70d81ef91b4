"""What a gateway tells a collector of training rounds; with the coordinator, between processes:
tests/api/operator/test_retraining_processes.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from api.config.traced import traced
from api.config.tracing import TrainingRound
from api.config.tracing_settings import TracingSettings
from api.gateway.round_traces import round_traces
from fl.client_app import EXPORT_MODEL, MODEL, PLAN, ROUND, WHO
from tests.support.otlp_receiver import Receiver, otlp_receiver

COMMUNITY = b"c" * 32
CONTEXT = cast("Context", None)


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


def message(kind: str, key: str, **record: object) -> Message:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    content = RecordDict({key: ConfigRecord(record)})  # type: ignore[arg-type]
    return Message(content, 1, kind)


def answer(sent: Message, context: Context) -> Message:
    return Message(RecordDict(), reply_to=sent) if sent.metadata.message_id else sent


def test_training_and_hand_outs_are_steps_of_their_round(collector: Receiver) -> None:
    sent = [
        message("train", PLAN, round=3), message("train", PLAN, round=3, quantity="export"),
        message(MODEL, WHO, **{ROUND: 4}), message(EXPORT_MODEL, WHO, **{ROUND: 4}),
    ]  # fmt: skip
    with traced(TracingSettings(endpoint=collector.url), "wattproof-gateway"):
        for one in sent:
            assert round_traces(COMMUNITY)(one, CONTEXT, answer) is not None
    rounds = [TrainingRound(COMMUNITY, *about) for about in (("load", 3), ("export", 3), ("load", 4), ("export", 4))]
    assert [(span.trace, span.parent) for span in collector.spans] == [
        (f"{of.ids[0]:032x}", f"{of.ids[1]:016x}") for of in rounds
    ]
    assert [span.name for span in collector.spans] == ["train at home", "train at home", "take model", "take model"]


def test_what_a_coordinator_makes_up_is_answered_all_the_same_and_not_traced(collector: Receiver) -> None:
    odd = [
        message("train", PLAN, round=-1), message("train", PLAN, round=1 << 70), message("train", PLAN, round="3"),
        message("train", PLAN), message("train", WHO, round=3), message("evaluate", PLAN, round=3),
    ]  # fmt: skip
    with traced(TracingSettings(endpoint=collector.url), "wattproof-gateway"):
        for one in odd:
            assert round_traces(COMMUNITY)(one, CONTEXT, answer) is not None
    assert collector.bodies == []


def test_an_error_at_home_is_told_by_its_kind(collector: Receiver) -> None:
    def fails(sent: Message, context: Context) -> Message:
        raise ValueError("4071 Wh of elm-3")

    with (
        traced(TracingSettings(endpoint=collector.url), "wattproof-gateway"),
        pytest.raises(ValueError, match="4071"),
    ):
        round_traces(COMMUNITY)(message("train", PLAN, round=3), CONTEXT, fails)
    (span,) = collector.spans
    assert span.failed and span.attributes["wattproof.code"] == "ValueError"
    assert not any(b"4071" in body or b"elm" in body for body in collector.bodies)
