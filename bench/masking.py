"""`python -m bench.masking [--homes 17 100 300]`: what a masked sum costs a home and the aggregator, no network.

Two kinds of vector: a model update (64-bit words), and a committed forecast with its blinding (25 scalars of
BLS12-381). Up to 64 homes everybody is everybody's neighbour; beyond, a home has 48. A tenth of the homes drop out
after they have shared their secrets. Prints a table and writes out/bench/masking.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from data.atomic import write_bytes
from fl.masked_sum import Member, PrimeField, Session, Words64, default_threshold, unmask
from fl.protection_settings import SecAggSettings
from fl.secagg import vector_length
from fl.task import initial_weights
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape

SCALARS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
OUT = Path("out/bench/masking.json")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Cost:
    """Times in seconds, traffic in bytes a home."""

    vector: str
    homes: int
    neighbours: int
    dropped: int
    home_s: float  # one home, all four steps
    aggregator_s: float
    home_bytes_up: int
    vector_bytes: int


class Clock:
    """Adds up the time of the calls made through it."""

    seconds = 0.0

    def __call__(self, call: Callable[[], _T]) -> _T:
        started = time.perf_counter()
        result = call()
        self.seconds += time.perf_counter() - started
        return result


def measure(kind: str, homes: int) -> Cost:
    """Run one session with every home in this process."""
    ring = Words64() if kind == "model update" else PrimeField(SCALARS)
    length = vector_length(initial_weights(ModelShape.of(ModelSettings()), 1)) if kind == "model update" else 25
    degree = SecAggSettings().neighbours(homes)
    holders = homes if degree is None else degree + 1
    names = tuple(f"home-{number:04d}" for number in range(homes))
    session = Session(b"bench " + kind.encode(), names, default_threshold(holders), length, ring, degree)
    neighbours = {name: session.holders(name) for name in names}
    clock, vector = Clock(), np.arange(length)
    members = {name: clock(lambda name=name: Member(session, name)) for name in names}  # type: ignore[misc]
    keys = {name: clock(member.keys) for name, member in members.items()}
    sealed = {n: clock(lambda n=n: members[n].share({h: keys[h] for h in neighbours[n]})) for n in names}  # type: ignore[misc]
    staying = names[homes // 10 :]
    boxes = {n: {s: sealed[s][n] for s in neighbours[n] if s != n} for n in staying}
    masked = {n: clock(lambda n=n: members[n].mask(vector, boxes[n])) for n in staying}  # type: ignore[misc]
    alive = {n: masked.keys() & set(neighbours[n]) for n in staying}
    reveals = {n: clock(lambda n=n: members[n].reveal(alive[n])) for n in staying}  # type: ignore[misc]
    aggregator = Clock()
    total = aggregator(lambda: unmask(session, keys, names, masked, reveals))
    if list(total) != list(session.ring.vector(vector * len(staying))):
        raise AssertionError("the sum is not the sum")
    last = staying[-1]
    told = [keys[last].to_bytes(), *sealed[last].values(), masked[last], *reveals[last].values()]
    return Cost(
        vector=kind, homes=homes, neighbours=holders - 1, dropped=homes - len(staying),
        home_s=round(clock.seconds / homes, 4), aggregator_s=round(aggregator.seconds, 3),
        home_bytes_up=sum(len(data) for data in told), vector_bytes=len(masked[last]),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, nargs="+", default=[17, 100, 300])
    costs = []
    print("| vector | homes | neighbours | dropped | a home | aggregator | a home sends | of which vector |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in ("model update", "forecast"):
        for homes in parser.parse_args().homes:
            cost = measure(kind, homes)
            costs.append(cost)
            print(
                f"| {cost.vector} | {cost.homes} | {cost.neighbours} | {cost.dropped} | {cost.home_s * 1e3:.0f} ms "
                f"| {cost.aggregator_s:.2f} s | {cost.home_bytes_up / 1e3:.1f} kB "
                f"| {cost.vector_bytes / 1e3:.1f} kB |",
                flush=True,
            )
    write_bytes(OUT, json.dumps([asdict(cost) for cost in costs], indent=1).encode())


if __name__ == "__main__":
    main()
