"""Saved rounds: whole or not at all, and readable without running anybody's code."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from fl import weights as arrays
from fl.errors import FederationError, RoundDamaged
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


def test_the_optimisers_state_is_kept_for_the_last_rounds_alone(tmp_path: Path) -> None:
    """It is larger than the model, and each round's would be on the disk for good."""
    store = RoundStore(tmp_path)
    for number in range(1, 7):
        store.save(report(number), WEIGHTS, {"m/head.weight": np.zeros((2, 2))})
    assert [number for number in store.rounds() if store.load(number).moments] == [4, 5, 6]


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


@pytest.mark.parametrize("name", ["weights.npz", "metrics.json", "moments.npz"])
@pytest.mark.parametrize("kept", [0, 1, 30, -30])
def test_a_round_that_was_cut_off_is_passed_over_for_the_one_before(tmp_path: Path, name: str, kept: int) -> None:
    store = RoundStore(tmp_path)
    for number in (1, 2, 3):
        store.save(report(number), WEIGHTS, {"m/head.weight": np.zeros((2, 2))})
    path = store.path(3) / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RoundDamaged, match=r"round 3 in .*0003 can't be read") as refused:
        store.load(3)
    assert "allow_pickle" not in str(refused.value)
    latest = store.latest()
    assert latest is not None and latest.round == 2


def test_a_round_without_weights_is_damaged_and_one_that_is_not_there_is_not(tmp_path: Path) -> None:
    store = RoundStore(tmp_path)
    store.save(report(1), WEIGHTS, {})
    (store.path(1) / "weights.npz").unlink()
    with pytest.raises(RoundDamaged):
        store.load(1)
    with pytest.raises(FileNotFoundError):
        store.load(2)
    assert store.latest() is None


def test_damaged_rounds_are_set_aside_and_never_lost(tmp_path: Path) -> None:
    store = RoundStore(tmp_path)
    for _ in range(2):
        store.save(report(1), WEIGHTS, {})
        store.save(report(2), WEIGHTS, {})
        (store.path(2) / "weights.npz").write_bytes(b"PK")
        store.set_aside_after(1)
    assert store.rounds() == [1]
    assert sorted(p.name for p in tmp_path.glob("0002*")) == ["0002.damaged", "0002.damaged1"]
    assert (tmp_path / "0002.damaged1" / "weights.npz").read_bytes() == b"PK"


def test_a_folder_is_one_trainings_at_a_time(tmp_path: Path) -> None:
    other, busy = RoundStore(tmp_path), r"in use by process \d+"
    with RoundStore(tmp_path).locked(), pytest.raises(FederationError, match=busy), other.locked():
        pass
    with RoundStore(tmp_path).locked():
        pass


def test_weights_that_hold_pickled_objects_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.array([{"any": "object"}], dtype=object))
    path = tmp_path / "weights.npz"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="not a file of arrays"):
        arrays.load(path)
