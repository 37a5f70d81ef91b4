"""The code that sums up fractions gives what the field says, of tables of any form that it takes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.evm.test_compiler import encoded, run
from zkp.algebra.field import MODULUS, inverse
from zkp.argument.tables import SubTable, Table
from zkp.batch.recording import FractionSum
from zkp.evm import fractions
from zkp.lstm.gates import table

scalars = st.one_of(st.sampled_from([0, 1, 5, MODULUS - 1]), st.integers(0, MODULUS - 1))


def program(of: Table) -> Any:
    """Of a program, what is read: one sum for each part of the table."""
    sums = tuple(FractionSum(of.entries(tag), 0, 1, 2, 3, 4) for tag in of.tags)
    return SimpleNamespace(table=of, fractions=sums)


def expected(of: Table, alpha: int, beta: int, rho: int) -> list[int | None]:
    """Each sum; None where a denominator is zero."""
    each = [of.denominators(alpha, beta)[of.entries(tag)] for tag in of.tags]
    return [None if 0 in d.to_ints() else d.fraction_sum(rho) for d in each]


def found(code: bytes, alpha: int, beta: int, rho: int) -> list[int | None]:
    words = run(code, encoded([alpha, beta, rho]))
    assert words is not None
    pairs = zip(words[::2], words[1::2], strict=True)
    return [n * inverse(d) % MODULUS if d else None for n, d in pairs]


STAIRS = np.maximum(np.arange(-3, 29), 0)
SMALL = Table((SubTable(-3, 32, (STAIRS // 3, STAIRS // 20)), SubTable(-16, 64)))


@examples(30)
@given(scalars, scalars, scalars)
def test_sums_are_those_of_the_field(alpha: int, beta: int, rho: int) -> None:
    code = fractions.compiled(program(SMALL))
    assert found(code, alpha, beta, rho) == expected(SMALL, alpha, beta, rho)


def test_the_table_of_the_inference_is_summed_up() -> None:
    code = fractions.compiled(program(table()))
    challenges = 3, MODULUS - 5, 7**90 % MODULUS
    assert found(code, *challenges) == expected(table(), *challenges)


def test_a_table_of_another_form_is_refused() -> None:
    outputs = np.array([k * k for k in range(32)])
    for other in (Table((SubTable(0, 32, (outputs,)),)), Table((SubTable(0, 33),))):
        with pytest.raises(ValueError, match="no code"):
            fractions.compiled(program(other))
    with pytest.raises(ValueError, match="no table"):
        fractions.compiled(SimpleNamespace(table=None, fractions=()))
