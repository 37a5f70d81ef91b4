"""`python -m bench.choosing`: server or gossip, rounds or one shot, masks or ciphertexts: accuracy against bytes.

The 17 real homes, judged on the last fifth of the year. Each number of rounds is a separate training, from the
start; one epoch at home in each. Bytes are what a home sends and gets in the whole training: the model and the
updates, with the overhead of each way to sum them (`bench.aggregation`), or the blocks of an epoch (`bench.gossip`).
Prints one JSON line; writes out/bench/choosing.json and choosing.png.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.aggregation import measure as measure_sums
from bench.gossip import Peers, settings_of
from bench.local_rounds import FORECASTING, OUT, SHAPE, Days, accuracy, train
from bench.pictures import picture, styles
from data.atomic import write_bytes
from fl.aggregation.strategy import mean
from fl.gossip.simulation import simulate
from fl.one_shot.home import own_sums
from fl.one_shot.model import provable_twin
from fl.one_shot.moments import regression_moments
from fl.one_shot.plan import STATISTICS, OneShotPlan, most_windows
from fl.one_shot.ridge import evidence_penalty, ridge
from fl.one_shot.statistics import Statistics
from fl.task import initial_weights, projection
from fl.weights import Weights

ROUNDS = (2, 4, 8, 16, 40)
_FLOAT, _WORD = 4, 8


@dataclass(frozen=True)
class Point:
    """One training."""

    way: str
    rounds: int
    bytes_home: float  # sent and got in the whole training
    home_nmae_median: float
    community_wape: float


def with_server(days: Days, sums: dict[str, Any]) -> list[Point]:
    """Federated averaging; the sums are the same to the bit under masks and under BFV, so the accuracy is."""
    learners, found = days.learners(), []
    model = _FLOAT * _parameters()
    each = {"server, plain": 2 * model}
    for name in ("masks", "bfv"):
        each[f"server, {name}"] = model + sums[name]["home_bytes_up"] + sums[name]["home_bytes_down"]
    for rounds in ROUNDS:
        weights = train(learners, settings_of(rounds), mean("equal"))
        scored = accuracy(weights, days.test)
        found += [Point(way, rounds, rounds * size, **asdict(scored)) for way, size in each.items()]
    return found


def without_server(peers: Peers) -> list[Point]:
    """Gossip: blocks that a peer gets, and as many that it serves."""
    found, start = [], initial_weights(SHAPE, 2026)
    for rounds in ROUNDS:
        settings = settings_of(rounds)
        done = simulate(peers.learners, settings, start, [0] * len(peers.learners))
        scored = accuracy(projection(SHAPE)(done.model), peers.days.test)
        size = 2 * done.bytes_per_peer_epoch * (rounds + settings.gossip.settle_epochs)
        found.append(Point("gossip", rounds, float(size), **asdict(scored)))
    return found


def one_shot(days: Days) -> Point:
    """One masked sum over all homes' days, without rounds."""
    learners = days.learners()
    plan = OneShotPlan(STATISTICS, (), 10, False, most_windows(len(learners), False))
    total = np.sum([own_sums(learner.train, plan) for learner in learners], axis=0)
    moments = regression_moments(Statistics(plan.shape, total))
    start = initial_weights(SHAPE, FORECASTING.seed)
    weights, _ = provable_twin(start, partial(ridge, moments), evidence_penalty(moments), SHAPE, trained=False)
    scored = accuracy(weights, days.test)
    return Point("one shot", 1, float(_WORD * plan.length + _FLOAT * _parameters()), **asdict(scored))


def _parameters() -> int:
    weights: Weights = initial_weights(SHAPE, 1)
    return sum(array.size for array in weights.values())


def draw(points: list[Point]) -> None:
    """Two panels: the median home's error and the community's, against what a home sends and gets."""
    ways = list(dict.fromkeys(point.way for point in points))
    with picture(OUT / "choosing.png", 2, (11, 4.4)) as (figure, axes):
        for axis, field, title in zip(
            axes, ("home_nmae_median", "community_wape"), ("median home's nMAE", "community's WAPE"), strict=True
        ):
            for way, style in zip(ways, styles(), strict=False):
                own = [point for point in points if point.way == way]
                axis.plot([p.bytes_home / 1e6 for p in own], [getattr(p, field) for p in own], label=way, **style)
            axis.set(title=title, xlabel="MB that a home sends and gets", xscale="log")
        lines, names = axes[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside lower center", ncols=len(ways), frameon=False)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    started, peers = time.perf_counter(), Peers.of(17, 0)
    sums: Any = measure_sums(17)
    points = [*with_server(peers.days, sums), *without_server(peers), one_shot(peers.days)]
    content = {"points": [asdict(point) for point in points], "sums": sums, "seconds": time.perf_counter() - started}
    write_bytes(OUT / "choosing.json", json.dumps(content, indent=1).encode())
    draw(points)
    print(json.dumps(content))


if __name__ == "__main__":
    main()
