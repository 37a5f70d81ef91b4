"""What the operator is told while a training without a server has no model, and which rounds it can't replace."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.config.community_yaml import ConfigError, parse
from api.operator.community import Community
from api.operator.gossip import _check_number, _is_kept, _keep, _why_no_model
from api.operator.trained_model import kept_digest, model_shape, rounds_of
from fl.gossip.draws import DRAWS
from fl.gossip.registry import Drawn, Moment, Terms
from fl.store import RoundReport
from fl.task import initial_weights

TERMS = Terms(b"\x0c" * 32, 4, 10, epochs=3, leader_s=10, committee=3, draw_s=100)
SETTINGS = """
community: {name: Elm Street}
data: {source: none}
forecasting: {model: {hidden: 4}}
api: {state_dir: STATE}
federation: {topology: gossip, rounds: 2, gossip: {segments: 4, settle_epochs: 1ROUND}}
"""


@dataclass
class Chain:
    """The registry at some moment of its last epoch."""

    epoch: int
    seconds: int = 0
    has_seed: bool = True

    def moment(self) -> Moment:
        return Moment(self.epoch, False, 1000 + self.seconds)

    def drawn(self, epoch: int) -> Drawn | None:
        return Drawn(b"\x07" * 32, 5, 0, 1000) if self.has_seed else None


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        (Chain(3), "epoch 3 of 3: run this again"),
        (Chain(4), r"run this again when it has\. Others are drawn until 1970-01-01 00:30 UTC"),
        (Chain(4, DRAWS * TERMS.draw_s), "none of 8 committees .* deploy another registry"),
        (Chain(4, has_seed=False), "too few members revealed .* deploy another registry"),
    ],
)
def test_an_operator_waits_for_what_can_still_come_only(chain: Chain, told: str) -> None:
    assert re.search(told, _why_no_model(chain, TERMS))  # type: ignore[arg-type]


def community(folder: Path, number: str = "") -> Community:
    return Community(parse(SETTINGS.replace("STATE", str(folder)).replace("ROUND", number), "c.yaml"))


def report(number: int) -> RoundReport:
    return RoundReport(number, (), (), {}, math.nan, None, {}, 0, 0, 0.0)


def test_a_model_that_was_saved_and_not_published_is_published_by_the_same_command(tmp_path: Path) -> None:
    """It was refused, for its own round stood in its place."""
    ours = community(tmp_path)
    store, weights = rounds_of(ours), initial_weights(model_shape(ours), 1)
    store.bind(ours.config.federation)
    store.save(report(3), weights, {})
    told: list[int] = []
    for _ in range(2):
        _keep(ours, report(3), weights, lambda done, total, loss: told.append(done))
    assert told == [3] and store.load(3).published and kept_digest(store, 3) is not None


def test_a_second_training_replaces_no_round_that_forecasts_refer_to(tmp_path: Path) -> None:
    first = community(tmp_path)
    store, weights = rounds_of(first), initial_weights(model_shape(first), 1)
    _check_number(first, store)
    store.save(report(3), weights, {})
    store.mark_published(3)
    assert _is_kept(store, 3, weights) and not _is_kept(store, 3, initial_weights(model_shape(first), 2))
    with pytest.raises(ConfigError, match=r"federation\.gossip\.round to 4 or more"):
        _check_number(first, store)
    _check_number(community(tmp_path, ", round: 4"), store)
