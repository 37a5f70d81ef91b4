"""A one-shot training over the message path: the pooled models, while the coordinator sees masked sums alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from data.windows import Windows
from fl.client_mods import client_mods
from fl.deployment.keys import roster_of_agents
from fl.dp.server import BudgetSpent
from fl.errors import QuorumMissed, StatisticsRefused
from fl.one_shot.gaussian_heads import linear_discriminant
from fl.one_shot.heads import probabilities
from fl.one_shot.home import labelled_days, own_statistics
from fl.one_shot.kept import PEAK_HEAD, TOTAL, is_one_shot, is_trained
from fl.one_shot.load_inputs import forecast
from fl.one_shot.model import read_out
from fl.one_shot.moments import class_moments, regression_moments
from fl.one_shot.peak_head import PeakHead
from fl.one_shot.plan import ONE_SHOT, STATISTICS, OneShotPlan
from fl.one_shot.ridge import ridge
from fl.one_shot.rounds import one_shot_rounds
from fl.one_shot.total import Total
from fl.secagg.sum_record import RecordDamaged
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.task import HomeLearner, initial_weights
from fl.weights import Weights, load, save
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.fl.federation import made_up_windows
from tests.fl.guarded import HOMES, Guarded
from tests.fl.watched_grid import WatchedGrid

pytestmark = pytest.mark.slow

SHAPE = ModelShape.of(ModelSettings(hidden=4))
START = initial_weights(SHAPE, 7)
WINDOWS = made_up_windows(HOMES, days=40)
PLAN = OneShotPlan(STATISTICS, (0, 1, 2), fewest_days=10, private=False, most_windows=10_000)
MASKED_STAGES = ("keys", "share", "check", "mask", "agree", "reveal")


def learners(windows: Windows = WINDOWS, **days: int) -> list[HomeLearner]:
    """The homes; `days`: those of a home that has fewer."""
    homes = [windows.of_home(home) for home in HOMES]
    homes = [own.between(0, days.get(home, 10_000)) for home, own in zip(HOMES, homes, strict=True)]
    return [HomeLearner(home, own, own.between(0, 0), SHAPE, 0.1) for home, own in zip(HOMES, homes, strict=True)]


def settings(**changes: Any) -> FederationSettings:
    base = {"rounds": 3, "min_homes": 3, "evaluate_every": 0, "wait_for_homes_s": 0.1, "attempts": 1}
    return FederationSettings.model_validate(base | changes)


def a_grid(
    homes: Sequence[HomeLearner] | None = None, own: FederationSettings | None = None, **changes: Any
) -> WatchedGrid:
    """As in a simulation."""
    mods = client_mods(own or settings())
    return WatchedGrid(homes or learners(), mods_of=lambda home: mods, **changes)  # type: ignore[arg-type]


def train(grid: WatchedGrid, folder: Path, own: FederationSettings | None = None) -> tuple[Weights, RoundReport]:
    store = RoundStore(folder)
    weights = one_shot_rounds(own or settings(), store, SHAPE).run_once(grid, START)
    return weights, store.load(store.rounds()[-1]).report


def pooled_mean(homes: Sequence[str], penalty: float) -> np.ndarray:  # type: ignore[type-arg]
    """The mean read-out's weights of ridge on the days of these homes in one place."""
    total = own_statistics(WINDOWS.where(np.isin(WINDOWS.unique_id, homes)), replace(PLAN, kept=()))
    return read_out(ridge(regression_moments(total), penalty))[0]


def test_the_models_are_those_of_everybodys_days(tmp_path: Path) -> None:
    weights, report = train(a_grid(), tmp_path)
    assert report.participants == HOMES and report.left_out == {}
    assert report.extra["one_shot_windows"] == 200
    expected = pooled_mean(HOMES, report.extra["one_shot_penalty"])
    assert weights["mean.weight"] == pytest.approx(expected, abs=1e-6)
    each = [labelled_days(WINDOWS.of_home(home)) for home in HOMES]
    features = np.concatenate([part[0] for part in each])
    kept = PeakHead.from_arrays(load(tmp_path / "0001" / f"{PEAK_HEAD}.npz"))
    statistics = [own_statistics(WINDOWS.of_home(home), PLAN) for home in HOMES]
    total = sum(statistics[1:], start=statistics[0])
    pooled = linear_discriminant(class_moments(total))
    assert kept.probabilities(features) == pytest.approx(probabilities(pooled, features), abs=1e-12)
    saved = load(tmp_path / "0001" / f"{TOTAL}.npz")
    assert np.array_equal(saved["vector"], total.vector) and saved["homes"].tolist() == list(HOMES)


@pytest.mark.parametrize("stage", MASKED_STAGES)
def test_a_home_that_drops_out_at_any_stage_is_in_no_model(tmp_path: Path, stage: str) -> None:
    weights, report = train(a_grid(gone={"bob": stage}), tmp_path)
    inside = [home for home in HOMES if home != "bob"]
    assert report.participants == tuple(inside)
    assert weights["mean.weight"] == pytest.approx(pooled_mean(inside, report.extra["one_shot_penalty"]), abs=1e-6)


def test_everything_the_coordinator_receives_is_masked(tmp_path: Path) -> None:
    grid = a_grid()
    train(grid, tmp_path)
    parts: list[bytes] = []
    for home, stage, content in grid.received:
        assert set(content) == ({"who"} if stage == "query.hello" else {"secagg"}), (home, stage)
        for record in content.config_records.values():
            for value in record.values():
                parts += [item if isinstance(item, bytes) else str(item).encode() for item in _listed(value)]
    seen = b"\0".join(parts)
    numbers = np.concatenate([np.frombuffer(seen[k : k + (len(seen) - k) // 8 * 8], dtype="<i8") for k in range(8)])
    own = np.concatenate([own_statistics(WINDOWS.of_home(home), PLAN).vector for home in HOMES])
    large = own[np.abs(own) > 2**20]
    assert len(large) > 100 and not np.isin(large, numbers).any()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_home_with_too_few_days_of_a_class_stays_out_and_the_others_go_on(tmp_path: Path) -> None:
    weights, report = train(a_grid(learners(eve=20)), tmp_path)
    assert report.participants == HOMES[:4]
    assert "enters no sum with fewer than 10 of each" in report.left_out["eve"]
    assert weights["mean.weight"] == pytest.approx(pooled_mean(HOMES[:4], report.extra["one_shot_penalty"]), abs=1e-6)


def test_without_enough_days_for_classes_there_is_still_a_forecast(tmp_path: Path) -> None:
    _, report = train(a_grid(learners(**dict.fromkeys(HOMES, 20))), tmp_path)
    assert report.participants == HOMES
    assert not (tmp_path / "0001" / f"{PEAK_HEAD}.npz").exists()


def test_rounds_go_on_from_it_and_it_can_come_after_them(tmp_path: Path) -> None:
    from fl.exchange import gather_updates
    from fl.rounds import Rounds

    own, store = settings(rounds=2), RoundStore(tmp_path)
    first, report = train(a_grid(own=own), tmp_path, own)
    assert report.round == 1 and is_one_shot(report) and not is_trained(report)
    trained = Rounds(own, store, gather=gather_updates).run(a_grid(own=own), START)
    assert store.rounds() == [1, 2] and is_trained(store.load(2).report)
    assert not np.array_equal(trained["head.weight"], first["head.weight"])
    again, report = train(a_grid(own=own), tmp_path, own)
    assert report.round == 3 and is_one_shot(report) and is_trained(report)
    assert np.array_equal(again["head.weight"], trained["head.weight"])
    assert again["mean.weight"] == pytest.approx(first["mean.weight"], abs=1e-6)


# What a home refuses.


def test_plain_sums_never_leave(tmp_path: Path) -> None:
    for own, home, reason in (
        (settings(), None, "leave under masks only"),
        (settings(), "ada", "this home's settings have none"),
    ):
        grid = WatchedGrid(learners(), mods_of=lambda _, own=own, home=home: client_mods(own, home))  # type: ignore[arg-type]
        reply = _ask(grid, RecordDict({ONE_SHOT: PLAN.to_record()}))
        assert reply.has_error() and reason in str(reply.error.reason)
    assert len(grid.received) == 0


def _ask(grid: WatchedGrid, content: RecordDict) -> Any:
    from flwr.app import Message

    (node, *_) = sorted(grid.get_node_ids())
    (reply,) = grid.send_and_receive([Message(content, dst_node_id=node, message_type="train")])
    return reply


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fewest_days": 1}, "1 days of a class, and this home's own settings ask for 10"),
        ({"private": True}, "has differential privacy, and this home's own settings do not"),
        ({"most_windows": 10**9}, "could overflow"),
        ({"kind": "everything"}, "no sum of kind 'everything'"),
        ({"kind": "counts", "private": True}, "no peak classes under differential privacy"),
        ({"kept": [7]}, "are not peak classes"),
    ],
)
def test_a_home_follows_no_plan_beyond_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], reason: str
) -> None:
    asked = OneShotPlan.to_record
    monkeypatch.setattr(OneShotPlan, "to_record", lambda plan: ConfigRecord({**asked(plan), **change}))
    own = settings(one_shot={"peak_classes": False})
    with pytest.raises(QuorumMissed, match=reason.replace("(", r"\(")):
        train(a_grid(), tmp_path, own)


def test_all_homes_must_be_asked_for_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is asked for other classes than the rest would show which days are in which."""
    from fl.secagg import exchanges as secagg_round

    told = secagg_round.stage_record
    own = settings(one_shot={"peak_classes": False})
    grid = a_grid()
    answer = grid._answer

    def lying(number: int, message: Any) -> Any:
        if ONE_SHOT in message.content.config_records and number == 0:
            message.content[ONE_SHOT] = ConfigRecord({**message.content.config_records[ONE_SHOT], "most_windows": 1})
        return answer(number, message)

    monkeypatch.setattr(grid, "_answer", lying)
    _, report = train(grid, tmp_path, own)
    assert told is secagg_round.stage_record
    assert [why for why in report.left_out.values()] == ["the plan is not the one that the sum is of"]


# Agents, with keys, a roster and records on disk.


class Agents(Guarded):
    def one_shot(self, grid: WatchedGrid, name: str = "rounds", start: Weights = START, **how: Any) -> RoundReport:
        store, roster = RoundStore(self.folder / name), lambda: roster_of_agents(self.keys).members
        one_shot_rounds(self.settings, store, SHAPE, roster=roster, **how).run_once(grid, start)
        return store.load(store.rounds()[-1]).report

    def total(self) -> Total:
        kept = RoundStore(self.folder / "rounds").newest(TOTAL)
        assert kept is not None
        return Total.from_arrays(kept, self.settings.privacy.mode != "off")


def test_days_that_are_in_a_sum_are_in_no_other(tmp_path: Path) -> None:
    """Two totals, a week apart, of all homes and of all but one, gave that one's mean load to 2 % before."""
    agents = Agents(tmp_path)
    assert agents.one_shot(agents.grid(learners())).participants == HOMES  # type: ignore[arg-type]
    later = learners(made_up_windows(HOMES, days=60))
    for number, (again, start, why) in enumerate(
        (
            (learners(), START, "a second sum of one model"),
            (later, START, "a second sum of one model"),
            (later, initial_weights(SHAPE, 8), "days are in a one-shot sum"),
        )
    ):
        with pytest.raises(QuorumMissed, match=why):
            agents.one_shot(agents.grid(again), f"rounds {number}", start)  # type: ignore[arg-type]


def test_a_home_may_say_after_how_many_new_days_it_enters_again_and_is_not_hidden_then(tmp_path: Path) -> None:
    """The attack: two totals a week apart, the second without ada. The others' new days are all the blur there is."""
    agents = Agents(tmp_path, one_shot={"fresh_days": 7})
    days = made_up_windows(HOMES, days=47)
    assert agents.one_shot(agents.grid(learners(days.between(0, 40)))).participants == HOMES  # type: ignore[arg-type]
    first = agents.total().statistics
    with pytest.raises(QuorumMissed, match=r"days that are new .* after 7 \(one_shot.fresh_days\)"):
        agents.one_shot(agents.grid(learners(days.between(0, 45))))  # type: ignore[arg-type]
    without = agents.grid(learners(days), gone={"ada": "keys"})  # type: ignore[arg-type]
    assert agents.one_shot(without).participants == HOMES[1:]
    second = agents.total().statistics
    guess = first.part("target_sums") - second.part("target_sums") * (40 / 47)
    own = own_statistics(days.of_home("ada").between(0, 40), PLAN).part("target_sums")
    assert np.abs(guess - own).mean() < 0.03 * np.abs(own).mean()


def test_with_noise_a_home_enters_again_as_long_as_its_budget_lasts(tmp_path: Path) -> None:
    agents = Agents(tmp_path, privacy={"mode": "distributed", "noise_multiplier": 2.0, "max_epsilon": 3})
    assert agents.one_shot(agents.grid(learners())).extra["releases"] == 1  # type: ignore[arg-type]
    assert agents.one_shot(agents.grid(learners())).extra["releases"] == 2  # type: ignore[arg-type]
    with pytest.raises(BudgetSpent):
        agents.one_shot(agents.grid(learners()))  # type: ignore[arg-type]


def test_a_training_that_failed_is_asked_again_and_its_counts_are_not(tmp_path: Path) -> None:
    agents = Agents(tmp_path)
    grid = agents.grid(learners(), gone={})  # type: ignore[arg-type]
    statistics: list[str] = []

    def gone_in_the_second_sum(number: int, message: Any) -> Any:
        record = message.content.config_records.get(ONE_SHOT)
        if record is not None and record["kind"] == STATISTICS:
            statistics.append("asked")
            if len(statistics) <= 2:
                return None
        return answer(number, message)

    answer, grid._answer = grid._answer, gone_in_the_second_sum  # type: ignore[method-assign]
    with pytest.raises(QuorumMissed, match="could not be opened"):
        agents.one_shot(grid)
    counted = sum(stage == "keys" for stage, _ in grid.asked)
    report = agents.one_shot(grid)
    assert report.participants == HOMES
    assert sum(stage == "keys" for stage, _ in grid.asked) - counted == len(HOMES)  # one sum, not two


@pytest.mark.parametrize("mode", ["local", "distributed", "central"])
def test_a_private_training_spends_one_release_of_each_home(tmp_path: Path, mode: str) -> None:
    agents = Agents(tmp_path, privacy={"mode": mode, "noise_multiplier": 2.0})
    report = agents.one_shot(agents.grid(learners()))  # type: ignore[arg-type]
    assert report.participants == HOMES
    assert report.extra["releases"] == 1 and 0 < report.extra["epsilon"] < 20
    assert not (tmp_path / "rounds" / "0001" / f"{PEAK_HEAD}.npz").exists()
    for home in HOMES:
        ledger = (tmp_path / f"{home}.privacy.json").read_text()
        assert ledger.count('"sigma"') == 1


def test_a_home_whose_budget_is_spent_enters_nothing(tmp_path: Path) -> None:
    privacy = {"mode": "distributed", "noise_multiplier": 2.0}
    agents = Agents(tmp_path, privacy=privacy, own={"bob": {"privacy": {"max_epsilon": 0.1}}})
    report = agents.one_shot(agents.grid(learners()))  # type: ignore[arg-type]
    assert report.participants == tuple(home for home in HOMES if home != "bob")
    assert "privacy.max_epsilon" in report.left_out["bob"]


def test_the_noise_of_a_private_training_is_in_the_sum(tmp_path: Path) -> None:
    totals = []
    for name in ("one", "two"):
        agents = Agents(tmp_path / name, privacy={"mode": "distributed", "noise_multiplier": 2.0})
        agents.one_shot(agents.grid(learners()))  # type: ignore[arg-type]
        totals.append(load(tmp_path / name / "rounds" / "0001" / f"{TOTAL}.npz")["vector"] / 2.0**32)
    difference = totals[0][1:-1] - totals[1][1:-1]
    fewest = FederationSettings().secure_aggregation.fewest_homes
    expected = 2.0 * 1.5 * np.sqrt(2 * len(HOMES) / fewest)
    assert difference.std() == pytest.approx(expected, rel=0.25)


def test_the_forecast_of_a_one_shot_training_is_the_twins(tmp_path: Path) -> None:
    weights, report = train(a_grid(), tmp_path)
    total = own_statistics(WINDOWS, replace(PLAN, kept=()))
    twin = ridge(regression_moments(total), report.extra["one_shot_penalty"])
    from fl.one_shot.load_inputs import mean_load

    relative = (
        weights["mean.weight"]
        @ np.concatenate([WINDOWS.history * 128 / (mean_load(WINDOWS) * 168), WINDOWS.exogenous], axis=1).T
        + weights["mean.bias"][:, None]
    )
    got = np.maximum(relative.T * mean_load(WINDOWS) * 168 / 128, 0)
    assert got == pytest.approx(forecast(twin, WINDOWS), rel=1e-4, abs=0.1)


# Homes that join and leave.

MANY = (*HOMES, "fay", "gil", "hal")
LATER = made_up_windows(MANY, days=40, seed=1)


def members(*names: str) -> list[HomeLearner]:
    return [HomeLearner(h, LATER.of_home(h), LATER.of_home(h).between(0, 0), SHAPE, 0.1) for h in names]


def plain_total(*names: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.sum([own_statistics(LATER.of_home(home), PLAN).vector for home in names], axis=0)


def test_joining_is_adding_and_leaving_is_subtracting_to_the_bit(tmp_path: Path) -> None:
    leaving = {home: {"one_shot": {"leave": True}} for home in ("fay", "gil", "hal")}
    agents = Agents(tmp_path, MANY)
    agents.one_shot(agents.grid(members(*HOMES)))  # type: ignore[arg-type]
    before = agents.total()
    report = agents.one_shot(agents.grid(members(*MANY)), change="join")  # type: ignore[arg-type]
    assert report.participants == MANY and agents.total().homes == MANY
    assert np.array_equal(agents.total().statistics.vector, plain_total(*MANY))
    assert not np.array_equal(agents.total().statistics.vector, before.statistics.vector)
    agents.own = leaving
    grid = agents.grid(members(*MANY))  # type: ignore[arg-type]
    report = agents.one_shot(grid, change="leave", leaving=("fay", "gil", "hal"))
    assert report.participants == HOMES
    after = agents.total()
    assert np.array_equal(after.statistics.vector, before.statistics.vector)
    assert after.homes == HOMES and after.variance == pytest.approx(before.variance)


@pytest.mark.parametrize("mode", ["local", "distributed", "central"])
def test_nobody_is_taken_out_of_a_noisy_total(tmp_path: Path, mode: str) -> None:
    """Who sees the models before and after would see what left without noise, and those that stay have too little."""
    agents = Agents(tmp_path, MANY, privacy={"mode": mode, "noise_multiplier": 2.0})
    agents.one_shot(agents.grid(members(*MANY)))  # type: ignore[arg-type]
    agents.own = {home: {"one_shot": {"leave": True}} for home in MANY[:3]}
    for home in MANY:
        assert not (tmp_path / f"{home}.sums.entered.npz").exists()
    with pytest.raises(QuorumMissed, match="under differential privacy nobody is taken out"):
        agents.one_shot(agents.grid(members(*MANY)), change="leave", leaving=MANY[:3])  # type: ignore[arg-type]


def test_few_homes_neither_join_nor_leave_nor_stay_behind(tmp_path: Path) -> None:
    agents = Agents(tmp_path, MANY)
    with pytest.raises(QuorumMissed, match="begin with one"):
        agents.one_shot(agents.grid(members(*MANY)), change="join")  # type: ignore[arg-type]
    agents.one_shot(agents.grid(members(*MANY[:6])))  # type: ignore[arg-type]
    everybody = agents.grid(members(*MANY))  # type: ignore[arg-type]
    with pytest.raises(QuorumMissed, match="2 homes are new: what a few enter could be seen"):
        agents.one_shot(everybody, change="join")
    for leaving, reason in (
        (("ada", "bob"), "2 homes leave: what a few take out could be seen"),
        (("ada", "bob", "cyd", "dee"), "2 homes would be left"),
        (("ada", "bob", "hal"), "not here, or not in the total: hal"),
    ):
        with pytest.raises(QuorumMissed, match=reason):
            agents.one_shot(everybody, change="leave", leaving=leaving)
    assert agents.total().homes == MANY[:6]


def test_nobody_is_taken_out_who_does_not_want_to_leave_or_has_left(tmp_path: Path) -> None:
    """Else the coordinator could have homes sum what they have entered in ever other groups, and subtract."""
    agents = Agents(tmp_path, MANY)
    agents.one_shot(agents.grid(members(*MANY)))  # type: ignore[arg-type]
    with pytest.raises(QuorumMissed, match=r"does not want to leave the one-shot total \(one_shot.leave"):
        agents.one_shot(agents.grid(members(*MANY)), change="leave", leaving=MANY[:3])  # type: ignore[arg-type]
    agents.own = {home: {"one_shot": {"leave": True}} for home in MANY[:4]}
    agents.one_shot(agents.grid(members(*MANY)), change="leave", leaving=MANY[:3])  # type: ignore[arg-type]
    with pytest.raises(StatisticsRefused, match="not in the total"):
        agents.total().left_by(replace(agents.total(), homes=MANY[:3]))
    store = RoundStore(tmp_path / "rounds")  # as if they had not left
    save(store.path(2) / f"{TOTAL}.npz", load(store.path(1) / f"{TOTAL}.npz"))
    with pytest.raises(QuorumMissed, match="days are in a one-shot sum"):
        agents.one_shot(agents.grid(members(*MANY)), change="leave", leaving=MANY[1:4])  # type: ignore[arg-type]
    with pytest.raises(QuorumMissed, match="wants to leave the one-shot total"):
        agents.one_shot(agents.grid(members(*MANY[:4])))  # type: ignore[arg-type]


def test_what_a_home_has_entered_is_its_own_to_read(tmp_path: Path) -> None:
    agents = Agents(tmp_path)
    agents.one_shot(agents.grid(learners()))  # type: ignore[arg-type]
    path = tmp_path / "ada.sums.entered.npz"
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(b"damaged")
    with pytest.raises(RecordDamaged, match="can't be taken out exactly"):
        agents._records["ada"].entered()
