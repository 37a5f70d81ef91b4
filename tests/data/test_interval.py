"""Blocks of 24 values: a day's own are its and no other day's, whatever the interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.interval import (
    BLOCK_VALUES,
    INTERVALS,
    IntervalMinutes,
    block_name,
    block_numbers,
    by_hour,
    day_of_block,
    interval_of,
)
from tests.support.laws import examples

_DAYS = st.integers(0, 106_749)


@examples(50)
@given(_DAYS, st.sampled_from(INTERVALS))
def test_each_block_is_of_one_day(day: int, interval: IntervalMinutes) -> None:
    numbers = block_numbers(day, interval)
    assert [day_of_block(number, interval) for number in numbers] == [day] * (60 // interval)
    assert day_of_block(numbers[0] - 1, interval) == day - 1 and day_of_block(numbers[-1] + 1, interval) == day + 1
    assert len({block_name(number, interval) for number in numbers}) == len(numbers)


def test_a_block_is_named_by_its_quarters() -> None:
    assert block_name(17_316, 60) == "day 17316"
    assert [block_name(number, 15) for number in block_numbers(17_316, 15)][1::2] == [
        "day 17316, quarters 24 to 47", "day 17316, quarters 72 to 95",
    ]  # fmt: skip


@examples(20)
@given(st.lists(st.integers(0, 1000), min_size=4 * BLOCK_VALUES, max_size=4 * BLOCK_VALUES))
def test_hours_are_the_sums_of_their_quarters(quarters: list[int]) -> None:
    assert by_hour(quarters) == tuple(sum(quarters[4 * hour : 4 * hour + 4]) for hour in range(24))
    assert by_hour(quarters[:24]) == tuple(quarters[:24])


def test_what_is_no_interval_to_settle_by_is_refused() -> None:
    assert [interval_of(minutes) for minutes in (60, 15)] == [60, 15]
    with pytest.raises(ValueError, match="30 minutes are no interval"):
        interval_of(30)
