"""The training loop over Flower's Grid: ask homes, check every reply, combine, save the round, notify the caller.

A failed home is left out of the round and named in its report. A round with too few usable updates is repeated, and
after `attempts` it is an error: an empty aggregate never counts as a round.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, RecordDict
from flwr.serverapp import Grid
from numpy.typing import NDArray

from data.quantity import Quantity
from fl.aggregation.strategy import Combine, ServerStep, Update, choose_homes, local_plan, shares
from fl.client_app import ARRAYS, EXAMPLES, EXPORT_MODEL, MODEL, ROUND, WHO
from fl.errors import FederationError, QuorumMissed, UpdateRefused
from fl.exchange import Gather, Gathered, Identify, ask_names, exchange, gather_scores, homes_able
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.weights import Weights, check_like, to_record

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5  # for homes that come online
_ASK_AGAIN_S = 600.0  # a home that did not take the model

OnRound = Callable[[int, Weights, RoundReport], None]
"""Called with each saved round: its number, the new global model, what happened. At least once for each round, and
again for the last saved one if the process ended before the call returned."""


class Rounds:
    """Runs the rounds of one federation, from the last saved round on.

    Args:
        identify: how nodes get their homes' names; by asking them by default.
        gather, combine: how a round's updates are collected and become one model; by default as the settings of
            secure aggregation, privacy and robust rules say (`fl.protection`).
        project: puts a new global model back inside its bounds (see `task.projection`).
        on_round: called with each saved round.
        extra: further figures for the report of a round; by default the privacy spent so far.
        roster: the homes' identities, for secure aggregation (`coordinator.agents_roster`); None in a simulation.
        hand_out_also: further messages to every home then, by type.
        hand_out: give the last model to every home online when the training ends, and again when a training that
            has ended is started again. A simulation's homes have no use for it.
        earlier_rounds: those of earlier trainings: learning rates fall, and models are averaged, over the others.
        quantity: what homes train on. For export, those that can are asked; they score models of load only. (Homes of
            a simulation are opened on one quantity, and are told nothing of it.)
        ledger: of the privacy spent, if it is another than that of `store`: both quantities are of the same homes.
    """

    def __init__(
        self,
        settings: FederationSettings,
        store: RoundStore,
        *,
        identify: Identify | None = None,
        gather: Gather | None = None,
        combine: Combine | None = None,
        project: Callable[[Weights], Weights] | None = None,
        on_round: OnRound | None = None,
        extra: Callable[[int], dict[str, float]] | None = None,
        roster: Callable[[], Mapping[str, bytes]] | None = None,
        hand_out: bool = False,
        hand_out_also: Callable[[], Mapping[str, RecordDict]] = dict,
        earlier_rounds: int = 0,
        quantity: Quantity = "load",
        ledger: Path | None = None,
    ) -> None:
        from fl.protection import coordinator_protection  # built on this module

        protection = coordinator_protection(settings, store.directory, roster, ledger)
        self.settings = settings
        self.store = store
        self.identify = identify or ask_names(settings.round_timeout_s)  # in a simulation, which starts slowly
        self.gather = gather or protection.gather
        self.combine = combine or protection.combine
        self.project = project or (lambda weights: weights)
        self.on_round = on_round or (lambda round, weights, report: None)
        self.extra = extra or protection.extra
        self.hand_out, self.hand_out_also = hand_out, hand_out_also
        self.earlier_rounds, self.quantity = earlier_rounds, quantity
        self._names: dict[int, str] = {}
        self._unable: set[int] = set()
        self._have: set[int] = set()  # nodes that took the last model
        self._tried: dict[int, float] = {}  # nodes that did not, and when they were last asked to

    def run(
        self, grid: Grid, initial: Weights, observe: Callable[[RoundReport], None] = lambda report: None
    ) -> Weights:
        """All rounds still to do; the last global model. `observe` sees each new report, for metrics.

        Raises FederationError (QuorumMissed, ResumeRefused), and what `on_round` raises.
        """
        with self.store.locked():
            return self._run(grid, initial, observe)

    def run_once(
        self, grid: Grid, initial: Weights, observe: Callable[[RoundReport], None] = lambda report: None
    ) -> Weights:
        """One round after the last saved one, of all homes, whatever `settings.rounds` is; see `run`.

        The model becomes what the updates combine to, without a step of the coordinator's optimiser: so a one-shot
        training (`fl.one_shot`) is a round.
        """
        with self.store.locked():
            self.store.bind(self.settings)
            weights, _, done = self._resume(initial)
            weights = self._save_round(grid, done + 1, weights, ServerStep(self._without_step()), observe, every=True)
            if self.hand_out:
                self._hand_out(grid, done + 1, weights, self._online_now(grid))
            return weights

    def _without_step(self) -> FederationSettings:
        """The settings with no step of the coordinator's own."""
        plain = self.settings.strategy.model_copy(update={"name": "fedavg", "local_rounds": sys.maxsize})
        return self.settings.model_copy(update={"strategy": plain})

    def _run(self, grid: Grid, initial: Weights, observe: Callable[[RoundReport], None]) -> Weights:
        self.store.bind(self.settings)
        weights, step, done = self._resume(initial)
        left = range(done + 1, self.settings.rounds + 1)
        for number in left:
            weights = self._save_round(grid, number, weights, step, observe)
        if self.hand_out:
            if not left:  # agents reconnect to a restarted coordinator one after another
                self._wait_for_homes(grid)
            self._hand_out(grid, max(done, self.settings.rounds), weights, self._online_now(grid))
        return weights

    def _save_round(
        self,
        grid: Grid,
        number: int,
        start: Weights,
        step: ServerStep,
        observe: Callable[[RoundReport], None],
        *,
        every: bool = False,
    ) -> Weights:
        weights, report, keep = self._round(grid, number, start, step, every)
        self.store.save(report, weights, step.moments, keep)
        observe(report)
        self.on_round(number, weights, report)
        self.store.mark_published(number)
        return weights

    def hand_out_to_late(self, grid: Grid) -> None:
        """Hand the last model to homes that have come online since it was handed out, or did not take it then.

        A home that was away may have lost it, and gets it again.
        """
        online = self._online_now(grid)
        self._have &= set(online.values())
        self._tried = {node: when for node, when in self._tried.items() if node in online.values()}
        asked_before = time.monotonic() - _ASK_AGAIN_S
        late = {
            home: node
            for home, node in online.items()
            if node not in self._have and self._tried.get(node, -math.inf) < asked_before
        }
        saved = self.store.latest() if self.hand_out and late else None
        if saved is not None:
            self._hand_out(grid, saved.round, saved.weights, late)

    def _hand_out(self, grid: Grid, number: int, weights: Weights, nodes: dict[str, int]) -> None:
        content = RecordDict({ARRAYS: to_record(weights), WHO: ConfigRecord({ROUND: number})})
        kind = MODEL if self.quantity == "load" else EXPORT_MODEL
        taken, left_out = exchange(grid, nodes, dict.fromkeys(nodes, content), kind, self.settings.round_timeout_s)
        self._have |= {nodes[home] for home in taken}
        self._tried |= dict.fromkeys((nodes[home] for home in left_out), time.monotonic())
        context = {"round": number, "homes": len(taken), "quantity": self.quantity}
        _log.info("model handed out", extra=context)
        for kind, further in self.hand_out_also().items():
            exchange(grid, nodes, dict.fromkeys(nodes, further), kind, self.settings.round_timeout_s)

    def _resume(self, initial: Weights) -> tuple[Weights, ServerStep, int]:
        saved = self.store.latest()
        self.store.set_aside_after(0 if saved is None else saved.round)
        if saved is None:
            return initial, ServerStep(self.settings, earlier_rounds=self.earlier_rounds), 0
        try:
            check_like(saved.weights, initial)
        except UpdateRefused as refused:
            raise FederationError(f"{self.store.directory} holds rounds of another model: {refused}") from refused
        _log.info("resuming", extra={"round": saved.round})
        self.store.publish(saved.round, self.on_round)
        return saved.weights, ServerStep(self.settings, saved.moments, self.earlier_rounds), saved.round

    def _round(
        self, grid: Grid, number: int, start: Weights, step: ServerStep, every: bool
    ) -> tuple[Weights, RoundReport, dict[str, dict[str, NDArray[Any]]]]:
        """The round's model, what happened, and arrays to keep. `every`: all homes are asked, not a part of them."""
        started = time.monotonic()
        plan = replace(local_plan(self.settings, number, self.earlier_rounds), quantity=self.quantity).to_record()
        for attempt in range(1, self.settings.attempts + 1):
            online = self._online(grid)
            asked = sorted(online) if every else choose_homes(list(online), self.settings, number)
            nodes = {home: online[home] for home in asked}
            gathered = self.gather(grid, nodes, start, plan, self.settings.round_timeout_s)
            if len(gathered.updates) >= min(self.settings.min_homes, len(asked)):
                break
            _log.warning(
                "too few updates", extra={"round": number, "attempt": attempt, "left_out": gathered.left_out}
            )
        else:
            raise QuorumMissed(
                f"round {number}: {len(gathered.updates)} of the {len(asked)} homes asked gave a usable update, "
                f"{self.settings.min_homes} are needed, and {self.settings.attempts} attempts were made; "
                f"the last reasons: {_reasons(gathered.left_out)}"
            )
        gathered, capped = self._capped(gathered)
        weights = self.project(step(start, self.combine(gathered.updates, start), number))
        report = self._report(grid, number, asked, gathered, capped, weights, started)
        _log.info("round done", extra={"round": number, "loss": report.train_loss, "homes": len(gathered.updates)})
        return weights, report, gathered.keep

    def _capped(self, gathered: Gathered) -> tuple[Gathered, dict[str, int]]:
        """The updates with no home counting for more than `strategy.most_days`, and what those above it said."""
        most = self.settings.strategy.most_days
        capped = {u.home: u.examples for u in gathered.updates if u.examples > most}
        for home, days in capped.items():
            _log.warning("home counts for less than it says", extra={"home": home, "days": days, "counted": most})
        updates = [replace(update, examples=min(update.examples, most)) for update in gathered.updates]
        return replace(gathered, updates=updates), capped

    def _report(
        self,
        grid: Grid,
        number: int,
        asked: list[str],
        gathered: Gathered,
        capped: dict[str, int],
        weights: Weights,
        started: float,
    ) -> RoundReport:
        homes = {u.home: {f"train_{name}": value for name, value in u.metrics.items()} for u in gathered.updates}
        validation, down = self._scores(grid, number, weights, gathered.left_out.keys())
        for home, metrics in validation.items():
            homes.setdefault(home, {}).update({f"validation_{name}": value for name, value in metrics.items()})
        return RoundReport(
            round=number,
            asked=tuple(asked),
            participants=tuple(update.home for update in gathered.updates),
            left_out=gathered.left_out,
            train_loss=_mean_loss(gathered.updates, self.settings.strategy.weighting),
            validation_loss=_weighted_loss(validation),
            homes=dict(sorted(homes.items())),
            bytes_down=gathered.bytes_down + down,
            bytes_up=gathered.bytes_up,
            seconds=time.monotonic() - started,
            capped=capped,
            extra=self.extra(number) | gathered.figures,
        )

    def _scores(
        self, grid: Grid, number: int, weights: Weights, left_out: Collection[str]
    ) -> tuple[dict[str, dict[str, float]], int]:
        """Scores of the homes online. Those left out of the round are not waited for again."""
        every = self.settings.evaluate_every
        if self.quantity != "load" or every == 0 or (number % every and number != self.settings.rounds):
            return {}, 0
        nodes = {home: node for home, node in self._online_now(grid).items() if home not in left_out}
        return gather_scores(grid, nodes, weights, self.settings.round_timeout_s)

    def _online_now(self, grid: Grid) -> dict[str, int]:
        """Home -> node id of the homes online now that can train on the quantity."""
        nodes = set(grid.get_node_ids())
        if strangers := sorted(nodes - self._names.keys() - self._unable):
            named = self.identify(grid, strangers)
            if self.quantity != "load":
                named = self._able(grid, named)
            self._names |= named
        return {self._names[node]: node for node in sorted(nodes & self._names.keys())}

    def _able(self, grid: Grid, named: Mapping[int, str]) -> dict[int, str]:
        """Those that can train on export. The others are not asked again: an agent of an earlier release would take a
        plan of export for one of load, and one whose readings have no export has nothing to train on."""
        nodes = {home: node for node, home in named.items()}
        able = homes_able(grid, nodes, self.settings.round_timeout_s)
        self._unable |= {node for home, node in nodes.items() if home not in able}
        return {nodes[home]: home for home in able}

    def _wait_for_homes(self, grid: Grid) -> dict[str, int]:
        """`_online_now`, once there are `min_homes` of them, or fewer if they do not appear in time."""
        deadline = time.monotonic() + self.settings.wait_for_homes_s
        while len(homes := self._online_now(grid)) < self.settings.min_homes and time.monotonic() <= deadline:
            time.sleep(_LOOK_EVERY_S)
        return homes

    def _online(self, grid: Grid) -> dict[str, int]:
        """At least `min_homes` homes that are online; QuorumMissed if they do not appear."""
        homes = self._wait_for_homes(grid)
        if len(homes) < self.settings.min_homes:
            raise QuorumMissed(
                f"{len(homes)} homes online after {self.settings.wait_for_homes_s:.0f} s, "
                f"{self.settings.min_homes} are needed"
            )
        return homes


def _weighted_loss(homes: dict[str, dict[str, float]]) -> float | None:
    scored = [metrics for metrics in homes.values() if math.isfinite(metrics.get("loss", math.nan))]
    total = sum(metrics[EXAMPLES] for metrics in scored)
    return sum(metrics["loss"] * metrics[EXAMPLES] for metrics in scored) / total if total else None


def _mean_loss(updates: Sequence[Update], weighting: str) -> float:
    """The mean training loss of the homes that report theirs; NaN if none does."""
    finite = [update for update in updates if math.isfinite(update.metrics["loss"])]
    if not finite:
        return math.nan
    return sum(part * u.metrics["loss"] for part, u in zip(shares(finite, weighting), finite, strict=True))


def _reasons(left_out: dict[str, str]) -> str:
    return "; ".join(f"{home}: {reason}" for home, reason in sorted(left_out.items())) or "no home was asked"
