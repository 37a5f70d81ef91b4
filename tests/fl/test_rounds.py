"""The rounds: who is asked, what is left out and why, what is saved, and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fl.errors import FederationError, QuorumMissed, ResumeRefused
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.weights import Weights
from tests.fl.local_grid import ZERO, LeastSquares, LocalGrid, Spoilt

HOMES = ("ada", "bob", "cyd", "dee")


def settings(**changes: Any) -> FederationSettings:
    return FederationSettings.model_validate(
        {"rounds": 4, "min_homes": 2, "evaluate_every": 2, "wait_for_homes_s": 0.1} | changes
    )


def learners(**examples: int) -> list[LeastSquares]:
    return [LeastSquares(home, examples.get(home, 10)) for home in HOMES]


def with_spoilt(home: str, spoil: Callable[[Weights], Weights]) -> list[LeastSquares]:
    return [Spoilt(name, spoil=spoil) if name == home else LeastSquares(name) for name in HOMES]


def fail(_: Weights) -> Weights:
    raise ArithmeticError("the disk is full")


@pytest.fixture
def store(tmp_path: Path) -> RoundStore:
    return RoundStore(tmp_path / "rounds")


def test_training_lowers_the_loss_and_saves_every_round(store: RoundStore) -> None:
    weights = Rounds(settings(rounds=30), store).run(LocalGrid(learners()), ZERO)
    assert store.rounds() == list(range(1, 31))
    first, last = (store.load(number).report.train_loss for number in (1, 30))
    assert last < first / 10
    np.testing.assert_array_equal(store.load(30).weights["w"], weights["w"])


def test_the_report_keeps_each_homes_own_results(store: RoundStore) -> None:
    Rounds(settings(), store).run(LocalGrid(learners(ada=50)), ZERO)
    report = store.load(2).report
    assert report.participants == HOMES == tuple(report.homes)
    assert {"train_loss", "train_seconds", "validation_loss", "validation_num-examples"} == set(report.homes["ada"])
    losses = [report.homes[home]["validation_loss"] for home in HOMES]
    assert report.validation_loss == pytest.approx(np.average(losses, weights=[50, 10, 10, 10]))


def test_homes_score_the_model_as_often_as_the_settings_say_and_after_the_last_round(store: RoundStore) -> None:
    Rounds(settings(rounds=5, evaluate_every=2), store).run(LocalGrid(learners()), ZERO)
    scored = [number for number in store.rounds() if store.load(number).report.validation_loss is not None]
    assert scored == [2, 4, 5]


def test_traffic_is_the_payload_down_and_up(store: RoundStore) -> None:
    Rounds(settings(evaluate_every=0), store).run(LocalGrid(learners()), ZERO)
    report = store.load(1).report
    assert report.bytes_down == report.bytes_up > 4 * ZERO["w"].nbytes


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (fail, "the disk is full"),
        (lambda w: {"w": w["w"] * np.float32(np.nan)}, "not a finite number"),
        (lambda w: {"w": np.zeros(4, np.float32)}, "shape (4,)"),
        (lambda w: {"v": w["w"]}, "v, w missing or unknown"),
    ],
)
def test_a_home_whose_update_is_of_no_use_is_left_out_and_named(
    store: RoundStore, spoil: Callable[[Weights], Weights], reason: str
) -> None:
    weights = Rounds(settings(rounds=1), store).run(LocalGrid(with_spoilt("bob", spoil)), ZERO)
    report = store.load(1).report
    assert report.participants == ("ada", "cyd", "dee")
    assert reason in report.left_out["bob"]
    without_bob = LocalGrid([learner for learner in learners() if learner.home != "bob"])
    expected = Rounds(settings(rounds=1), RoundStore(store.directory / "other")).run(without_bob, ZERO)
    np.testing.assert_array_equal(weights["w"], expected["w"])


def test_a_silent_home_is_left_out(store: RoundStore) -> None:
    Rounds(settings(rounds=1, round_timeout_s=7), store).run(LocalGrid(learners(), silent={"cyd"}), ZERO)
    assert store.load(1).report.left_out == {"cyd": "no answer in 7 s"}


def test_a_home_that_hangs_costs_one_limit_and_not_another_for_its_score(store: RoundStore) -> None:
    grid = LocalGrid(learners(), silent={"cyd"})
    Rounds(settings(rounds=1, evaluate_every=1), store).run(grid, ZERO)
    assert [home for kind, home in grid.asked if home == "cyd" and kind == "evaluate"] == []
    assert {home for kind, home in grid.asked if kind == "evaluate"} == {"ada", "bob", "dee"}


def test_a_round_is_saved_though_too_few_homes_are_left_to_score_it(store: RoundStore) -> None:
    class Leaving(LocalGrid):
        """All but one home leave when the round has been trained."""

        def get_node_ids(self) -> Iterable[int]:
            nodes = set(super().get_node_ids())
            return {max(nodes)} if any(kind == "train" for kind, _ in self.asked) else nodes

    Rounds(settings(rounds=1, evaluate_every=1), store).run(Leaving(learners()), ZERO)
    report = store.load(1).report
    assert report.participants == HOMES and report.validation_loss is not None


def test_a_round_without_enough_updates_is_asked_again_and_then_is_an_error(store: RoundStore) -> None:
    grid = LocalGrid(learners(), silent={"ada", "bob", "cyd"})
    with pytest.raises(QuorumMissed, match="round 1: 1 of the 4 homes asked gave a usable update, 2 are needed"):
        Rounds(settings(attempts=3), store).run(grid, ZERO)
    assert [home for kind, home in grid.asked if kind == "train" and home == "ada"] == ["ada"] * 3
    assert store.rounds() == []


def test_too_few_homes_online_is_an_error(store: RoundStore) -> None:
    with pytest.raises(QuorumMissed, match="1 homes online"):
        Rounds(settings(), store).run(LocalGrid(learners()[:1]), ZERO)


def test_a_part_of_the_homes_is_drawn_anew_each_round(store: RoundStore) -> None:
    Rounds(settings(rounds=12, fraction=0.5), store).run(LocalGrid(learners()), ZERO)
    asked = [store.load(number).report.asked for number in store.rounds()]
    assert {len(homes) for homes in asked} == {2}
    assert len(set(asked)) > 2 and {home for homes in asked for home in homes} == set(HOMES)


@pytest.mark.parametrize("name", ["fedavg", "fedprox", "fedadam"])
def test_the_order_of_answers_and_of_nodes_changes_nothing(tmp_path: Path, name: str) -> None:
    models = [
        Rounds(settings(strategy={"name": name}), RoundStore(tmp_path / str(shuffle))).run(
            LocalGrid(learners()[:: 1 if shuffle % 2 else -1], shuffle=shuffle), ZERO
        )
        for shuffle in range(4)
    ]
    assert len({model["w"].tobytes() for model in models}) == 1


@dataclass
class Timed(LocalGrid):
    """Notes how long each kind of message is waited for, and lives."""

    waits: set[tuple[str, float | None, float]] = field(default_factory=set)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        self.waits |= {(one.metadata.message_type, timeout, one.metadata.ttl) for one in sent}
        return super().send_and_receive(sent, timeout=timeout)


def test_homes_of_a_simulation_may_take_as_long_to_say_who_they_are_as_for_a_round(store: RoundStore) -> None:
    """Ray takes minutes to start on a busy machine: homes that had not said it within 60 s missed the first round."""
    grid = Timed(learners())
    Rounds(settings(round_timeout_s=900), store).run(grid, ZERO)
    assert {kind for kind, _, _ in grid.waits} >= {"query.hello", "train"}
    assert {(timeout, ttl) for _, timeout, ttl in grid.waits} == {(900, 910)}


@dataclass
class Leaving(LocalGrid):
    """`away`: homes whose nodes are not connected; `deaf`: those that do not take a model."""

    away: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)

    def get_node_ids(self) -> Iterable[int]:
        return {node for node, (learner, _) in self._apps.items() if learner.home not in self.away}

    def _answer(self, number: int, message: Message) -> Message | None:
        reply = super()._answer(number, message)
        is_model = message.metadata.message_type == "query.model"
        return None if is_model and self.asked[-1][1] in self.deaf else reply


class Arriving(LocalGrid):
    """Homes find the coordinator one after another: one more each time it looks, up to `most`."""

    seen, most = 0, len(HOMES)

    def get_node_ids(self) -> Iterable[int]:
        self.seen = min(self.seen + 1, self.most)
        return set(sorted(super().get_node_ids())[: self.seen])


@pytest.mark.parametrize(("come", "told"), [(4, 3), (2, 2)])
def test_a_training_that_has_ended_is_handed_out_again_to_homes_that_come_late(
    store: RoundStore, monkeypatch: pytest.MonkeyPatch, come: int, told: int
) -> None:
    """To as many as a round needs; to fewer where they don't come in time."""
    monkeypatch.setattr("fl.rounds._LOOK_EVERY_S", 0.0)
    made = settings(rounds=1, min_homes=3, evaluate_every=0)
    Rounds(made, store).run(LocalGrid(learners()), ZERO)
    grid = Arriving(learners())
    grid.most = come
    Rounds(made, store, hand_out=True).run(grid, ZERO)
    assert [kind for kind, _ in grid.asked if not kind.startswith("query.name")].count("query.model") >= told
    assert "train" not in {kind for kind, _ in grid.asked}


def test_a_home_that_was_away_or_failed_is_handed_the_model_once_it_is_there(
    store: RoundStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(rounds=1, min_homes=3, evaluate_every=0, round_timeout_s=1)
    grid = Leaving(learners())
    training = Rounds(made, store, hand_out=True)
    grid.away, grid.deaf = {HOMES[0]}, set()
    training.run(grid, ZERO)

    def handed() -> list[str]:
        told = [home for kind, home in grid.asked if kind == "query.model"]
        grid.asked.clear()
        return sorted(told)

    assert handed() == sorted(HOMES[1:])
    training.hand_out_to_late(grid)
    assert handed() == [], "nobody has come"
    grid.away, grid.deaf = {HOMES[1]}, {HOMES[0]}
    training.hand_out_to_late(grid)
    training.hand_out_to_late(grid)
    assert handed() == [HOMES[0]], "one that does not answer is not asked all the time"
    grid.away, grid.deaf = set(), set()
    training.hand_out_to_late(grid)
    assert handed() == [HOMES[1]], "one that was away may have lost it"
    monkeypatch.setattr("fl.rounds._ASK_AGAIN_S", 0.0)
    training.hand_out_to_late(grid)
    training.hand_out_to_late(grid)
    assert handed() == [HOMES[0]]


@pytest.mark.parametrize("name", ["fedavg", "fedadam"])
def test_a_stopped_training_goes_on_to_the_same_model(tmp_path: Path, name: str) -> None:
    whole = Rounds(settings(strategy={"name": name}), RoundStore(tmp_path / "whole")).run(LocalGrid(learners()), ZERO)
    store = RoundStore(tmp_path / "stopped")

    def stop(number: int, weights: Weights, report: RoundReport) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Rounds(settings(strategy={"name": name}), store, on_round=stop).run(LocalGrid(learners()), ZERO)
    assert store.rounds() == [1, 2]
    resumed = Rounds(settings(strategy={"name": name}), store).run(LocalGrid(learners()), ZERO)
    assert resumed["w"].tobytes() == whole["w"].tobytes()


def test_the_caller_is_told_of_each_round_once_saved_and_again_if_it_did_not_return(store: RoundStore) -> None:
    told: list[int] = []

    def on_round(number: int, weights: Weights, report: RoundReport) -> None:
        assert report == store.load(number).report
        told.append(number)
        if told == [1, 2]:
            raise OSError("the chain is away")

    with pytest.raises(OSError, match="the chain is away"):
        Rounds(settings(), store, on_round=on_round).run(LocalGrid(learners()), ZERO)
    Rounds(settings(), store, on_round=on_round).run(LocalGrid(learners()), ZERO)
    assert told == [1, 2, 2, 3, 4]


def test_rounds_made_with_other_settings_are_not_built_upon(store: RoundStore) -> None:
    Rounds(settings(rounds=1), store).run(LocalGrid(learners()), ZERO)
    with pytest.raises(ResumeRefused, match=r"other settings \(seed, strategy\).*train in another folder"):
        Rounds(settings(seed=1, strategy={"name": "fedadam"}), store).run(LocalGrid(learners()), ZERO)
    Rounds(settings(rounds=2, round_timeout_s=5), store).run(LocalGrid(learners()), ZERO)
    assert store.rounds() == [1, 2]


def test_settings_that_did_not_exist_then_have_their_defaults(store: RoundStore) -> None:
    Rounds(settings(rounds=1), store).run(LocalGrid(learners()), ZERO)
    path = store.directory / "run.json"
    saved = json.loads(path.read_text())
    del saved["strategy"]["most_days"], saved["robust"]
    path.write_text(json.dumps(saved))
    Rounds(settings(rounds=2), store).run(LocalGrid(learners()), ZERO)
    assert store.rounds() == [1, 2]
    with pytest.raises(ResumeRefused, match=r"other settings \(strategy\)"):
        Rounds(settings(strategy={"most_days": 5}), store).run(LocalGrid(learners()), ZERO)


def test_damaged_settings_of_a_run_are_not_overwritten(store: RoundStore) -> None:
    Rounds(settings(rounds=1), store).run(LocalGrid(learners()), ZERO)
    (store.directory / "run.json").write_text("{")
    with pytest.raises(ResumeRefused, match="can't be read"):
        Rounds(settings(), store).run(LocalGrid(learners()), ZERO)


@pytest.mark.parametrize("name", ["fedavg", "fedadam"])
def test_training_goes_on_before_a_damaged_last_round_to_the_same_model(tmp_path: Path, name: str) -> None:
    whole = Rounds(settings(strategy={"name": name}), RoundStore(tmp_path / "whole")).run(LocalGrid(learners()), ZERO)
    store = RoundStore(tmp_path / "damaged")
    Rounds(settings(rounds=3, strategy={"name": name}, evaluate_every=0), store).run(LocalGrid(learners()), ZERO)
    for number in (2, 3):
        path = store.path(number) / "weights.npz"
        path.write_bytes(path.read_bytes()[:-40])
    resumed = Rounds(settings(strategy={"name": name}, evaluate_every=0), store).run(LocalGrid(learners()), ZERO)
    assert resumed["w"].tobytes() == whole["w"].tobytes()
    assert store.rounds() == [1, 2, 3, 4]
    assert sorted(path.name for path in store.directory.glob("*.damaged")) == ["0002.damaged", "0003.damaged"]


def test_rounds_of_another_model_are_not_built_upon(store: RoundStore) -> None:
    Rounds(settings(rounds=1), store).run(LocalGrid(learners()), ZERO)
    with pytest.raises(FederationError, match="rounds of another model"):
        Rounds(settings(), store).run(LocalGrid(learners()), {"w": np.zeros(5, np.float32)})
