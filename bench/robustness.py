"""`python -m bench.robustness [--quick]`: accuracy of the federated model while 1 to 5 of the 17 real homes attack.

    label noise   attackers learn from days whose loads are shuffled among each other
    sign flip     they send their honest update backwards, three times as long
    scaling       they train towards zero load for everyone, and send 17 times the update (model replacement,
                  Bagdasaryan et al., AISTATS 2020)
    sybil         one attacker sends one poisoned update, of a usual length, under several names: it has learnt that
                  loads run backwards through the day

The attackers are the first homes by name, their test days are judged like the others'. A rule is given the number of
attackers as far as it can be: Bulyan withstands 3 of 17 at most. Writes out/bench/robustness.json and
robustness.png, and prints a table.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np

from bench.local_rounds import Accuracy, Days, Distort, accuracy, real_days, train
from bench.options import SEED, options, parser
from bench.pictures import picture, styles
from data.atomic import write_bytes
from data.windows import Windows
from fl.aggregation.flat import flatten, moved
from fl.aggregation.robust import robust
from fl.aggregation.strategy import Combine, Update
from fl.protection_settings import RobustSettings, Rule
from fl.settings import FederationSettings
from fl.task import HomeLearner
from fl.weights import Weights

RULES: tuple[Rule, ...] = get_args(Rule)
ATTACKS = ("label noise", "sign flip", "scaling", "sybil")
HOMES = 17


@dataclass(frozen=True)
class Case:
    """One training: a rule, and that many homes attacking in one way ("none": no attack)."""

    rule: Rule
    attack: str
    attackers: int
    rounds: int
    seed: int = SEED


@dataclass(frozen=True)
class Outcome:
    case: Case
    assumed: int  # attackers the rule is set for
    accuracy: Accuracy


@lru_cache(maxsize=1)
def _days() -> Days:
    return real_days()


def run(case: Case) -> Outcome:
    """Train once from the start and judge the result."""
    days = _days()
    learners = [_attacker(days, at, learner, case) for at, learner in enumerate(days.learners())]
    settings = FederationSettings.model_validate(
        {"rounds": case.rounds, "seed": case.seed, "local": {"epochs": 1}, "strategy": {"weighting": "equal"}}
    )
    combine, assumed = combiner(case)
    weights = train(
        learners, settings, combine, _distortion(case, {learner.home for learner in learners[: case.attackers]})
    )
    return Outcome(case, assumed, accuracy(weights, days.test))


def combiner(case: Case) -> tuple[Combine, int]:
    """The rule, given the number of attackers as far as 17 homes allow."""
    assumed = case.attackers
    while RobustSettings(rule=case.rule, attackers=assumed).fewest_homes > HOMES:
        assumed -= 1
    return robust(RobustSettings(rule=case.rule, attackers=assumed)), assumed


def _attacker(days: Days, at: int, learner: HomeLearner, case: Case) -> HomeLearner:
    """The home, with poisoned days if it is one of the attackers that learn from such."""
    if at >= case.attackers or case.attack not in ("label noise", "scaling", "sybil"):
        return learner
    if case.attack == "sybil":  # all names share the first attacker's days, and so its update
        return replace(learner, train=_poisoned(days.learners()[0].train, case.attack))
    return replace(learner, train=_poisoned(learner.train, case.attack))


def _poisoned(windows: Windows, attack: str) -> Windows:
    if attack == "label noise":
        generator = np.random.default_rng(len(windows))
        shuffled = generator.permutation(windows.target.ravel()).reshape(windows.target.shape)
        return replace(windows, target=shuffled)
    if attack == "scaling":
        return replace(windows, target=np.zeros_like(windows.target))
    return replace(windows, target=windows.target[:, ::-1].copy())


def _distortion(case: Case, attackers: set[str]) -> Distort:
    last: list[Weights] = []  # the model the sybils' update of the round starts from, and the update

    def distort(learner: HomeLearner, update: Update, start: Weights) -> Update:
        if learner.home not in attackers:
            return update
        step = flatten(update.weights, start)
        if case.attack == "sign flip":
            return replace(update, weights=moved(start, -3 * step))
        if case.attack == "scaling":
            return replace(update, weights=moved(start, HOMES * step))
        if case.attack == "sybil":
            if not last or last[0] is not start:
                last[:] = [start, update.weights]
            return replace(update, weights=last[1])
        return update

    return distort


def cases(quick: bool, rules: Sequence[Rule] = RULES, seed: int = SEED) -> list[Case]:
    """Every rule without attackers and under every attack, by 1 to 5 homes (`quick`: by 3)."""
    rounds, counts = 4, (3,) if quick else (1, 2, 3, 4, 5)
    clean = [Case(rule, "none", 0, rounds, seed) for rule in rules]
    return clean + [Case(r, attack, f, rounds, seed) for r in rules for attack in ATTACKS for f in counts]


def table(outcomes: Sequence[Outcome], figure: str) -> str:
    """One figure of `Accuracy`: a line for each rule and attack, a column for each number of attackers. Markdown."""
    counts = sorted({o.case.attackers for o in outcomes})
    found = {(o.case.rule, o.case.attack, o.case.attackers): o for o in outcomes}
    lines = [
        "| rule | attack | " + " | ".join(str(c) for c in counts) + " |",
        "|---|---|" + "---|" * len(counts),
    ]
    for rule in RULES:
        for attack in ATTACKS:
            row = [found.get((rule, attack if c else "none", c)) for c in counts]
            lines.append(f"| {_name(rule)} | {attack} | " + " | ".join(_cell(o, figure) for o in row) + " |")
    return "\n".join(lines)


def _name(rule: str) -> str:
    return "mean" if rule == "none" else rule


def _cell(outcome: Outcome | None, figure: str) -> str:
    if outcome is None:
        return ""
    mark = "" if outcome.assumed == outcome.case.attackers else "*"
    return f"{getattr(outcome.accuracy, figure):.3f}{mark}"


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """One panel for each attack: community WAPE against attackers, a line for each rule; far worse ones are cut."""
    best = min(o.accuracy.community_wape for o in outcomes)
    with picture(path, len(ATTACKS), (15, 4.6), sharey=True) as (figure, axes):
        for axis, attack in zip(axes, ATTACKS, strict=True):
            for rule, style in zip(RULES, styles(), strict=False):
                if rule not in {o.case.rule for o in outcomes}:
                    continue
                points = sorted(
                    (o.case.attackers, o.accuracy.community_wape)
                    for o in outcomes
                    if o.case.rule == rule and o.case.attack in ("none", attack)
                )
                axis.plot(*zip(*points, strict=True), label=_name(rule).replace("_", " "), **style)
            axis.set(title=attack, xlabel=f"attackers among {HOMES} homes", ylim=(0.95 * best, 1.8 * best))
            axis.set_xticks(sorted({o.case.attackers for o in outcomes}))
        axes[0].set_ylabel("community WAPE (lower is better; higher ones are cut)")
        lines, names = axes[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside lower center", ncols=len(RULES), frameon=False)


def main() -> None:
    arguments = parser(__doc__, RULES, "rules", "3 attackers only: under 5 minutes").parse_args()
    run_as = options("robustness", arguments, RULES)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    todo = cases(run_as.quick, [rule for rule in RULES if rule in run_as.methods], run_as.seed)
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(run_as.workers, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(run, todo):
            outcomes.append(outcome)
            print(f"\r{len(outcomes)} of {len(todo)} trainings", end="", flush=True)
    print()
    content = {
        "quick": run_as.quick,
        "homes": HOMES,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    write_bytes(run_as.path(".json"), json.dumps(content, indent=1).encode())
    for field in fields(Accuracy):
        print(f"\n{field.name}\n\n{table(outcomes, field.name)}")
    draw(outcomes, run_as.path(".png"))


if __name__ == "__main__":
    main()
