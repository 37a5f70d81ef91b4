"""The columns of either party, by hour: a home's own from its windows, a partner's from its table.

Rows align by the UTC start of the hour. A day counts where the home has its window and the partner all 24 hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from data.signed_id import SignedId
from data.windows import HISTORY_HOURS, Windows
from fl.vertical.errors import VerticalRefused
from fl.vertical.ridge import check_values

Ints = NDArray[np.int64]
_UNIT = 1024  # public features, which are fractions, become whole numbers
_LAGS, _RECENT = 7, 3


def home_columns(windows: Windows) -> Ints:
    """A home's columns [days * 24, columns] for the hours of its windows, whole numbers, of days in their order.

    Loads of the hour on the last seven days and of the last three hours before the day, the week's mean (Wh), and the
    hour's public features.
    """
    days = len(windows)
    lags = windows.history.reshape(days, _LAGS, HOURS_PER_DAY).transpose(0, 2, 1)
    recent = np.repeat(windows.history[:, None, -_RECENT:], HOURS_PER_DAY, axis=1)
    mean = np.repeat(windows.history.sum(axis=1)[:, None, None] // HISTORY_HOURS, HOURS_PER_DAY, axis=1)
    public = np.rint(windows.steps[:, -HOURS_PER_DAY:] * _UNIT).astype(np.int64)
    return np.concatenate([lags, recent, mean, public], axis=2).reshape(days * HOURS_PER_DAY, -1)


def home_column_count(windows: Windows) -> int:
    return _LAGS + _RECENT + 1 + int(windows.steps.shape[2])


@dataclass(frozen=True, repr=False)
class Record:
    """What a partner has of one household: `hours` int64 [m], hours since 1970 UTC, sorted; `values` int64 [m, q]."""

    hours: Ints
    values: Ints

    def __post_init__(self) -> None:
        """Raises VerticalRefused for hours that repeat or are out of order, or values that are too large."""
        if self.values.ndim != 2 or len(self.hours) != len(self.values) or (np.diff(self.hours) <= 0).any():
            raise VerticalRefused("a record needs one row for each hour, and the hours in order")
        check_values(self.values)

    def __repr__(self) -> str:
        return f"Record({len(self.hours)} hours)"

    def days(self, days: Ints, clock: DayClock) -> tuple[NDArray[np.bool_], Ints]:
        """Which of the days [n] are complete here, bool [n], and their values int64 [n, 24, q] (0 where not)."""
        wanted = (days * HOURS_PER_DAY + clock.start_hour_utc)[:, None] + np.arange(HOURS_PER_DAY)
        places = np.searchsorted(self.hours, wanted).clip(max=len(self.hours) - 1)
        complete = (self.hours[places] == wanted).all(axis=1) if len(self.hours) else np.zeros(len(days), np.bool_)
        values = self.values[places] if len(self.hours) else np.zeros((*wanted.shape, self.values.shape[1]), np.int64)
        return complete, np.where(complete[:, None, None], values, 0)


@dataclass(frozen=True, repr=False)
class PartnerTable:
    """A partner's records: names of the columns, and a record for each id that a household has handed over."""

    columns: tuple[str, ...]
    records: Mapping[SignedId, Record] = field(repr=False)

    def __post_init__(self) -> None:
        if any(record.values.shape[1] != len(self.columns) for record in self.records.values()):
            raise VerticalRefused(f"every record must have the {len(self.columns)} columns {', '.join(self.columns)}")

    def __repr__(self) -> str:
        return f"PartnerTable({', '.join(self.columns)}; {len(self.records)} households)"
