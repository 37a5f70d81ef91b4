"""A community whose model no longer fits trains again by itself: a coordinator and three agents over TLS, with masks.

The coordinator is killed in the middle of the further training, and goes on with it when it is started again.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from api.operator.database.engine import open_database
from api.operator.database.tables import ComputedTotals
from bench.deployed import COORDINATOR, Deployed
from fl.weights import load
from tests.api.gateway.test_agent import START, made_up_readings, scraped
from tests.api.operator.test_overview import DAYS, past
from tests.support.commands import output_in
from tests.support.forked import forked
from tests.support.otlp_receiver import Receiver, otlp_receiver
from tests.support.waiting import LIMIT_S, until

pytestmark = pytest.mark.process
HOMES = ("elm-1", "elm-2", "elm-3")
FIRST, AGAIN = 2, 2
"""Rounds of the first training, the last of them a gradient, and of the further one."""
FEDERATION = {
    "rounds": FIRST,
    "strategy": {"local_rounds": 1},
    "local": {"epochs": 1},
    "retraining": {"enabled": True, "rounds": AGAIN, "look_every_s": 0.2},
}


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    community = Deployed(
        tmp_path, made_up_readings(HOMES, 40), None, FEDERATION, {"model": {"hidden": 4}},
        day_start_utc=START % 86_400 // 3600, secure=True, run=output_in, begin=forked,
    )  # fmt: skip
    try:
        yield community
    finally:
        community.stop()


def model_of_all_homes(deployed: Deployed, number: int) -> None:
    """Wait until each home has the model of this round."""
    for home in HOMES:
        kept = deployed.state(home) / "model" / f"{number:04d}.npz"
        until(kept.exists, lambda home=home: deployed.log(COORDINATOR) + deployed.log(home))  # type: ignore[misc]
        theirs = load(deployed.state(COORDINATOR) / "rounds" / f"{number:04d}" / "model.npz")
        mine = load(kept)
        assert theirs.keys() == mine.keys() and all(np.array_equal(theirs[name], mine[name]) for name in mine)


def trains_no_more(deployed: Deployed) -> bool:
    return scraped(deployed, COORDINATOR)["wattproof_training"] == 0


def has_counted(deployed: Deployed, since: int) -> bool:
    """Both are told when the coordinator has looked again, which it does after it trains no more."""
    told = scraped(deployed, COORDINATOR)
    return told["wattproof_retrainings"] == 1 and told["wattproof_model_drifting_since_day"] == since


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Of all processes."""
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


def is_one_trace(collector: Receiver, number: int) -> bool:
    """Whether the coordinator has told of a round, with a step of each home below."""
    of = [span for span in collector.spans if span.attributes.get("wattproof.round") == number]
    (trace,) = {span.trace for span in of} or {""}
    roots = [span for span in of if span.name == "training round"]
    at_home = [span for span in of if span.service == "wattproof-gateway" and span.name == "train at home"]
    if not roots or len(at_home) < len(HOMES):
        return False
    assert {root.service for root in roots} == {"wattproof-coordinator"} and trace
    assert {span.parent for span in at_home} == {roots[0].span}
    assert roots[0].attributes["wattproof.homes"] == len(HOMES) and roots[0].attributes["wattproof.left_out"] == 0
    return True


def test_agents_train_again_when_the_totals_say_so(collector: Receiver, deployed: Deployed) -> None:
    rounds = deployed.state(COORDINATOR) / "rounds"
    for name in (COORDINATOR, *HOMES):
        deployed.start(name)
    model_of_all_homes(deployed, FIRST)
    until(partial(trains_no_more, deployed), lambda: deployed.log(COORDINATOR))  # the coordinator goes on, and looks

    with open_database(f"sqlite:///{deployed.state(COORDINATOR) / 'wattproof.sqlite'}").begin() as session:
        for one in past(worse_since=DAYS - 9):
            session.add(ComputedTotals(day=one.day, forecast=list(one.forecast), measured=list(one.measured)))
    deployed.wait(COORDINATOR, "the community trains again")
    deployed.processes[COORDINATOR].send_signal(signal.SIGKILL)
    deployed.processes[COORDINATOR].wait(LIMIT_S)
    deployed.start(COORDINATOR)

    model_of_all_homes(deployed, FIRST + AGAIN)
    until(partial(trains_no_more, deployed), lambda: deployed.log(COORDINATOR))
    for number in range(1, FIRST + AGAIN + 1):
        report = json.loads((rounds / f"{number:04d}" / "metrics.json").read_text())
        assert report["participants"] == list(HOMES) and report["left_out"] == {}
    (again,) = json.loads((rounds / "retraining.json").read_text())
    assert again["until"] == FIRST + AGAIN, "and no training follows at once"
    until(partial(has_counted, deployed, again["since"]), lambda: deployed.log(COORDINATOR))

    until(partial(is_one_trace, collector, FIRST + AGAIN), lambda: str(collector.spans))
    assert not any(home.encode() in body for body in collector.bodies for home in HOMES)
    late = HOMES[-1]
    deployed.processes[late].send_signal(signal.SIGTERM)
    deployed.processes[late].wait(LIMIT_S)
    shutil.rmtree(deployed.state(late) / "model")  # as if it had been away when the model was handed out
    deployed.start(late)
    model_of_all_homes(deployed, FIRST + AGAIN)
