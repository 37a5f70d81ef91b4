"""`python -m bench.masking [--homes 17 100 300]`: what a masked sum costs a home and the aggregator, no network.

Two kinds of vector: a model update (64-bit words), and a committed forecast with its blinding (25 scalars of
BLS12-381). Every home signs, and checks what the others sign. A tenth of the homes drop out after they have shared
their secrets. Prints a table and writes out/bench/masking.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from data.atomic import write_bytes
from fl.secagg.aggregator import Member, PrimeField, Session, Words64, default_threshold, unmask
from fl.secagg.fixed_point import vector_length
from fl.secagg.roster import identity_of
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
    dropped: int
    home_s: float  # one home, all six steps
    aggregator_s: float
    home_bytes_up: int
    home_bytes_down: int  # without the model
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
    """Run one session with every home in this process, each with an identity key."""
    ring = Words64() if kind == "model update" else PrimeField(SCALARS)
    length = vector_length(initial_weights(ModelShape.of(ModelSettings()), 1)) if kind == "model update" else 25
    names = tuple(f"home-{number:04d}" for number in range(homes))
    keys_of = {name: ec.generate_private_key(ec.SECP384R1()) for name in names}
    roster = {name: identity_of(key.public_key()) for name, key in keys_of.items()}
    session = Session(b"bench " + kind.encode(), names, default_threshold(homes), length, ring, roster)
    clock, vector = Clock(), np.arange(length)
    members = {name: Member(session, name, keys_of[name]) for name in names}
    keys = {name: clock(member.keys) for name, member in members.items()}
    sealed = {name: clock(partial(member.share, keys)) for name, member in members.items()}
    for name, member in members.items():
        clock(partial(member.check, {sender: box[name] for sender, box in sealed.items() if sender != name}))
    staying = names[homes // 10 :]
    masked = {name: clock(partial(members[name].mask, vector, names)) for name in staying}
    survivors = {name: each.signature for name, each in masked.items()}
    agreed = {name: clock(partial(members[name].agree, survivors)) for name in staying}
    reveals = {name: clock(partial(members[name].reveal, agreed)) for name in staying}
    aggregator, vectors = Clock(), {name: each.vector for name, each in masked.items()}
    opened = aggregator(lambda: unmask(session, keys, sealed, vectors, reveals))
    if list(opened.total) != list(session.ring.vector(vector * len(staying))):
        raise AssertionError("the sum is not the sum")
    last = staying[-1]
    sent = [keys[last].to_bytes(), *sealed[last].values(), vectors[last], agreed[last], *reveals[last].values()]
    signatures = 2 * sum(map(len, agreed.values()))
    heard = sum(len(each.to_bytes()) for each in keys.values()) + sum(
        len(box.get(last, b"")) for box in sealed.values()
    )
    return Cost(
        vector=kind, homes=homes, dropped=homes - len(staying), home_s=round(clock.seconds / homes, 4),
        aggregator_s=round(aggregator.seconds, 3), home_bytes_up=sum(map(len, sent)),
        home_bytes_down=heard + signatures, vector_bytes=len(vectors[last]),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, nargs="+", default=[17, 100, 300])
    costs = []
    print("| vector | homes | dropped | a home | aggregator | a home sends | of which vector | a home gets |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in ("model update", "forecast"):
        for homes in parser.parse_args().homes:
            cost = measure(kind, homes)
            costs.append(cost)
            print(
                f"| {cost.vector} | {cost.homes} | {cost.dropped} | {cost.home_s * 1e3:.0f} ms "
                f"| {cost.aggregator_s:.2f} s | {cost.home_bytes_up / 1e3:.1f} kB "
                f"| {cost.vector_bytes / 1e3:.1f} kB | {cost.home_bytes_down / 1e3:.1f} kB |",
                flush=True,
            )
    write_bytes(OUT, json.dumps([asdict(cost) for cost in costs], indent=1).encode())


if __name__ == "__main__":
    main()
