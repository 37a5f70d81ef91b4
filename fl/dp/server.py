"""Differential privacy at the coordinator: the ledger of what was released, central clipping and noise.

Flower's strategy wrappers do the same for its strategies; they count rounds in memory and draw from NumPy's global
generator. Here the count outlives the coordinator: each release is recorded with its noise before homes are asked,
never after, and rounds whose ledger is gone are not continued.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord
from flwr.serverapp import Grid
from numpy.typing import NDArray

from fl.aggregation.flat import moved, rows_of
from fl.aggregation.strategy import Update
from fl.dp.accountant import epsilon_of
from fl.dp.client_mod import CLIP_NORM
from fl.dp.noise import clip, gaussian
from fl.dp.releases import LedgerDamaged, Releases
from fl.errors import FederationError
from fl.exchange import Gather, Gathered
from fl.protection_settings import PrivacySettings
from fl.secagg.fixed_point import UNCLIPPED
from fl.store import RoundReport
from fl.weights import Weights

FORMAT = "wattproof/coordinator-ledger/1"
Noise = Callable[[int], NDArray[np.float64]]


class BudgetSpent(FederationError):
    """The next round would exceed `privacy.max_epsilon`."""


class Privacy:
    """The coordinator's part of differential privacy in one training: `gather`, `combine`, `extra` of `Rounds`.

    Args:
        settings: as the homes have them.
        path: the ledger, kept beside the rounds (`fl.dp.releases`). Releases are counted when homes are asked: a
            round that is asked twice, or interrupted, counts as often as homes may have answered, each with its own
            noise.
        clipped_at_home: homes clip (`fl.dp.client_mod`), as they must where the coordinator sees only sums.
        noise: standard normal numbers; from the operating system's randomness unless a bench says otherwise.

    Raises LedgerDamaged for a ledger that can't be read.
    """

    def __init__(
        self, settings: PrivacySettings, path: Path, *, clipped_at_home: bool = False, noise: Noise = gaussian
    ) -> None:
        self.settings = settings
        self.path = path
        self.clipped_at_home = clipped_at_home
        self._noise = noise
        self._sigma = settings.noise_multiplier / (2 if settings.mode == "local" else 1)
        self._kept = Releases(path, FORMAT, "the community", {CLIP_NORM: settings.clip_norm})

    @property
    def releases(self) -> int:
        return len(self._kept.entries)

    @property
    def clip_norm(self) -> float:
        return self._kept.values[CLIP_NORM]

    @property
    def epsilon(self) -> float:
        """What is spent so far, for the settings' delta."""
        return epsilon_of(self._kept.precision, self.settings.delta)

    def check_covers(self, saved: RoundReport) -> None:
        """Raises LedgerDamaged unless the ledger holds every release that the saved rounds mention."""
        recorded = int(saved.extra.get("releases", 0))
        if self.releases < recorded:
            have = f"knows {self.releases} of them" if self.path.exists() else "is missing"
            raise LedgerDamaged(
                f"the rounds up to {saved.round} in {self.path.parent} released {recorded} noisy sums (epsilon "
                f"{saved.extra.get('epsilon', math.nan):.2f}), and their ledger {self.path.name} {have}: restore "
                "it. Without a copy it is unknown what the homes have spent, and these rounds cannot be continued; "
                "a new training in another folder counts from zero, on top of what this one spent"
            )

    def gather(self, inner: Gather) -> Gather:
        """`inner`, each call counted first; BudgetSpent instead of a call that would exceed `max_epsilon`."""

        def counted(
            grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
        ) -> Gathered:
            number = plan.get("round")
            self._spend(number if isinstance(number, int) else None)
            bounded = ConfigRecord({**plan, CLIP_NORM: self.clip_norm})
            return inner(grid, nodes, start, bounded, timeout)

        return counted

    def combine(self, updates: Sequence[Update], start: Weights) -> Weights:
        """The mean of the updates, every home the same; in `central` mode of clipped ones, and with noise."""
        rows, homes = rows_of(updates, start), len(updates)
        if self.settings.mode != "central":
            return moved(start, rows.mean(axis=0))
        whole = sum(update.metrics.get(UNCLIPPED, 0.0) for update in updates)
        if not self.clipped_at_home:
            clipped = [clip(row, self.clip_norm) for row in rows]
            rows, whole = np.stack([row for row, _ in clipped]), float(sum(short for _, short in clipped))
        stddev = self.settings.update_multiplier(homes) * self.clip_norm / homes
        step = rows.mean(axis=0) + stddev * self._noise(rows.shape[1])
        if self.settings.clipping == "adaptive":
            self._adapt(whole, homes)
        return moved(start, step)

    def extra(self, round: int) -> dict[str, float]:
        """The privacy spent so far, for the report of a round."""
        return {
            "epsilon": self.epsilon,
            "delta": self.settings.delta,
            "releases": float(self.releases),
            "clip_norm": self.clip_norm,
        }

    def _spend(self, round_number: int | None) -> None:
        with self._kept.changing():
            after = epsilon_of(self._kept.precision + self._sigma**-2, self.settings.delta)
            if self.settings.max_epsilon is not None and after > self.settings.max_epsilon:
                raise BudgetSpent(
                    f"one more round would spend epsilon {after:.2f}, and privacy.max_epsilon is "
                    f"{self.settings.max_epsilon}: training ends after {self.releases} releases"
                )
            self._kept.add(round_number, self._sigma)

    def _adapt(self, unclipped: float, homes: int) -> None:
        """Move the norm towards the quantile (Andrew et al. 2021, algorithm 1)."""
        noisy = (unclipped + self.settings.count_noise(homes) * float(self._noise(1)[0])) / homes
        moved_norm = self.clip_norm * math.exp(-self.settings.clip_rate * (noisy - self.settings.quantile))
        with self._kept.changing():
            self._kept.keep(**{CLIP_NORM: moved_norm})
