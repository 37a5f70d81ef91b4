"""`python -m bench.privacy_audit`: a lower bound on the epsilon that the code really spends, beside the claimed one.

One run with canaries (Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023). A
coin decides for each of many made-up homes whether it takes part; its update is the worst that clipping lets pass,
along a direction of its own. The auditor sees what leaves the mechanism, guesses the coins of the homes it is surest
of, and the share that is right bounds epsilon from below: with probability 95 % the true epsilon is at least the
figure.

What runs is the code of `fl`: the coordinator's clipping and noise (`central`) and the home's mod (`local`), with the
operating system's randomness. A figure above the claim is a fault. Two broken mechanisms stand beside them, with a
third of the noise and without clipping: an audit that does not catch these is worth nothing. The bound is about half
of the truth, so that noise cut to a half would pass unseen.

Writes out/bench/privacy_audit.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.app.user_config import UserConfig
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray
from scipy.stats import binom

from bench.local_rounds import OUT
from data.atomic import write_bytes
from fl.aggregation.strategy import Update
from fl.client_app import ARRAYS, METRICS
from fl.dp.accountant import epsilon
from fl.dp.client_mod import PrivateUpdateMod
from fl.dp.noise import gaussian
from fl.dp.server import Privacy
from fl.protection_settings import PrivacySettings
from fl.weights import Weights, from_record, to_record

CONFIDENCE = 0.95
_GUESSES = (20, 50, 100, 200, 500, 1000, 2000)
_TOO_LONG = 100.0  # canaries' updates, in clipping norms, before clipping
Broken = Literal["", "a third of the noise", "no clipping"]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One audit: a mechanism of so many releases, or a broken one."""

    mode: Literal["central", "local"]
    noise_multiplier: float
    releases: int
    broken: Broken = ""


@dataclass(frozen=True)
class Outcome:
    """`claimed`: epsilon as the accountant has it; `at_least`: the audit's bound. Both for `delta`."""

    case: Case
    delta: float
    claimed: float
    at_least: float
    guesses: int
    right: int


def audit(case: Case, canaries: int, seed: int = 2026) -> Outcome:
    """Run one case and bound its epsilon. `seed` is of the coins only; noise is the mechanism's own."""
    coins = np.random.default_rng(seed).random(canaries) < 0.5
    settings = PrivacySettings(mode=case.mode, noise_multiplier=case.noise_multiplier)
    run = _central if case.mode == "central" else _local
    scores = np.sum([run(settings, coins, case.broken) for _ in range(case.releases)], axis=0)
    at_least, guesses, right = best_bound(scores, coins, settings.delta)
    return Outcome(case, settings.delta, epsilon(settings, case.releases), at_least, guesses, right)


def best_bound(scores: Scores, coins: NDArray[np.bool_], delta: float) -> tuple[float, int, int]:
    """The best lower bound over several numbers of guesses, with how many there were and were right.

    Args:
        scores: [canaries], higher where the canary is likelier to be in.
    Half of the guesses go to the highest scores ("in"), half to the lowest. As several numbers are tried, each gets
    its part of the 5 %.
    """
    order = np.argsort(scores)
    found = []
    for guesses in (count for count in _GUESSES if count <= len(scores)):
        half = guesses // 2
        right = int(coins[order[-half:]].sum() + (~coins[order[:half]]).sum())
        allowed = (1 - CONFIDENCE) / len(_GUESSES)
        found.append((epsilon_at_least(len(scores), 2 * half, right, delta, allowed), 2 * half, right))
    return max(found)


def epsilon_at_least(canaries: int, guesses: int, right: int, delta: float, p: float) -> float:
    """The smallest epsilon, to 3e-8, under which so many right guesses are not too unlikely (above `p`)."""
    low, high = 0.0, 30.0
    if probability(canaries, guesses, right, low, delta) > p:
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if probability(canaries, guesses, right, middle, delta) > p else (middle, high)
    return low


def probability(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Most that the chance of so many right guesses can be for an (epsilon, delta) mechanism (theorem 5.2 there)."""
    share = 1 / (1 + np.exp(-epsilon))
    chance = float(binom.sf(right - 1, guesses, share))
    # What delta adds: it may move the count of right guesses by i at a cost that is shared among i canaries.
    below = np.cumsum(binom.pmf(right - np.arange(1, right + 1), guesses, share))
    slack = float(np.max(below / np.arange(1, right + 1), initial=0.0))
    return min(1.0, chance + 2 * canaries * delta * slack)


def _central(settings: PrivacySettings, coins: NDArray[np.bool_], broken: Broken) -> Scores:
    """Canaries are homes; each that is in sends a far too long update along an axis of its own. The sum is seen."""
    count, inside = len(coins), np.flatnonzero(coins)
    start: Weights = {"w": np.zeros(count, np.float32)}
    updates = []
    for home in inside:
        row = np.zeros(count, np.float32)
        row[home] = _TOO_LONG * settings.clip_norm
        updates.append(Update(f"canary-{home}", {"w": row}, 1, {}))
    with tempfile.TemporaryDirectory() as folder:
        privacy = Privacy(
            settings,
            Path(folder) / "privacy.json",
            clipped_at_home=broken == "no clipping",  # which they are not
            noise=_cut_noise if broken == "a third of the noise" else gaussian,
        )
        mean = privacy.combine(updates, start)["w"]
    return np.asarray(mean.astype(np.float64) * len(updates) / settings.clip_norm)


def _local(settings: PrivacySettings, coins: NDArray[np.bool_], broken: Broken) -> Scores:
    """Each canary's own noisy update is seen. It goes one way or the opposite: any other update in its place."""
    variant = settings
    if broken == "a third of the noise":
        variant = settings.model_copy(update={"noise_multiplier": settings.noise_multiplier / 3})
    if broken == "no clipping":  # a norm far beyond the one that the noise is measured for
        scale = _TOO_LONG
        variant = settings.model_copy(
            update={"clip_norm": settings.clip_norm * scale, "noise_multiplier": settings.noise_multiplier / scale}
        )
    mod, start = PrivateUpdateMod(variant), to_record({"w": np.zeros(4, np.float32)})
    return np.array([_released(mod, start, settings, coin) for coin in coins])


def _released(mod: PrivateUpdateMod, start: ArrayRecord, settings: PrivacySettings, coin: bool) -> float:
    """What a home's mod lets out of a canary's training, along its axis, in clipping norms."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    asked = Message(RecordDict({ARRAYS: start}), dst_node_id=1, message_type="train")
    row = np.zeros(4, np.float32)
    row[0] = (1 if coin else -1) * _TOO_LONG * settings.clip_norm

    def train(message: Message, context: Context) -> Message:
        metrics = MetricRecord({"num-examples": 1, "loss": 0.0})
        return Message(RecordDict({ARRAYS: to_record({"w": row}), METRICS: metrics}), reply_to=message)

    reply = mod(asked, Context(1, 1, UserConfig(), RecordDict(), UserConfig()), train)
    return float(from_record(reply.content.array_records[ARRAYS])["w"][0]) / settings.clip_norm


def _cut_noise(count: int) -> NDArray[np.float64]:
    return gaussian(count) / 3


def cases() -> list[Case]:
    """Sound mechanisms of several strengths, then broken ones."""
    sound = [
        Case("central", 0.5, 1), Case("central", 1, 1), Case("central", 2, 8), Case("central", 8, 8),
        Case("local", 1, 1), Case("local", 2, 1), Case("local", 8, 8),
    ]  # fmt: skip
    kinds: tuple[Broken, ...] = ("a third of the noise", "no clipping")
    broken = [Case("central", 2, 1, kind) for kind in kinds] + [Case("local", 4, 1, kind) for kind in kinds]
    return sound + broken


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each case. Markdown."""
    lines = [
        "| mode | noise multiplier | releases | epsilon claimed | epsilon at least | right guesses |",
        "|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        name = o.case.mode + (f", {o.case.broken}" if o.case.broken else "")
        lines.append(
            f"| {name} | {o.case.noise_multiplier:g} | {o.case.releases} | {o.claimed:.2f} | {o.at_least:.2f} "
            f"| {o.right} of {o.guesses} |"
        )
    return "\n".join(lines)


def main(run: Callable[[Case, int], Outcome] = audit) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canaries", type=int, default=4000, help="made-up homes; more of them bound more tightly")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    outcomes = [run(case, arguments.canaries) for case in cases()]
    content = {
        "canaries": arguments.canaries,
        "confidence": CONFIDENCE,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    write_bytes(OUT / "privacy_audit.json", json.dumps(content, indent=1).encode())
    print(table(outcomes))


if __name__ == "__main__":
    main()
