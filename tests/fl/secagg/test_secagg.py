"""Secure aggregation of a federated round: the same model, while the coordinator receives nothing but masked sums."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from fl.aggregation.flat import flatten
from fl.dp.noise import gaussian
from fl.errors import QuorumMissed
from fl.exchange import Gather, gather_updates
from fl.protection_settings import SecAggSettings
from fl.rounds import Rounds
from fl.secagg.aggregator import MaskingRefused
from fl.secagg.client_mod import SecAggMod
from fl.secagg.fixed_point import decode, encode, vector_length
from fl.secagg.messages import ClosedSum, SumTerms
from fl.secure_gather import SecureGather
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.weights import Weights
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid
from tests.support.laws import examples

HOMES = ("ada", "bob", "cyd", "dee", "eve")
SECURE = SecAggSettings(enabled=True)


def settings(**changes: Any) -> FederationSettings:
    base = {"rounds": 3, "min_homes": 3, "evaluate_every": 0, "wait_for_homes_s": 0.1, "attempts": 1}
    return FederationSettings.model_validate(base | changes)


def learners(**examples: int) -> list[LeastSquares]:
    return [LeastSquares(home, examples.get(home, 10)) for home in HOMES]


def secure(own: SecAggSettings = SECURE, weighting: str = "examples") -> FederationSettings:
    changes = {"min_homes": own.fewest_homes, "strategy": {"weighting": weighting}}
    return settings(secure_aggregation=own.model_dump(), **changes)


def secure_grid(
    homes: list[LeastSquares] | None = None, own: FederationSettings | None = None, **changes: Any
) -> WatchedGrid:
    """As in a simulation: nobody signs, for one machine plays all homes."""
    return WatchedGrid(homes or learners(), mods_of=lambda home: [SecAggMod(own or secure(), home)], **changes)


def train(grid: WatchedGrid, folder: Path, gather: Gather, **changes: Any) -> tuple[Weights, RoundStore]:
    store = RoundStore(folder)
    return Rounds(settings(**changes), store, gather=gather).run(grid, ZERO), store


@pytest.mark.parametrize("weighting", ["examples", "equal"])
def test_the_model_is_that_of_plain_averaging(tmp_path: Path, weighting: str) -> None:
    homes, strategy = learners(ada=50, bob=7), {"weighting": weighting}
    plain, _ = train(WatchedGrid(homes), tmp_path / "plain", gather_updates, strategy=strategy)
    grid = secure_grid(homes, secure(weighting=weighting))
    masked, store = train(grid, tmp_path / "secure", SecureGather(SECURE, weighting), strategy=strategy)
    np.testing.assert_allclose(masked["w"], plain["w"], rtol=0, atol=1e-6)
    report, other = store.load(3).report, RoundStore(tmp_path / "plain").load(3).report
    assert report.participants == HOMES
    assert report.train_loss == pytest.approx(other.train_loss, abs=1e-6)


MASKED_STAGES = ("keys", "share", "check", "mask", "agree", "reveal")


@pytest.mark.parametrize("stage", MASKED_STAGES)
def test_a_home_that_drops_out_at_any_stage_does_not_stop_the_round(tmp_path: Path, stage: str) -> None:
    masked, store = train(secure_grid(gone={"bob": stage}), tmp_path / "secure", SecureGather(SECURE))
    report = store.load(1).report
    if stage in ("agree", "reveal"):  # its masked update had arrived: it is in the sum
        assert "bob" in report.participants and report.left_out == {}
    else:
        assert "bob" not in report.participants and "no answer" in report.left_out["bob"]
        without_bob = [learner for learner in learners() if learner.home != "bob"]
        plain, _ = train(WatchedGrid(without_bob), tmp_path / "plain", gather_updates)
        np.testing.assert_allclose(masked["w"], plain["w"], atol=1e-6)


@pytest.mark.parametrize("stage", MASKED_STAGES)
def test_too_many_dropouts_end_the_round_with_the_reason(tmp_path: Path, stage: str) -> None:
    grid = secure_grid(gone=dict.fromkeys(["bob", "cyd"], stage))
    with pytest.raises(QuorumMissed, match=r"the sum could not be opened: .*3 .* 4 "):
        train(grid, tmp_path, SecureGather(SECURE))
    assert RoundStore(tmp_path).rounds() == []


# What the coordinator receives.


def numbers_in(content: RecordDict) -> bytes:
    """All bytes of a message's records."""
    parts = [array.data for record in content.array_records.values() for array in record.values()]
    for record in content.config_records.values():
        for value in record.values():
            items = value if isinstance(value, list) else [value]
            parts += [item if isinstance(item, bytes) else str(item).encode() for item in items]
    parts += [str(dict(record)).encode() for record in content.metric_records.values()]
    return b"\0".join(parts)


def test_everything_the_coordinator_receives_is_keys_envelopes_shares_and_masked_vectors(tmp_path: Path) -> None:
    grid = secure_grid(gone={"eve": "mask"})
    train(grid, tmp_path, SecureGather(SECURE), rounds=1)
    stages = {"query.hello": "who"} | dict.fromkeys(MASKED_STAGES, "secagg")
    for home, stage, content in grid.received:
        assert set(content) == {stages[stage]}, (home, stage)
        assert not content.array_records and not content.metric_records
    shapes = {stage: set(content["secagg"]) for _, stage, content in grid.received if stage != "query.hello"}
    listed = {"stage", "names", "values"}
    assert shapes == {
        "keys": {"keys"}, "share": listed, "check": listed, "mask": {"mask", "signature"}, "agree": {"signature"},
        "reveal": listed,
    }  # fmt: skip


def test_no_message_holds_an_update_its_size_or_a_loss(tmp_path: Path) -> None:
    grid = secure_grid(learners(ada=4321))
    train(grid, tmp_path, SecureGather(SECURE), rounds=1)
    clear = WatchedGrid(learners(ada=4321))
    train(clear, tmp_path / "clear", gather_updates, rounds=1)
    seen = b"\0".join(numbers_in(content) for _, _, content in grid.received)
    for home, _, content in clear.received:
        if "arrays" not in content:
            continue
        update, metrics = content.array_records["arrays"]["w"].numpy(), content.metric_records["metrics"]
        weight = int(metrics["num-examples"])
        secret = encode(flatten({"w": update}, ZERO), {"loss": float(metrics["loss"])}, weight)
        for entry in [*secret, *np.rint(update * 2.0**32).astype(np.int64)]:
            assert np.int64(entry).tobytes() not in seen, home
        for entry in update:
            assert np.float32(entry).tobytes() not in seen and np.float64(entry).tobytes() not in seen
        assert repr(float(metrics["loss"])).encode() not in seen
    assert b"4321" not in seen


def test_the_same_sum_from_other_homes_looks_the_same(tmp_path: Path) -> None:
    """Two sets of updates with one sum: the sums agree, each masked vector is uniform, none repeats."""
    length = 2000
    start: Weights = {"w": np.zeros(length, np.float32)}

    class Fixed(LeastSquares):
        def fit(self, weights: Weights, plan: object) -> tuple[Weights, dict[str, float]]:
            return {"w": np.full(length, self.level, np.float32)}, {"loss": 1.0}  # type: ignore[attr-defined]

    views = []
    for levels in ([1, 1, 1], [3, 0, 0]):
        homes = []
        for name, level in zip(HOMES, levels, strict=False):
            homes.append(Fixed(name))
            homes[-1].level = level
        grid = secure_grid(homes)
        model = Rounds(settings(rounds=1), RoundStore(tmp_path / str(levels)), gather=SecureGather(SECURE)).run(
            grid, start
        )
        masked = [content["secagg"]["mask"] for _, stage, content in grid.received if stage == "mask"]
        views.append((model["w"].tobytes(), masked))
    assert views[0][0] == views[1][0]
    vectors = [np.frombuffer(data, dtype="<u8") for _, masked in views for data in masked]
    assert len({vector.tobytes() for vector in vectors}) == 6
    for vector in vectors:
        sixteenths = np.bincount((vector >> np.uint64(60)).astype(int), minlength=16)
        expected = len(vector) / 16
        assert ((sixteenths - expected) ** 2 / expected).sum() < 50  # 15 degrees of freedom: one in 10^5


def test_a_malformed_masked_vector_counts_as_a_dropout(tmp_path: Path) -> None:
    def cut(home: str, stage: str, content: RecordDict) -> None:
        if (home, stage) == ("bob", "mask"):
            content["secagg"] = ConfigRecord({"mask": b"short", "signature": b""})

    _, store = train(secure_grid(meddle=cut), tmp_path, SecureGather(SECURE), rounds=1)
    assert "malformed" in store.load(1).report.left_out["bob"]


# What a home refuses.


def test_a_home_under_secure_aggregation_answers_no_plain_training(tmp_path: Path) -> None:
    with pytest.raises(QuorumMissed, match="under secure aggregation only"):
        train(secure_grid(), tmp_path, gather_updates)


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"fewest_homes": 6}, r"a sum of 3 homes would be opened, 6 must be in it \(secure_aggregation.fewest_homes"),
        ({"fewest_homes": 4}, "a sum of 3 homes would be opened, 4 must be in it"),
        ({"threshold": 1.0}, "4 of 5 homes would open the sum: fewer than this home's threshold, 5"),
    ],
)
def test_a_home_has_its_own_conditions(tmp_path: Path, own: dict[str, Any], reason: str) -> None:
    grid = secure_grid(own=secure(SecAggSettings(enabled=True, **own)))
    with pytest.raises(QuorumMissed, match=reason):
        train(grid, tmp_path, SecureGather(SECURE))


def test_a_home_weighs_in_as_its_own_settings_say(tmp_path: Path) -> None:
    """With its days, an update of bounded length would move the sum by far more than its bound."""
    with pytest.raises(QuorumMissed, match=r"weighting 'examples': this home's is equal \(strategy.weighting\)"):
        train(secure_grid(own=secure(weighting="equal")), tmp_path, SecureGather(SECURE, "examples"))


def terms() -> SumTerms:
    return SumTerms(b"n" * 16, b"s" * 32, b"p" * 32, "examples", HOMES, 4, 3, vector_length(ZERO))


def refusal_of(mod: SecAggMod, record: dict[str, Any], kind: str = "train") -> str:
    from flwr.app import Context, Message
    from flwr.app.user_config import UserConfig

    WatchedGrid(learners())  # Flower's messages want to know whose they are
    message = Message(RecordDict({"secagg": ConfigRecord(record)}), dst_node_id=1, message_type=kind)
    context = Context(1, 1, UserConfig(), RecordDict(), UserConfig())
    with pytest.raises(MaskingRefused) as refused:
        mod(message, context, lambda message, context: message)
    return str(refused.value)


def asked_for_keys(**changes: Any) -> dict[str, Any]:
    return {"stage": "keys", "home": "ada", "terms": replace(terms(), **changes).to_bytes()}


def test_messages_out_of_turn_or_malformed_are_refused() -> None:
    mod = SecAggMod(secure(), "ada")
    for stage in (*MASKED_STAGES[1:], "answer"):
        assert "was not asked for keys" in refusal_of(mod, {"stage": stage, "names": [], "values": []})
    assert "this home is ada, not bob" in refusal_of(mod, asked_for_keys() | {"home": "bob"})
    assert "more than half" in refusal_of(mod, asked_for_keys(threshold=2))
    assert "sorted" in refusal_of(mod, asked_for_keys(members=tuple(reversed(HOMES))))


@pytest.mark.parametrize("told", [None, b"", b"{}", b"[]", b"null", b"{", 7, b'{"members": 1}'])
@pytest.mark.parametrize("stage", ["keys", "close"])
def test_terms_that_are_none_are_refused(stage: str, told: Any) -> None:
    record = {"stage": stage, "home": "ada"} | ({} if told is None else {"terms": told})
    assert "malformed" in refusal_of(SecAggMod(secure(), "ada"), record)


def test_terms_read_back_as_they_were_and_any_change_makes_another_session() -> None:
    assert SumTerms.from_bytes(terms().to_bytes()) == terms()
    changes: list[dict[str, Any]] = [
        {"nonce": b"m" * 16}, {"start": b"t" * 32}, {"plan": b"q" * 32}, {"weighting": "equal"}, {"threshold": 5},
        {"fewest": 4}, {"length": 9}, {"members": (*HOMES, "fay")}, {"quantity": "export"},
    ]  # fmt: skip
    digests = {replace(terms(), **change).session(None).digest for change in [{}, *changes]}
    rosters = [dict.fromkeys(HOMES, b"a" * 49), dict.fromkeys(HOMES, b"b" * 49)]
    assert len(digests | {terms().session(roster).digest for roster in rosters}) == len(changes) + 3


@pytest.mark.parametrize("kind", [SumTerms, ClosedSum])
def test_a_text_that_nests_deep_is_refused_like_any_that_is_none(kind: type[SumTerms] | type[ClosedSum]) -> None:
    """Python's JSON parser would run out of C stack: one message of the coordinator's would end the agent."""
    for text in (b"[" * 80_000, b'{"members":' * 80_000, b'{"signatures": {}, "terms": "' + b"[" * 80_000 + b'"}'):
        with pytest.raises(MaskingRefused, match="malformed"):
            kind.from_bytes(text)


# The encoding.


@examples(50)
@given(
    entries=st.lists(st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3), min_size=2, max_size=6),
    weights=st.lists(st.integers(1, 10_000), min_size=6, max_size=6),
)
def test_the_decoded_mean_is_the_weighted_mean(entries: list[list[float]], weights: list[int]) -> None:
    weights = weights[: len(entries)]
    vectors = [encode(np.array(entry), {"loss": 0.5}, weight) for entry, weight in zip(entries, weights, strict=True)]
    summed = decode(np.sum(vectors, axis=0).view(np.uint64), ZERO, len(vectors))
    np.testing.assert_allclose(summed.mean["w"], np.average(entries, axis=0, weights=weights), rtol=1e-6, atol=1e-8)
    assert summed.metrics["loss"] == pytest.approx(0.5)
    assert summed.weight == sum(weights)


@pytest.mark.parametrize("weight", [0, -1, 10_001])
def test_a_weight_out_of_range_is_refused(weight: int) -> None:
    with pytest.raises(MaskingRefused, match="weight must be"):
        encode(np.zeros(3), {}, weight)


def test_what_is_no_number_is_refused_and_what_is_too_large_is_cut() -> None:
    with pytest.raises(MaskingRefused, match="not a finite number"):
        encode(np.array([0, np.nan, 0]), {}, 1)
    vector = encode(np.array([100.0, -100, 1]), {}, 1)
    assert decode(vector.view(np.uint64), ZERO, 1).mean["w"].tolist() == [8, -8, 1]


def test_noise_is_never_cut() -> None:
    """At z = 60 and C = 0.5, of three homes' parts 19.7 were left of 30 before."""
    start: Weights = {"w": np.zeros(20_000, np.float32)}
    parts = [60 * 0.5 / np.sqrt(3) * gaussian(20_000) for _ in range(3)]
    summed = decode(
        np.sum([encode(part, {}, 1, noisy=True) for part in parts], axis=0).view(np.uint64),
        start,
        3,
        noisy=True,
    )
    assert 3 * summed.mean["w"].std() == pytest.approx(30, rel=0.03)
    with pytest.raises(MaskingRefused, match="beyond 80000, and must not be cut"):
        encode(np.array([0, 1e5, 0]), {}, 1, noisy=True)
    with pytest.raises(MaskingRefused, match="and 1 if it is noisy"):
        encode(np.zeros(3), {}, 2, noisy=True)


def test_a_sum_that_no_homes_can_have_is_refused() -> None:
    vector = encode(np.zeros(3), {}, 1).view(np.uint64)
    with pytest.raises(MaskingRefused, match="5 homes weigh 1"):
        decode(vector, ZERO, 5)
    vector[0] = 2**62
    with pytest.raises(MaskingRefused, match="larger than any update"):
        decode(vector, ZERO, 1)
