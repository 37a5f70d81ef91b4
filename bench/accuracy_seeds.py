"""`python -m bench.accuracy_seeds [--data NAME]`: how much of the figures of `bench.accuracy --quick` is chance.

The same federation, from several seeds of its batches (`federation.seed`), without personal heads and with them, and
beside it the same model trained on all readings in one place; learnt and judged on the same days as there. Prints one
JSON line: by seed and row the median and the mean home's nMAE and the community's WAPE, and of each row mean and
range. Writes out/bench/accuracy_seeds-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import accuracy_methods as methods
from bench.accuracy import OURS
from bench.accuracy_data import FONTANA, Community, check_homes, open_community, totals_of
from bench.accuracy_scores import score, totals
from bench.local_rounds import FORECASTING, OUT
from data.atomic import write_bytes
from data.errors import DataError
from fl.settings import FederationSettings
from forecasting import baselines, evaluation
from forecasting.errors import ForecastError

SEEDS = (2026, 1, 2)
CENTRAL, FEDERATED = "lstm_central", "federated"
ROWS = (CENTRAL, FEDERATED, OURS)
FIGURES = ("home_nmae_median", "home_nmae_mean", "community_wape", "community_wape_calibrated")


def of_seed(community: Community, settings: FederationSettings) -> dict[str, dict[str, float]]:
    """The figures of one training, by row."""
    readings, weather, clock = community.data.readings, community.data.weather, community.clock
    share = evaluation.Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    split = evaluation.Split(share.train_end, share.train_end, share.test_end)
    check_homes(community, split.train_end, share.test_start, split.test_end)
    federated, shared = methods.Federated(settings), methods.SharedWindows(clock)
    epochs = (settings.rounds - settings.gradient_rounds) * settings.local.epochs
    central = methods.Central(epochs, settings.local.learning_rate, settings.seed)
    ours: list[evaluation.Forecaster] = [
        *baselines.naive_methods(clock),  # whose errors others are measured by
        methods.Learnt(CENTRAL, central, shared),
        methods.Learnt(FEDERATED, federated, shared),
        methods.Learnt(OURS, methods.Personal(federated), shared),
    ]
    table = evaluation.walk_forward(ours, readings, weather, clock, split)
    total = totals_of(readings)
    naive = baselines.naive_methods(clock)
    above = evaluation.walk_forward(naive, total, weather, clock, split)
    above = above.rename(columns={method.name: f"of_total_{method.name}" for method in naive})
    sums = totals(table, above, clock, share.test_start)
    scored = score(table, sums, readings, clock)
    return {row: {figure: round(float(scored[row][figure]), 4) for figure in FIGURES} for row in ROWS}


def spread(by_seed: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """By row and figure: mean and range over the seeds."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for row in ROWS:
        values = {figure: np.array([of[row][figure] for of in by_seed.values()]) for figure in FIGURES}
        out[row] = {
            figure: {"mean": round(float(found.mean()), 4), "range": round(float(np.ptp(found)), 4)}
            for figure, found in values.items()
        }
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="of the federation's batches")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started, by_seed = time.monotonic(), {}
    try:
        community = open_community(asked.data, asked.cache)
        for seed in asked.seeds:
            by_seed[str(seed)] = of_seed(community, FederationSettings(seed=seed))
            print(f"seed {seed}: {by_seed[str(seed)]}", file=sys.stderr, flush=True)
    except (DataError, ForecastError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    result: dict[str, Any] = {"data": community.name, "homes": len(community.homes), "seeds": by_seed}
    result |= {"spread": spread(by_seed), "seconds": round(time.monotonic() - started, 1)}
    write_bytes(OUT / f"accuracy_seeds-{community.name}.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
