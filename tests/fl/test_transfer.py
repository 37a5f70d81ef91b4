"""Another community's model as a beginning: only one that fits, only of rounds that began with it, and no worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.task import HomeLearner, initial_weights, projection
from fl.transfer import SOURCE, SOURCE_KEPT, TransferRefused, begin_from, keep_better
from fl.weights import Weights, save
from forecasting.integer import quantise
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows

SHAPE = ModelShape.of(ModelSettings(hidden=4))
WINDOWS = made_up_windows(("home-a", "home-b"), days=40)
HOMES = [
    HomeLearner(home, WINDOWS.of_home(home).between(0, 30), WINDOWS.of_home(home).between(30, 40), SHAPE, 0.1)
    for home in ("home-a", "home-b")
]
PROJECT = projection(SHAPE)
START = initial_weights(SHAPE, seed=1)


def spoilt() -> Weights:
    """A model that forecasts badly: its linear path is gone."""
    return START | {"head.weight": np.zeros_like(START["head.weight"])}


def saved(store: RoundStore, number: int, weights: Weights) -> None:
    report = RoundReport(number, ("home-a",), ("home-a",), {}, 1.0, None, {}, 1, 1, 1.0)
    store.save(report, weights, {})
    store.mark_published(number)


def weights_file(folder: Path, weights: Weights) -> Path:
    save(folder / "theirs.npz", weights)
    return folder / "theirs.npz"


def test_a_training_begins_from_the_source_inside_what_can_be_proven(tmp_path: Path) -> None:
    wild = START | {"lstm.weight_ih_l0": START["lstm.weight_ih_l0"] * 50}
    with pytest.raises(ValueError):
        quantise(wild, SHAPE)
    begun = begin_from(weights_file(tmp_path, wild), RoundStore(tmp_path / "rounds"), START, PROJECT)
    quantise(begun, SHAPE)
    np.testing.assert_array_equal(begun["head.weight"], START["head.weight"])


@pytest.mark.parametrize("seen", ["missing", "rubbish", "another size"])
def test_what_is_no_such_model_is_refused(tmp_path: Path, seen: str) -> None:
    path = tmp_path / "theirs.npz"
    if seen == "rubbish":
        path.write_bytes(b"PK not at all")
    if seen == "another size":
        save(path, initial_weights(ModelShape.of(ModelSettings(hidden=8)), seed=1))
    with pytest.raises(TransferRefused, match="of a model with the sizes in"):
        begin_from(path, RoundStore(tmp_path / "rounds"), START, PROJECT)
    assert not (tmp_path / "rounds" / SOURCE).exists()


def test_a_stopped_training_goes_on_from_its_source_and_from_no_other(tmp_path: Path) -> None:
    store = RoundStore(tmp_path / "rounds")
    theirs = weights_file(tmp_path, START)
    begin_from(theirs, store, START, PROJECT)
    saved(store, 1, START)
    begin_from(theirs, store, START, PROJECT)
    with pytest.raises(TransferRefused, match="began from another model"):
        begin_from(weights_file(tmp_path, initial_weights(SHAPE, seed=5)), store, START, PROJECT)


def test_rounds_that_began_from_nothing_are_not_taken_for_the_sources(tmp_path: Path) -> None:
    store = RoundStore(tmp_path / "rounds")
    saved(store, 1, START)
    with pytest.raises(TransferRefused, match="began from another model"):
        begin_from(weights_file(tmp_path, START), store, START, PROJECT)


def test_the_source_stays_in_force_where_it_is_better(tmp_path: Path) -> None:
    store, told = RoundStore(tmp_path / "rounds"), list[int]()
    begin_from(weights_file(tmp_path, START), store, START, PROJECT)
    saved(store, 1, spoilt())
    assert keep_better(store, HOMES, lambda number, weights, report: told.append(number))
    latest = store.latest()
    assert latest is not None and (latest.round, latest.published, told) == (2, True, [2])
    assert latest.report.extra == {SOURCE_KEPT: 1.0}
    np.testing.assert_array_equal(latest.weights["head.weight"], START["head.weight"])
    assert not keep_better(store, HOMES, lambda *_: told.append(0)), "once"


def test_what_was_trained_stays_where_it_is_no_worse_or_nothing_was_transferred(tmp_path: Path) -> None:
    store = RoundStore(tmp_path / "rounds")
    saved(store, 1, spoilt())
    assert not keep_better(store, HOMES, lambda *_: None), "it began from no source"
    other = RoundStore(tmp_path / "other")
    begin_from(weights_file(tmp_path, spoilt()), other, START, PROJECT)
    saved(other, 1, START)
    assert not keep_better(other, HOMES, lambda *_: None) and other.rounds() == [1]


def test_settings_that_bind_the_rounds_do_not_mind_the_source(tmp_path: Path) -> None:
    store = RoundStore(tmp_path / "rounds")
    begin_from(weights_file(tmp_path, START), store, START, PROJECT)
    store.bind(FederationSettings(rounds=3))
    saved(store, 1, START)
    store.bind(FederationSettings(rounds=5))
    assert store.rounds() == [1]
