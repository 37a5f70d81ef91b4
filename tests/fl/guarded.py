"""Agents' own protection without processes: keys, a roster, ledgers and records on disk, and the real client mods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flwr.clientapp.typing import Mod

from fl.client_mods import client_mods
from fl.deployment.keys import make_agent_key, roster_of_agents
from fl.dp.accountant import epsilon_of
from fl.dp.budget import HomeLedger
from fl.exchange import Gather
from fl.rounds import Rounds
from fl.secagg.sum_record import SumRecord
from fl.secure_gather import SecureGather
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.weights import Weights
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid

HOMES = ("ada", "bob", "cyd", "dee", "eve")


def account(spent: float, each: float, delta: float, count: int) -> list[float]:
    """The accountant in this process, a few updates at a time."""
    return [epsilon_of(spent + k * each, delta) for k in range(min(count, 8))]


class Guarded:
    """Homes under secure aggregation as agents, and a coordinator that has their public keys.

    Attributes:
        settings: the coordinator's and, with the roster, the homes' own; `own` changes them for single homes.
    """

    def __init__(
        self, folder: Path, homes: Sequence[str] = HOMES, own: dict[str, dict[str, Any]] | None = None, **changes: Any
    ) -> None:
        self.folder, self.homes, self.own = folder, tuple(homes), own or {}
        self.keys, roster = folder / "keys", folder / "roster.json"
        for home in homes:
            make_agent_key(self.keys, home)
        roster_of_agents(self.keys).write(roster)
        secure = {"enabled": True, "roster": str(roster)} | changes.pop("secure_aggregation", {})
        values = {
            "rounds": 1, "min_homes": 3, "evaluate_every": 0, "wait_for_homes_s": 0.1, "attempts": 1,
            "strategy": {"weighting": "equal"}, "secure_aggregation": secure,
            "deployment": {"keys_dir": str(self.keys)},
        } | changes  # fmt: skip
        self.settings = FederationSettings.model_validate(values)
        self._records: dict[str, SumRecord] = {}

    def settings_of(self, home: str) -> FederationSettings:
        values = self.settings.model_dump()
        for key, change in self.own.get(home, {}).items():
            values[key] = values[key] | change if isinstance(change, dict) else change
        return FederationSettings.model_validate(values)

    def mods(self, home: str) -> list[Mod]:
        """The home's real mods, as after a start of its agent: what it remembers is what its disk holds."""
        if home in self._records:
            self._records.pop(home).close()
        self._records[home] = SumRecord(self.folder / f"{home}.sums.jsonl")
        settings = self.settings_of(home)
        private = settings.privacy.mode != "off"
        ledger = HomeLedger(self.folder / f"{home}.privacy.json", settings.privacy, account) if private else None
        return client_mods(settings, home, ledger, self._records[home])

    def grid(
        self,
        learners: Sequence[LeastSquares] | None = None,
        mods_of: Callable[[str], Sequence[Mod]] | None = None,
        **changes: Any,
    ) -> WatchedGrid:
        """All agents, just started."""
        return WatchedGrid(learners or [LeastSquares(h) for h in self.homes], mods_of=mods_of or self.mods, **changes)

    def gather(self, name: str = "rounds") -> SecureGather:
        """The coordinator's side, as after a start."""
        private = self.settings.privacy.mode in ("local", "distributed")
        return SecureGather(
            self.settings.secure_aggregation, self.settings.strategy.weighting, noisy=private,
            roster=lambda: roster_of_agents(self.keys).members, directory=self.folder / name,
        )  # fmt: skip

    def train(
        self,
        grid: WatchedGrid,
        gather: Gather | None = None,
        name: str = "rounds",
        start: Weights = ZERO,
        **changes: Any,
    ) -> tuple[Weights, RoundReport]:
        """The last model and its round's report."""
        store, settings = RoundStore(self.folder / name), self.settings.model_copy(update=changes)
        model = Rounds(settings, store, gather=gather or self.gather(name)).run(grid, start)
        return model, store.load(settings.rounds).report

    def alone(self, home: str, start: Weights = ZERO, examples: int = 10) -> Weights:
        """What one home's training gives, by itself."""
        from fl.aggregation.strategy import local_plan

        return LeastSquares(home, examples).fit(start, local_plan(self.settings, 1))[0]
