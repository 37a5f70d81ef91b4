"""Differential privacy: clipping bounds a home, noise is what it should be, epsilon is counted and kept."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import dp_accounting
import numpy as np
import pytest
from dp_accounting import pld
from flwr.app import ConfigRecord
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

import fl.secure_gather
from fl.aggregation.strategy import Update
from fl.client_mods import client_mods
from fl.dp.accountant import epsilon, epsilon_of, noise_multiplier_for
from fl.dp.noise import clip, gaussian
from fl.dp.releases import LedgerDamaged
from fl.dp.server import BudgetSpent, Privacy
from fl.errors import QuorumMissed
from fl.exchange import Gathered
from fl.plan import LocalPlan
from fl.protection_settings import PrivacySettings
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.weights import Weights
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid
from tests.support.laws import examples

HOMES = ("ada", "bob", "cyd", "dee", "eve")


def settings(mode: str, **privacy: Any) -> FederationSettings:
    secure = privacy.pop("secure", mode == "distributed")
    return FederationSettings.model_validate(
        {
            "rounds": privacy.pop("rounds", 3),
            "min_homes": 3,
            "evaluate_every": 0,
            "wait_for_homes_s": 0.1,
            "attempts": privacy.pop("attempts", 1),
            "strategy": {"weighting": "equal"},
            "secure_aggregation": {"enabled": secure},
            "privacy": {"mode": mode, **privacy},
        }
    )


def grid(federation: FederationSettings, **changes: Any) -> WatchedGrid:
    learners = changes.pop("learners", [LeastSquares(home) for home in HOMES])
    return WatchedGrid(learners, mods_of=lambda home: client_mods(federation), **changes)


# The accountant.


@pytest.mark.parametrize(("multiplier", "releases"), [(1.0, 1), (4.0, 50), (10.0, 200)])
def test_epsilon_is_that_of_the_library_composed_step_by_step(multiplier: float, releases: int) -> None:
    private = PrivacySettings(mode="central", noise_multiplier=multiplier)
    accountant = pld.PLDAccountant().compose(dp_accounting.GaussianDpEvent(multiplier), releases)
    assert epsilon(private, releases) == pytest.approx(accountant.get_epsilon(private.delta), rel=1e-4)


def test_local_privacy_stands_against_any_other_update() -> None:
    central, local = (PrivacySettings(mode=mode, noise_multiplier=z) for mode, z in (("central", 1), ("local", 2)))
    assert epsilon(local, 7) == pytest.approx(epsilon(central, 7))


@pytest.mark.parametrize("mode", ["central", "local", "distributed"])
@pytest.mark.parametrize("target", [0.5, 2.0, 20.0])
def test_the_noise_for_an_epsilon_spends_that_epsilon(mode: str, target: float) -> None:
    private = PrivacySettings.model_validate({"mode": mode})
    z = noise_multiplier_for(target, 20, private)
    assert epsilon(private.model_copy(update={"noise_multiplier": z}), 20) == pytest.approx(target, rel=1e-3)


def test_nothing_released_spends_nothing_and_no_privacy_is_none() -> None:
    assert epsilon(PrivacySettings(mode="central"), 0) == 0
    assert epsilon(PrivacySettings(), 1) == math.inf


# Clipping and noise.


@examples(50)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_clipping_keeps_the_direction_and_bounds_the_length(values: list[float], norm: float) -> None:
    step = np.array(values)
    clipped, whole = clip(step, norm)
    assert np.linalg.norm(clipped) <= norm * (1 + 1e-12)
    assert whole == (np.linalg.norm(step) <= norm)
    np.testing.assert_allclose(clipped * max(1, np.linalg.norm(step) / norm), step, rtol=1e-9, atol=1e-9)


def test_noise_is_standard_normal_and_never_the_same() -> None:
    sample = np.sort(gaussian(20_000))
    cumulative = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in sample])
    assert np.abs(cumulative - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / math.sqrt(20_000)  # KS, 0.1 %
    assert not np.array_equal(gaussian(5), gaussian(5))
    np.testing.assert_array_equal(gaussian(5, bytes(32)), gaussian(5, bytes(32)))


def updates_of(rows: NDArray[np.float64]) -> list[Update]:
    return [Update(f"home-{k}", {"w": row.astype(np.float32)}, 1, {}) for k, row in enumerate(rows)]


def still(count: int) -> NDArray[np.float64]:
    return np.zeros(count)


def test_no_home_moves_the_clipped_mean_by_more_than_its_share(tmp_path: Path) -> None:
    privacy = Privacy(PrivacySettings(mode="central", clip_norm=0.5), tmp_path / "privacy.json", noise=still)
    rows = np.random.default_rng(0).normal(size=(10, 3))
    mean = privacy.combine(updates_of(rows), ZERO)["w"]
    rows[4] = [1e6, 0, 0]
    moved_mean = privacy.combine(updates_of(rows), ZERO)["w"]
    assert np.linalg.norm(moved_mean - mean) <= 2 * 0.5 / 10


def test_central_noise_has_the_deviation_the_accountant_is_told(tmp_path: Path) -> None:
    start: Weights = {"w": np.zeros(20_000, np.float32)}
    settings = PrivacySettings(mode="central", clip_norm=0.5, noise_multiplier=3)
    privacy = Privacy(settings, tmp_path / "privacy.json")
    combined = privacy.combine(updates_of(np.zeros((10, 20_000))), start)["w"]
    assert combined.std() == pytest.approx(3 * 0.5 / 10, rel=0.03)


@pytest.mark.parametrize(("mode", "stddev"), [("local", 2 * 0.5), ("distributed", 2 * 0.5 / math.sqrt(3))])
def test_a_home_adds_its_noise_before_the_update_leaves(tmp_path: Path, mode: str, stddev: float) -> None:
    start: Weights = {"w": np.zeros(20_000, np.float32)}
    federation = settings(mode, noise_multiplier=2, clip_norm=0.5, rounds=1)
    homes = grid(federation, learners=[Still(home) for home in HOMES])
    combined = Rounds(federation, RoundStore(tmp_path)).run(homes, start)["w"]
    assert combined.std() == pytest.approx(stddev / math.sqrt(5), rel=0.03)


class Still(LeastSquares):
    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        return weights, {"loss": 1.0}


def test_large_weights_round_no_noise_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers beyond 2^25 lie 4 apart in float32: of the homes' parts, 0.29 each, none was left in the sum before."""
    sums, decode = [], fl.secure_gather.decode

    def seen(total: NDArray[Any], *of: Any, **how: Any) -> Any:
        sums.append(total.view(np.int64)[:3000] / 2.0**32)
        return decode(total, *of, **how)

    monkeypatch.setattr(fl.secure_gather, "decode", seen)
    federation = settings("distributed", noise_multiplier=1, clip_norm=0.5, rounds=1)
    start: Weights = {"w": np.full(3000, 2**25, np.float32)}
    homes = grid(federation, learners=[Still(home) for home in HOMES])
    Rounds(federation, RoundStore(tmp_path)).run(homes, start)
    assert sums[0].std() == pytest.approx(0.5 * math.sqrt(5 / 3), rel=0.06)


@pytest.mark.parametrize("protection", ["secure aggregation", "local", "distributed"])
def test_whether_a_home_answers_says_nothing_of_its_data(tmp_path: Path, protection: str) -> None:
    """A model can be made that overflows for a home with a load above a threshold, and for no other home."""

    class Overflowing(LeastSquares):
        def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
            above = self.home in ("ada", "bob")
            return {"w": weights["w"] * np.float32(np.nan if above else 1)}, {"loss": math.nan if above else 1.0}

    mode = "off" if protection == "secure aggregation" else protection
    federation = settings(mode, noise_multiplier=0.01, clip_norm=0.5, rounds=1, secure=protection != "local")
    homes = grid(federation, learners=[Overflowing(home) for home in HOMES])
    start: Weights = {"w": np.ones(3, np.float32)}
    combined = Rounds(federation, RoundStore(tmp_path)).run(homes, start)["w"]
    report = RoundStore(tmp_path).load(1).report
    assert report.participants == tuple(HOMES) and report.left_out == {}
    assert combined == pytest.approx(np.ones(3), abs=0.05)


@pytest.mark.parametrize("mode", ["local", "distributed"])
def test_neither_losses_nor_days_leave_a_home_without_noise(tmp_path: Path, mode: str) -> None:
    federation = settings(mode, rounds=1)
    homes = grid(federation, learners=[LeastSquares(home, 4321) for home in HOMES])
    Rounds(federation, RoundStore(tmp_path)).run(homes, ZERO)
    told = [dict(record) for _, _, content in homes.received for record in content.metric_records.values()]
    assert all(set(metrics) == {"num-examples", "loss"} and metrics["num-examples"] == 1 for metrics in told)
    assert all(math.isnan(float(metrics["loss"])) for metrics in told)
    assert math.isnan(RoundStore(tmp_path).load(1).report.train_loss)


@pytest.mark.parametrize("secure", [False, True], ids=["at the coordinator", "at home"])
def test_fixed_clipping_gives_the_same_mean_wherever_it_is_done(tmp_path: Path, secure: bool) -> None:
    federation = settings("central", secure=secure, clip_norm=0.05, noise_multiplier=1e-9, rounds=2)
    model = Rounds(federation, RoundStore(tmp_path / "private")).run(grid(federation), ZERO)
    assert 0 < np.linalg.norm(model["w"]) <= 2 * 0.05
    free = settings("central", secure=False, clip_norm=0.05, noise_multiplier=1e-9, rounds=2)
    other = Rounds(free, RoundStore(tmp_path / "other")).run(grid(free), ZERO)
    np.testing.assert_allclose(model["w"], other["w"], atol=1e-6)


# Adaptive clipping.


@pytest.mark.parametrize(("secure", "first"), [(False, 30.0), (True, 0.05)], ids=["at the coordinator", "at home"])
def test_the_norm_goes_to_the_median_length_of_updates(tmp_path: Path, secure: bool, first: float) -> None:
    class Fixed(LeastSquares):
        def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
            step = np.float32([HOMES.index(self.home) + 1, 0, 0])
            return {"w": weights["w"] + step}, {"loss": 1.0}

    federation = settings(
        "central", secure=secure, clipping="adaptive", clip_norm=first, noise_multiplier=0.01, clip_rate=1, rounds=16
    )
    Rounds(federation, RoundStore(tmp_path)).run(grid(federation, learners=[Fixed(home) for home in HOMES]), ZERO)
    norm = json.loads((tmp_path / "privacy.json").read_text())["clip_norm"]
    assert 2 < norm < 4  # updates have lengths 1 to 5


def test_the_noisy_count_is_paid_for_with_noise_on_the_updates() -> None:
    private = PrivacySettings(mode="central", clipping="adaptive", noise_multiplier=1.0)
    z, count = private.update_multiplier(17), private.count_noise(17)
    assert z > 1
    assert z**-2 + (2 * count) ** -2 == pytest.approx(1)


# The ledger.


def test_every_round_reports_what_is_spent(tmp_path: Path) -> None:
    federation = settings("central", noise_multiplier=2)
    store = RoundStore(tmp_path)
    Rounds(federation, store).run(grid(federation), ZERO)
    spent = [store.load(number).report.extra for number in (1, 2, 3)]
    assert [extra["releases"] for extra in spent] == [1, 2, 3]
    assert [extra["epsilon"] for extra in spent] == [epsilon(federation.privacy, k) for k in (1, 2, 3)]
    assert spent[0]["delta"] == federation.privacy.delta


def test_a_restart_does_not_forget_what_was_spent_nor_the_norm(tmp_path: Path) -> None:
    federation = settings("central", clipping="adaptive", noise_multiplier=1)
    Rounds(federation, RoundStore(tmp_path)).run(grid(federation), ZERO)
    again = Privacy(federation.privacy, tmp_path / "privacy.json")
    assert again.releases == 3
    assert again.clip_norm == RoundStore(tmp_path).load(3).report.extra["clip_norm"] != federation.privacy.clip_norm


def test_a_round_asked_again_is_counted_again(tmp_path: Path) -> None:
    federation = settings("local", rounds=1, attempts=3)
    with pytest.raises(Exception, match="3 attempts"):
        Rounds(federation, RoundStore(tmp_path)).run(grid(federation, gone=dict.fromkeys(HOMES, "train")), ZERO)
    assert Privacy(federation.privacy, tmp_path / "privacy.json").releases == 3


def test_training_ends_before_the_budget_is_exceeded(tmp_path: Path) -> None:
    private = PrivacySettings(mode="central", noise_multiplier=2)
    federation = settings("central", noise_multiplier=2, rounds=9, max_epsilon=epsilon(private, 4) + 1e-6)
    with pytest.raises(BudgetSpent, match="training ends after 4 releases"):
        Rounds(federation, RoundStore(tmp_path)).run(grid(federation), ZERO)
    assert RoundStore(tmp_path).rounds() == [1, 2, 3, 4]


def test_a_ledger_deleted_beside_saved_rounds_is_missed(tmp_path: Path) -> None:
    federation = settings("central", noise_multiplier=2)
    Rounds(federation, RoundStore(tmp_path)).run(grid(federation), ZERO)
    (tmp_path / "privacy.json").unlink()
    with pytest.raises(LedgerDamaged, match=r"up to 3 .* released 3 noisy sums .* is missing: restore it"):
        Rounds(federation.model_copy(update={"rounds": 6}), RoundStore(tmp_path))
    assert RoundStore(tmp_path).rounds() == [1, 2, 3]


def test_an_older_copy_of_the_ledger_is_noticed(tmp_path: Path) -> None:
    federation, path = settings("local", rounds=1), tmp_path / "privacy.json"
    Rounds(federation, RoundStore(tmp_path)).run(grid(federation), ZERO)
    before = path.read_bytes()
    more = federation.model_copy(update={"rounds": 3})
    Rounds(more, RoundStore(tmp_path)).run(grid(federation), ZERO)
    path.write_bytes(before)
    with pytest.raises(LedgerDamaged, match="knows 1 of them"):
        Rounds(more, RoundStore(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"releases": 4, "clip_norm": 0.5}'])
def test_a_ledger_that_is_none_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "privacy.json"
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged, match="not a privacy ledger"):
        Privacy(PrivacySettings(mode="central"), path)
    assert path.read_bytes() == content


def test_a_round_asked_with_less_noise_counts_with_that_noise(tmp_path: Path) -> None:
    """Nothing is saved after the first, so the settings may be changed; what left then had the noise of then."""
    loud, quiet = settings("local", noise_multiplier=8, rounds=1), settings("local", noise_multiplier=1, rounds=1)
    with pytest.raises(QuorumMissed):
        Rounds(quiet, RoundStore(tmp_path)).run(grid(quiet, gone=dict.fromkeys(HOMES, "train")), ZERO)
    Rounds(loud, RoundStore(tmp_path)).run(grid(loud), ZERO)
    spent = RoundStore(tmp_path).load(1).report.extra["epsilon"]
    assert spent == pytest.approx(epsilon_of((1 / 2) ** -2 + (8 / 2) ** -2, 1e-5))
    assert spent > 3 * epsilon(loud.privacy, 2)


def test_two_coordinators_on_one_ledger_count_together(tmp_path: Path) -> None:
    both = [Privacy(PrivacySettings(mode="central", noise_multiplier=2), tmp_path / "privacy.json") for _ in range(2)]
    for privacy in both * 2:
        with pytest.raises(ArithmeticError, match="asked"):
            privacy.gather(no_homes)(grid(settings("central")), {}, ZERO, ConfigRecord(), 1)
    assert [entry["sigma"] for entry in json.loads((tmp_path / "privacy.json").read_text())["releases"]] == [2] * 4
    assert both[1].epsilon == pytest.approx(epsilon(both[1].settings, 4))


def no_homes(*_: object) -> Gathered:
    raise ArithmeticError("asked")


def test_a_ledger_that_shrinks_while_training_ends_it(tmp_path: Path) -> None:
    privacy = Privacy(PrivacySettings(mode="central", noise_multiplier=2), tmp_path / "privacy.json")
    with pytest.raises(ArithmeticError):
        privacy.gather(no_homes)(grid(settings("central")), {}, ZERO, ConfigRecord(), 1)
    (tmp_path / "privacy.json").unlink()
    with pytest.raises(LedgerDamaged, match="has 0 releases, but had 1 a moment ago"):
        privacy.gather(no_homes)(grid(settings("central")), {}, ZERO, ConfigRecord(), 1)


@pytest.mark.parametrize(
    ("private", "complaint"),
    [
        ({"mode": "local", "clipping": "adaptive"}, "use clipping: fixed"),
        ({"mode": "distributed", "clipping": "adaptive"}, "use clipping: fixed"),
        ({"mode": "central", "clipping": "adaptive", "count_stddev": 0.4}, "more than half"),
        ({"mode": "central", "noise_multiplier": 0}, "greater than 0"),
        ({"mode": "central", "delta": 1}, "less than 1"),
        ({"mode": "secret"}, "local"),
    ],
)
def test_impossible_settings_are_refused(private: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        PrivacySettings.model_validate(private)
