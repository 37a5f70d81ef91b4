"""The zero-knowledge simulator: accepting proofs without a witness, where the challenges are known beforehand.

In the random oracle model the simulator may choose what the oracle answers. `Oracle` is such an oracle, with answers
that depend on a challenge's name alone; `programmed` lets provers and verifiers ask it instead of Keccak-256.

`simulate` takes a public statement, true or false, and nothing else. It runs the verifier itself, and draws what the
verifier asks for, uniformly: every scalar, every commitment, and the opening's witness as a known multiple of G. One
commitment is left open, the lower half of the opening: the verifier's equation, the only check that there is, is
solved for it.

An honest proof has the same distribution; tests/zkp/statements/test_zero_knowledge.py and docs/protocol.md say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_hash.auto import keccak

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS, inverse
from zkp.algebra.srs import Setup
from zkp.algebra.vector import RandomScalars
from zkp.argument import protocol
from zkp.argument.relation import Relation
from zkp.argument.transcript import ProverChannel, Transcript, VerifierChannel, encode_scalars


class Oracle:
    """The k-th challenge of a name, the same for everybody and whatever was sent before."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def answer(self, label: str, index: int) -> int:
        return int.from_bytes(keccak(f"{self._seed}/{label}/{index}".encode()), "big") % MODULUS


class _Asking:
    """Mixed into a channel: challenges come from the oracle."""

    oracle: Oracle

    def challenge(self, label: str) -> int:
        asked: dict[str, int] = self.__dict__.setdefault("asked", {})
        asked[label] = asked.get(label, -1) + 1
        return self.oracle.answer(label, asked[label])


def programmed(monkeypatch: pytest.MonkeyPatch, oracle: Oracle) -> None:
    """Provers and verifiers ask this oracle from here on."""

    class Prover(_Asking, ProverChannel):
        pass

    class Verifier(_Asking, VerifierChannel):
        pass

    Prover.oracle = Verifier.oracle = oracle
    monkeypatch.setattr(protocol, "ProverChannel", Prover)
    monkeypatch.setattr(protocol, "VerifierChannel", Verifier)


class _Open:
    """In the place of the commitment that is solved for."""


class _Simulating(_Asking, VerifierChannel):
    """The channel of a verifier whose messages are drawn when it asks for them."""

    def __init__(self, setup: Setup, oracle: Oracle, random: RandomScalars) -> None:
        Transcript.__init__(self, "simulated")
        self.setup, self.oracle, self.random = setup, oracle, random  # type: ignore[misc]
        self.sent: list[bytes | _Open] = []

    def receive_scalars(self, label: str, count: int) -> list[int]:
        values = self.random(count)
        self.sent.append(encode_scalars(values))
        return values

    def receive_points(self, label: str, count: int) -> list[Any]:
        points: list[Any] = [self._drawn(label) for _ in range(count)]
        if label == "opening/halves":
            points[0] = _Open()
        self.sent += [p if isinstance(p, _Open) else self.setup.curve.encode(p) for p in points]
        return points

    def _drawn(self, label: str) -> Point:
        """The witness is a multiple of G, so that tau times it is known, too."""
        (scalar,) = self.random(1)
        if label != "opening/witness":
            return self.setup.curve.msm([self.setup.blinder], [scalar])
        self.witness = scalar
        return self.setup.curve.msm(self.setup.powers(1)[:1], [scalar])

    def finish(self) -> None:
        """Whatever was asked for is there."""


def simulate(relation: Relation, setup: Setup, oracle: Oracle, random: RandomScalars) -> bytes:
    """The body of a proof (what follows its header) that is accepted where the oracle gives the challenges."""
    channel, curve = _Simulating(setup, oracle, random), setup.curve
    equation, _ = protocol.check(relation, channel)
    left = equation.left
    place = next(k for k, point in enumerate(left.points) if isinstance(point, _Open))
    scale = left.scalars.pop(place)
    left.points.pop(place)
    tau_witness = curve.msm(setup.powers(2)[1:2], [channel.witness])
    missing = curve.add(tau_witness, curve.negate(left.evaluate(setup)))
    solved = curve.encode(curve.msm([missing], [inverse(scale)]))
    return b"".join(solved if isinstance(part, _Open) else part for part in channel.sent)


def false_statement(statement: Any, points: Sequence[bytes]) -> Any:
    """The statement with its private commitments replaced: about contents that nobody knows."""
    source = iter(points)
    changed: dict[str, Any] = {}
    for field in fields(statement):
        value = getattr(statement, field.name)
        if isinstance(value, bytes):
            changed[field.name] = next(source)
        elif isinstance(value, tuple) and value and isinstance(value[0], bytes):
            changed[field.name] = tuple(next(source) for _ in value)
    return replace(statement, **changed)
