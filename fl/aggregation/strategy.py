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

from fl.aggregation import soap
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.weights import Weights


@dataclass(frozen=True)
class Update:
    """One home's answer to a round of training."""

    home: str
    weights: Weights = field(repr=False)
    examples: int
    metrics: dict[str, float]


_GRADIENT_TAU = 1e-10
"""Keeps Adam's step finite; gradients are about 1e-3."""
_SOAP_RATE = 3.0
"""Times the rate of gradient steps, for matrices that SOAP moves; chosen before the test days (docs/accuracy.md)."""
_AVERAGED = 4
"""The models of the last so-manieth part of the gradient steps are averaged; chosen before the test days
(docs/accuracy.md)."""
_MEANS = "mean."
_SUM = "sum/"
_COUNT = f"{_SUM}models"
Combine = Callable[[Sequence[Update], Weights], Weights]
"""(updates by home, global model they started from) -> combined model."""


def choose_homes(homes: Sequence[str], settings: FederationSettings, round: int) -> list[str]:
    """The homes asked in `round`: a part of those online, drawn from the seed and the round, sorted by name."""
    ordered = sorted(homes)
    count = min(len(ordered), max(settings.min_homes, math.ceil(settings.fraction * len(ordered))))
    generator = np.random.default_rng([settings.seed, round])
    return sorted(str(home) for home in generator.choice(ordered, size=count, replace=False))


def local_plan(settings: FederationSettings, round: int, earlier_rounds: int = 0) -> LocalPlan:
    """What homes are asked to do in `round`; the learning rate falls along half a cosine over the local rounds.

    `earlier_rounds`: those of earlier trainings, which the schedule does not count.
    """
    local, last = settings.local, settings.rounds - settings.gradient_rounds
    before = earlier_rounds if earlier_rounds < last else 0
    rate = falling(min(round, last) - before, last - before, local.final_learning_rate)
    return LocalPlan(
        round=round,
        seed=settings.seed,
        epochs=local.epochs,
        learning_rate=local.learning_rate * rate,
        batch_days=local.batch_days,
        proximal_mu=settings.strategy.proximal_mu if settings.strategy.name == "fedprox" else 0.0,
        gradient=settings.is_gradient_round(round),
    )


def falling(number: int, count: int, low: float) -> float:
    """From 1 at the first of `count` steps to `low` at the last, along half a cosine."""
    return low + (1 - low) * (1 + math.cos(math.pi * (number - 1) / max(1, count - 1))) / 2


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

    In rounds of gradients the homes' mean step is the negative gradient, and the coordinator's optimiser makes of it
    what it would make of a batch of all homes' days in one place: no home drifts from the others (FedChain: Hou et
    al., ICLR 2022, local rounds and then such ones). Matrices that the typical hours are made of go by SOAP
    (`fl.aggregation.soap`), which needs fewer rounds; biases, and the means, which end at ridge regression either
    way, by Adam (Kingma and Ba, ICLR 2015). The last round's model is the mean of those after the last quarter of
    these steps (Polyak and Juditsky, SIAM J. Control Optim. 1992): each step is of days drawn, and what is chance in
    it averages out.

    FedAdam (Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2) as Flower's strategy of that name
    does it: moments from zero, and the step size corrected for that start as in Adam (Kingma and Ba 2015, before
    section 2.1), with one round more than there were, as Flower counts. Flower keeps moments in memory; here they are
    saved with each round, so that a restarted coordinator goes on where it was.

    `earlier_rounds`: those of earlier trainings, after which this one has a schedule and an average of its own.
    """

    settings: FederationSettings
    moments: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    earlier_rounds: int = 0

    def __call__(self, start: Weights, combined: Weights, round: int) -> Weights:
        """The global model after `round` (float32, as `start`)."""
        settings, federation = self.settings.strategy, self.settings
        gradient = federation.is_gradient_round(round)
        if gradient:
            number, tau = round - settings.local_rounds, _GRADIENT_TAU
            low, before = federation.local.final_learning_rate, self._earlier_steps
            rate = settings.gradient_learning_rate * falling(
                number - before, federation.gradient_rounds - before, low
            )
        elif settings.name == "fedadam":
            number, tau, rate = round + 1, settings.tau, settings.server_learning_rate
        else:
            return combined
        correction = math.sqrt(1 - settings.beta_2**number) / (1 - settings.beta_1**number)
        after = {
            name: self._soap(name, value, combined[name], rate, correction)
            if gradient and value.ndim == 2 and not name.startswith(_MEANS)
            else self._adam(name, value, combined[name], rate * correction, tau)
            for name, value in start.items()
        }
        return self._averaged(after, number) if gradient else after

    @property
    def _earlier_steps(self) -> int:
        """Gradient steps of earlier trainings."""
        return max(0, self.earlier_rounds - self.settings.strategy.local_rounds)

    def _averaged(self, after: Weights, number: int) -> Weights:
        """The model after gradient step `number`: in the last one, the mean of this training's last quarter."""
        steps = self.settings.gradient_rounds
        first = steps - (steps - self._earlier_steps) // _AVERAGED + 1
        if number < first or number > steps:
            return after
        if number == first:
            self.moments = {name: value for name, value in self.moments.items() if not name.startswith(_SUM)}
        for name, value in after.items():
            self._add(f"{_SUM}{name}", value.astype(np.float64))
        self._add(_COUNT, np.ones(1))
        if number < steps:
            return after
        count = self.moments[_COUNT]
        return {name: (self.moments[f"{_SUM}{name}"] / count).astype(np.float32) for name in after}

    def _add(self, name: str, value: NDArray[np.float64]) -> None:
        self.moments[name] = self.moments.get(name, np.zeros_like(value)) + value

    def _soap(
        self, name: str, start: NDArray[np.float32], combined: NDArray[np.float32], rate: float, correction: float
    ) -> NDArray[np.float32]:
        settings = self.settings.strategy
        step = combined.astype(np.float64) - start
        found = soap.direction(self.moments, name, step, settings.beta_1, settings.beta_2, correction)
        return np.asarray(start + _SOAP_RATE * rate * correction * found, dtype=np.float32)

    def _adam(
        self, name: str, start: NDArray[np.float32], combined: NDArray[np.float32], rate: float, tau: float
    ) -> NDArray[np.float32]:
        settings = self.settings.strategy
        step = combined.astype(np.float64) - start
        zero = np.zeros_like(step)
        first = settings.beta_1 * self.moments.get(f"m/{name}", zero) + (1 - settings.beta_1) * step
        second = settings.beta_2 * self.moments.get(f"v/{name}", zero) + (1 - settings.beta_2) * step**2
        self.moments |= {f"m/{name}": first, f"v/{name}": second}
        moved = start + rate * first / (np.sqrt(second) + tau)
        return np.asarray(moved, dtype=np.float32)
