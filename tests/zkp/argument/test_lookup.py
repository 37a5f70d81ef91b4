"""logUp: the helper's gate and the table's sum hold for values of the table, and only for them."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zkp.algebra.field import MODULUS
from zkp.algebra.vector import Vector
from zkp.argument.cells import PointTables
from zkp.argument.lookup import (
    FractionForm,
    Lookup,
    LookupGroup,
    Selector,
    SelectorForm,
    SubTable,
    Table,
    multiplicities,
)
from zkp.errors import WitnessError

SQUARES = Table((SubTable(4), SubTable(8, (np.arange(8) ** 2, np.arange(8) % 2))))
"""A range of four, and key -> (square, parity) for keys below eight."""
ROWS = Selector(0, 8, width=4, keep=3)
GROUP = LookupGroup("helper", ROWS, (Lookup(1, ("small",)), Lookup(2, ("key", "square", "parity"))))
ALPHA, BETA = 3**150 % MODULUS, 5**100 % MODULUS

ints = st.integers(-50, 50)


def honest(rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Columns of the group; in rows that are not selected, anything."""
    key = rng.integers(0, 8, 8)
    columns = {"small": rng.integers(0, 4, 8), "key": key, "square": key**2, "parity": key % 2}
    for values in columns.values():
        values[3::4] = 99
    return columns


def balance(columns: Mapping[str, NDArray[np.int64]], counts: NDArray[np.int64]) -> int:
    """Sum of the helpers minus <multiplicities, 1 / (alpha - t)>."""
    vectors = {name: Vector.from_array(values) for name, values in columns.items()}
    helper = GROUP.helper_values(vectors, ALPHA, BETA)
    return (helper.total() - Vector.from_array(counts).inner(SQUARES.inverses(ALPHA, BETA))) % MODULUS


# -- selectors -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 5), st.integers(0, 30), st.integers(1, 7), st.data())
def test_a_selector_takes_the_rows_it_says(start: int, length: int, width: int, data: st.DataObject) -> None:
    keep = data.draw(st.integers(1, width))
    stop = start + length
    rows = Selector(start, stop, width, keep).rows().tolist()
    assert rows == [i for i in range(start, stop) if (i - start) % width < keep]


@given(st.sampled_from([(0, 32, 8, 5), (8, 24, 4, 4), (3, 29, 1, 1), (2, 31, 7, 3), (0, 13, 8, 2)]), st.data())
def test_rows_weighed_by_their_bits_are_never_listed(size: tuple[int, int, int, int], data: st.DataObject) -> None:
    """The same as the sum row by row, and as a linear form the sum of the rows' cells."""
    selector = Selector(*size)
    zeros, ones = (data.draw(st.lists(ints, min_size=5, max_size=5)) for _ in range(2))
    rows = selector.rows().tolist()
    expected = sum(math.prod((ones if r >> k & 1 else zeros)[k] for k in range(5)) for r in rows)
    assert (selector.weigh(zeros, ones) - expected) % MODULUS == 0
    form, point = SelectorForm(selector), PointTables(ones)
    assert (form.at(point, 5) - form.dense().inner(Vector.eq_table(ones)[: selector.stop])) % MODULUS == 0


@given(st.lists(ints, min_size=12, max_size=12))
def test_what_is_picked_and_spread_again_is_the_column_with_zeros_elsewhere(values: list[int]) -> None:
    selector = Selector(1, 11, 5, 2)
    column = Vector.from_ints(values)
    back = selector.spread(selector.pick(column), len(values)).to_ints()
    active = set(selector.rows().tolist())
    assert back == [v % MODULUS if k in active else 0 for k, v in enumerate(values)]


# -- the table -------------------------------------------------------------------------------------------------------


def test_entries_are_compressed_as_tag_key_and_outputs() -> None:
    entries = [1 + BETA * k for k in range(4)]
    entries += [2 + BETA * k + BETA**2 * k**2 + BETA**3 * (k % 2) for k in range(8)]
    expected = [pow(ALPHA - e, -1, MODULUS) for e in entries]
    assert SQUARES.inverses(ALPHA, BETA).to_ints() == expected
    assert (SQUARES.size, SQUARES.offset(1), SQUARES.offset(2)) == (12, 0, 4)


@given(st.lists(st.integers(1, MODULUS - 1), min_size=1, max_size=16), st.data())
def test_a_sum_of_fractions_takes_one_inverse(values: list[int], data: st.DataObject) -> None:
    bits = data.draw(st.integers(max(1, (len(values) - 1).bit_length()), 5))
    point = data.draw(st.lists(st.integers(0, MODULUS - 1), min_size=bits, max_size=bits))
    form = FractionForm(Vector.from_ints(values))
    assert form.at(PointTables(point), bits) == form.dense().inner(Vector.eq_table(point)[: len(values)])


def test_a_challenge_on_an_entry_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        SQUARES.inverses((1 + 2 * BETA) % MODULUS, BETA)
    with pytest.raises(ZeroDivisionError):
        FractionForm(SQUARES.denominators((1 + 2 * BETA) % MODULUS, BETA)).at(PointTables([3] * 4), 4)


# -- the argument ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000))
def test_values_of_the_table_balance_and_satisfy_the_gate(seed: int) -> None:
    columns = honest(np.random.default_rng(seed))
    counts = multiplicities(SQUARES, (GROUP,), columns)
    assert counts.sum() == 2 * len(ROWS.rows())
    assert balance(columns, counts) == 0
    vectors = {name: Vector.from_array(values) for name, values in columns.items()}
    active = {name: ROWS.pick(v) for name, v in vectors.items()}
    active["helper"] = GROUP.helper_values(vectors, ALPHA, BETA)
    assert set(GROUP.gate(active, ALPHA, BETA).to_ints()) == {0}


@given(
    st.integers(0, 1000), st.sampled_from(["small", "key", "square", "parity"]), st.sampled_from([0, 1, 2, 4, 5, 6])
)
def test_a_value_off_by_one_cannot_be_balanced_by_the_honest_counts(seed: int, name: str, row: int) -> None:
    columns = honest(np.random.default_rng(seed))
    counts = multiplicities(SQUARES, (GROUP,), columns)
    columns[name][row] += 1
    assert balance(columns, counts) != 0


@given(st.integers(0, 1000), st.integers(1, 1 << 60))
def test_the_gate_pins_the_helper(seed: int, shift: int) -> None:
    columns = {name: int(values[0]) for name, values in honest(np.random.default_rng(seed)).items()}
    vectors = {name: Vector.from_ints([v] * 8) for name, v in columns.items()}
    right = GROUP.helper_values(vectors, ALPHA, BETA).to_ints()[0]
    assert GROUP.gate({**columns, "helper": right}, ALPHA, BETA) % MODULUS == 0
    assert GROUP.gate({**columns, "helper": right + shift}, ALPHA, BETA) % MODULUS != 0


def test_the_gate_of_three_lookups_is_that_of_their_sum_of_fractions() -> None:
    group = LookupGroup("helper", Selector(0, 1), tuple(Lookup(1, (name,)) for name in "abc"))
    columns = {"a": 3, "b": 17, "c": 40, "helper": 12345}
    d = [ALPHA - 1 - BETA * columns[n] for n in "abc"]
    expected = 12345 * d[0] * d[1] * d[2] - d[1] * d[2] - d[0] * d[2] - d[0] * d[1]
    assert (group.gate(columns, ALPHA, BETA) - expected) % MODULUS == 0
    assert group.degree == 4


@pytest.mark.parametrize(("name", "value"), [("small", -1), ("small", 4), ("key", 8)])
def test_a_key_outside_its_table_is_noticed_and_not_said(name: str, value: int) -> None:
    columns = honest(np.random.default_rng(1))
    columns[name][1] = value
    with pytest.raises(WitnessError, match=f"column '{name}'"):
        multiplicities(SQUARES, (GROUP,), columns)
