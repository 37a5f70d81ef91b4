"""`python -m bench.aggregation [--homes 17 100]`: a sum of model updates under masks, under BFV, and plain.

Every home plays its whole side in this process, with an identity key, and no network in between; the vector is an
update of the configured forecaster. Prints one JSON line: for each number of homes and each scheme the bytes that a
home sends and gets, and the seconds that a home and the coordinator compute; `equal`: whether the three sums agree to
the last bit. Times are those of one core. The model and the plan, the same for all, are not counted.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from bench.masking import Clock
from fl.homomorphic.ciphertexts import BlindSum, chunks_of
from fl.homomorphic.member import EncryptingMember
from fl.secagg.aggregator import Member, Session, Words64, default_threshold, unmask
from fl.secagg.fixed_point import encode, vector_length
from fl.secagg.rings import Vector
from fl.secagg.roster import identity_of
from fl.task import initial_weights
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape

_T = TypeVar("_T")
_OPENERS = 3
Figures = dict[str, float]


class Case:
    """So many homes with their updates, and one session."""

    def __init__(self, homes: int) -> None:
        names = tuple(f"home-{number:04d}" for number in range(homes))
        self.identities = {name: ec.generate_private_key(ec.SECP384R1()) for name in names}
        roster = {name: identity_of(key.public_key()) for name, key in self.identities.items()}
        start = initial_weights(ModelShape.of(ModelSettings()), 1)
        generator, size = np.random.default_rng(1), sum(array.size for array in start.values())
        self.vectors = {name: encode(generator.normal(0, 0.05, size), {"loss": 0.5}, 300) for name in names}
        self.session = Session(
            b"bench", names, default_threshold(homes), vector_length(start), Words64(), roster, fewest=3
        )

    @property
    def names(self) -> tuple[str, ...]:
        return self.session.members


def plain(case: Case) -> tuple[Vector, Figures]:
    """What the sum costs where nothing is hidden: each home sends its vector."""
    coordinator, ring = Clock(), case.session.ring
    sent = {name: ring.to_bytes(ring.vector(vector)) for name, vector in case.vectors.items()}

    def add() -> Vector:
        total = ring.vector(np.zeros(case.session.length, dtype=np.int64))
        for data in sent.values():
            total = ring.add(total, ring.from_bytes(data))
        return total

    total = coordinator(add)
    return total, _figures(0.0, coordinator, len(next(iter(sent.values()))), 0)


def masks(case: Case) -> tuple[Vector, Figures]:
    """See `fl.secagg.aggregator`."""
    home, coordinator, session = Clock(), Clock(), case.session
    members = {name: Member(session, name, key) for name, key in case.identities.items()}
    keys = {name: home(member.keys) for name, member in members.items()}
    sealed = {name: home(partial(member.share, keys)) for name, member in members.items()}
    for name, member in members.items():
        home(partial(member.check, {sender: box[name] for sender, box in sealed.items() if sender != name}))
    masked = {name: home(partial(member.mask, case.vectors[name], case.names)) for name, member in members.items()}
    signatures = {name: each.signature for name, each in masked.items()}
    agreed = {name: home(partial(member.agree, signatures)) for name, member in members.items()}
    reveals = {name: home(partial(member.reveal, agreed)) for name, member in members.items()}
    vectors = {name: each.vector for name, each in masked.items()}
    total = coordinator(lambda: unmask(session, keys, sealed, vectors, reveals)).total
    last = case.names[-1]
    up = [keys[last].to_bytes(), *sealed[last].values(), vectors[last], agreed[last], *reveals[last].values()]
    down = [key.to_bytes() for key in keys.values()]
    down += [box[last] for sender, box in sealed.items() if sender != last]
    down += [*signatures.values(), *agreed.values()]
    return total, _figures(home.seconds / len(members), coordinator, _size(up), _size(down))


def bfv(case: Case) -> tuple[Vector, Figures]:
    """See `fl.homomorphic.member`; beside a home's figures those of the maker, and of a home that decrypts."""
    home, maker, coordinator, session = Clock(), Clock(), Clock(), case.session
    members = {name: EncryptingMember(session, name, key) for name, key in case.identities.items()}
    keys = {name: home(member.keys) for name, member in members.items()}
    sealed = maker(partial(members[case.names[0]].make_secret, keys))
    for member in members.values():
        home(partial(member.take_secret, sealed))
    sent = {name: home(partial(member.encrypt, case.vectors[name])) for name, member in members.items()}
    blind = BlindSum(chunks_of(session.length + 1))
    for ciphertexts in sent.values():
        coordinator(partial(blind.add, ciphertexts))
    added = coordinator(blind.to_bytes)
    agreed = {name: home(partial(member.agree, case.names)) for name, member in members.items()}
    opener = Clock()
    totals = [opener(partial(members[name].open, agreed, added)) for name in case.names[:_OPENERS]]
    if any((each != totals[0]).any() for each in totals):
        raise AssertionError("homes decrypt different totals")
    last = case.names[-1]
    total_bytes = session.ring.to_bytes(totals[0])
    secret = [sealed.digest, sealed.signature, sealed.box]
    up = [keys[last].to_bytes(), *sent[last], agreed[last], sealed.digest]
    down = [*secret, sealed.envelopes[last]]
    figures = _figures(home.seconds / len(members), coordinator, _size(up), _size(down))
    further = {
        "opener_s": opener.seconds / _OPENERS, "opener_bytes_up": float(len(total_bytes)),
        "opener_bytes_down": float(_size([*added, *agreed.values()])), "maker_s": maker.seconds,
        "maker_bytes_up": float(_size([*secret, *sealed.envelopes.values()])),
        "maker_bytes_down": float(_size([key.to_bytes() for key in keys.values()])),
    }  # fmt: skip
    return totals[0], figures | further


def _figures(home_s: float, coordinator: Clock, up: int, down: int) -> Figures:
    return {
        "home_bytes_up": float(up), "home_bytes_down": float(down), "home_s": home_s,
        "coordinator_s": coordinator.seconds,
    }  # fmt: skip


def _size(parts: list[bytes]) -> int:
    return sum(map(len, parts))


def measure(homes: int) -> dict[str, object]:
    """All three schemes on the same updates."""
    case = Case(homes)
    totals, figures = {}, {}
    for name, scheme in (("plain", plain), ("masks", masks), ("bfv", bfv)):
        totals[name], figures[name] = scheme(case)
    equal = all(total.tobytes() == totals["plain"].tobytes() for total in totals.values())
    rounded = {name: {key: round(value, 4) for key, value in each.items()} for name, each in figures.items()}
    return {"homes": homes, "entries": case.session.length, "equal": equal, **rounded}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, nargs="+", default=[17, 100])
    cases = [measure(homes) for homes in parser.parse_args().homes]
    print(json.dumps({"equal": all(case["equal"] for case in cases), "cases": cases}))


if __name__ == "__main__":
    main()
