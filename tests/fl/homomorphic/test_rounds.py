"""Rounds under BFV through Flower's messages: the model of masked sums to the bit, drop-outs, liars, second sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, RecordDict

from fl.errors import FederationError, QuorumMissed
from fl.one_shot.rounds import one_shot_rounds
from fl.protection import coordinator_protection
from fl.settings import FederationSettings
from fl.store import RoundStore
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.guarded import HOMES, Guarded
from tests.fl.local_grid import LeastSquares

STAGES = ("keys", "secret", "encrypt", "agree", "open")


def guarded(folder: Path, scheme: str = "bfv", **changes: Any) -> Guarded:
    secure = {"scheme": scheme} | changes.pop("secure_aggregation", {})
    return Guarded(folder, secure_aggregation=secure, **changes)


def test_the_model_is_that_of_masked_sums_to_the_bit(tmp_path: Path) -> None:
    learners = [LeastSquares(home, 10 + place) for place, home in enumerate(HOMES)]
    models = {}
    for scheme in ("masks", "bfv"):
        town = guarded(tmp_path / scheme, scheme, rounds=2, strategy={"weighting": "examples"})
        model, report = town.train(town.grid(learners))
        assert report.participants == HOMES and report.left_out == {}
        models[scheme] = (model["w"].tobytes(), report.train_loss)
    assert models["masks"] == models["bfv"]


@pytest.mark.parametrize("stage", ["keys", "encrypt", "agree", "open"])
def test_a_home_that_drops_out_at_any_stage_does_not_stop_the_round(tmp_path: Path, stage: str) -> None:
    town = guarded(tmp_path, attempts=2)
    _, report = town.train(town.grid(gone={"eve": stage}))
    assert ("eve" in report.participants) == (stage in ("agree", "open"))


def test_a_maker_that_drops_out_is_replaced_in_the_next_attempt(tmp_path: Path) -> None:
    town = guarded(tmp_path, attempts=10)
    grid = town.grid()
    silent: list[str] = []

    def go(home: str, stage: str, content: RecordDict) -> None:
        if stage == "secret" and not silent:
            silent.append(home)
            content.clear()
            content["secagg"] = ConfigRecord({})

    grid.meddle = go
    _, report = town.train(grid)
    assert report.participants == HOMES and len(silent) == 1


def test_the_coordinator_receives_keys_sealed_secrets_ciphertexts_signatures_and_the_total(tmp_path: Path) -> None:
    town = guarded(tmp_path)
    grid = town.grid()
    town.train(grid)
    listed = {"stage", "names", "values"}
    shapes = {stage: set(content["secagg"]) for _, stage, content in grid.received if stage != "query.hello"}
    assert shapes == {
        "keys": {"keys"}, "secret": listed | {"maker", "box", "digest", "signature"},
        "encrypt": {"ciphertexts", "digest"}, "agree": {"signature"}, "open": {"total"},
    }  # fmt: skip
    assert not any(content.array_records or content.metric_records for _, _, content in grid.received)


def test_rubbish_for_a_ciphertext_costs_its_home_only(tmp_path: Path) -> None:
    town = guarded(tmp_path)

    def spoil(home: str, stage: str, content: RecordDict) -> None:
        if (home, stage) == ("bob", "encrypt"):
            content["secagg"]["ciphertexts"] = [b"rubbish"]

    _, report = town.train(town.grid(meddle=spoil))
    assert "no ciphertext" in report.left_out["bob"] or "another form" in report.left_out["bob"]
    assert set(report.participants) == set(HOMES) - {"bob"}


def test_a_home_that_lies_about_the_total_is_named(tmp_path: Path) -> None:
    town = guarded(tmp_path)

    def lie(home: str, stage: str, content: RecordDict) -> None:
        if (home, stage) == ("ada", "open"):
            total = bytearray(content["secagg"]["total"])
            total[0] ^= 1
            content["secagg"]["total"] = bytes(total)

    gather = town.gather()
    model, _ = town.train(town.grid(meddle=lie), gather)
    honest = guarded(tmp_path / "honest")
    assert model["w"].tobytes() == honest.train(honest.grid())[0]["w"].tobytes()
    assert "another total than most homes" in gather.cheats["ada"]


def test_an_agreed_sum_that_nobody_opened_is_opened_later_and_no_other(tmp_path: Path) -> None:
    town = guarded(tmp_path, attempts=2)
    failed: list[str] = []

    def lose(home: str, stage: str, content: RecordDict) -> None:
        if stage == "agree" and len(failed) < len(HOMES):  # all answers of the first time are lost
            failed.append(home)
            content["secagg"] = ConfigRecord({})

    grid = town.grid(meddle=lose)
    _, report = town.train(grid)
    assert report.participants == HOMES
    assert [stage for _, stage, _ in grid.received].count("encrypt") == len(HOMES)  # nobody trained a second time


def test_a_home_that_agreed_never_signs_that_it_does_not_open(tmp_path: Path) -> None:
    """One home with enough signatures opens a sum, so what is agreed on can't be closed in favour of another one."""
    town = guarded(tmp_path)
    with pytest.raises(QuorumMissed):
        town.train(town.grid(gone=dict.fromkeys(HOMES, "open")))
    with pytest.raises(QuorumMissed, match="a second sum of one model"):
        town.train(town.grid())  # started anew, and so are the agents: the record on disk knows


def test_homes_of_the_other_scheme_answer_nothing_of_this_one(tmp_path: Path) -> None:
    town = guarded(tmp_path)
    town.own = {home: {"secure_aggregation": {"scheme": "masks"}} for home in HOMES}
    with pytest.raises(QuorumMissed):
        town.train(town.grid())


def test_a_one_shot_training_is_refused_with_the_reason(tmp_path: Path) -> None:
    settings = FederationSettings.model_validate(
        {"min_homes": 3, "evaluate_every": 0, "secure_aggregation": {"enabled": True, "scheme": "bfv"}}
    )
    with pytest.raises(FederationError, match="more than BFV's plain modulus has room for; set scheme: masks"):
        one_shot_rounds(settings, RoundStore(tmp_path), ModelShape.of(ModelSettings()))


def test_without_the_extra_neither_side_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town = guarded(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "tenseal", None)
    with pytest.raises(FederationError, match="needs TenSEAL"):
        coordinator_protection(town.settings, tmp_path)
    with pytest.raises(FederationError, match="needs TenSEAL"):
        town.mods("ada")
