"""The interval at which registers are settled, and the blocks of 24 values that a meter signs of them.

By the hour a day is one block, and the block has the day's number. By the quarter of an hour a day is four, numbered
4 day + 0 to 3: they stand in the same ring of slots as days do, seven to a row. A meter signs both as data of
different types (`data.meter`), so that neither is taken for the other where their numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from data.day import HOURS_PER_DAY

IntervalMinutes = Literal[60, 15]
INTERVALS: tuple[IntervalMinutes, ...] = get_args(IntervalMinutes)
BLOCK_VALUES = 24
"""Hours, or quarters of an hour."""


def interval_of(minutes: int) -> IntervalMinutes:
    """Raises ValueError for what is no interval to settle by."""
    for known in INTERVALS:
        if minutes == known:
            return known
    raise ValueError(f"{minutes} minutes are no interval to settle by")


def blocks_per_day(interval: IntervalMinutes) -> int:
    return 60 // interval


def block_numbers(day: int, interval: IntervalMinutes) -> range:
    """The numbers of a day's blocks."""
    count = blocks_per_day(interval)
    return range(count * day, count * day + count)


def day_of_block(number: int, interval: IntervalMinutes) -> int:
    """The day that a block is of."""
    return number // blocks_per_day(interval)


def by_hour(values: Sequence[int]) -> tuple[int, ...]:
    """The sums by hour of a day's values: 24, or 96 by the quarter of an hour."""
    count = len(values) // HOURS_PER_DAY
    return tuple(sum(values[k : k + count]) for k in range(0, len(values), count))


def block_name(number: int, interval: IntervalMinutes) -> str:
    """A block as people know it: its day, and which of its quarters of an hour they are.

    >>> block_name(17316, 60), block_name(69265, 15)
    ('day 17316', 'day 17316, quarters 24 to 47')
    """
    day = day_of_block(number, interval)
    if interval == 60:
        return f"day {day}"
    first = BLOCK_VALUES * (number - block_numbers(day, interval).start)
    return f"day {day}, quarters {first} to {first + BLOCK_VALUES - 1}"
