"""`python -m bench.leakage [--data fontana|london] [--parts ...]`: what updates show of a home's days; one JSON line.

Attacks of a coordinator that follows the protocol and looks at all it gets, on updates as homes make them
(`fl.task.HomeLearner`), plain, in a masked sum of several homes, and with noise:

- `inversion`: the readings of the days behind a gradient (`bench.leakage_inversion`). The rows of `local round` take
  the update of a whole local round for such a gradient.
- `joint`: the readings of all days from the masked sums of all gradient rounds together (`bench.leakage_rounds`), and
  `differences`: what two sums in a row show of a home that is in the first only.
- `membership`: whether a day was among those trained on (`bench.leakage_membership`), after a few local rounds in
  which each home trains on a half of its days, drawn.

Noise is for `--epsilon` over the rounds of a training under differential privacy. Writes out/bench/leakage-DATA.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.accuracy_data import FONTANA, open_community
from bench.accuracy_methods import homes_of
from bench.leakage_inversion import Array, Guess, Observed, average_day, match, read_off, recovered
from bench.leakage_membership import losses, told_apart
from bench.leakage_rounds import Case, measure_differences, measure_joint, measure_one_step, measure_repeats
from bench.local_rounds import FORECASTING, OUT, SHAPE, train
from data.atomic import write_bytes
from data.features import public_features
from data.windows import Windows, make_windows
from fl.aggregation.flat import flatten, moved
from fl.aggregation.strategy import Update, local_plan, mean
from fl.dp.accountant import noise_multiplier_for
from fl.dp.noise import clip, gaussian
from fl.plan import LocalPlan
from fl.protection_settings import PrivacySettings
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights
from fl.training_settings import LOCAL_ROUNDS
from fl.weights import Weights
from forecasting.evaluation import Split
from forecasting.parameters import SCALE_FLOOR_WH

SEED, EPSILON, MEMBERSHIP_ROUNDS = 2026, 10.0, 8
DAYS, ITERATIONS = 32, 150
PARTS = ("inversion", "joint", "differences", "repeats", "one step", "membership")
PLAIN = PrivacySettings()


def learners(windows: Windows) -> list[HomeLearner]:
    """Each home with all its windows, by name."""
    return [
        HomeLearner(home, windows.of_home(home), windows.of_home(home), SHAPE, FORECASTING.huber)
        for home in homes_of(windows)
    ]


def observed(homes: Sequence[HomeLearner], start: Weights, days: int, privacy: PrivacySettings = PLAIN) -> Observed:
    """What the coordinator has of a round in which each home sends the mean gradient of so many windows: the mean
    over `homes`, which for one home is its plain update. Under local privacy each is clipped and noised."""
    plan = gradient_plan(days)
    steps = [_sent(flatten(home.fit(start, plan)[0], start), home.home, privacy) for home in homes]
    return _seen(start, steps, [home.drawn(plan, start) for home in homes])


def gradient_plan(days: int) -> LocalPlan:
    """The last round of a training, for the mean gradient of `days` windows of each home."""
    settings = FederationSettings(seed=SEED)
    return replace(local_plan(settings, settings.rounds), batch_days=days)


def of_local_round(home: HomeLearner, start: Weights, days: int) -> Observed:
    """A home's update of a whole local round, taken for the gradient of `days` of its windows."""
    step = flatten(home.fit(start, local_plan(FederationSettings(seed=SEED), 1))[0], start)
    return _seen(start, [step], [home.drawn(gradient_plan(days), start)])


def _seen(start: Weights, steps: Sequence[Array], drawn: Sequence[Windows]) -> Observed:
    downhill, place, gradient = np.mean(steps, axis=0), 0, {}
    for name, array in start.items():
        gradient[name] = -downhill[place : place + array.size].reshape(array.shape)
        place += array.size
    steps_of, exogenous = (np.concatenate([getattr(w, part) for w in drawn]) for part in ("steps", "exogenous"))
    scale = np.concatenate([np.full(len(w), SCALE_FLOOR_WH + w.history.sum(axis=1).mean()) for w in drawn])
    return Observed(start, gradient, steps_of, exogenous, scale, len(drawn))


def _sent(step: Array, home: str, privacy: PrivacySettings) -> Array:
    """What leaves the home, by its privacy settings (`fl.dp.client_mod`); noise from seeds, so that it repeats."""
    if privacy.mode == "off":
        return step
    clipped, _ = clip(step, privacy.clip_norm)
    seed = hashlib.sha256(f"{SEED} {home} {privacy.noise_multiplier}".encode()).digest()
    return clipped + privacy.noise_multiplier * privacy.clip_norm * gaussian(len(step), seed)


def noise_for(epsilon: float) -> PrivacySettings:
    """Local privacy whose noise spends `epsilon` over the rounds of a training."""
    local = PrivacySettings(mode="local")
    return local.model_copy(update={"noise_multiplier": noise_multiplier_for(epsilon, LOCAL_ROUNDS, local)})


def measure_inversion(homes: Sequence[HomeLearner], epsilon: float, iterations: int = ITERATIONS) -> dict[str, Any]:
    """By attack and by what was sent: by the first home, or of the home in a sum that it shows most of."""
    start, victim = initial_weights(SHAPE, FORECASTING.seed), homes[0]
    seen = {f"plain gradient of {n} windows": (observed(homes[:1], start, n), n) for n in (1, 16, DAYS)}
    seen["plain local round"] = (of_local_round(victim, start, DAYS), DAYS)
    for count in sorted({2, 3, 5, len(homes)}):
        seen[f"masked sum of {count} homes, {DAYS} windows each"] = (observed(homes[:count], start, DAYS), DAYS)
    noised = observed(homes[:1], start, DAYS, noise_for(epsilon))
    seen[f"noised gradient of {DAYS} windows"] = (noised, DAYS)

    def judged(attack: Callable[[Observed], Guess], sent: str) -> dict[str, float]:
        one, days = seen[sent]
        guess = attack(one)
        found = [
            recovered(guess.part(k * days, days), home.drawn(gradient_plan(days), start), average_day(home))
            for k, home in enumerate(homes[: one.homes])
        ]
        most = max(found, key=lambda each: each.correlation)
        return {key: round(value, 6) for key, value in asdict(most).items()}

    matching = partial(match, huber=FORECASTING.huber, iterations=iterations)
    return {
        "closed form": {sent: judged(read_off, sent) for sent in seen},
        "matching": {sent: judged(matching, sent) for sent in seen if not sent.startswith("masked")},
    }


Views = dict[str, Callable[[int], Weights]]


def measure_membership(homes: Sequence[HomeLearner], epsilon: float) -> dict[str, Any]:
    """By what the coordinator sees after some local rounds: each home's model, the mean of all, with noise."""
    halves = [_halves(home.train.at_day_start(), k) for k, home in enumerate(homes)]
    members = [replace(home, train=half[0]) for home, half in zip(homes, halves, strict=True)]
    told = {"seed": SEED, "rounds": MEMBERSHIP_ROUNDS, "strategy": {"weighting": "equal"}}
    settings = FederationSettings.model_validate(told)
    start, local = initial_weights(SHAPE, settings.seed), noise_for(epsilon)

    def trained(privacy: PrivacySettings) -> tuple[Weights, dict[str, Weights]]:
        last: dict[str, Weights] = {}

        def leaves(home: HomeLearner, update: Update, before: Weights) -> Update:
            step = _sent(flatten(update.weights, before), home.home, privacy)
            last[home.home] = moved(before, step)
            return replace(update, weights=last[home.home])

        return train(members, settings, mean("equal"), leaves), last

    plain_mean, plain = trained(PLAIN)
    noised_mean, noised = trained(local)
    views: Views = {
        "plain updates": lambda k: plain[homes[k].home],
        f"masked sum of {len(homes)} homes": lambda k: plain_mean,
        "noised updates": lambda k: noised[homes[k].home],
        f"sum of {len(homes)} noised updates": lambda k: noised_mean,
    }
    return {name: _told(view, halves, start) for name, view in views.items()}


def _halves(windows: Windows, k: int) -> tuple[Windows, Windows]:
    drawn = np.random.default_rng([SEED, k]).permutation(len(windows)) < len(windows) // 2
    return windows.where(drawn), windows.where(~drawn)


def _told(
    view: Callable[[int], Weights], halves: Sequence[tuple[Windows, Windows]], start: Weights
) -> dict[str, dict[str, float]]:
    """By the loss itself, and by the loss less that of the model that the training started from."""
    found = [[-losses(view(k), half, SHAPE) for half in both] for k, both in enumerate(halves)]
    usual = [[-losses(start, half, SHAPE) for half in both] for both in halves]
    by_loss = [np.concatenate([f[side] for f in found]) for side in (0, 1)]
    calibrated = [np.concatenate([f[side] - u[side] for f, u in zip(found, usual, strict=True)]) for side in (0, 1)]
    return {
        name: {key: round(value, 4) for key, value in asdict(told_apart(*scores)).items()}
        for name, scores in (("loss", by_loss), ("calibrated", calibrated))
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--epsilon", type=float, default=EPSILON, help="that noise spends over a training's rounds")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="attacks to try")
    parser.add_argument(
        "--homes", nargs="*", type=int, help="joint, differences, repeats: in sums of so many homes each"
    )
    parser.add_argument("--rounds", type=int, default=60, help="joint: gradient rounds whose sums are known")
    parser.add_argument("--absent", type=float, default=0.0, help="joint: the share of the rounds a home misses")
    parser.add_argument("--steps", type=int, default=40, help="joint: of the solver")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.perf_counter()
    community = open_community(asked.data, asked.cache)
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.data.weather, clock)
    windows = make_windows(readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    homes = learners(windows.between(0, split.train_end))
    parts: dict[str, Callable[[], object]] = {
        "inversion": lambda: measure_inversion(homes, asked.epsilon),
        "joint": lambda: measure_joint(
            homes, counts, Case(asked.rounds, asked.absent), noise_for(asked.epsilon), SEED, asked.steps
        ),
        "differences": lambda: measure_differences(homes, counts, SEED),
        "repeats": lambda: measure_repeats(homes, counts, SEED),
        "one step": lambda: measure_one_step(homes[0], SEED),
        "membership": lambda: measure_membership(homes, asked.epsilon),
    }
    counts = [count for count in asked.homes or (3, 5, 10, len(homes)) if count <= len(homes)]
    result = {
        "data": community.name,
        "homes": len(homes),
        "epsilon": asked.epsilon,
        "noise_multiplier": round(noise_for(asked.epsilon).noise_multiplier, 3),
        "rounds": asked.rounds,
        "absent": asked.absent,
        **{part: measure() for part, measure in parts.items() if part in asked.parts},
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_bytes(OUT / f"leakage-{community.name}.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
