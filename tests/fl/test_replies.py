"""Whatever a home replies, its error is its own: it is left out with the reason, and the round goes on without it."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, MetricRecord, RecordDict

from fl.client_mods import client_mods
from fl.errors import QuorumMissed
from fl.replies import reason_of
from fl.rounds import Rounds
from fl.secagg.messages import STAGES
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid

HOMES = ("ada", "bob", "cyd", "dee")
Meddle = Callable[[RecordDict], None]


def played(folder: Path, stage: str, spoil: Meddle, **settings: Any) -> tuple[RoundReport, WatchedGrid]:
    """The report of one round, evaluated, in which what bob sends at a stage is spoilt."""

    def meddle(home: str, at: str, content: RecordDict) -> None:
        if (home, at) == ("bob", stage):
            spoil(content)

    federation = FederationSettings.model_validate(
        {"rounds": 1, "min_homes": 2, "evaluate_every": 1, "wait_for_homes_s": 0.1, "attempts": 1} | settings
    )
    grid = WatchedGrid([LeastSquares(home) for home in HOMES], meddle=meddle)
    store = RoundStore(folder)
    Rounds(federation, store).run(grid, ZERO)
    return store.load(1).report, grid


def metric(**values: Any) -> Meddle:
    def spoil(content: RecordDict) -> None:
        for name, value in values.items():
            content.metric_records["metrics"][name.replace("_", "-")] = value

    return spoil


def data(content: bytes, dtype: str = "float32", shape: tuple[int, ...] = (3,)) -> Meddle:
    def spoil(reply: RecordDict) -> None:
        reply["arrays"] = ArrayRecord({"w": Array(dtype, shape, "numpy.ndarray", content)})

    return spoil


def array(values: Any) -> Meddle:
    return data(saved(np.asarray(values)))


def saved(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("arr_0.npy", saved(np.zeros(3, np.float32)))
    return stream.getvalue()


def vast() -> bytes:
    """An array whose header says that it has 8 TB."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": (2 * 10**12,), "fortran_order": False, "descr": "<f4"})
    return stream.getvalue()


def without(*names: str) -> Meddle:
    def spoil(content: RecordDict) -> None:
        for name in names:
            del content[name]

    return spoil


def another_record(content: RecordDict) -> None:
    content["metrics"] = ConfigRecord({"num-examples": 10, "loss": 0.1})


def crowd(content: RecordDict) -> None:
    content["metrics"] = MetricRecord({"num-examples": 10, "loss": 0.1} | {f"m{k}": 1.0 for k in range(1000)})


SPOILT_UPDATES: dict[str, tuple[Meddle, str]] = {
    "infinitely many days": (metric(num_examples=math.inf), "whole number of days"),
    "days that are no number": (metric(num_examples=math.nan), "whole number of days"),
    "half a day": (metric(num_examples=0.5), "whole number of days"),
    "no day": (metric(num_examples=0), "whole number of days"),
    "a negative day": (metric(num_examples=-1), "whole number of days"),
    "a list of days": (metric(num_examples=[10]), "whole number of days"),
    "an infinite loss": (metric(loss=math.inf), "'loss' must be a finite number"),
    "a list of losses": (metric(loss=[0.1]), "'loss' must be a finite number"),
    "an infinite metric": (metric(seconds=-math.inf), "'seconds' must be a finite number"),
    "a thousand metrics": (crowd, "more than 16 metrics"),
    "metrics of another kind": (another_record, "no 'metrics'"),
    "no metrics": (without("metrics"), "no 'metrics'"),
    "no arrays": (without("arrays"), "no 'arrays'"),
    "nothing": (without("arrays", "metrics"), "no 'arrays'"),
    "empty array data": (data(b""), "w is not an array"),
    "a cut array": (data(saved(np.zeros(3, np.float32))[:-4]), "8 bytes of content"),
    "a long array": (data(saved(np.zeros(3, np.float32)) + bytes(4)), "16 bytes of content"),
    "a zip archive": (data(archive()), "w is not an array"),
    "zip rubbish": (data(b"PK\x03\x04" + bytes(300)), "w is not an array"),
    "a header of 8 TB": (data(vast()), r"shape \(2000000000000,\)"),
    "a pickled object": (array(np.array([{"any": "object"}] * 3, dtype=object)), "w is object"),
    "doubles": (array(np.zeros(3)), "w is float64"),
    "whole numbers": (array(np.zeros(3, np.int32)), "w is int32"),
    "complex numbers": (array(np.zeros(3, np.complex64)), "w is complex64"),
    "big-endian numbers": (array(np.zeros(3, ">f4")), "w is >f4"),
    "another shape": (array(np.zeros((3, 1), np.float32)), r"shape \(3, 1\)"),
    "a scalar": (array(np.float32(0)), r"shape \(\)"),
    "infinities": (array(np.full(3, np.inf, np.float32)), "not a finite number"),
}


@pytest.mark.parametrize(("spoil", "reason"), SPOILT_UPDATES.values(), ids=SPOILT_UPDATES)
def test_an_update_that_is_none_is_left_out_with_the_reason(tmp_path: Path, spoil: Meddle, reason: str) -> None:
    report, _ = played(tmp_path, "train", spoil)
    assert report.participants == ("ada", "cyd", "dee")
    assert math.isfinite(report.train_loss)
    assert re.search(reason, report.left_out["bob"])


SPOILT_SCORES: dict[str, Meddle] = {
    "no metrics": without("metrics"),
    "metrics of another kind": another_record,
    "no number of days": lambda content: content.metric_records["metrics"].__delitem__("num-examples"),
    "infinitely many days": metric(num_examples=math.inf),
    "no day": metric(num_examples=0),
    "an infinite loss": metric(loss=math.inf),
    "a loss that is no number": metric(loss=math.nan),
    "an infinite metric": metric(nmae=math.inf),
    "a thousand metrics": crowd,
}


@pytest.mark.parametrize("spoil", SPOILT_SCORES.values(), ids=SPOILT_SCORES)
def test_scores_that_are_none_count_for_nothing(tmp_path: Path, spoil: Meddle) -> None:
    report, _ = played(tmp_path, "evaluate", spoil)
    losses = [report.homes[home]["validation_loss"] for home in ("ada", "cyd", "dee")]
    assert report.participants == HOMES
    assert report.validation_loss == pytest.approx(np.mean(losses))


NOT_OF_A_SUM: dict[str, RecordDict] = {
    "nothing": RecordDict(),
    "an empty record": RecordDict({"secagg": ConfigRecord()}),
    "a record of another kind": RecordDict({"secagg": MetricRecord({"keys": 1})}),
    "numbers": RecordDict({"secagg": ConfigRecord(dict.fromkeys(("stage", "keys", "mask", "names", "values"), 1))}),
    "lists of numbers": RecordDict({"secagg": ConfigRecord({"names": [1], "values": [1]})}),
    "lists of two lengths": RecordDict({"secagg": ConfigRecord({"names": ["ada"], "values": [b"", b""]})}),
    "empty bytes": RecordDict(
        {"secagg": ConfigRecord({"keys": b"", "mask": b"", "names": ["ada"], "values": [b""]})}
    ),
    "strangers": RecordDict({"secagg": ConfigRecord({"names": ["zoe"], "values": [b"x" * 120]})}),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("content", NOT_OF_A_SUM.values(), ids=NOT_OF_A_SUM)
def test_a_masked_sum_survives_a_reply_that_is_not_of_it(tmp_path: Path, stage: str, content: RecordDict) -> None:
    """It gives a model without bob, or none with the reason; it never ends in another error than a missed quorum."""

    def meddle(home: str, at: str, reply: RecordDict) -> None:
        if (home, at) == ("bob", stage):
            reply.clear()
            reply.update(content)

    federation = FederationSettings.model_validate(
        {"rounds": 1, "min_homes": 3, "evaluate_every": 0, "wait_for_homes_s": 0.1, "attempts": 1}
        | {"secure_aggregation": {"enabled": True}}
    )
    homes = (*HOMES, "eve", "fay", "gus")
    grid = WatchedGrid(
        [LeastSquares(home) for home in homes], mods_of=lambda home: client_mods(federation), meddle=meddle
    )
    store = RoundStore(tmp_path)
    try:
        Rounds(federation, store).run(grid, ZERO)
    except QuorumMissed as missed:
        assert "bob" in str(missed)
    else:
        assert set(store.load(1).report.participants) >= set(homes) - {"bob"}


def test_an_array_is_taken_whatever_order_it_lies_in() -> None:
    from fl.weights import from_untrusted

    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    record = ArrayRecord({"w": Array("float32", (2, 3), "numpy.ndarray", saved(np.asfortranarray(values)))})
    np.testing.assert_array_equal(from_untrusted(record, {"w": np.zeros((2, 3), np.float32)})["w"], values)


def test_days_do_not_buy_the_model(tmp_path: Path) -> None:
    report, _ = played(tmp_path, "train", metric(num_examples=10**15), strategy={"most_days": 20})
    assert report.capped == {"bob": 10**15}
    honest, _ = played(tmp_path / "honest", "train", metric(num_examples=20), strategy={"most_days": 20})
    assert honest.capped == {}
    weights = [RoundStore(folder).load(1).weights["w"] for folder in (tmp_path, tmp_path / "honest")]
    np.testing.assert_array_equal(*weights)


def test_a_withheld_loss_leaves_the_others_mean(tmp_path: Path) -> None:
    report, _ = played(tmp_path, "train", metric(loss=math.nan))
    losses = [report.homes[home]["train_loss"] for home in ("ada", "cyd", "dee")]
    assert report.participants == HOMES and report.train_loss == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("content", [RecordDict(), RecordDict({"who": ConfigRecord({"home": 7})})])
def test_a_node_that_does_not_say_who_it_is_stops_nobody(tmp_path: Path, content: RecordDict) -> None:
    def nameless(reply: RecordDict) -> None:
        reply.clear()
        reply.update(content)

    report, _ = played(tmp_path, "query.hello", nameless)
    assert report.asked == ("ada", "cyd", "dee")


def test_a_reason_is_one_short_line() -> None:
    assert reason_of(Error(code=1, reason="a\nb\x1b[31m" + "c" * 1000)) == "a b [31m" + "c" * (200 - 8)
    assert reason_of(Error(code=1, reason="\n")) == "it failed and did not say why"
