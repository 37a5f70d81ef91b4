"""Commitments to weights: public ones anybody makes again, private heads hidden; the digest pins everything."""

from dataclasses import replace

import numpy as np
import pytest

from tests.zkp.conftest import random_weights, seeded, small_shape
from zkp.algebra.curve import IDENTITY
from zkp.algebra.srs import ROW, Setup
from zkp.algebra.vector import Vector
from zkp.errors import InvalidStatement, MalformedProof
from zkp.lstm.grid import Grid
from zkp.lstm.integer_model import OUTPUTS
from zkp.lstm.weights import (
    HeadOpening,
    WeightsCommitment,
    commit_weights,
    decode_rows,
    head_cells,
    layer_cells,
    matrix_rows,
)

SHAPE = small_shape(layers=2)
WEIGHTS = random_weights(SHAPE, 1)
OWN = np.random.default_rng(2).integers(-99, 99, (OUTPUTS, SHAPE.personal_inputs))
FEW = replace(WEIGHTS, head=np.where(np.arange(WEIGHTS.head.shape[1]) % 40 == 0, WEIGHTS.head, 0))
"""With a head of few weights: the reference backend adds points in pure Python."""


@pytest.fixture(scope="module")
def commitment() -> WeightsCommitment:
    return commit_weights(WEIGHTS)


def test_the_commitment_has_one_row_for_each_4096_cells(commitment: WeightsCommitment) -> None:
    grid = Grid(SHAPE, 1)
    assert [len(rows) for rows in commitment.layers] == [-(-grid.layer_cells(k) // ROW) for k in range(2)]
    assert len(commitment.head) == -(-grid.head_cells // ROW) == 3


def test_both_backends_make_the_same_commitment() -> None:
    assert commit_weights(FEW, "py-ecc") == commit_weights(FEW, "arkworks")


def test_every_kind_of_weight_changes_the_digest(commitment: WeightsCommitment) -> None:
    digests = {commitment.digest()}
    for k, place in ((0, (0, 0, 0)), (0, (3, 2, -1)), (1, (2, 1, 0))):
        layers = [w.copy() for w in WEIGHTS.layers]
        layers[k][place] += 1
        digests.add(commit_weights(replace(WEIGHTS, layers=tuple(layers))).digest())
    for place in ((0, 0), (47, -1)):
        head = WEIGHTS.head.copy()
        head[place] += 1
        digests.add(commit_weights(replace(WEIGHTS, head=head)).digest())
    assert len(digests) == 6


def test_the_digest_depends_on_shape_and_on_every_row(commitment: WeightsCommitment) -> None:
    steps = replace(SHAPE, steps=SHAPE.steps + 1)
    others = [replace(commitment, shape=steps), replace(commitment, layers=commitment.layers[::-1])]
    others.append(replace(commitment, head=(IDENTITY, *commitment.head[1:])))
    assert len({c.digest() for c in (commitment, *others)}) == 4


def test_cells_hold_every_weight_once_and_zeros_elsewhere() -> None:
    grid = Grid(SHAPE, 1)
    blocks = [(layer_cells(grid, k, w), w) for k, w in enumerate(WEIGHTS.layers)]
    blocks.append((head_cells(grid, WEIGHTS.head), WEIGHTS.head))
    for cells, values in blocks:
        assert sorted(c for c in cells.tolist() if c) == sorted(v for v in values.ravel().tolist() if v)
        vector = Vector.from_array(cells)
        assert [c for row in matrix_rows(vector) for c in row.to_ints()] == vector.to_ints()


def test_a_row_of_zeros_is_the_identity_and_is_decoded_to_none(setup: Setup) -> None:
    zero = replace(WEIGHTS, head=np.zeros_like(WEIGHTS.head))
    rows = commit_weights(zero).head
    assert set(rows) == {IDENTITY}
    assert decode_rows(setup, rows, Grid(SHAPE, 1).head_cells) == (None,) * len(rows)


def test_rows_of_another_count_or_form_are_refused(setup: Setup, commitment: WeightsCommitment) -> None:
    with pytest.raises(InvalidStatement, match="rows, here are"):
        decode_rows(setup, commitment.head, (len(commitment.head) + 1) * ROW)
    with pytest.raises(MalformedProof):
        decode_rows(setup, (b"\x80" + bytes(47),), ROW)


# -- the personal head -----------------------------------------------------------------------------------------------


def test_a_personal_head_is_hidden_by_a_blinding_for_each_row() -> None:
    values = np.zeros_like(OWN)
    first, second = (HeadOpening.blind(SHAPE, values, seeded(k)) for k in (1, 2))
    assert len(first.blindings) == len(first.commit(SHAPE))
    assert not set(first.commit(SHAPE)) & set(second.commit(SHAPE))
    assert first.commit(SHAPE) == HeadOpening(values, first.blindings).commit(SHAPE)


def test_both_backends_make_the_same_personal_commitment() -> None:
    head = HeadOpening.blind(SHAPE, np.where(np.arange(OWN.shape[1]) % 40 == 0, OWN, 0), seeded(3))
    assert head.commit(SHAPE, "py-ecc") == head.commit(SHAPE, "arkworks")


def test_secrets_show_nothing_of_themselves() -> None:
    head = HeadOpening.blind(SHAPE, OWN, seeded(3))
    assert str(head.blindings[0]) not in repr(head) and "array" not in repr(head)
