"""A training on what meters count as fed in, beside the one on load: who is asked, and what nobody is told.

Homes are agents with their own keys, roster and records; the coordinator is one that means well, or one that cheats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.serverapp import Grid

from fl.aggregation.strategy import local_plan
from fl.client_app import EXPORT_MODEL, ExportSide
from fl.exchange import Gathered, gather_updates
from fl.message_gate import MessageGate, answered_types
from fl.one_shot.plan import ONE_SHOT
from fl.plan import LocalPlan, PlanRefused, quantity_of
from fl.rounds import Rounds
from fl.secagg.client_mod import SecAggMod
from fl.secagg.messages import SumTerms
from fl.secagg.session import MaskingRefused
from fl.secagg.sum_record import SecondSum, SumRecord
from fl.settings import FederationSettings
from fl.store import RoundStore
from fl.weights import Weights, digest_of
from tests.fl.guarded import HOMES, Guarded
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid


@dataclass
class Roof(LeastSquares):
    """What the home feeds in: points of another plane."""

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        x, _ = super().data()
        return x, x @ np.array([7, 0, -5], dtype=np.float32)


class Village:
    """Agents, of which `without` have no readings of export and `earlier` know nothing of it."""

    def __init__(
        self, folder: Path, without: tuple[str, ...] = (), earlier: tuple[str, ...] = (), **changes: Any
    ) -> None:
        own = {home: {"export": False} for home in earlier}
        self.agents, self.folder = Guarded(folder, own=own, export=True, **changes), folder
        self.without, self.earlier = without, earlier
        self.kept: dict[str, tuple[int, Weights]] = {}

    def grid(self, **changes: Any) -> WatchedGrid:
        return self.agents.grid(export_of=self._side, **changes)

    def _side(self, home: str) -> ExportSide | None:
        if home in self.earlier:
            return None

        def keep(number: int, weights: Weights) -> None:
            self.kept[home] = number, weights

        return ExportSide(Roof(home), keep, lambda: home not in self.without)

    def train(self, grid: WatchedGrid, gather: Any = None, name: str = "export", **changes: Any) -> RoundStore:
        store = RoundStore(self.folder / name)
        settings = self.agents.settings.model_copy(update=changes).of("export")
        Rounds(
            settings, store, gather=gather or self.agents.gather(name), hand_out=True, quantity="export",
            ledger=self.folder / "privacy.json",
        ).run(grid, ZERO)  # fmt: skip
        return store


def plan(**changes: Any) -> LocalPlan:
    return replace(local_plan(FederationSettings(), 1), **changes)


def test_only_homes_that_can_are_asked_and_the_model_is_of_what_they_feed_in(tmp_path: Path) -> None:
    village = Village(tmp_path, without=("dee",), earlier=("eve",))
    grid = village.grid()
    store = village.train(grid)
    saved = store.load(1)
    able = HOMES[:3]
    assert saved.report.participants == able and saved.report.left_out == {}
    expected = np.mean(
        [Roof(home).fit(ZERO, plan(epochs=village.agents.settings.local.epochs))[0]["w"] for home in able], axis=0
    )
    assert saved.weights["w"] == pytest.approx(expected, abs=1e-6)
    assert {home for stage, home in grid.asked if stage not in ("query.hello", "query.export")} == set(able)
    assert set(village.kept) == set(able) and {number for number, _ in village.kept.values()} == {1}


def test_an_agent_of_an_earlier_release_goes_on_with_load_and_takes_no_model_of_export(tmp_path: Path) -> None:
    """It refuses the types of the messages; a plan and terms without a quantity are what they were."""
    assert answered_types(FederationSettings()) == answered_types(FederationSettings(export=True)) - {
        "query.export", EXPORT_MODEL,
    }  # fmt: skip
    assert "quantity" not in plan().to_record() and quantity_of(plan().to_record()) == "load"
    assert LocalPlan.from_record(plan(quantity="export").to_record()).quantity == "export"
    terms = SumTerms(b"n" * 16, b"s" * 32, b"p" * 32, "equal", HOMES, 4, 3, 9)
    assert b"quantity" not in terms.to_bytes()
    assert SumTerms.from_bytes(terms.to_bytes()) == terms
    export = replace(terms, quantity="export")
    assert SumTerms.from_bytes(export.to_bytes()) == export
    assert export.session(None).label != terms.session(None).label
    agents = Guarded(tmp_path, own={"eve": {"export": False}}, export=True)
    _, report = agents.train(agents.grid())
    assert report.participants == HOMES


@pytest.mark.parametrize("told", ["gas", 1, ["export"], ""])
def test_a_plan_of_something_else_is_refused(told: Any) -> None:
    with pytest.raises(PlanRefused, match="quantity must be one of load, export"):
        LocalPlan.from_record({**plan().to_record(), "quantity": told})


def test_a_home_whose_settings_train_load_only_answers_nothing_of_export() -> None:
    from tests.fl.test_message_gate import ask, home

    asked = plan(quantity="export")
    gated = home({}, [MessageGate(FederationSettings())])
    with pytest.raises(PlanRefused, match=r"this home's own settings train load only \(federation.export\)"):
        ask(gated, "train", plan=asked)
    with pytest.raises(PlanRefused, match="this home trains load only"):
        ask(home({}, []), "train", plan=asked)
    secure = FederationSettings.model_validate(
        {"secure_aggregation": {"enabled": True}, "evaluate_every": 0, "min_homes": 3}
    )
    with pytest.raises(MaskingRefused, match=r"a sum of export: this home's settings train load only"):
        SecAggMod(secure)._check(SumTerms(b"n", b"s", b"p", "examples", HOMES, 4, 3, 9, "export"))
    both = secure.model_copy(update={"export": True})
    with pytest.raises(MaskingRefused, match="a one-shot training is of load only"):
        SecAggMod(both)._check(SumTerms(b"n", b"s", b"p", ONE_SHOT, HOMES, 4, 3, 9, "export"))


@pytest.mark.parametrize("label", ["export", "load"])
def test_a_coordinator_that_asks_for_one_quantity_under_the_label_of_the_other_gets_nothing(
    tmp_path: Path, label: str
) -> None:
    """It could have the two in one sum, or a second sum of load from a model that homes have trained load from."""
    village = Village(tmp_path)
    inner = village.agents.gather("export")
    ask_for = "load" if label == "export" else "export"

    def lying(grid: Grid, nodes: dict[str, int], start: Weights, record: ConfigRecord, timeout: float) -> Gathered:
        from fl import secure_gather

        told = ConfigRecord({**record, "quantity": ask_for})
        of = secure_gather.quantity_of
        secure_gather.quantity_of = lambda record: label  # type: ignore[assignment, return-value]
        try:
            return inner(grid, nodes, start, told, timeout)
        finally:
            secure_gather.quantity_of = of

    grid = village.grid()
    nodes = {learner.home: node for node, (learner, _) in grid._apps.items()}
    gathered = lying(grid, nodes, ZERO, plan().to_record(), 10)
    assert gathered.updates == []
    assert {gathered.left_out[home] for home in HOMES} == {f"the plan is of {ask_for}, the sum of {label}"}
    assert not [stage for _, stage, _ in grid.received if stage == "mask"]


def test_a_home_is_in_one_sum_of_each_quantity_from_one_model_also_after_a_restart(tmp_path: Path) -> None:
    """Both trainings may begin from the same model; two sums of export over nearly the same homes may not."""
    village = Village(tmp_path)
    village.agents.train(village.grid())
    village.train(village.grid())
    again = village.grid()  # agents that have restarted
    nodes = {learner.home: node for node, (learner, _) in again._apps.items()}
    nodes.pop("ada")
    told = plan(quantity="export").to_record()
    gathered = village.agents.gather("another")(again, nodes, ZERO, told, 10)
    assert gathered.updates == []
    assert all(
        "a second sum of one model" in why or "could not be opened" in why for why in gathered.left_out.values()
    )
    entries = [json.loads(line) for line in (tmp_path / "bob.sums.jsonl").read_bytes().splitlines()]
    assert [entry.get("quantity", "load") for entry in entries if "sum" in entry] == ["load", "export"]


def test_the_record_of_one_quantity_says_nothing_of_the_other(tmp_path: Path) -> None:
    record, start = SumRecord(tmp_path / "sums.jsonl"), digest_of(ZERO)
    record.enter(start, b"1" * 32, [])
    record.enter(start, b"2" * 32, [], "export")
    for quantity in ("load", "export"):
        with pytest.raises(SecondSum):
            record.check(start, b"3" * 32, [], quantity)  # type: ignore[arg-type]
    record.close()
    read = SumRecord(tmp_path / "sums.jsonl")
    with pytest.raises(SecondSum):
        read.check(start, b"3" * 32, [], "export")
    read.check(start, b"2" * 32, [b"2" * 32, b"1" * 32], "export")


def test_both_quantities_spend_from_the_homes_and_the_communitys_one_budget(tmp_path: Path) -> None:
    privacy = {"mode": "central", "noise_multiplier": 4.0}
    village = Village(tmp_path, privacy=privacy)
    settings = village.agents.settings
    ledger = tmp_path / "privacy.json"
    Rounds(settings, RoundStore(tmp_path / "rounds"), ledger=ledger, roster=None, gather=None)  # opens it
    from fl.protection import coordinator_protection

    for quantity in ("load", "export"):
        inner = village.agents.gather(quantity)
        protection = coordinator_protection(settings, tmp_path / quantity, ledger=ledger)
        assert protection.extra(1)["releases"] == ("load", "export").index(quantity)
        counted = _counted(settings, ledger, inner)
        grid = village.grid()
        Rounds(
            settings, RoundStore(tmp_path / quantity), gather=counted, combine=protection.combine, ledger=ledger,
            quantity=quantity,  # type: ignore[arg-type]
        ).run(grid, ZERO)  # fmt: skip
    assert len(json.loads(ledger.read_text())["releases"]) == 2
    for home in HOMES:
        assert len(json.loads((tmp_path / f"{home}.privacy.json").read_text())["releases"]) == 2


def _counted(settings: FederationSettings, ledger: Path, inner: Any) -> Any:
    from fl.dp.server import Privacy

    return Privacy(settings.privacy, ledger, clipped_at_home=True).gather(inner)


def test_what_is_no_answer_counts_as_unable(tmp_path: Path) -> None:
    village = Village(tmp_path)

    def meddle(home: str, stage: str, content: RecordDict) -> None:
        if stage == "query.export" and home == "ada":
            content["who"] = ConfigRecord({"able": "yes"})
        if stage == "query.export" and home == "bob":
            del content["who"]

    grid = village.grid(meddle=meddle)
    saved = village.train(grid).load(1)
    assert saved.report.asked == HOMES[2:]


def test_homes_score_no_model_of_export(tmp_path: Path) -> None:
    """Its rounds ask for nothing but the update, whatever the settings of load."""
    plain = {"secure_aggregation": {"enabled": False, "roster": None}, "evaluate_every": 1}
    village = Village(tmp_path, **plain)
    grid = village.grid()
    saved = village.train(grid, gather=gather_updates).load(1)
    assert saved.report.validation_loss is None and not [stage for stage, _ in grid.asked if stage == "evaluate"]
