"""`python -m bench.gossip --peers N`: training without a server, beside federated averaging of the same updates.

17 peers are the real homes. More are block-bootstrapped (as in `bench.federation`) from the real homes' training
days; all are judged on the real homes' test days. Both trainings ask the same of every peer in every epoch. `ratio`
is the median home's error without a server over that with one; `ratio_two_liars` the same with two peers that publish
their step backwards, three times as long. Gas is that of the registry's calls on the embedded chain: an epoch of all
peers. Prints one JSON line; with the default settings it is kept in out/bench/gossip.json, an entry for each number
of peers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.federation import bootstrap
from bench.gossip_gas import EpochGas, epoch_gas
from bench.local_rounds import FORECASTING, OUT, SHAPE, Days, accuracy, real_days, train
from data.atomic import write_bytes
from fl.aggregation.strategy import mean
from fl.client_app import Learner
from fl.dp.accountant import epsilon_of_days
from fl.gossip.clusters import Counts, assigned, find_centres, profile_of, sum_under_masks
from fl.gossip.draws import derive
from fl.gossip.private_training import fit_private
from fl.gossip.simulation import SignFlip, Simulated, simulate
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights, projection
from fl.weights import Weights

REAL = 17
_MASKED_UP_TO = 20  # beyond, sessions in which one process plays every peer take minutes; the sum is the same


@dataclass(frozen=True)
class Peers:
    """So many homes, and the real ones' test days."""

    learners: list[HomeLearner]
    days: Days

    @staticmethod
    def of(count: int, days_each: int) -> Peers:
        days = real_days()
        if count == REAL:
            return Peers(days.learners(), days)
        made = bootstrap(days.train, count, days_each, seed=2026)
        homes = [made.of_home(f"made-{number:04d}") for number in range(count)]
        empty = days.test.between(0, 0)
        learners = [HomeLearner(str(h.unique_id[0]), h, empty, SHAPE, FORECASTING.huber) for h in homes]
        return Peers(learners, days)

    def clusters(self, settings: FederationSettings) -> list[int]:
        """Each peer's cluster, found by masked sums."""
        gossip = settings.gossip
        profiles = {learner.home: profile_of(learner.train) for learner in self.learners}
        seed = derive(settings.seed.to_bytes(8, "big"), b"clusters")
        add = sum_under_masks if len(profiles) <= _MASKED_UP_TO else _plain
        centres = find_centres(profiles, gossip.clusters, 3, seed, add)
        found = assigned(profiles, centres, gossip.fewest_in_cluster)
        return [found[learner.home] for learner in self.learners]


def _plain(label: str, entries: Mapping[str, Counts]) -> Counts:
    return np.asarray(np.sum(list(entries.values()), axis=0))


def settings_of(epochs: int, **gossip: Any) -> FederationSettings:
    return FederationSettings.model_validate({
        "topology": "gossip", "rounds": epochs, "strategy": {"weighting": "equal"}, "local": {"epochs": 1},
        "evaluate_every": 0, "gossip": gossip,
    })  # fmt: skip


def measure(peers: Peers, settings: FederationSettings, *, liars: int) -> dict[str, Any]:
    """Both trainings, and one more with liars."""
    start, project = initial_weights(SHAPE, settings.seed), projection(SHAPE)
    clusters = peers.clusters(settings)
    started = time.perf_counter()
    done = simulate(peers.learners, settings, start, clusters)
    seconds = time.perf_counter() - started
    found = accuracy(project(done.model), peers.days.test)
    averaged = accuracy(train(peers.learners, settings, mean("equal")), peers.days.test)
    gas = epoch_gas(min(len(peers.learners), REAL), settings.gossip)
    result = {
        "peers": len(peers.learners), "epochs": settings.rounds + settings.gossip.settle_epochs,
        "home_nmae_median": found.home_nmae_median, "community_wape": found.community_wape,
        "fedavg_home_nmae_median": averaged.home_nmae_median, "fedavg_community_wape": averaged.community_wape,
        "ratio": found.home_nmae_median / averaged.home_nmae_median,
        "bytes_per_peer_epoch": done.bytes_per_peer_epoch, "disagreement": done.disagreement,
        "clusters": np.bincount(clusters).tolist(),
        **_gas(gas, len(peers.learners)), "seconds": seconds, "settings": settings.gossip.model_dump(),
    }  # fmt: skip
    if liars:
        lied = accuracy(project(_with_liars(peers, settings, clusters, liars).model), peers.days.test)
        result |= {
            "two_liars_home_nmae_median": lied.home_nmae_median, "two_liars_community_wape": lied.community_wape,
            "ratio_two_liars": lied.home_nmae_median / averaged.home_nmae_median,
        }  # fmt: skip
    return result


def measure_private(peers: Peers, settings: FederationSettings) -> dict[str, Any]:
    """The training with noise in each step (`fl.gossip.private_training`), and what it costs a day of readings."""
    gossip = settings.gossip

    def fit(learner: Learner, weights: Weights, plan: LocalPlan) -> Weights:
        assert isinstance(learner, HomeLearner)
        return fit_private(learner, weights, plan, gossip)

    started, start = time.perf_counter(), initial_weights(SHAPE, settings.seed)
    done = simulate(peers.learners, settings, start, peers.clusters(settings), fit=fit)
    found = accuracy(projection(SHAPE)(done.model), peers.days.test)
    steps = settings.rounds * gossip.steps
    epsilon = epsilon_of_days(gossip.noise_multiplier, gossip.sampling, steps, gossip.delta)
    return {
        "peers": len(peers.learners), "epochs": settings.rounds, "noise_multiplier": gossip.noise_multiplier,
        "day_norm": gossip.day_norm, "epsilon": epsilon, "delta": gossip.delta,
        "home_nmae_median": found.home_nmae_median, "community_wape": found.community_wape,
        "disagreement": done.disagreement, "seconds": time.perf_counter() - started,
    }  # fmt: skip


def _with_liars(peers: Peers, settings: FederationSettings, clusters: list[int], count: int) -> Simulated:
    liars = tuple(range(count))
    start = initial_weights(SHAPE, settings.seed)
    return simulate(peers.learners, settings, start, clusters, lie=SignFlip(liars), liars=liars)


def _gas(gas: EpochGas, peers: int) -> dict[str, float]:
    return {"gas_per_epoch": gas.of(peers), "gas_per_peer_epoch": gas.of(peers) / peers, "gas_join": gas.join}


def keep(result: dict[str, Any], path: Path = OUT / "gossip.json") -> None:
    """Put a measurement among those of other sizes."""
    sizes = json.loads(path.read_text()) if path.exists() else {}
    sizes[str(result["peers"])] = result
    write_bytes(path, json.dumps(dict(sorted(sizes.items(), key=lambda item: int(item[0]))), indent=1).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=REAL)
    parser.add_argument("--epochs", type=int, help="of training; by default 12, 8 from 50 peers on, 4 from 500 on")
    parser.add_argument("--days", type=int, default=90, help="days of data at each made-up home")
    parser.add_argument("--trim", type=int, default=2, help="federation.gossip.trim")
    parser.add_argument("--clusters", type=int, default=1, help="federation.gossip.clusters")
    parser.add_argument("--no-liars", action="store_true")
    parser.add_argument("--noise", type=float, help="with noise of this multiplier in each step; that training only")
    parser.add_argument("--day-norm", type=float, default=0.1, help="federation.gossip.day_norm")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    epochs = asked.epochs or (12 if asked.peers < 50 else 8 if asked.peers < 500 else 4)
    if asked.noise is not None:
        noise = {"sampled_privacy": "days", "noise_multiplier": asked.noise, "day_norm": asked.day_norm}
        private = settings_of(epochs, trim=asked.trim, **noise)
        print(json.dumps(measure_private(Peers.of(asked.peers, asked.days), private)))
        return
    settings = settings_of(epochs, trim=asked.trim, clusters=asked.clusters)
    result = measure(Peers.of(asked.peers, asked.days), settings, liars=0 if asked.no_liars else 2)
    if (asked.trim, asked.clusters) == (2, 1):
        keep(result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
