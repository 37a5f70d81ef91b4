"""What the masked sums of all rounds of a training show together, by number of homes (`bench.leakage`).

The sums are those of `bench.local_rounds`, a federation without its messages: each is the mean of the homes'
gradients, and nothing else leaves. One attacker takes days to be drawn as the plan says (`bench.leakage_joint`). That
is so in a simulation; on a gateway they are drawn by a secret (`fl.task.HomeLearner`), and another attacker takes all
days for drawn alike, of a few rounds together. Beside that, the difference of two rounds in a row, of which a home is
in the first only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from bench.leakage_inversion import Array, average_day, recovered
from bench.leakage_joint import RoundSeen, solve, start_hours
from bench.local_rounds import train
from fl.aggregation.flat import flatten, moved
from fl.aggregation.strategy import Update, local_plan, mean
from fl.dp.noise import clip, gaussian
from fl.plan import LocalPlan
from fl.protection_settings import PrivacySettings
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights
from fl.weights import Weights
from forecasting.parameters import SCALE_FLOOR_WH

LOCAL_ROUNDS, TOGETHER = 4, 6
"""Local rounds before the gradients; rounds taken together where days are taken for drawn alike."""
TIMES = (1, 8, 64)
"""How often one round is asked for."""
_LINEAR = ("head.weight", "head.bias", "mean.weight", "mean.bias")
_EPSILON, _LEAST_MISSING = 1e-8, 2.0**-24
"""Of AdamW; of a float32 beside 1."""
PLAIN = PrivacySettings()


@dataclass(frozen=True)
class Case:
    """A training that is attacked: gradient rounds, the share of them that each home misses, whether its draws are
    secret, and its privacy."""

    rounds: int
    absent: float = 0.0
    secret: bool = False
    privacy: PrivacySettings = field(default=PLAIN)


@dataclass
class _Watched:
    """The coordinator's side of a training, which keeps what it sees; `homes` as the plan tells of them."""

    homes: Mapping[str, HomeLearner]
    case: Case
    settings: FederationSettings
    seen: list[RoundSeen] = field(default_factory=list)
    number: int = 0

    def combine(self, updates: Sequence[Update], start: Weights) -> Weights:
        self.number += 1
        plan, draw = local_plan(self.settings, self.number), np.random.default_rng([self.settings.seed, self.number])
        there = draw.random(len(updates)) >= self.case.absent
        there[:2] |= there.sum() < 2
        present = [update for update, one in zip(updates, there, strict=True) if one]
        out = mean("equal")(present, start)
        if plan.gradient:
            self.seen.append(self._round(start, out, plan, [update.home for update in present]))
        return out

    def _round(self, start: Weights, out: Weights, plan: LocalPlan, present: Sequence[str]) -> RoundSeen:
        drawn = {home: self.homes[home].drawn(plan, start) for home in present}
        gradient: Weights = {name: start[name] - out[name] for name in start}
        hours = {home: start_hours(windows) for home, windows in drawn.items()}
        return RoundSeen(start, gradient, hours, {home: windows.exogenous for home, windows in drawn.items()})


def sums_of(homes: Sequence[HomeLearner], case: Case, seed: int) -> list[RoundSeen]:
    """What a coordinator sees of the gradient rounds of a training of these homes."""
    told = {"local_rounds": LOCAL_ROUNDS, "weighting": "equal"}
    settings = FederationSettings.model_validate(
        {"seed": seed, "rounds": LOCAL_ROUNDS + case.rounds, "strategy": told}
    )
    watched = _Watched({home.home: home for home in homes}, case, settings)
    own = [replace(home, secret=hashlib.sha256(home.home.encode()).digest()) for home in homes]

    def leaves(home: HomeLearner, update: Update, start: Weights) -> Update:
        if case.privacy.mode == "off":
            return update
        clipped, _ = clip(flatten(update.weights, start), case.privacy.clip_norm)
        drawn_by = hashlib.sha256(f"{seed} {home.home} {watched.number}".encode()).digest()
        noise = case.privacy.noise_multiplier * case.privacy.clip_norm * gaussian(len(clipped), drawn_by)
        return replace(update, weights=moved(start, clipped + noise))

    train(own if case.secret else homes, settings, watched.combine, leaves)
    return watched.seen


def drawn_alike(rounds: Sequence[RoundSeen], homes: Sequence[HomeLearner]) -> list[RoundSeen]:
    """The same with all days of each home in the place of those drawn: means of a few rounds of the same homes."""
    days = {home.home: home.train.at_day_start() for home in homes}
    hours = {home: start_hours(windows) for home, windows in days.items()}
    public = {home: windows.exogenous for home, windows in days.items()}
    return [
        RoundSeen(_mean([r.start for r in part]), _mean([r.gradient for r in part]), hours, public)
        for part in (rounds[k : k + TOGETHER] for k in range(0, len(rounds), TOGETHER))
    ]


def _mean(every: Sequence[Weights]) -> Weights:
    return {name: np.mean([one[name] for one in every], axis=0, dtype=np.float64) for name in every[0]}


def judged(rounds: Sequence[RoundSeen], homes: Sequence[HomeLearner], steps: int) -> dict[str, float]:
    """How near the attack comes to all days of the home that it shows most of."""
    usual = {home.home: SCALE_FLOOR_WH + float(home.train.history.sum(axis=1).mean()) for home in homes}
    solution = solve(rounds, usual, steps)
    found = []
    for home in homes:
        days = home.train.at_day_start()
        found.append(recovered(solution.guess(home.home, days), days, average_day(home)))
    most = max(found, key=lambda each: each.correlation)
    return {key: round(value, 4) for key, value in asdict(most).items()}


def measure_joint(
    homes: Sequence[HomeLearner], counts: Sequence[int], case: Case, noised: PrivacySettings, seed: int, steps: int
) -> dict[str, dict[str, Any]]:
    """By what the attacker can take for drawn, and by number of homes."""
    out: dict[str, dict[str, Any]] = {}
    for count in counts:
        some, key = homes[:count], f"{count} homes"
        public, secret = sums_of(some, case, seed), sums_of(some, replace(case, secret=True), seed)
        rows = {
            "days as the plan says": (public, some),
            "days drawn in secret, taken for the plan's": (secret, some),
            "days drawn in secret, taken for drawn alike": (drawn_alike(secret, some), some),
            "noised, days as the plan says": (sums_of(some, replace(case, privacy=noised), seed), some),
        }
        for row, (rounds, known) in rows.items():
            out.setdefault(row, {})[key] = judged(rounds, known, steps)
    return out


def measure_differences(homes: Sequence[HomeLearner], counts: Sequence[int], seed: int) -> dict[str, Any]:
    """The cosine between a home's own update and the difference of two sums in a row, times their homes, of which it
    is in the first only; beside it that of the first sum, which all updates have in common. By kind of round and
    number of homes, the means over these."""
    return {
        kind: {f"{count} homes": _shown_by_difference(homes[:count], rounds, local, seed) for count in counts}
        for kind, rounds, local in (("local rounds", 10, 10), ("gradient rounds", 14, LOCAL_ROUNDS))
    }


def _shown_by_difference(homes: Sequence[HomeLearner], rounds: int, local: int, seed: int) -> dict[str, float]:
    settings = FederationSettings.model_validate(
        {"seed": seed, "rounds": rounds, "strategy": {"local_rounds": local, "weighting": "equal"}}
    )
    steps: list[Array] = []

    def combine(updates: Sequence[Update], start: Weights) -> Weights:
        steps.append(np.stack([flatten(update.weights, start) for update in updates]))
        return mean("equal")(updates, start)

    train([replace(home, secret=b"its own") for home in homes], settings, combine)
    before, after = steps[-2:]
    first, left = before.sum(axis=0), [np.delete(after, k, axis=0).sum(axis=0) for k in range(len(homes))]
    return {
        "difference": round(float(np.mean([_cosine(first - left[k], own) for k, own in enumerate(before)])), 3),
        "sum": round(float(np.mean([_cosine(first, own) for own in before])), 3),
    }


def measure_repeats(homes: Sequence[HomeLearner], counts: Sequence[int], seed: int) -> dict[str, dict[str, float]]:
    """What a coordinator gets that asks for one round again and again, each time from a model that is a last bit
    apart, so that homes draw other days: the cosine between a home's gradient of all its days and the difference of
    two means of sums, of which it is in the first only. By number of homes, and of sums with it and without it."""
    out: dict[str, dict[str, float]] = {}
    for count in counts:
        own = [replace(home, secret=home.home.encode()) for home in homes[:count]]
        settings = FederationSettings.model_validate({"seed": seed, "rounds": LOCAL_ROUNDS})
        start = train(own, settings, mean("equal"))
        plan = replace(local_plan(settings, LOCAL_ROUNDS), gradient=True)
        whole = flatten(own[0].fit(start, replace(plan, batch_days=len(own[0].train)))[0], start)
        sums = {len(part): _sums(part, start, plan, max(TIMES)) for part in (own, own[1:])}
        out[f"{count} homes"] = {
            f"{times} times": round(
                _cosine(sums[count][:times].sum(axis=0) - sums[count - 1][-times:].sum(axis=0), whole), 3
            )
            for times in TIMES
        }
    return out


def _sums(homes: Sequence[HomeLearner], start: Weights, plan: LocalPlan, times: int) -> Array:
    """Sums of the homes' gradients, of one round from so many models beside each other [times, weights]."""
    name, sums = next(iter(start)), []
    for bit in range(times):
        beside = {**start, name: start[name].copy()}
        beside[name].flat[0] += np.float32(1e-6 * (bit + times * (len(homes) % 2)))
        sums.append(np.sum([flatten(home.fit(beside, plan)[0], beside) for home in homes], axis=0))
    return np.stack(sums)


def measure_one_step(home: HomeLearner, seed: int) -> dict[str, float]:
    """What a local round shows whose plan is one step: one epoch, and a batch of all days. The step of AdamW is
    rate * g / (|g| + epsilon), so its sign is the gradient's, and what is missing to the rate tells the size: the
    cosine between what is computed so and the gradient. The model is the coordinator's, too: where weights are 0, the
    step has all its digits."""
    start = {
        name: np.zeros_like(a) if name in _LINEAR else a for name, a in initial_weights(home.shape, seed).items()
    }
    settings = FederationSettings.model_validate({"seed": seed})
    plan = replace(local_plan(settings, 1), epochs=1, batch_days=len(home.train), learning_rate=2.0**-10)
    step = flatten(home.fit(start, plan)[0], start) / plan.learning_rate
    size = np.abs(step)
    computed = np.sign(step) * _EPSILON * size / np.maximum(1 - size, _LEAST_MISSING)
    return {"cosine": round(_cosine(computed, flatten(home.fit(start, replace(plan, gradient=True))[0], start)), 3)}


def _cosine(one: Array, other: Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
