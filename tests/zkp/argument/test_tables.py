"""logUp: the helper's gate and the table's sum hold for values of the table, and only for them."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import MODULUS
from zkp.algebra.vector import Ints, Vector
from zkp.argument.tables import Challenges, Lookup, LookupGroup, SubTable, Table, multiplicities
from zkp.errors import WitnessError

_KEYS = np.arange(-3, 5)
CUBES = Table((SubTable(0, 4), SubTable(-3, 8, (_KEYS**3, _KEYS % 2))))
"""A range of four, and key -> (cube, parity) for keys from -3 to 4."""
GROUP = LookupGroup("helper", (Lookup(1, ("small",)), Lookup(2, ("key", "cube", "parity"))))
ALPHA, BETA = 3**150 % MODULUS, 5**100 % MODULUS
DRAWN = Challenges.of(CUBES, ALPHA, BETA)


def honest(rng: np.random.Generator) -> dict[str, Ints]:
    """Eight rows of the group's columns."""
    key = rng.integers(-3, 5, 8)
    return {"small": rng.integers(0, 4, 8), "key": key, "cube": key**3, "parity": key % 2}


def balance(columns: Mapping[str, Ints], counts: Ints) -> int:
    """Sum of the helpers minus <multiplicities, 1 / (alpha - t)>."""
    vectors = {name: Vector.from_array(values) for name, values in columns.items()}
    inverses = CUBES.denominators(ALPHA, BETA).inverses()
    return (GROUP.helper_values(vectors, DRAWN).total() - Vector.from_array(counts).inner(inverses)) % MODULUS


# -- the table -------------------------------------------------------------------------------------------------------


def test_entries_are_compressed_as_tag_key_and_outputs() -> None:
    entries = [1 + BETA * k for k in range(4)]
    entries += [2 + BETA * k + BETA**2 * k**3 + BETA**3 * (k % 2) for k in range(-3, 5)]
    assert CUBES.denominators(ALPHA, BETA).to_ints() == [(ALPHA - e) % MODULUS for e in entries]
    assert (CUBES.size, CUBES.entries(1), CUBES.entries(2)) == (12, slice(0, 4), slice(4, 12))


@pytest.mark.parametrize("part", [(1, 4, ()), (-4, 4, ()), (-1, 3, (np.array([0, 1, 0]),))])
def test_a_table_without_an_entry_of_zeros_is_refused(part: tuple[int, int, tuple[Ints, ...]]) -> None:
    """A row of zeros must be in every table: nobody looks at the rows below a column's values."""
    with pytest.raises(ValueError, match="entry of zeros"):
        SubTable(*part)


def test_a_challenge_on_a_tag_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        Challenges.of(CUBES, 2, BETA)


# -- the argument ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000))
def test_values_of_the_table_balance_and_satisfy_the_gate(seed: int) -> None:
    columns = honest(np.random.default_rng(seed))
    counts = multiplicities(CUBES, (GROUP,), columns)
    assert counts.sum() == 0  # as many lookups as rows of zeros would have
    assert balance(columns, counts) == 0
    vectors = {name: Vector.from_array(values) for name, values in columns.items()}
    vectors["helper"] = GROUP.helper_values(vectors, DRAWN)
    assert set(GROUP.gate(vectors, DRAWN).to_ints()) == {0}


def test_rows_of_zeros_need_nothing() -> None:
    zeros = {name: np.zeros(8, dtype=np.int64) for name in ("small", "key", "cube", "parity")}
    assert not multiplicities(CUBES, (GROUP,), zeros).any()
    vectors = {name: Vector.from_array(values) for name, values in zeros.items()}
    assert set(GROUP.helper_values(vectors, DRAWN).to_ints()) == {0}
    assert GROUP.gate({**dict.fromkeys(zeros, 0), "helper": 0}, DRAWN) % MODULUS == 0


@given(st.integers(0, 1000), st.sampled_from(["small", "key", "cube", "parity"]), st.integers(0, 7))
def test_a_value_off_by_one_cannot_be_balanced_by_the_honest_counts(seed: int, name: str, row: int) -> None:
    columns = honest(np.random.default_rng(seed))
    counts = multiplicities(CUBES, (GROUP,), columns)
    columns[name][row] += 1
    assert balance(columns, counts) != 0


@given(st.integers(0, 1000), st.integers(1, 1 << 60))
def test_the_gate_pins_the_helper(seed: int, shift: int) -> None:
    columns = {name: int(values[0]) for name, values in honest(np.random.default_rng(seed)).items()}
    vectors = {name: Vector.from_ints([v]) for name, v in columns.items()}
    right = GROUP.helper_values(vectors, DRAWN).to_ints()[0]
    assert GROUP.gate({**columns, "helper": right}, DRAWN) % MODULUS == 0
    assert GROUP.gate({**columns, "helper": right + shift}, DRAWN) % MODULUS != 0


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_gate_of_several_lookups_is_that_of_their_sum_of_fractions(count: int) -> None:
    names = "abcd"[:count]
    group = LookupGroup("helper", tuple(Lookup(1, (name,)) for name in names))
    columns = {"a": 3, "b": 17, "c": 40, "d": 1, "helper": 12345}
    denominators = [ALPHA - 1 - BETA * columns[n] for n in names]
    product = 1
    for d in denominators:
        product = product * d % MODULUS
    zero = count * pow(ALPHA - 1, -1, MODULUS)
    expected = (12345 + zero) * product - sum(product * pow(d, -1, MODULUS) for d in denominators)
    assert (group.gate(columns, DRAWN) - expected) % MODULUS == 0
    assert group.degree == count + 1


@pytest.mark.parametrize(("name", "value"), [("small", -1), ("small", 4), ("key", 5), ("key", -4)])
def test_a_key_outside_its_table_is_noticed_and_not_said(name: str, value: int) -> None:
    columns = honest(np.random.default_rng(1))
    columns[name][1] = value
    with pytest.raises(WitnessError, match=f"column '{name}'"):
        multiplicities(CUBES, (GROUP,), columns)
