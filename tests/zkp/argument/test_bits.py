"""Range checks by bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import MODULUS
from zkp.argument.bits import boolean, decompose
from zkp.errors import WitnessError


@given(st.lists(st.integers(0, (1 << 12) - 1), min_size=1, max_size=5))
def test_bits_add_up_to_their_value(values: list[int]) -> None:
    bits = decompose(values, 12).reshape(len(values), 12)
    assert [sum(int(b) << k for k, b in enumerate(row)) for row in bits] == values
    assert set(bits.ravel().tolist()) <= {0, 1}


@pytest.mark.parametrize("value", [-1, 1 << 12])
def test_a_value_out_of_range_is_refused_without_being_said(value: int) -> None:
    with pytest.raises(WitnessError) as refusal:
        decompose([3, value], 12)
    assert str(value) not in str(refusal.value).replace("2^12", "")


@given(st.integers(0, MODULUS - 1))
def test_the_gate_is_zero_for_bits_only(value: int) -> None:
    gate = boolean("b")
    assert (gate.value({"b": value}) % MODULUS == 0) == (value in (0, 1))
