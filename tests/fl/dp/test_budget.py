"""A home's own privacy ledger: it counts what left, outlives restarts, and ends training whatever it is told."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fl.aggregation.strategy import local_plan
from fl.client_app import ARRAYS, PLAN
from fl.deployment.telemetry import AgentMetrics
from fl.dp.accountant import epsilon, epsilon_of
from fl.dp.budget import HomeBudgetSpent, HomeLedger, LedgerDamaged, account_in_process
from fl.errors import QuorumMissed
from fl.exchange import Gathered, gather_updates
from fl.protection_settings import PrivacySettings
from fl.rounds import Rounds
from fl.secagg.messages import MASK, SECAGG, stage_record
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.weights import Weights, to_record
from tests.fl.guarded import HOMES, Guarded, account
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid, stage_of
from tests.support.laws import examples

pytestmark = pytest.mark.slow


def private(mode: str = "local", **changes: Any) -> PrivacySettings:
    return PrivacySettings.model_validate({"mode": mode, "noise_multiplier": 4} | changes)


def budget_for(updates: int, settings: PrivacySettings) -> float:
    """A budget with room for so many updates and no more."""
    return epsilon(settings, updates) + 1e-6


class Village(Guarded):
    """Five homes with ledgers, and a coordinator that counts nothing."""

    def __init__(self, folder: Path, mode: str = "local", updates: int | None = None, **changes: Any) -> None:
        secure, limit = mode == "distributed", None if updates is None else budget_for(updates, private(mode))
        super().__init__(
            folder, rounds=3, secure_aggregation={"enabled": secure} | ({} if secure else {"roster": None}),
            privacy={"mode": mode, "noise_multiplier": 4, "max_epsilon": limit}, **changes,
        )  # fmt: skip

    def ledger(self, home: str) -> HomeLedger:
        return HomeLedger(self.folder / f"{home}.privacy.json", self.settings.privacy, account)

    def run(
        self, grid: WatchedGrid, name: str = "rounds", gather: Any = None, seed: int = 0, **changes: Any
    ) -> RoundStore:
        """`seed`: a training of its own begins from a model of its own."""
        store = RoundStore(self.folder / name)
        wanted = self.settings.model_copy(update=changes)
        chosen = gather or (self.gather(name) if wanted.secure_aggregation.enabled else gather_updates)
        Rounds(wanted, store, gather=chosen).run(grid, {"w": ZERO["w"] + np.float32(seed)})
        return store


@pytest.mark.parametrize("mode", ["local", "distributed", "central"])
def test_every_round_a_home_takes_part_in_is_in_its_ledger(tmp_path: Path, mode: str) -> None:
    village = Village(tmp_path, mode)
    village.run(village.grid())
    for home in HOMES:
        ledger = village.ledger(home)
        assert ledger.releases == 3
        assert ledger.epsilon == pytest.approx(epsilon(village.settings.privacy, 3))
    content = json.loads((tmp_path / "ada.privacy.json").read_text())
    assert [entry["round"] for entry in content["releases"]] == [1, 2, 3]
    assert (tmp_path / "ada.privacy.json").stat().st_mode & 0o777 == 0o600


def test_a_home_that_was_not_asked_spends_nothing(tmp_path: Path) -> None:
    village = Village(tmp_path, fraction=0.6)
    store = village.run(village.grid())
    asked = [home for number in store.rounds() for home in store.load(number).report.asked]
    assert {home: village.ledger(home).releases for home in HOMES} == {home: asked.count(home) for home in HOMES}
    assert len(asked) == 9


@pytest.mark.parametrize("mode", ["local", "distributed", "central"])
def test_a_spent_budget_ends_training_and_is_explained(tmp_path: Path, mode: str) -> None:
    village = Village(tmp_path, mode, updates=2)
    with pytest.raises(
        QuorumMissed, match=r"has spent epsilon .* in 2 updates, and one more .* its own privacy\.max"
    ):
        village.run(village.grid())
    assert [village.ledger(home).releases for home in HOMES] == [2] * 5
    assert RoundStore(tmp_path / "rounds").rounds() == [1, 2]


@pytest.mark.parametrize("mode", ["local", "distributed"])
def test_the_ledger_outlives_restarts_of_the_agent_and_new_trainings(tmp_path: Path, mode: str) -> None:
    village = Village(tmp_path, mode, updates=3)
    village.run(village.grid(), "one", rounds=2)
    village.run(village.grid(), "another", seed=1, rounds=1)  # other agents, another training from the start
    with pytest.raises(QuorumMissed, match="in 3 updates"):
        village.run(village.grid(), "a third", seed=2)
    assert village.grid().received == []


@pytest.mark.parametrize("name", [1, -7, 2**40])
def test_no_name_of_a_round_makes_it_free(tmp_path: Path, name: Any) -> None:
    """The same round replayed, and rounds under a number that was used, or that no round has."""
    village = Village(tmp_path, updates=5)

    def renamed(grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float) -> Gathered:
        told = ConfigRecord({**plan, "round": name})
        for _ in range(4):
            gather_updates(grid, nodes, start, told, timeout)
        return gather_updates(grid, nodes, start, plan, timeout)

    village.run(village.grid(), gather=renamed, rounds=1)
    assert [village.ledger(home).releases for home in HOMES] == [5] * 5
    with pytest.raises(QuorumMissed, match="in 5 updates"):
        village.run(village.grid(), "more", gather=renamed, rounds=1)


def test_a_round_that_is_asked_again_in_another_sum_counts_again(tmp_path: Path) -> None:
    """From a model that differs in a bit; from the same one there is no second sum (`fl.secagg.sum_record`)."""
    village = Village(tmp_path, "distributed", updates=2)
    inner = village.gather()

    def twice(grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float) -> Gathered:
        inner(grid, nodes, start, plan, timeout)
        assert inner(grid, nodes, start, plan, timeout).updates == []
        return inner(grid, nodes, {"w": start["w"] + np.float32(1e-6)}, plan, timeout)

    grid = village.grid()
    village.run(grid, gather=twice, rounds=1)
    assert village.ledger("ada").releases == 2
    with pytest.raises(QuorumMissed, match="in 2 updates"):
        village.run(grid, "more", seed=1, rounds=1)
    stages = [stage for home, stage, _ in grid.received if home == "ada"]
    assert stages.count("mask") == 2 and stages.count("keys") == 2, "it refuses before it has given any key"


def test_what_is_refused_spends_nothing(tmp_path: Path) -> None:
    """Plain training where the home trains under secure aggregation only: a coordinator can't burn the budget so."""
    village = Village(tmp_path, "distributed")
    with pytest.raises(QuorumMissed, match="under secure aggregation only"):
        village.run(village.grid(), gather=gather_updates)
    assert village.ledger("ada").releases == 0


class Insistent(WatchedGrid):
    """Asks each home for its masked vector out of turn: before it has shared its secrets, and after it gave it."""

    def _answer(self, number: int, message: Message) -> Message | None:
        reply = super()._answer(number, message)
        if stage_of(message) == "keys":
            plan = local_plan(FederationSettings(), 1).to_record()
            early = RecordDict({SECAGG: stage_record(MASK, {}), ARRAYS: to_record(ZERO), PLAN: plan})
            super()._answer(number, Message(early, message.metadata.dst_node_id, "train"))
        if stage_of(message) == "mask":
            for _ in range(3):
                super()._answer(number, message)
        return reply


def test_a_masked_vector_asked_for_out_of_turn_costs_nothing(tmp_path: Path) -> None:
    village = Village(tmp_path, "distributed")
    grid = Insistent(
        [LeastSquares(home) for home in HOMES],
        mods_of=village.mods,
    )
    village.run(grid, rounds=1)
    assert [stage for stage, home in grid.asked if home == "ada"].count("mask") == 5
    assert [village.ledger(home).releases for home in HOMES] == [1] * 5


def test_an_update_that_can_not_be_written_down_does_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = HomeLedger(tmp_path / "ada.privacy.json", private(), account)

    def full_disk(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        ledger.spend(1)
    assert ledger.releases == 0


# Composition.


@examples(25)
@given(noises=st.lists(st.tuples(st.sampled_from(["local", "central"]), st.floats(0.5, 20)), min_size=1, max_size=6))
def test_releases_under_different_settings_compose(
    tmp_path_factory: pytest.TempPathFactory, noises: list[tuple[str, float]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.json"
    for number, (mode, z) in enumerate(noises):
        HomeLedger(path, private(mode, noise_multiplier=z), account).spend(number)
    sigmas = np.array([z / (2 if mode == "local" else 1) for mode, z in noises])
    told = HomeLedger(path, private("central"), account).epsilon
    assert told == pytest.approx(epsilon_of(float((sigmas**-2).sum()), 1e-5), rel=1e-9)


def test_the_ledger_looks_beyond_what_it_asked_the_accountant(tmp_path: Path) -> None:
    """Epsilons are asked for in blocks; across their edge the figures go on."""
    settings = private(max_epsilon=None)
    ledger = HomeLedger(tmp_path / "ada.privacy.json", settings, lambda s, e, d, count: account(s, e, d, 3))
    for number in range(7):
        ledger.spend(number)
        assert ledger.epsilon == pytest.approx(epsilon(settings, number + 1))


@pytest.mark.process
def test_the_accountant_in_its_own_process_says_the_same() -> None:
    assert account_in_process(0.5, 0.25, 1e-5, 4) == account(0.5, 0.25, 1e-5, 4)


# The file and the figures.


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": "wattproof/privacy-ledger/9", "releases": []}',
        '{"format": "wattproof/privacy-ledger/1"}',
        '{"format": "wattproof/privacy-ledger/1", "releases": [{"round": 1}]}',
        '{"format": "wattproof/privacy-ledger/1", "releases": [{"round": 1, "at": "", "sigma": 0}]}',
        '{"format": "wattproof/privacy-ledger/1", "releases": [{"round": 1, "at": "", "sigma": "much"}]}',
    ],
)
def test_a_damaged_ledger_is_no_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ada.privacy.json"
    path.write_text(content)
    with pytest.raises(LedgerDamaged, match=r"is not a privacy ledger .* what this home has spent is unknown"):
        HomeLedger(path, private(), account)


def test_metrics_tell_what_is_spent(tmp_path: Path) -> None:
    settings = private(max_epsilon=30.0)
    ledger, metrics = HomeLedger(tmp_path / "ada.privacy.json", settings, account), AgentMetrics("ada")
    metrics.follow_privacy(ledger)
    for updates in (0, 1, 2):
        values = {n: metrics.registry.get_sample_value(f"wattproof_agent_{n}") for n in NAMES}
        assert values == {
            "epsilon_spent": pytest.approx(epsilon(settings, updates)), "epsilon_budget": 30.0,
            "privacy_releases": updates,
        }  # fmt: skip
        ledger.spend(updates)


NAMES = ("epsilon_spent", "epsilon_budget", "privacy_releases")


def test_a_budget_without_noise_is_refused() -> None:
    with pytest.raises(ValidationError, match="without noise epsilon is infinite"):
        PrivacySettings(max_epsilon=3)


def test_a_budget_that_has_no_room_for_one_update_trains_never(tmp_path: Path) -> None:
    ledger = HomeLedger(tmp_path / "ada.privacy.json", private(max_epsilon=0.01), account)
    with pytest.raises(HomeBudgetSpent, match=r"spent epsilon 0\.000 .* in 0 updates"):
        ledger.spend(1)
    assert not (tmp_path / "ada.privacy.json").exists()


def test_two_agents_on_one_ledger_count_together(tmp_path: Path) -> None:
    own = private(max_epsilon=budget_for(40, private()))
    agents = [HomeLedger(tmp_path / "ada.privacy.json", own, account) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda ledger: [ledger.spend(None) for _ in range(20)], agents))
    assert len(json.loads((tmp_path / "ada.privacy.json").read_text())["releases"]) == 40
    for ledger in agents:
        with pytest.raises(HomeBudgetSpent, match="in 40 updates"):
            ledger.check()
        assert ledger.epsilon == pytest.approx(epsilon(own, 40))


def test_an_agent_with_less_noise_on_the_same_ledger_is_counted_as_such(tmp_path: Path) -> None:
    loud, quiet = (HomeLedger(tmp_path / "ada.privacy.json", private(noise_multiplier=z), account) for z in (8, 1))
    loud.spend(1)
    quiet.spend(1)
    loud.check()
    assert loud.epsilon == pytest.approx(epsilon_of(4**-2 + 0.5**-2, 1e-5))


def test_a_ledger_that_is_deleted_while_the_agent_runs_stops_it(tmp_path: Path) -> None:
    ledger = HomeLedger(tmp_path / "ada.privacy.json", private(), account)
    ledger.spend(1)
    ledger.path.unlink()
    with pytest.raises(LedgerDamaged, match="nothing more is released"):
        ledger.check()
    with pytest.raises(LedgerDamaged):
        ledger.spend(2)
    assert not ledger.path.exists()
