"""Columns of either party meet by the UTC start of the hour, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from data.day import DayClock
from fl.vertical.columns import PartnerTable, Record, home_column_count, home_columns
from fl.vertical.errors import VerticalRefused
from tests.fl.vertical.session_fixture import signed, windows_of

CLOCK = DayClock(8)


def test_a_day_counts_where_the_record_has_all_its_hours() -> None:
    hours = np.delete(8 + np.arange(96), 30)  # an hour of the second day is missing
    record = Record(hours, np.column_stack([hours * 10]))
    complete, values = record.days(np.array([0, 1, 2, 9, -1]), CLOCK)
    assert complete.tolist() == [True, False, True, False, False]
    assert values[0, :, 0].tolist() == [10 * (8 + hour) for hour in range(24)]
    assert values[2, 0, 0] == 10 * (8 + 48) and not values[[1, 3, 4]].any()


def test_a_homes_columns_are_those_of_the_same_hour_and_nothing_of_the_day_itself() -> None:
    windows = windows_of("ada-lovelace")
    columns = home_columns(windows).reshape(len(windows), 24, -1)
    assert columns.shape[2] == home_column_count(windows)
    for hour in (0, 23):
        np.testing.assert_array_equal(columns[:, hour, :7], windows.history[:, hour::24])
        np.testing.assert_array_equal(columns[:, hour, 7:10], windows.history[:, -3:])


@pytest.mark.parametrize(
    ("hours", "values", "why"),
    [
        ([1, 1], [[1], [2]], "the hours in order"),
        ([2, 1], [[1], [2]], "the hours in order"),
        ([1, 2], [[1]], "one row for each hour"),
        ([1], [[1 << 21]], "whole numbers up to 1048576"),
    ],
)
def test_a_record_that_is_none_is_refused(hours: list[int], values: list[list[int]], why: str) -> None:
    with pytest.raises(VerticalRefused, match=why):
        Record(np.array(hours), np.array(values))


def test_every_record_of_a_table_has_its_columns() -> None:
    with pytest.raises(VerticalRefused, match="the 2 columns booked, plugged"):
        PartnerTable(("booked", "plugged"), {signed("ada-lovelace"): Record(np.array([1]), np.array([[1]]))})
