"""Commitments to a model's quantised weights.

The community's weights are public: their commitment has no blinding, and anybody makes it again from the published
file. A personal head is private: its rows are blinded. There is no key for a model and no set-up of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.curve import IDENTITY, Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.errors import InvalidStatement, WitnessError
from zkp.lstm.grid import Grid
from zkp.lstm.integer_model import (
    OUTPUTS,
    PERSONAL_LIMIT,
    IntegerWeights,
    Ints,
    Shape,
)
from zkp.lstm.products import padded_inputs

Rows = tuple[bytes, ...]


def digest_prefix(shape: Shape) -> bytes:
    """What is hashed before the rows. Models of a longer horizon have one size more than others, those with a median
    two, and so names of their own."""
    name = b"-median" if shape.median else b"" if shape.horizon == 1 else b"-ahead"
    return b"wattproof/weights" + name + b"/4" + b"".join(v.to_bytes(4, "big") for v in shape.sizes)


@dataclass(frozen=True)
class WeightsCommitment:
    """Committed rows of each layer and of the head, 48 bytes each (a row of zeros is the identity)."""

    shape: Shape
    layers: tuple[Rows, ...]
    head: Rows

    def digest(self) -> bytes:
        """Keccak-256 over shape and rows: what the model registry holds for a round; 32 bytes."""
        return self._digest

    @cached_property
    def _digest(self) -> bytes:
        """Made once: every proof of a round is checked against it."""
        return keccak(digest_prefix(self.shape) + b"".join(r for rows in (*self.layers, self.head) for r in rows))

    def digest_of_head(self, rows: Rows) -> bytes:
        """Keccak-256 over this model's digest and the rows of a personal head beside it: what a household pins."""
        return keccak(b"wattproof/personal-head/4" + self.digest() + b"".join(rows))


@dataclass(frozen=True, repr=False)
class HeadOpening:
    """A home's private head, int64 [48, loads and hidden state], and a blinding for each committed row.

    Weights lie in [-PERSONAL_LIMIT, PERSONAL_LIMIT); those of the mean for the hidden state are zero, and not read.
    """

    values: Ints
    blindings: tuple[int, ...]

    @classmethod
    def blind(cls, shape: Shape, values: Ints, random: RandomScalars = fresh_scalars) -> HeadOpening:
        return cls(values, tuple(random(row_count(Grid(shape, 1).head_cells))))

    def commit(self, shape: Shape, backend: str = "") -> Rows:
        setup = load_setup(backend)
        rows = matrix_rows(Vector.from_array(personal_cells(Grid(shape, 1), self.values)))
        return tuple(
            setup.curve.encode(_commit_row(setup, row, b)) for row, b in zip(rows, self.blindings, strict=True)
        )


def layer_cells(grid: Grid, layer: int, weights: Ints) -> Ints:
    """The cells of a layer's block: gate, unit (padded), input in the order of the slots (padded)."""
    view = np.zeros((4, grid.units, 1 << grid.layer_bits(layer)), dtype=np.int64)
    ordered = padded_inputs(grid, weights)
    view[:, : grid.shape.hidden, : ordered.shape[2]] = ordered
    return view.ravel()


def head_cells(grid: Grid, head: Ints) -> Ints:
    """The cells of the head's block: output, input (padded)."""
    view = np.zeros((OUTPUTS, 1 << grid.head_bits), dtype=np.int64)
    view[:, : head.shape[1]] = head
    return view.ravel()


def personal_cells(grid: Grid, head: Ints) -> Ints:
    """The cells of a personal head, in the places that the head's have. Raises WitnessError for one out of range."""
    if head.min(initial=0) < -PERSONAL_LIMIT or head.max(initial=0) >= PERSONAL_LIMIT:
        raise WitnessError(f"a personal weight is not between -{PERSONAL_LIMIT} and {PERSONAL_LIMIT - 1}")
    return head_cells(grid, head)


def row_count(cells: int) -> int:
    return -(-cells // ROW)


def matrix_rows(cells: Vector) -> list[Vector]:
    """A block cut into rows of the committed matrix."""
    return [cells[k : k + ROW] for k in range(0, len(cells), ROW)]


def _commit_row(setup: Setup, row: Vector, blinding: int) -> Point:
    point = setup.curve.msm(setup.powers(ROW), row)
    return setup.curve.add(point, setup.curve.msm([setup.blinder], [blinding % MODULUS]))


def commit_weights(weights: IntegerWeights, backend: str = "") -> WeightsCommitment:
    """The commitment to published weights; the same from anybody."""
    setup = load_setup(backend)
    grid = Grid(weights.shape, 1)

    def commit(cells: Ints) -> Rows:
        rows = [(setup.powers(ROW), row) for row in matrix_rows(Vector.from_array(cells))]
        return tuple(setup.curve.encode(p) for p in setup.curve.msm_many(rows))

    layers = tuple(commit(layer_cells(grid, k, w)) for k, w in enumerate(weights.layers))
    return WeightsCommitment(weights.shape, layers, commit(head_cells(grid, weights.head)))


def decode_rows(setup: Setup, rows: Sequence[bytes], cells: int) -> tuple[Point | None, ...]:
    """Points of a block's committed rows; None for a row of zeros. Raises InvalidStatement, MalformedProof."""
    if len(rows) != row_count(cells):
        raise InvalidStatement(f"weights of this shape have {row_count(cells)} rows, here are {len(rows)}")
    return tuple(None if row == IDENTITY else setup.curve.decode(row) for row in rows)
