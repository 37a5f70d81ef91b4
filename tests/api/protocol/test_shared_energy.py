"""Shared energy is split without making or losing a watt-hour, whatever was measured, whoever was a member when."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.protocol.shared_energy import (
    WHOLE,
    by_class,
    coefficients,
    equal_part,
    fixed_part,
    most_remainder,
    shared,
)
from zkp.algebra.commitment import MAX_READING_WH
from zkp.statements import allotted_energy, shared_energy
from zkp.statements.shared_energy import ONE

HOURS = 6


@dataclass(frozen=True)
class Measured:
    """Hours of each member; those of days on which it was no member are zero."""

    imported: list[list[int]]
    exported: list[list[int]]

    @property
    def members(self) -> int:
        return len(self.imported)


@st.composite
def communities(draw: st.DrawFn) -> Measured:
    """Up to nine members; each belongs from one hour to another, and seldom all the time."""
    members = draw(st.integers(1, 9))
    value = st.one_of(st.integers(0, 4), st.integers(0, 4000), st.just(MAX_READING_WH))

    def register() -> list[list[int]]:
        return draw(st.lists(st.lists(value, min_size=HOURS, max_size=HOURS), min_size=members, max_size=members))

    imported, exported = register(), register()
    for k in range(members):
        first, last = sorted(draw(st.tuples(st.integers(0, HOURS), st.integers(0, HOURS))))
        for of in (imported, exported):
            of[k] = [v if first <= h < last else 0 for h, v in enumerate(of[k])]
    return Measured(imported, exported)


def total(values: Sequence[Sequence[int]]) -> list[int]:
    return [sum(hour) for hour in zip(*values, strict=True)]


def proportional(rates: Sequence[int], values: Sequence[int]) -> int:
    return shared_energy.share_of([rates], [values])


def pot_of(measured: Measured) -> tuple[int, ...]:
    return shared(total(measured.exported), total(measured.imported))


def settle(pot: Sequence[int], shares: Sequence[int], most: int) -> None:
    """Shares and remainder are the sum of the minima, and the remainder is neither negative nor beyond `most`."""
    remainder = sum(pot) - sum(shares)
    assert all(share >= 0 for share in shares)
    assert 0 <= remainder <= most
    assert sum(shares) + remainder == sum(pot)


# -- conservation ----------------------------------------------------------------------------------------------------


@given(communities())
def test_in_proportion_each_side_gets_all_but_a_watt_hour_for_each_member(measured: Measured) -> None:
    pot = pot_of(measured)
    for values in (measured.imported, measured.exported):
        rates = coefficients(pot, total(values))
        shares = [proportional(rates, own) for own in values]
        settle(pot, shares, most_remainder(measured.members, sum(total(values))))
        assert all(share <= sum(own) for share, own in zip(shares, values, strict=True)), "more than was measured"


@given(communities(), st.data())
def test_class_by_class_nothing_is_made_or_lost(measured: Measured, data: st.DataObject) -> None:
    pot = pot_of(measured)
    classes = [data.draw(st.integers(0, 2)) for _ in range(measured.members)]
    none = [0] * HOURS
    totals = [
        total([own for own, k in zip(measured.imported, classes, strict=True) if k == c] or [none]) for c in range(3)
    ]
    parts = by_class(pot, totals)
    assert total(parts) == list(pot), "the classes together take all that is shared"
    rates = [coefficients(part, of) for part, of in zip(parts, totals, strict=True)]
    shares = [proportional(rates[k], own) for own, k in zip(measured.imported, classes, strict=True)]
    settle(pot, shares, most_remainder(measured.members, sum(total(measured.imported))))


@given(communities(), st.data())
def test_fixed_parts_never_give_more_than_is_shared(measured: Measured, data: st.DataObject) -> None:
    pot = pot_of(measured)
    cuts = sorted(data.draw(st.lists(st.integers(0, WHOLE), min_size=measured.members, max_size=measured.members)))
    parts = [b - a for a, b in zip([0, *cuts], cuts, strict=False)]
    allotted = [fixed_part(pot, part) for part in parts]
    shares = [allotted_energy.share_of([p], [own]) for p, own in zip(allotted, measured.imported, strict=True)]
    settle(pot, shares, sum(pot))
    assert all(share <= sum(own) for share, own in zip(shares, measured.imported, strict=True))


@given(communities())
def test_equal_parts_never_give_more_than_is_shared(measured: Measured) -> None:
    pot = pot_of(measured)
    allotted = equal_part(pot, measured.members)
    shares = [allotted_energy.share_of([allotted], [own]) for own in measured.imported]
    settle(pot, shares, sum(pot))


@given(communities(), st.integers(0, HOURS))
def test_a_period_in_two_parts_gives_a_member_no_more_than_the_whole(measured: Measured, cut: int) -> None:
    """Rounding once for each part: splitting a period never makes energy, and loses a watt-hour a member at most."""
    rates = coefficients(pot_of(measured), total(measured.imported))
    for own in measured.imported:
        whole = proportional(rates, own)
        parts = proportional(rates[:cut], own[:cut]) + proportional(rates[cut:], own[cut:])
        assert whole - 1 <= parts <= whole


# -- the hours themselves --------------------------------------------------------------------------------------------


def test_an_hour_shares_the_smaller_of_both_totals() -> None:
    assert shared((0, 500, 900), (300, 500, 200)) == (0, 500, 200)


def test_who_took_all_of_an_hour_gets_all_of_it() -> None:
    assert coefficients((700, 0, 0), (700, 5, 0)) == (ONE, 0, 0)


def test_an_hour_in_which_nobody_took_anything_splits_nothing() -> None:
    assert coefficients(shared((900,), (0,)), (0,)) == (0,)


def test_the_first_class_is_served_before_the_next() -> None:
    assert by_class((100, 100), [(60, 200), (80, 50)]) == [(60, 100), (40, 0)]


def test_more_than_there_is_is_never_split() -> None:
    with pytest.raises(ValueError, match="can't be more"):
        coefficients((6,), (5,))


def test_parts_are_rounded_down_and_cut_to_what_a_meter_counts() -> None:
    assert fixed_part((1000, 10**9), 3_333) == (333, MAX_READING_WH)
    assert equal_part((1000, 10**9), 3) == (333, MAX_READING_WH)
