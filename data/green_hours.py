"""How green each hour of a day is, by what is known before it starts: the sun of a weather feed, what homes fed in,
or a file. Amounts become weights: the largest of a day is 255, the others in proportion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError

MAX_WEIGHT = 255
Weights = tuple[int, ...]


def scaled(amounts: Sequence[float]) -> Weights | None:
    """A day's weights by 24 amounts of what is good to have; None where there is nothing of it."""
    most = max(amounts)
    return tuple(int(MAX_WEIGHT * (max(0.0, amount) / most)) for amount in amounts) if most > 0 else None


def hours_of_sun(weather: pd.DataFrame, clock: DayClock, day: int) -> Weights | None:
    """By the direct sun that the weather feed foretells (`direct_solar_24h`, of the hours of the day before); None
    for a day that it does not reach, or without sun."""
    start = clock.start_of(day) - pd.Timedelta(days=1)
    return _of_a_day(pd.Series(weather["direct_solar_24h"].to_numpy(), index=weather["ds"]), start)


def hours_of_file(path: Path, clock: DayClock, day: int) -> Weights | None:
    """By a CSV file with columns `ds` (hours with a UTC offset) and `weight` (anything from zero on: the share of PV
    in the grid's mix, kWh of a common roof); None for a day that it does not have in full.

    Raises TableError naming the file.
    """
    try:
        table = pd.read_csv(path, dtype={"ds": str})
        times = pd.to_datetime(table["ds"], utc=True, format="ISO8601")
        weights = pd.to_numeric(table["weight"]).astype("float64")
    except (OSError, KeyError, ValueError, pd.errors.ParserError):
        raise TableError(
            f"{path} is no table of green hours: it needs columns ds (2026-01-31T14:00Z, each hour once) and weight"
        ) from None
    if not table["ds"].str.strip().str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).all():
        raise TableError(f"{path}: a time has no UTC offset: write 2026-01-31T14:00Z, or +01:00 at its end")
    if times.duplicated().any() or not np.isfinite(weights).all() or (weights < 0).any():
        raise TableError(f"{path}: each hour has to be there once, with a weight from zero on")
    return _of_a_day(pd.Series(weights.to_numpy(), index=times), clock.start_of(day))


def hours_of_past(days: Sequence[Sequence[int]]) -> Weights | None:
    """By the mean of past days, 24 hours in Wh each; None where there are none."""
    return scaled([sum(hour) / len(days) for hour in zip(*days, strict=True)]) if days else None


def _of_a_day(amounts: pd.Series[float], start: pd.Timestamp) -> Weights | None:
    found = amounts.reindex(pd.date_range(start, periods=HOURS_PER_DAY, freq="h"))
    return None if found.isna().any() else scaled([float(v) for v in found])
