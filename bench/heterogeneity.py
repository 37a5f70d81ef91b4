"""`python -m bench.heterogeneity [--quick]`: strategies against each other where homes differ, home by home.

The 17 real homes as they are (every one with the same days), and as a community grows: homes have joined one after
another, so that the last has four weeks to train on and the first all its days. All are judged on the same test days.

Writes out/bench/heterogeneity.json and heterogeneity.png, and prints tables in Markdown: a line for each strategy,
and one for each home. `--seed` and `--strategies` choose others; such runs, and quick ones, have files of their own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench.local_rounds import SHAPE, Days, accuracy, real_days
from bench.options import SEED, options, parser
from bench.pictures import BLUE, ORANGE, picture
from data.atomic import write_bytes
from data.windows import Windows
from fl.aggregation.strategy import ServerStep, Update, choose_homes, local_plan, mean
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights, projection
from fl.weights import Weights

FEWEST_DAYS, ROUNDS = 28, 12
COMMUNITIES = ("as they are", "growing")
STRATEGIES: dict[str, dict[str, Any]] = {
    "FedAvg, by days": {"strategy": {"weighting": "examples"}},
    "FedAvg, equal": {"strategy": {"weighting": "equal"}},
    "FedProx, mu 0.01": {"strategy": {"name": "fedprox", "proximal_mu": 0.01}},
    "FedProx, mu 1": {"strategy": {"name": "fedprox", "proximal_mu": 1.0}},
    "FedAdam, 0.02": {"strategy": {"name": "fedadam", "server_learning_rate": 0.02}},
    "FedAdam, 0.002": {"strategy": {"name": "fedadam", "server_learning_rate": 0.002}},
    "FedAvg, half of the homes": {"fraction": 0.5},
}


@dataclass(frozen=True)
class Case:
    """One training."""

    community: str
    strategy: str
    rounds: int
    seed: int = SEED


@dataclass(frozen=True)
class Outcome:
    """On the test days: MAE over mean load of each home, and the error of the community's total."""

    case: Case
    days: dict[str, int]  # home -> days it had to train on
    nmae: dict[str, float]
    community_wape: float


@lru_cache(maxsize=1)
def _days() -> Days:
    return real_days()


def growing(train: Windows) -> Windows:
    """The homes' last days only, from all of them for the first home down to four weeks for the last."""
    names = np.unique(train.unique_id)
    last = int(train.day.max()) + 1
    longest = last - int(train.day.min())
    spans = np.geomspace(longest, FEWEST_DAYS, len(names)).round().astype(int)
    since = dict(zip(names, last - spans, strict=True))
    return train.where(train.day >= np.array([since[home] for home in train.unique_id]))


def run(case: Case) -> Outcome:
    """Train once from the start and judge the result home by home."""
    days = _days()
    if case.community == "growing":
        days = replace(days, train=growing(days.train))
    settings = FederationSettings.model_validate(
        {"rounds": case.rounds, "seed": case.seed, **STRATEGIES[case.strategy]}
    )
    weights = train(days.learners(), settings)
    homes = [str(home) for home in np.unique(days.test.unique_id)]
    nmae = {home: accuracy(weights, days.test.of_home(home)).home_nmae_median for home in homes}
    counts = {home: days.train.of_home(home).days for home in homes}
    return Outcome(case, counts, nmae, accuracy(weights, days.test).community_wape)


def train(learners: Sequence[HomeLearner], settings: FederationSettings) -> Weights:
    """The rounds as `fl.rounds` runs them, without messages: sampling, weighting and the server's step included."""
    weights, project, step = initial_weights(SHAPE, settings.seed), projection(SHAPE), ServerStep(settings)
    by_name, combine = {learner.home: learner for learner in learners}, mean(settings.strategy.weighting)
    for number in range(1, settings.rounds + 1):
        plan, updates = local_plan(settings, number), []
        for home in choose_homes(list(by_name), settings, number):
            trained, metrics = by_name[home].fit(weights, plan)
            updates.append(Update(home, trained, by_name[home].examples, metrics))
        weights = project(step(weights, combine(updates, weights), number))
    return weights


def summary(outcomes: Sequence[Outcome]) -> str:
    """A line for each community and strategy."""
    lines = [
        "| community | strategy | best home | median | worst home | spread (quartiles) | community WAPE |",
        "|---|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        low, first, median, third, high = np.quantile(list(o.nmae.values()), [0, 0.25, 0.5, 0.75, 1])
        lines.append(
            f"| {o.case.community} | {o.case.strategy} | {low:.3f} | {median:.3f} | {high:.3f} "
            f"| {third - first:.3f} | {o.community_wape:.3f} |"
        )
    return "\n".join(lines)


def by_home(outcomes: Sequence[Outcome]) -> str:
    """A line for each home of one community, a column for each strategy."""
    lines = [
        "| home | days | " + " | ".join(o.case.strategy for o in outcomes) + " |",
        "|---|---|" + "---|" * len(outcomes),
    ]
    for home, days in outcomes[0].days.items():
        lines.append(f"| {home} | {days} | " + " | ".join(f"{o.nmae[home]:.3f}" for o in outcomes) + " |")
    return "\n".join(lines)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """A panel for each community: every home's error under each strategy, a line through each home."""
    with picture(path, len(COMMUNITIES), (12, 5.4), sharey=True) as (figure, axes):
        for axis, community in zip(axes, COMMUNITIES, strict=True):
            chosen = [o for o in outcomes if o.case.community == community]
            places = range(len(chosen))
            for home in chosen[0].nmae:
                lines = axis.plot(places, [o.nmae[home] for o in chosen], "o-", color=BLUE, alpha=0.35, markersize=3)
            medians = [float(np.median(list(o.nmae.values()))) for o in chosen]
            points = axis.plot(places, medians, "D", color=ORANGE, markersize=7)
            axis.set_xticks(places, [o.case.strategy for o in chosen], rotation=25, ha="right")
            axis.set_title(f"17 homes, {community}")
        axes[0].set_ylabel("MAE / mean load (lower is better)")
        figure.legend(
            [*lines, *points], ["a home", "the median home"], loc="outside upper center", ncols=2, frameon=False
        )


def main() -> None:
    known = parser(__doc__, list(STRATEGIES), "strategies", "3 rounds: a minute or two")
    known.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = known.parse_args()
    own = [f"{arguments.rounds}rounds"] if arguments.rounds != ROUNDS else []
    run_as = options("heterogeneity", arguments, list(STRATEGIES), *own)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rounds, started = 3 if run_as.quick else arguments.rounds, time.perf_counter()
    todo = [Case(each, strategy, rounds, run_as.seed) for each in COMMUNITIES for strategy in run_as.methods]
    with ProcessPoolExecutor(run_as.workers, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(run, todo))
    content = {
        "rounds": rounds,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    write_bytes(run_as.path(".json"), json.dumps(content, indent=1).encode())
    print(summary(outcomes))
    for community in COMMUNITIES:
        print(f"\n{community}\n\n{by_home([o for o in outcomes if o.case.community == community])}")
    draw(outcomes, run_as.path(".png"))


if __name__ == "__main__":
    main()
