"""Saved rounds: whole or not at all, and readable without running anybody's code."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from fl import weights as arrays
from fl.store import RoundReport, RoundStore

WEIGHTS = {"lstm.bias": np.arange(3, dtype=np.float32), "head.weight": np.ones((2, 2), dtype=np.float32)}


def report(number: int) -> RoundReport:
    return RoundReport(
        round=number, asked=("a", "b"), participants=("a",), left_out={"b": "no answer in 5 s"}, train_loss=0.5,
        validation_loss=None, homes={"a": {"train_loss": 0.5}}, bytes_down=10, bytes_up=5, seconds=1.5,
        extra={"epsilon": 2.0},
    )  # fmt: skip


def test_a_round_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store = RoundStore(tmp_path)
    store.save(report(7), WEIGHTS, {"m/head.weight": np.zeros((2, 2))})
    saved = store.load(7)
    assert saved.report == report(7) and not saved.published
    assert list(saved.weights) == list(WEIGHTS)
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(saved.weights[name], array)
    assert list(saved.moments) == ["m/head.weight"]
    store.mark_published(7)
    assert store.load(7).published


def test_the_latest_is_the_highest_number(tmp_path: Path) -> None:
    store = RoundStore(tmp_path)
    assert store.latest() is None
    for number in (9, 10, 2):
        store.save(report(number), WEIGHTS, {})
    latest = store.latest()
    assert store.rounds() == [2, 9, 10] and latest is not None and latest.round == 10


def test_a_round_interrupted_while_being_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RoundStore(tmp_path)
    store.save(report(1), WEIGHTS, {})
    with monkeypatch.context() as patch:
        patch.setattr(RoundReport, "to_json", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.save(report(2), WEIGHTS, {})
    assert store.rounds() == [1]
    store.save(report(2), WEIGHTS, {})
    assert store.rounds() == [1, 2]


def test_weights_that_hold_pickled_objects_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.array([{"any": "object"}], dtype=object))
    path = tmp_path / "weights.npz"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        arrays.load(path)
