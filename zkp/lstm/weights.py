"""Commitments to a model's quantised weights.

The community's weights are public: their commitment has no blinding, and anybody makes it again from the published
file. A personal head is private: its rows are blinded. There is no key for a model and no set-up of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.curve import IDENTITY, Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.errors import InvalidStatement
from zkp.lstm.grid import HEAD_ROWS, Grid
from zkp.lstm.integer_model import HOURS, Ints, Shape, Weights

Rows = tuple[bytes, ...]


@dataclass(frozen=True)
class WeightsCommitment:
    """Committed rows of each layer and of the head, 48 bytes each (a row of zeros is the identity)."""

    shape: Shape
    layers: tuple[Rows, ...]
    head: Rows

    def digest(self) -> bytes:
        """Keccak-256 over shape and rows: what the model registry holds for a round; 32 bytes."""
        sizes = b"".join(v.to_bytes(4, "big") for v in astuple(self.shape))
        return keccak(
            b"wattproof/weights/1" + sizes + b"".join(r for rows in (*self.layers, self.head) for r in rows)
        )

    def digest_of_head(self, rows: Rows) -> bytes:
        """Keccak-256 over this model's digest and the rows of a personal head beside it: what a household pins."""
        return keccak(b"wattproof/personal-head/1" + self.digest() + b"".join(rows))


@dataclass(frozen=True, repr=False)
class PersonalHead:
    """A home's private head, int64 [24, head inputs], and a blinding for each committed row."""

    values: Ints
    blindings: tuple[int, ...]

    @classmethod
    def blind(cls, shape: Shape, values: Ints, random: RandomScalars = fresh_scalars) -> PersonalHead:
        return cls(values, tuple(random(Grid(shape, 1).head_block // ROW)))

    def commit(self, shape: Shape, backend: str = "") -> Rows:
        setup = load_setup(backend)
        rows = matrix_rows(head_cells(Grid(shape, 1), self.values))
        return tuple(
            setup.curve.encode(_commit_row(setup, row, b)) for row, b in zip(rows, self.blindings, strict=True)
        )


def layer_cells(grid: Grid, layer: int, weights: Ints) -> Vector:
    """The cells of a layer's block: gate, unit (padded), input (padded)."""
    out = np.zeros(grid.layer_block(layer), dtype=np.int64)
    inputs = 1 << grid.layer_bits(layer)
    view = out[: 4 * grid.units * inputs].reshape(4, grid.units, inputs)
    view[:, : grid.shape.hidden, : weights.shape[2]] = weights
    return Vector.from_array(out)


def head_cells(grid: Grid, head: Ints) -> Vector:
    """The cells of a head's block: hour (padded to 32), input (padded)."""
    out = np.zeros((HEAD_ROWS, 1 << grid.head_bits), dtype=np.int64)
    out[:HOURS, : head.shape[1]] = head
    return Vector.from_array(out)


def matrix_rows(cells: Vector) -> list[Vector]:
    """A block cut into rows of the committed matrix."""
    return [cells[k : k + ROW] for k in range(0, len(cells), ROW)]


def _commit_row(setup: Setup, row: Vector, blinding: int) -> Point:
    point = setup.curve.msm(setup.powers(ROW), row)
    return setup.curve.add(point, setup.curve.msm([setup.blinder], [blinding % MODULUS]))


def commit_weights(weights: Weights, backend: str = "") -> WeightsCommitment:
    """The commitment to published weights; the same from anybody."""
    setup = load_setup(backend)
    grid = Grid(weights.shape, 1)

    def commit(cells: Vector) -> Rows:
        return tuple(setup.curve.encode(p) for p in setup.curve.msm_many(setup.powers(ROW), matrix_rows(cells)))

    layers = tuple(commit(layer_cells(grid, k, w)) for k, w in enumerate(weights.layers))
    return WeightsCommitment(weights.shape, layers, commit(head_cells(grid, weights.head)))


def decode_rows(setup: Setup, rows: Sequence[bytes], expected: int) -> tuple[Point | None, ...]:
    """Points of committed rows; None for a row of zeros. Raises InvalidStatement, MalformedProof."""
    if len(rows) != expected:
        raise InvalidStatement(f"a weights block of this shape has {expected} rows, here are {len(rows)}")
    return tuple(None if row == IDENTITY else setup.curve.decode(row) for row in rows)
