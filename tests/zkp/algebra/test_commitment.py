"""Commitments of days and forecasts: additive, hiding, bound to their day of the ring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from zkp.algebra.commitment import (
    DAY_HOURS,
    FORECAST_VALUES,
    MAX_READING_WH,
    RING_DAYS,
    add,
    commit_day,
    commit_forecast,
    commit_point,
    random_blinding,
    ring_slots,
    window_slots,
)
from zkp.algebra.curve import IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.errors import InvalidStatement, MalformedProof

days = st.integers(0, (1 << 32) - 1)
readings = st.lists(st.integers(0, MAX_READING_WH), min_size=DAY_HOURS, max_size=DAY_HOURS)
forecasts = st.lists(st.integers(-(1 << 20), 1 << 20), min_size=FORECAST_VALUES, max_size=FORECAST_VALUES)
blindings = st.integers(1, MODULUS - 1)


# -- the ring --------------------------------------------------------------------------------------------------------


@given(days)
def test_seven_days_in_a_row_fill_the_ring_once(day: int) -> None:
    slots = [s for d in range(day, day + RING_DAYS) for s in ring_slots(d)]
    assert sorted(slots) == list(range(RING_DAYS * DAY_HOURS))
    assert ring_slots(day) == ring_slots(day + RING_DAYS)


@given(days)
def test_a_window_is_the_seven_days_before_oldest_first(day: int) -> None:
    slots = window_slots(day)
    assert slots[-DAY_HOURS:] == list(ring_slots(day - 1))
    assert slots[:DAY_HOURS] == list(ring_slots(day - RING_DAYS))


# -- laws ------------------------------------------------------------------------------------------------------------


@examples(20)
@given(forecasts, forecasts, blindings, blindings)
def test_forecast_commitments_add_up_like_their_contents(
    left: list[int], right: list[int], left_blinding: int, right_blinding: int
) -> None:
    both = add([commit_forecast(left, left_blinding), commit_forecast(right, right_blinding)])
    total = [a + b for a, b in zip(left, right, strict=True)]
    assert both == commit_forecast(total, left_blinding + right_blinding)


@examples(10)
@given(days, st.lists(st.tuples(readings, blindings), min_size=RING_DAYS, max_size=RING_DAYS))
def test_the_sum_of_seven_days_is_the_windows_commitment(day: int, week: list[tuple[list[int], int]]) -> None:
    signed = [commit_day(day + k, values, b) for k, (values, b) in enumerate(week)]
    history = [v for values, _ in week for v in values]
    setup = load_setup()
    window = commit_point(setup, window_slots(day + RING_DAYS), history, sum(b for _, b in week) % MODULUS)
    assert add(signed) == setup.curve.encode(window)


def test_both_backends_make_the_same_commitment() -> None:
    made = set()
    for name in ("arkworks", "py-ecc"):
        setup = load_setup(name)
        made.add(setup.curve.encode(commit_point(setup, ring_slots(3), list(range(DAY_HOURS)), 99)))
    assert len(made) == 1


def test_a_commitment_depends_on_every_reading_on_its_blinding_and_on_its_day() -> None:
    values = list(range(DAY_HOURS))
    variants = [[v + (k == hour) for k, v in enumerate(values)] for hour in range(DAY_HOURS)]
    made = [commit_day(3, values, 5), commit_day(4, values, 5), commit_day(3, values, 6)]
    made += [commit_day(3, v, 5) for v in variants]
    assert len(set(made)) == len(made)


def test_equal_readings_look_different_under_fresh_blindings() -> None:
    zeros = [0] * DAY_HOURS
    assert commit_day(1, zeros, random_blinding()) != commit_day(1, zeros, random_blinding())


@examples(10)
@given(readings, readings, blindings)
def test_any_other_readings_explain_a_commitment(ours: list[int], theirs: list[int], blinding: int) -> None:
    """Perfect hiding, shown where both logarithms are known: bases k G and a blinder h G, h not zero."""
    h = 1234567
    other = blinding + (sum(k * (a - b) for k, (a, b) in enumerate(zip(ours, theirs, strict=True), 1))) * pow(
        h, -1, MODULUS
    )
    setup = load_setup()
    g = setup.powers(1)[0]
    bases = [setup.curve.msm([g], [k]) for k in [*range(1, DAY_HOURS + 1), h]]
    first = setup.curve.msm(bases, [*ours, blinding])
    assert setup.curve.encode(first) == setup.curve.encode(setup.curve.msm(bases, [*theirs, other]))


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1, MAX_READING_WH + 1])
def test_a_reading_out_of_range_is_refused(bad: int) -> None:
    with pytest.raises(InvalidStatement, match="between 0 and"):
        commit_day(1, [bad] + [0] * 23, 1)


@pytest.mark.parametrize("count", [0, 23, 25, 47, 49])
def test_a_day_has_24_hours_and_a_forecast_twice_as_many_values(count: int) -> None:
    with pytest.raises(InvalidStatement, match=f"24 readings, here are {count}"):
        commit_day(1, [0] * count, 1)
    with pytest.raises(InvalidStatement, match=f"48 values are committed to together, here are {count}"):
        commit_forecast([0] * count, 1)


@pytest.mark.parametrize("bad", [b"", b"\0" * 48, IDENTITY])
def test_only_points_are_added(bad: bytes) -> None:
    with pytest.raises(MalformedProof):
        add([commit_forecast([1] * FORECAST_VALUES, 1), bad])
