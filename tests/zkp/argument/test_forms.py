"""Linear forms: what the verifier evaluates is what the prover writes out, wherever cells and rows begin."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from zkp.algebra.field import MODULUS, eq_index, inverse
from zkp.algebra.vector import Vector
from zkp.argument.forms import (
    DenseForm,
    EqAxis,
    Form,
    FractionForm,
    PowerAxis,
    Powers,
    RepeatedForm,
    TensorForm,
    eq_form,
    one_cell,
    run_of,
)

scalars = st.integers(0, MODULUS - 1)
nonzero = scalars.filter(bool)


def rho(value: int) -> Powers:
    return Powers(value, inverse(value))


@given(nonzero, st.lists(st.integers(-300, 300), min_size=1, max_size=6))
def test_powers_of_the_point_are_powers_of_either_sign(value: int, exponents: list[int]) -> None:
    powers = rho(value)
    assert [powers.power(e) % MODULUS for e in exponents] == [pow(value, e, MODULUS) for e in exponents]


@st.composite
def axes(draw: st.DrawFn, stride: int, room: int) -> PowerAxis | EqAxis:
    """With fewer than `room` places of this stride."""
    if draw(st.booleans()):
        return PowerAxis(stride, draw(st.integers(1, room)), draw(st.one_of(st.just(1), scalars)))
    bits = draw(st.integers(0, 4))
    stop = draw(st.integers(1, min(room, 1 << bits)))
    start = draw(st.integers(0, stop - 1))
    point = draw(st.lists(scalars, min_size=bits, max_size=bits))
    return EqAxis(stride, tuple(point), stop, start, draw(st.one_of(st.just(1), scalars)))


@st.composite
def tensors(draw: st.DrawFn) -> TensorForm:
    """One to three axes whose strides need not divide anything, or one cell."""
    strides, chosen = [1], []
    for _ in range(draw(st.integers(0, 3))):
        room = draw(st.integers(1, 6))
        chosen.append(draw(axes(strides[-1], room)))
        strides.append(strides[-1] * room + draw(st.integers(0, 3)))
    return TensorForm(tuple(reversed(chosen)), draw(st.integers(0, 40)), draw(scalars))


forms = st.one_of(
    tensors(),
    st.builds(lambda v, s: DenseForm(tuple(v), s), st.lists(scalars, min_size=1, max_size=9), st.integers(0, 9)),
    st.builds(
        lambda v, s: RepeatedForm(tuple(v), tuple(s)),
        st.lists(scalars, min_size=1, max_size=9),
        st.lists(nonzero, min_size=1, max_size=4),
    ),
    st.builds(lambda v: FractionForm(Vector.from_ints(v)), st.lists(nonzero, min_size=1, max_size=9)),
)


def written_out(form: Form, cells: int) -> list[int]:
    out = [0] * cells
    places, weights = form.weights()
    for place, weight in zip(places.tolist(), weights.to_ints(), strict=True):
        out[place] += weight
    return out


@examples(200)
@given(forms, nonzero)
def test_the_value_at_a_point_is_that_of_the_weights(form: Form, value: int) -> None:
    cells = 2000
    expected = sum(w * pow(value, k, MODULUS) for k, w in enumerate(written_out(form, cells)) if w)
    assert (form.at(rho(value), 0, cells) - expected) % MODULUS == 0


@examples(200)
@given(tensors(), nonzero, st.integers(1, 60))
def test_a_form_that_goes_over_several_rows_is_cut_where_they_end(form: TensorForm, value: int, length: int) -> None:
    weights = written_out(form, 40 * 60)
    for first in range(0, 300, length):
        part = weights[first : first + length]
        expected = sum(w * pow(value, k, MODULUS) for k, w in enumerate(part) if w)
        assert (form.at(rho(value), first, first + length) - expected) % MODULUS == 0


@given(st.lists(scalars, min_size=3, max_size=3), st.integers(1, 8), st.integers(0, 5))
def test_an_eq_form_holds_eq_of_every_index(point: list[int], count: int, start: int) -> None:
    expected = [0] * start + [eq_index(k, point) for k in range(count)]
    assert written_out(eq_form(point, count, start), start + count) == expected


@given(st.lists(scalars, min_size=3, max_size=3), st.integers(1, 8))
def test_the_total_of_an_eq_axis_is_the_sum_of_its_weights(point: list[int], stop: int) -> None:
    axis = EqAxis(1, tuple(point), stop)
    assert axis.total() % MODULUS == sum(eq_index(k, point) for k in range(stop)) % MODULUS


def test_a_repeated_form_is_at_the_places_that_have_a_scale() -> None:
    assert written_out(RepeatedForm((5, 7), (0, 2, 0)), 6) == [0, 0, 10, 14, 0, 0]


def test_a_run_and_a_cell_hold_what_they_say() -> None:
    assert written_out(run_of(2, 3, 5, 7), 6) == [0, 0, 7, 35, 175, 0]
    assert written_out(one_cell(2, 9), 4) == [0, 0, 9, 0]


@pytest.mark.parametrize("bad", [0, 3])
def test_a_fraction_without_a_denominator_is_an_error(bad: int) -> None:
    values = [1, 2, 3, 4]
    values[bad] = 0
    form: Any = FractionForm(Vector.from_ints(values))
    with pytest.raises(ZeroDivisionError):
        form.weights()
    with pytest.raises(ZeroDivisionError):
        form.at(rho(5), 0, 4)
