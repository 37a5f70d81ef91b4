"""What a gateway tells its collector of a training without a server; between processes: `test_gossip_processes`."""

from __future__ import annotations

import time

from api.config.traced import traced
from api.config.tracing import GossipEpoch
from api.config.tracing_settings import TracingSettings
from api.gateway.gossip_traces import GossipTraces
from tests.support.otlp_receiver import otlp_receiver

COMMUNITY, REGISTRY, HOUSEHOLD = b"c" * 32, "0x" + "1" * 40, "0x" + "2" * 40
OTHER = "0x" + "3" * 40


def test_the_steps_of_an_epoch_are_one_trace_that_begins_with_the_first_of_them() -> None:
    began = time.time_ns() - 1000
    with otlp_receiver() as collector:
        with traced(TracingSettings(endpoint=collector.url), "wattproof-gateway"):
            done = GossipTraces(COMMUNITY, REGISTRY, HOUSEHOLD)
            done("train at home", 1, began)
            done("reveal secret", 1, began + 300)
            done("train at home", 2, began + 400)
            done("merge models", 1, began + 500, homes=8)
            done("attest merge", 1, began + 700)
        spans = collector.spans
    one, two = (GossipEpoch(COMMUNITY, REGISTRY, HOUSEHOLD, epoch) for epoch in (1, 2))
    first = next(span for span in spans if span.name == "gossip epoch")
    assert (first.trace, first.span, first.parent) == (f"{one.ids[0]:032x}", f"{one.ids[1]:016x}", "")
    assert first.began_ns == began
    assert first.attributes == {"wattproof.household": HOUSEHOLD, "wattproof.epoch": 1, "wattproof.homes": 8}
    below = [(span.name, span.trace, span.parent) for span in spans if span is not first]
    assert below == [
        (name, f"{of.ids[0]:032x}", f"{of.ids[1]:016x}")
        for name, of in (
            ("train at home", one), ("reveal secret", one), ("train at home", two), ("merge models", one),
            ("attest merge", one),
        )
    ]  # fmt: skip


def test_each_member_each_training_and_each_epoch_has_a_trace_of_its_own() -> None:
    about = [(REGISTRY, HOUSEHOLD, 1), (REGISTRY, HOUSEHOLD, 2), (REGISTRY, OTHER, 1), (OTHER, HOUSEHOLD, 1)]
    traces = {GossipEpoch(COMMUNITY, *one).ids[0] for one in about}
    assert len(traces) == len(about) and GossipEpoch(b"d" * 32, *about[0]).ids[0] not in traces
