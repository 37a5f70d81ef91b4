"""The zero-knowledge simulator: accepting proofs without a witness, where the challenges are known beforehand.

In the random oracle model the simulator may choose what the oracle answers. `Oracle` is such an oracle, with answers
that depend on a challenge's name alone; `programmed` lets provers and verifiers ask it instead of Keccak-256.

`simulate` takes a public statement, true or false, and nothing else. It draws what an honest prover sends, message by
message, uniformly, and solves for the few that the verifier's equations then fix:

    message                        drawn uniformly                     solved for
    commitments of rows            all
    gates, products, matrix        mask's total, rounds, the values    mask's value, from the last check
    masks' Schnorr proof           commitment, response                nonce and its values
    opening                        combined row but one entry,         that entry, from the value;
                                   random row's value, blinding        random row's commitment, from the combined row

An honest proof has the same distribution; tests/zkp/test_zero_knowledge.py and docs/protocol.md say why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_hash.auto import keccak

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS, eq_index, interpolate, inverse, powers, squares
from zkp.algebra.srs import ROW, ROW_BITS, Setup
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import opening
from zkp.argument import relation as argument
from zkp.argument.cells import Linear
from zkp.argument.relation import HELPERS, MULTIPLICITIES, TRACE, Relation
from zkp.argument.sumcheck import MaskShape
from zkp.argument.transcript import ProverChannel, Transcript, VerifierChannel, encode_scalars
from zkp.view import wire_format

Claims = list[tuple[Linear, int]]


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
    monkeypatch.setattr(argument, "ProverChannel", Prover)
    monkeypatch.setattr(argument, "VerifierChannel", Verifier)


class _Simulator(_Asking):
    """One run. Messages are kept by label, for they are not found in the order in which they are sent."""

    def __init__(self, relation: Relation, setup: Setup, oracle: Oracle, random: RandomScalars) -> None:
        self.relation, self.setup, self.oracle, self.random = relation, setup, oracle, random
        self.layout = relation.layout()
        self.shapes = relation.mask_shapes(self.layout)
        self.sent: dict[str, list[bytes]] = {}

    def challenges(self, label: str, count: int) -> list[int]:
        return [self.challenge(label) for _ in range(count)]

    def send_scalars(self, label: str, values: Sequence[int]) -> None:
        self.sent.setdefault(label, []).append(encode_scalars(values))

    def send_points(self, label: str, points: Sequence[Point]) -> None:
        self.sent.setdefault(label, []).append(b"".join(self.setup.curve.encode(p) for p in points))

    def _drawn(self, label: str, count: int) -> list[int]:
        values = self.random(count)
        self.send_scalars(label, values)
        return values

    def _point(self) -> Point:
        return self.setup.curve.msm([self.setup.blinder], self.random(1))

    def run(self) -> bytes:
        rows = self._rows()
        mask_point = self._point()
        points, mask_values = self._sumchecks()
        self._masks(mask_point, points, mask_values)
        random_point = self._opening(rows, points[-1])
        self.send_points("masks", [mask_point, random_point])
        return b"".join(self.sent[slot.label].pop(0) for slot in wire_format(self.relation))

    def _rows(self) -> dict[int, Point]:
        rows: dict[int, Point] = {}
        for supplied in self.relation.supplied:
            first = self.layout.blocks[supplied.name].offset // ROW
            rows.update({first + k: p for k, p in enumerate(supplied.commitments) if p is not None})
        for group in (TRACE, MULTIPLICITIES, HELPERS) if self.relation.table else (TRACE,):
            drawn = {row: self._point() for row in self.layout.groups[group]}
            self.send_points(f"rows/{group}", list(drawn.values()))
            rows.update(drawn)
        return rows

    # -- sumchecks -----------------------------------------------------------------------------------------------

    def _sumchecks(self) -> tuple[list[list[int]], list[int]]:
        """Points and mask values of all of them."""
        relation, random = self.relation, self.random
        seeds = tuple(self.challenges("lookups", 2)) if relation.table else ()
        claims: Claims = [(argument._table_claim(relation, *seeds), 0)] if seeds else []
        done = [self._gates(claims, seeds)]
        if relation.products_count:
            done.append(self._products(claims))
        claims += [(link, 0) for link in relation.links(lambda: self.challenge("links"))]
        linear, value = argument._batch(claims, self.challenge("matrix/theta"))
        (self.at_point,) = random(1)
        self.send_scalars("matrix/value", [self.at_point])
        done.append(
            self._sumcheck(
                "matrix", self.shapes[-1], value, lambda p: linear.weights_at(self.layout, p) * self.at_point
            )
        )
        return [point for point, _ in done], [mask for _, mask in done]

    def _sumcheck(
        self, label: str, shape: MaskShape, claim: int, value_at: Callable[[list[int]], int]
    ) -> tuple[list[int], int]:
        """Uniform messages, and the mask's value that makes the polynomial's value `value_at(point)`."""
        (total,) = self._drawn(f"{label}/mask total", 1)
        rho = self.challenge(f"{label}/mask")
        claim += rho * total
        point = [0] * shape.variables
        for k in reversed(range(shape.variables)):
            first, *rest = self._drawn(f"{label}/round", shape.degree)
            point[k] = self.challenge(f"{label}/point")
            claim = interpolate([first, claim - first, *rest], point[k])
        mask_value = (claim - value_at(point)) * inverse(rho) % MODULUS
        self.send_scalars(f"{label}/mask value", [mask_value])
        return point, mask_value

    def _gates(self, claims: Claims, seeds: tuple[int, ...]) -> tuple[list[int], int]:
        relation = self.relation
        rho = squares(self.challenge("gates/rho"), relation.grid_bits)
        chi = self.challenge("gates/chi")
        names = [c.name for c in relation.gate_columns]
        values = self._drawn("gates/values", len(names))

        def value_at(point: list[int]) -> int:
            at_rho, at_point = Vector.eq_table(rho), Vector.eq_table(point)
            kernels = {s: s.pick(at_rho).inner(s.pick(at_point)) for s in argument._selectors(relation)}
            total: int = argument._gate_sum(relation, dict(zip(names, values, strict=True)), kernels, chi, *seeds)
            return total

        point, mask_value = self._sumcheck("gates", self.shapes[0], 0, value_at)
        claims += argument._column_claims(relation, point, values)
        return point, mask_value

    def _products(self, claims: Claims) -> tuple[list[int], int]:
        made = self.relation.products(Transcript("any").expander(self.challenge("products/seed")))
        products = [p.padded(k) for k, p in enumerate(made)]
        count = len(products)
        totals, values = self._drawn("products/totals", count), self._drawn("products/values", 2 * count)
        scales = powers(self.challenge("products/eta"), count)
        claim = sum(s * t for s, t in zip(scales, totals, strict=True))
        expected = sum(s * values[k] * values[count + k] for k, s in enumerate(scales))
        point, mask_value = self._sumcheck("products", self.shapes[1], claim, lambda _: expected)
        claims += argument._product_claims(products, point, totals, values)
        return point, mask_value

    # -- group elements ------------------------------------------------------------------------------------------

    def _masks(self, commitment: Point, points: list[list[int]], values: list[int]) -> None:
        """Response first, then the nonce that fits it."""
        curve, e = self.setup.curve, self.challenge("masks/challenge")
        response = self._drawn("masks/response", sum(s.size for s in self.shapes) + 1)
        bases = [*self.setup.powers(len(response))[: len(response) - 1], self.setup.blinder]
        self.send_points("masks/nonce", [curve.msm([*bases, commitment], [*response, -e])])
        nonce_values, first = [], 0
        for shape, point, value in zip(self.shapes, points, values, strict=True):
            part = response[first : first + shape.size]
            got = sum(w * v for w, v in zip(shape.weights(point), part, strict=True))
            nonce_values.append(got - e * value)
            first += shape.size
        self.send_scalars("masks/nonce values", nonce_values)

    def _opening(self, rows: dict[int, Point], point: list[int]) -> Point:
        """A uniform row of the right value, opened as always; the random row's commitment is what makes it fit."""
        low, high = point[:ROW_BITS], point[ROW_BITS:]
        (random_value,) = self._drawn("opening/random value", 1)
        scale = self.challenge("opening/random row")
        (blinding,) = self._drawn("opening/blinding", 1)
        row = Vector.from_ints([0, *self.random(ROW - 1)])
        weights = Vector.eq_table(low)
        missing = self.at_point + scale * random_value - row.inner(weights)
        row[:1] = Vector.from_ints([missing * inverse(weights[:1].total())])
        opening.prove(self, self.setup, row, low)  # type: ignore[arg-type]
        curve, back = self.setup.curve, inverse(scale)
        combined = curve.msm([*self.setup.powers(ROW)[:ROW], self.setup.blinder], [*row.to_ints(), blinding])
        others = curve.msm(list(rows.values()), [-eq_index(r, high) for r in rows])
        return curve.msm([combined, others], [back, back])


def simulate(relation: Relation, setup: Setup, oracle: Oracle, random: RandomScalars) -> bytes:
    """The body of a proof (what follows its header) that is accepted where the oracle gives the challenges."""
    return _Simulator(relation, setup, oracle, random).run()


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
