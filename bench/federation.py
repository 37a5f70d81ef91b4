"""`python -m bench.federation --homes N`: what a round of a simulated federation costs as the community grows.

Homes beyond the 17 real ones are block-bootstrapped: each takes runs of 28 consecutive days, drawn with replacement
from one real home's year, its loads scaled by a factor of its own. They have the real homes' days, weeks and noise,
and are not new real homes: the figures here are of time, memory and traffic, not of accuracy.

Writes out/bench/federation.json (an entry for each size measured so far), prints it as a table, and draws
out/bench/federation.png.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from bench.memory import PeakMemory
from bench.pictures import BLUE, ORANGE, picture
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, load
from data.day import DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.settings import FederationSettings
from fl.simulation import simulate_community
from fl.store import RoundReport, RoundStore
from forecasting.settings import ForecastingSettings

BLOCK_DAYS = 28
OUT = Path("out/bench")


@dataclass(frozen=True)
class Measured:
    """One size of community. Times in seconds; memory is the proportional set size of all processes together."""

    homes: int
    real_homes: int
    days_each: int
    rounds: int
    workers: int
    total_s: float
    first_round_s: float  # with the start of Ray, its workers, and the homes' names
    round_s: float  # median of the others
    round_bytes_down: int
    round_bytes_up: int
    peak_mb: float
    coordinator_peak_mb: float
    participants: int


def bootstrap(real: Windows, homes: int, days: int, seed: int) -> Windows:
    """Windows of `homes` made-up homes with `days` days each, block-bootstrapped from `real` (Künsch 1989)."""
    real = real.at_day_start()
    generator = np.random.default_rng(seed)
    names = np.unique(real.unique_id)
    parts = [_resampled(real.of_home(generator.choice(names)), days, generator) for _ in range(homes)]
    joined = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Windows)}
    joined["unique_id"] = np.repeat([f"made-{number:04d}" for number in range(homes)], days)
    joined["day"] = np.tile(np.arange(days, dtype=np.int64), homes)
    return Windows(**joined)


def _resampled(home: Windows, days: int, generator: np.random.Generator) -> Windows:
    starts = generator.integers(0, len(home) - BLOCK_DAYS + 1, -(-days // BLOCK_DAYS))
    chosen = (starts[:, None] + np.arange(BLOCK_DAYS)).ravel()[:days]
    factor = generator.lognormal(0, 0.4)
    values = {f.name: getattr(home, f.name)[chosen] for f in fields(Windows)}
    for energy in ("history", "target"):
        values[energy] = np.rint(values[energy] * factor).astype(np.int64)
    return Windows(**values)


def measure(homes: int, rounds: int, days: int, workers: int) -> Measured:
    """Run a federation of `homes` and measure it. All homes take part in every round, two epochs each."""
    forecasting = ForecastingSettings()
    clock = DayClock(DAY_START_UTC)
    community = load(Path(".cache/wattproof"))
    real = make_windows(
        community.readings, public_features(community.weather, clock), clock, steps=forecasting.model.steps
    )
    windows = bootstrap(real, homes, days, seed=2026)
    cut = round(days * 0.9)
    settings = FederationSettings.model_validate(
        {"rounds": rounds, "evaluate_every": 0, "round_timeout_s": 3600, "simulation": {"workers": workers}}
    )
    reports: list[RoundReport] = []
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        started = time.perf_counter()
        simulate_community(
            settings, forecasting, windows.between(0, cut), windows.between(cut, days), Path(folder),
            on_round=lambda number, weights, report: reports.append(report),
        )  # fmt: skip
        total = time.perf_counter() - started
        usual = statistics.median(report.seconds for report in reports[1:] or reports)
        last = RoundStore(Path(folder) / "rounds").load(rounds).report
    return Measured(
        homes=homes, real_homes=len(np.unique(real.unique_id)), days_each=days, rounds=rounds, workers=workers,
        total_s=round(total, 2), first_round_s=round(reports[0].seconds, 2), round_s=round(usual, 2),
        round_bytes_down=last.bytes_down, round_bytes_up=last.bytes_up, peak_mb=round(memory.pss_mb),
        coordinator_peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        participants=len(last.participants),
    )  # fmt: skip


def keep(measured: Measured) -> list[Measured]:
    """Put a measurement among those of other sizes; all of them, by size."""
    path = OUT / "federation.json"
    entries = json.loads(path.read_text())["sizes"] if path.exists() else []
    sizes = {entry["homes"]: Measured(**entry) for entry in entries} | {measured.homes: measured}
    ordered = [sizes[homes] for homes in sorted(sizes)]
    note = f"homes are block-bootstrapped ({BLOCK_DAYS}-day blocks) from {measured.real_homes} real ones"
    content = {"note": note, "sizes": [asdict(each) for each in ordered]}
    write_bytes(path, json.dumps(content, indent=1).encode())
    return ordered


def table(sizes: list[Measured]) -> str:
    heads = f"{'down/round':>12} {'up/round':>12} {'memory':>9} {'trained':>8}"
    lines = [f"{'homes':>6} {'round':>9} {'the first':>11} {heads}"]
    lines += [
        f"{each.homes:>6} {each.round_s:>7.2f} s {each.first_round_s:>9.1f} s {each.round_bytes_down / 1e6:>9.1f} MB "
        f"{each.round_bytes_up / 1e6:>9.1f} MB {each.peak_mb:>6.0f} MB {each.participants:>8}"
        for each in sizes
    ]
    return "\n".join(lines)


def draw(sizes: list[Measured], path: Path) -> None:
    """Time, traffic and memory against the number of homes."""
    homes = [each.homes for each in sizes]
    with picture(path, 3, (12, 4)) as (_, (time_axis, traffic_axis, memory_axis)):
        time_axis.loglog(homes, [each.round_s for each in sizes], "o-", color=BLUE)
        time_axis.set(title="a round", ylabel="seconds")
        traffic = [(each.round_bytes_down + each.round_bytes_up) / 1e6 for each in sizes]
        traffic_axis.loglog(homes, traffic, "o-", color=BLUE)
        traffic_axis.set(title="traffic a round, down and up", ylabel="MB")
        memory_axis.semilogx(homes, [each.peak_mb for each in sizes], "o-", color=BLUE, label="all processes")
        coordinator = [each.coordinator_peak_mb for each in sizes]
        memory_axis.semilogx(homes, coordinator, "D--", color=ORANGE, label="coordinator alone")
        memory_axis.set(title="memory at the peak", ylabel="MB")
        memory_axis.set_ylim(bottom=0)
        memory_axis.legend(frameon=False)
        for axis in (time_axis, traffic_axis, memory_axis):
            axis.set_xlabel("homes (bootstrapped from 17 real ones)")
            axis.set_xticks(homes, [f"{number:,}" for number in homes], minor=False)
            axis.set_xticks([], minor=True)
        for axis in (time_axis, traffic_axis):
            axis.yaxis.set_major_formatter("{x:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, required=True, help="size of the community, such as 10, 100, 1000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, default=90, help="days of data in each home")
    parser.add_argument("--workers", type=int, default=2, help="homes trained at the same time")
    arguments = parser.parse_args()
    measured = measure(arguments.homes, arguments.rounds, arguments.days, arguments.workers)
    print(json.dumps(asdict(measured)))
    sizes = keep(measured)
    draw(sizes, OUT / "federation.png")
    print(table(sizes))


if __name__ == "__main__":
    main()
