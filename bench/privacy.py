"""`python -m bench.privacy [--quick]`: accuracy of the federated model against the epsilon that is spent on it.

Central and local privacy with fixed clipping and central with adaptive clipping, for the 17 real homes and, beside
them, for a larger community block-bootstrapped from these (see `bench.federation`; what it shows is how noise thins
out among more homes, not how new homes behave). For each epsilon the noise is computed from the accountant, for the
number of rounds trained. Noise comes from seeds, so that a figure can be repeated.

Then how many homes are in any sum that a coordinator could open under secure aggregation, for 5 to 300 homes: as
proven, and as a search of attacks finds it, with the epsilon of distributed privacy that follows
(`bench.guaranteed`).

Writes out/bench/privacy.json and privacy.png, and prints two tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import guaranteed
from bench.federation import bootstrap
from bench.local_rounds import Accuracy, Days, Distort, accuracy, real_days, train
from bench.options import SEED, options, parser
from bench.pictures import picture, styles
from data.atomic import write_bytes
from fl.aggregation.flat import flatten, moved
from fl.aggregation.strategy import Update, mean
from fl.dp.accountant import epsilon, noise_multiplier_for
from fl.dp.noise import clip, gaussian
from fl.dp.server import Noise, Privacy
from fl.protection_settings import PrivacySettings
from fl.settings import FederationSettings
from fl.task import HomeLearner
from fl.weights import Weights

HOMES = 200
KINDS = {
    "central, fixed": {"mode": "central", "clipping": "fixed"},
    "central, adaptive": {"mode": "central", "clipping": "adaptive"},
    "local, fixed": {"mode": "local", "clipping": "fixed"},
}


@dataclass(frozen=True)
class Case:
    """One training. `target`: epsilon to spend; none: no clipping and no noise."""

    kind: str
    homes: int
    target: float | None
    rounds: int
    seed: int = field(default=SEED, repr=False)


@dataclass(frozen=True)
class Outcome:
    """What it came to. `epsilon` as the accountant has it after the last round, for `delta`."""

    case: Case
    noise_multiplier: float
    epsilon: float | None
    delta: float
    clip_norm: float
    accuracy: Accuracy


@lru_cache(maxsize=2)
def _days(homes: int) -> Days:
    """The real homes, or made-up ones to learn from. All are judged on the real homes' test days."""
    real = real_days()
    if homes == len(np.unique(real.train.unique_id)):
        return real
    return replace(real, train=bootstrap(real.train, homes, 140, seed=2026))


def run(case: Case) -> Outcome:
    """Train once from the start and judge the result."""
    days = _days(case.homes)
    settings = FederationSettings.model_validate(
        {"rounds": case.rounds, "seed": case.seed, "local": {"epochs": 1}, "strategy": {"weighting": "equal"}}
    )
    private = PrivacySettings.model_validate(KINDS.get(case.kind, {}))
    if case.target is None:
        weights = train(days.learners(), settings, mean("equal"))
        return Outcome(case, 0.0, None, private.delta, 0.0, accuracy(weights, days.test))
    multiplier = noise_multiplier_for(case.target, case.rounds, private)
    private = private.model_copy(update={"noise_multiplier": multiplier})
    with tempfile.TemporaryDirectory() as folder:
        privacy = Privacy(private, Path(folder) / "privacy.json", noise=_seeded(case))
        weights = train(days.learners(), settings, privacy.combine, _at_home(private, case))
        spent = epsilon(private, case.rounds)
        return Outcome(case, multiplier, spent, private.delta, privacy.clip_norm, accuracy(weights, days.test))


def _at_home(private: PrivacySettings, case: Case) -> Distort:
    """What `fl.dp.client_mod` does to an update in local mode; nothing in central mode."""
    noise = _seeded(case)

    def noisy(learner: HomeLearner, update: Update, start: Weights) -> Update:
        if private.mode != "local":
            return update
        step, _ = clip(flatten(update.weights, start), private.clip_norm)
        step = step + private.noise_multiplier * private.clip_norm * noise(len(step))
        return replace(update, weights=moved(start, step))

    return noisy


def _seeded(case: Case) -> Noise:
    drawn, seed = 0, "" if case.seed == SEED else f"{case.seed} "

    def noise(count: int) -> NDArray[np.float64]:
        nonlocal drawn
        drawn += 1
        return gaussian(count, hashlib.sha256(f"{seed}{case} {drawn}".encode()).digest())

    return noise


def cases(quick: bool, homes: int, kinds: Sequence[str] = tuple(KINDS), seed: int = SEED) -> list[Case]:
    """Targets of epsilon for each kind and size. `quick`: the real homes and three targets only."""
    rounds, targets = (4, (2.0, 10.0, 100.0)) if quick else (8, (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0))
    sizes = (17,) if quick else (17, homes)
    plain = [Case("no privacy", size, None, rounds, seed) for size in sizes]
    # A community of this size is out of reach of local privacy as 17 homes are; its training takes ten times as long.
    return plain + [
        Case(kind, size, target, rounds, seed)
        for size in sizes
        for kind in kinds
        if size == 17 or kind == "central, fixed"
        for target in targets
    ]


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each training. Markdown."""
    lines = [
        "| homes | privacy | epsilon | noise multiplier | last clipping norm | home nMAE, median | community WAPE |",
        "|---|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        spent = "none" if o.epsilon is None else f"{o.epsilon:.3g}"
        lines.append(
            f"| {o.case.homes} | {o.case.kind} | {spent} | {o.noise_multiplier:.3g} | {o.clip_norm:.3g} "
            f"| {o.accuracy.home_nmae_median:.3f} | {o.accuracy.community_wape:.3f} |"
        )
    return "\n".join(lines)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """nMAE against epsilon, a line for each kind and size; without privacy a level."""
    with picture(path, 1, (7.5, 5)) as (figure, (axis,)):
        groups = dict.fromkeys((o.case.kind, o.case.homes) for o in outcomes)
        for (kind, homes), style in zip(groups, styles(), strict=False):
            points = [o for o in outcomes if (o.case.kind, o.case.homes) == (kind, homes)]
            levels, label = [o.accuracy.home_nmae_median for o in points], f"{kind}, {homes} homes"
            if points[0].epsilon is None:
                axis.axhline(levels[0], label=label, color=style["color"], linestyle=style["linestyle"])
            else:
                axis.loglog([o.epsilon or 0.0 for o in points], levels, label=label, **style)
        first = outcomes[0]
        axis.set(
            xlabel=f"epsilon spent (delta = {first.delta:g}, {first.case.rounds} rounds); smaller is more private",
            ylabel="MAE / mean load of the median home (lower is better)",
        )
        axis.set_yticks([0.5, 1, 2, 5, 10, 20], minor=False)
        axis.set_yticks([], minor=True)
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter("{x:g}")
        figure.legend(loc="outside lower center", ncols=2, frameon=False)


def main() -> None:
    known = parser(__doc__, list(KINDS), "kinds", "17 homes, fewer rounds and targets: under 5 minutes")
    known.add_argument("--homes", type=int, default=HOMES, help="size of the larger, bootstrapped community")
    arguments = known.parse_args()
    own = [f"{arguments.homes}homes"] if arguments.homes != HOMES else []
    run_as = options("privacy", arguments, list(KINDS), *own)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started, todo = time.perf_counter(), cases(run_as.quick, arguments.homes, run_as.methods, run_as.seed)
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(run_as.workers, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(run, todo):
            outcomes.append(outcome)
            print(f"\r{len(outcomes)} of {len(todo)} trainings", end="", flush=True)
        print()
        sizes = guaranteed.SHOWN if run_as.quick else range(5, 301)
        figures = partial(guaranteed.guarantee, target=10.0, rounds=todo[0].rounds)
        guarantees = list(pool.map(figures, sizes, chunksize=4))
    content = {
        "quick": run_as.quick,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "guaranteed_homes": guaranteed.as_json(guarantees),
    }
    write_bytes(run_as.path(".json"), json.dumps(content, indent=1).encode())
    print(table(outcomes))
    print()
    print(guaranteed.table(guarantees))
    draw(outcomes, run_as.path(".png"))


if __name__ == "__main__":
    main()
