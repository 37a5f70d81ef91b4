"""How the homes' models become the next global model: who is asked, how updates are combined, the server's step.

Everything is pure and ordered: homes by name, sums in that order in float64. The same updates give the same bytes,
in whatever order and at whatever speed the homes answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.training_settings import StrategySettings
from fl.weights import Weights


@dataclass(frozen=True)
class Update:
    """One home's answer to a round of training."""

    home: str
    weights: Weights = field(repr=False)
    examples: int
    metrics: dict[str, float]


Combine = Callable[[Sequence[Update], Weights], Weights]
"""(updates by home, global model they started from) -> combined model."""


def choose_homes(homes: Sequence[str], settings: FederationSettings, round: int) -> list[str]:
    """The homes asked in `round`: a part of those online, drawn from the seed and the round, sorted by name."""
    ordered = sorted(homes)
    count = min(len(ordered), max(settings.min_homes, math.ceil(settings.fraction * len(ordered))))
    generator = np.random.default_rng([settings.seed, round])
    return sorted(str(home) for home in generator.choice(ordered, size=count, replace=False))


def local_plan(settings: FederationSettings, round: int) -> LocalPlan:
    """What homes are asked to do in `round`; the learning rate falls along half a cosine over the rounds."""
    local = settings.local
    along = (round - 1) / max(1, settings.rounds - 1)
    low = local.final_learning_rate
    return LocalPlan(
        round=round,
        seed=settings.seed,
        epochs=local.epochs,
        learning_rate=local.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * along)) / 2),
        batch_days=local.batch_days,
        proximal_mu=settings.strategy.proximal_mu if settings.strategy.name == "fedprox" else 0.0,
    )


def shares(updates: Sequence[Update], weighting: str) -> list[float]:
    """Each update's part of the whole (they add up to 1): by days of data, or every home the same."""
    counts = [update.examples if weighting == "examples" else 1 for update in updates]
    total = sum(counts)
    return [count / total for count in counts]


def mean(weighting: str = "examples") -> Combine:
    """The weighted mean of the updates (FedAvg: McMahan et al., AISTATS 2017)."""

    def combine(updates: Sequence[Update], start: Weights) -> Weights:
        parts = shares(updates, weighting)
        return {
            name: np.sum(
                [part * update.weights[name].astype(np.float64) for part, update in zip(parts, updates, strict=True)],
                axis=0,
            ).astype(np.float32)
            for name in start
        }

    return combine


@dataclass
class ServerStep:
    """The coordinator's own step from the global model towards the combined one. FedAvg: all the way.

    FedAdam (Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2) as Flower's strategy of that name
    does it: moments from zero, and the step size corrected for that start as in Adam (Kingma and Ba 2015, before
    section 2.1), with one round more than there were, as Flower counts. Flower keeps moments in memory; here they are
    saved with each round, so that a restarted coordinator goes on where it was.
    """

    settings: StrategySettings
    moments: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __call__(self, start: Weights, combined: Weights, round: int) -> Weights:
        """The global model after `round` (float32, as `start`)."""
        settings = self.settings
        if settings.name != "fedadam":
            return combined
        unbias = math.sqrt(1 - settings.beta_2 ** (round + 1)) / (1 - settings.beta_1 ** (round + 1))
        rate = settings.server_learning_rate * unbias
        return {name: self._adam(name, start[name], combined[name], rate) for name in start}

    def _adam(
        self, name: str, start: NDArray[np.float32], combined: NDArray[np.float32], rate: float
    ) -> NDArray[np.float32]:
        settings = self.settings
        step = combined.astype(np.float64) - start
        zero = np.zeros_like(step)
        first = settings.beta_1 * self.moments.get(f"m/{name}", zero) + (1 - settings.beta_1) * step
        second = settings.beta_2 * self.moments.get(f"v/{name}", zero) + (1 - settings.beta_2) * step**2
        self.moments |= {f"m/{name}": first, f"v/{name}": second}
        moved = start + rate * first / (np.sqrt(second) + settings.tau)
        return np.asarray(moved, dtype=np.float32)
