"""Windows: for each home and day, the week before the origin, the public features, and the day itself.

The origin is the day's start, or a day or two earlier (`PublicFeatures.horizon`). A day without a complete week
before its origin has no window; `target` may be asked for or not (at forecast time the day has not happened yet).
To learn from, there are also windows of days that start some hours early or late.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from data.features import PublicFeatures

if TYPE_CHECKING:
    import pandas as pd

HISTORY_HOURS = 168


@dataclass(frozen=True)
class Windows:
    """n windows: `unique_id` [n] str, `day` [n] int64, `history` [n, 168] int64 Wh (oldest first), `steps`
    [n, T, F - 1] float32, `exogenous` [n, E] float32, `target` [n, 24] int64 Wh (-1 where it is not known yet),
    `shift` [n] int64 hours that the day starts early or late. `day` is that of the last hour of the target."""

    unique_id: NDArray[np.str_]
    day: NDArray[np.int64]
    history: NDArray[np.int64]
    steps: NDArray[np.float32]
    exogenous: NDArray[np.float32]
    target: NDArray[np.int64]
    shift: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.day)

    def __repr__(self) -> str:
        return f"Windows({len(self)})"  # of readings, which are nobody's to see

    def where(self, chosen: NDArray[np.bool_]) -> Windows:
        """The windows of a boolean mask [n]."""
        return Windows(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def of_home(self, home: str) -> Windows:
        return self.where(self.unique_id == home)

    def at_day_start(self) -> Windows:
        """The windows of whole days."""
        return self.where(self.shift == 0)

    @property
    def days(self) -> int:
        """Whole days in it, each home's counted."""
        return int((self.shift == 0).sum())

    def between(self, first_day: int, end_day: int) -> Windows:
        """Windows of first_day <= day < end_day: no hour of their targets lies on or after `end_day`."""
        return self.where((self.day >= first_day) & (self.day < end_day))


def make_windows(
    readings: pd.DataFrame,
    features: PublicFeatures,
    clock: DayClock,
    *,
    steps: int,
    days: Iterable[int] | None = None,
    with_target: bool = True,
    shifts: Iterable[int] = (0,),
) -> Windows:
    """All windows of a long table, or those of the given days, `shifts` (hours, -11 to 11) beside the day's start.

    A window needs all 168 hours before its origin, and its own 24 hours if `with_target`.
    """
    wanted, beside = None if days is None else set(days), tuple(shifts)
    parts = []
    for home, table in readings.groupby("unique_id", sort=True):
        parts += _home_windows(str(home), table, features, clock, steps, wanted, with_target, beside)
    if not parts:
        return _empty(steps, features)
    names, numbers, histories, step_rows, day_rows, targets, shifted = zip(*parts, strict=True)
    return Windows(
        np.array(names), np.array(numbers, dtype=np.int64), np.stack(histories), np.stack(step_rows),
        np.stack(day_rows), np.stack(targets), np.array(shifted, dtype=np.int64),
    )  # fmt: skip


def _home_windows(
    home: str,
    table: pd.DataFrame,
    features: PublicFeatures,
    clock: DayClock,
    steps: int,
    wanted: set[int] | None,
    with_target: bool,
    shifts: tuple[int, ...],
) -> list[tuple[str, int, NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], int]]:
    import pandas as pd

    ds = pd.DatetimeIndex(table["ds"])
    position = clock.days_of(ds) * HOURS_PER_DAY + clock.hours_of(ds)
    first = int(position[0])
    horizon = features.horizon
    hourly = np.full(int(position[-1]) - first + 1 + HOURS_PER_DAY * horizon, -1, dtype=np.int64)
    hourly[position - first] = table["y"].to_numpy()
    out = []
    whole_days = range(first // HOURS_PER_DAY + 1, int(position[-1]) // HOURS_PER_DAY + 1 + horizon)
    for shift, day in product(shifts, whole_days):
        start = day * HOURS_PER_DAY + shift - first
        origin = start - HOURS_PER_DAY * (horizon - 1)
        history, target = (
            hourly[max(0, origin - HISTORY_HOURS) : max(0, origin)],
            hourly[start : start + HOURS_PER_DAY],
        )
        if wanted is not None and day not in wanted:
            continue
        if len(history) < HISTORY_HOURS or (history < 0).any() or len(target) < HOURS_PER_DAY:
            continue
        if (with_target and (target < 0).any()) or not features_reach(features, day, steps, shift):
            continue
        last_day = day + 1 if shift > 0 else day
        out.append((home, last_day, history, *features.window(day, steps, shift), target, shift))
    return out


def features_reach(features: PublicFeatures, day: int, steps: int, shift: int = 0) -> bool:
    """Whether the weather covers the hours before the origin of `day`, `shift` hours beside a day's start."""
    origin = features.origin_day(day) * HOURS_PER_DAY + features.clock.start_hour_utc + shift - features.first_hour
    return max(steps, HOURS_PER_DAY) <= origin <= len(features.steps)


def _empty(steps: int, features: PublicFeatures) -> Windows:
    width = features.steps.shape[1]
    return Windows(
        np.array([], dtype=np.str_), np.zeros(0, dtype=np.int64), np.zeros((0, HISTORY_HOURS), dtype=np.int64),
        np.zeros((0, steps, width), dtype=np.float32), np.zeros((0, 33), dtype=np.float32),
        np.zeros((0, HOURS_PER_DAY), dtype=np.int64), np.zeros(0, dtype=np.int64),
    )  # fmt: skip
