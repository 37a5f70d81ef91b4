"""The community's total: the sum of what households committed to, of nothing less and nothing more."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import MAX_READING_WH, add, commit_day, commit_forecast, commit_hours, ring_slots
from zkp.algebra.curve import IDENTITY
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.statements.total import MAX_TOTAL_WH, Total, verify, verify_measured

HOMES = [[100 * k + h for h in range(48)] for k in range(1, 5)]
BLINDINGS = seeded(8)(len(HOMES))
COMMITMENTS = [commit_forecast(v, b) for v, b in zip(HOMES, BLINDINGS, strict=True)]
TOTAL = Total(tuple(sum(hour) for hour in zip(*HOMES, strict=True)), sum(BLINDINGS) % MODULUS)

forecast = st.lists(st.integers(-(1 << 29), 1 << 29), min_size=48, max_size=48)


@examples(10)
@given(st.lists(st.tuples(forecast, st.integers(1, MODULUS - 1)), min_size=1, max_size=4))
def test_the_sum_of_any_forecasts_is_accepted(homes: list[tuple[list[int], int]]) -> None:
    values = tuple(sum(hour) for hour in zip(*(v for v, _ in homes), strict=True))
    verify([commit_forecast(v, b) for v, b in homes], Total(values, sum(b for _, b in homes) % MODULUS))


def test_the_order_of_households_does_not_matter() -> None:
    verify(COMMITMENTS[::-1], TOTAL)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("hour", range(48))
def test_every_hour_counts(hour: int, step: int) -> None:
    values = list(TOTAL.values)
    values[hour] += step
    with pytest.raises(InvalidProof):
        verify(COMMITMENTS, replace(TOTAL, values=tuple(values)))


@pytest.mark.parametrize("step", [1, -1])
def test_the_blinding_counts(step: int) -> None:
    with pytest.raises(InvalidProof):
        verify(COMMITMENTS, replace(TOTAL, blinding=(TOTAL.blinding + step) % MODULUS))


def test_two_hours_cannot_trade_their_values() -> None:
    a, b, *rest = TOTAL.values
    with pytest.raises(InvalidProof):
        verify(COMMITMENTS, replace(TOTAL, values=(b, a, *rest)))


@pytest.mark.parametrize("homes", [COMMITMENTS[1:], [*COMMITMENTS, COMMITMENTS[0]], [COMMITMENTS[0]] * 4, []])
def test_a_household_too_few_or_too_many_is_refused(homes: list[bytes]) -> None:
    with pytest.raises(InvalidProof):
        verify(homes, TOTAL)


def test_a_household_that_cancels_another_is_seen_in_the_total() -> None:
    """The negative of a commitment is a commitment, too; the total that it gives is the one that is shown."""
    setup_sum = [*COMMITMENTS, commit_forecast([-v for v in HOMES[0]], -BLINDINGS[0])]
    with pytest.raises(InvalidProof):
        verify(setup_sum, TOTAL)


# -- one form of everything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(TOTAL.values[0] + MODULUS, *TOTAL.values[1:]), (MAX_TOTAL_WH + 1,) * 48])
def test_a_total_beyond_all_bounds_is_refused(values: tuple[int, ...]) -> None:
    """A value plus the group's order opens the same commitment, and is no number of watt-hours."""
    with pytest.raises(InvalidProof, match="watt-hours"):
        verify(COMMITMENTS, replace(TOTAL, values=values))


@pytest.mark.parametrize("blinding", [TOTAL.blinding + MODULUS, TOTAL.blinding - MODULUS])
def test_a_blinding_has_one_form_only(blinding: int) -> None:
    with pytest.raises(InvalidProof, match="blinding"):
        verify(COMMITMENTS, replace(TOTAL, blinding=blinding))


@pytest.mark.parametrize("count", [0, 24, 47, 49])
def test_a_total_of_forecasts_has_48_values(count: int) -> None:
    with pytest.raises(InvalidStatement):
        verify(COMMITMENTS, replace(TOTAL, values=(0,) * count))


@pytest.mark.parametrize("bad", [b"", IDENTITY, bytes(48)])
def test_only_commitments_are_summed(bad: bytes) -> None:
    with pytest.raises(MalformedProof):
        verify([*COMMITMENTS, bad], TOTAL)


# -- the measured total ----------------------------------------------------------------------------------------------

DAY = 17_316
SIGNED = [commit_day(DAY, v[:24], b) for v, b in zip(HOMES, BLINDINGS, strict=True)]
MEASURED = replace(TOTAL, values=TOTAL.values[:24])
readings = st.lists(st.integers(0, MAX_READING_WH), min_size=24, max_size=24)


@examples(10)
@given(
    st.integers(0, (1 << 32) - 1), st.lists(st.tuples(readings, st.integers(1, MODULUS - 1)), min_size=1, max_size=4)
)
def test_the_sum_of_any_readings_of_a_day_is_accepted(day: int, homes: list[tuple[list[int], int]]) -> None:
    values = tuple(sum(hour) for hour in zip(*(v for v, _ in homes), strict=True))
    verify_measured(day, [commit_day(day, v, b) for v, b in homes], Total(values, sum(b for _, b in homes) % MODULUS))


@pytest.mark.parametrize("hour", range(24))
def test_every_hour_of_a_measured_total_counts(hour: int) -> None:
    values = list(MEASURED.values)
    values[hour] += 1
    with pytest.raises(InvalidProof, match="not the sum"):
        verify_measured(DAY, SIGNED, replace(TOTAL, values=tuple(values)))


@pytest.mark.parametrize("homes", [SIGNED[1:], [*SIGNED, SIGNED[0]], [SIGNED[0]] * 4])
def test_a_meter_too_few_or_too_many_is_refused(homes: list[bytes]) -> None:
    with pytest.raises(InvalidProof, match="not the sum"):
        verify_measured(DAY, homes, MEASURED)


def test_forecasts_do_not_pass_for_readings_nor_another_weekday_for_this_one() -> None:
    verify_measured(DAY, SIGNED, MEASURED)
    with pytest.raises(InvalidProof):
        verify_measured(DAY, COMMITMENTS, MEASURED)
    with pytest.raises(InvalidProof):
        verify_measured(DAY + 1, SIGNED, MEASURED)
    with pytest.raises(InvalidProof):
        verify(SIGNED, TOTAL)


def test_readings_that_no_meters_have_are_refused() -> None:
    """A commitment can hold anything; what it opens to must be what so many meters can measure."""
    for value in (-1, MAX_READING_WH + 1):
        values = (value,) * 24
        commitment = commit_hours(ring_slots(DAY), values, 7)
        with pytest.raises(InvalidProof, match="not one of 1 meters"):
            verify_measured(DAY, [commitment], Total(values, 7))
    assert add(SIGNED) == commit_hours(ring_slots(DAY), MEASURED.values, MEASURED.blinding)


def test_the_communitys_forecast_is_the_sum_of_the_means() -> None:
    assert TOTAL.means == tuple(sum(home[24 + hour] for home in HOMES) for hour in range(24))
