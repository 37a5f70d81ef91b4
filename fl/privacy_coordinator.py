"""Differential privacy at the coordinator: the ledger of what was released, central clipping and noise.

Flower's strategy wrappers do the same for its strategies; they count rounds in memory and draw from NumPy's global
generator. Here the count outlives the coordinator: it is written down before homes are asked, never after.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord
from flwr.serverapp import Grid
from numpy.typing import NDArray

from data import atomic
from fl.errors import FederationError
from fl.flat import moved, rows_of
from fl.noise import clip, gaussian
from fl.privacy import epsilon
from fl.privacy_home import CLIP_NORM
from fl.protection_settings import PrivacySettings
from fl.rounds import Gather, Gathered
from fl.secagg import UNCLIPPED
from fl.strategy import Update
from fl.weights import Weights

Noise = Callable[[int], NDArray[np.float64]]


class BudgetSpent(FederationError):
    """The next round would exceed `privacy.max_epsilon`."""


class Privacy:
    """The coordinator's part of differential privacy in one training: `gather`, `combine`, `extra` of `Rounds`.

    Args:
        settings: as the homes have them.
        path: the ledger, kept beside the rounds. Releases are counted when homes are asked: a round that is asked
            twice, or interrupted, counts as often as homes may have answered.
        clipped_at_home: homes clip (`fl.privacy_home`), as they must where the coordinator sees only sums.
        noise: standard normal numbers; from the operating system's randomness unless a bench says otherwise.
    """

    def __init__(
        self, settings: PrivacySettings, path: Path, *, clipped_at_home: bool = False, noise: Noise = gaussian
    ) -> None:
        self.settings = settings
        self.path = path
        self.clipped_at_home = clipped_at_home
        self._noise = noise
        saved = json.loads(path.read_text()) if path.exists() else {}
        self.releases = int(saved.get("releases", 0))
        self.clip_norm = float(saved.get("clip_norm", settings.clip_norm))

    def gather(self, inner: Gather) -> Gather:
        """`inner`, each call counted first; BudgetSpent instead of a call that would exceed `max_epsilon`."""

        def counted(
            grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
        ) -> Gathered:
            self._spend()
            told = ConfigRecord({**plan, CLIP_NORM: self.clip_norm})
            return inner(grid, nodes, start, told, timeout)

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
            "epsilon": epsilon(self.settings, self.releases),
            "delta": self.settings.delta,
            "releases": float(self.releases),
            "clip_norm": self.clip_norm,
        }

    def _spend(self) -> None:
        after = epsilon(self.settings, self.releases + 1)
        if self.settings.max_epsilon is not None and after > self.settings.max_epsilon:
            raise BudgetSpent(
                f"one more round would spend epsilon {after:.2f}, and privacy.max_epsilon is "
                f"{self.settings.max_epsilon}: training ends after {self.releases} releases"
            )
        self.releases += 1
        self._write()

    def _adapt(self, unclipped: float, homes: int) -> None:
        """Move the norm towards the quantile (Andrew et al. 2021, algorithm 1)."""
        noisy = (unclipped + self.settings.count_noise(homes) * float(self._noise(1)[0])) / homes
        self.clip_norm *= math.exp(-self.settings.clip_rate * (noisy - self.settings.quantile))
        self._write()

    def _write(self) -> None:
        text = json.dumps({"releases": self.releases, "clip_norm": self.clip_norm})
        atomic.write_bytes(self.path, text.encode())
