"""A day's figures, and all days', as CSV (RFC 4180): for spreadsheets. Times in UTC, energy in Wh."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, MeasuredTotal
from api.operator.day_summary import day_summary
from api.protocol.schemas import ForecastPublic

_DAY_COLUMNS = (
    "start_utc", "forecast_sum_wh", "calibrated_wh", "low_90_wh", "low_50_wh", "high_50_wh", "high_90_wh",
    "measured_wh",
)  # fmt: skip


def day_csv(community: Community, day: int) -> bytes | None:
    """The 24 hours of a day: forecast, calibrated with its bands, measured. None where there is no forecast."""
    known = day_summary(community, day)
    if known is None or known.forecast_wh is None:
        return None
    calibrated = known.calibrated
    columns: list[Sequence[int] | None] = [known.forecast_wh, *[None] * 5, known.measured_wh]
    if calibrated is not None:
        columns[1] = calibrated.values_wh
        if calibrated.band_50 is not None and calibrated.band_90 is not None:
            inner, outer = calibrated.band_50, calibrated.band_90
            columns[2:6] = [outer.low_wh, inner.low_wh, inner.high_wh, outer.high_wh]
    return _table(
        _DAY_COLUMNS,
        ([start, *("" if c is None else c[hour] for c in columns)] for hour, start in _hours(community, day)),
    )


def totals_csv(community: Community, first: int, last: int) -> bytes:
    """The hours of all days with a forecast, `first` to `last`: opened totals, forecast and measured."""
    with community.sessions() as session:
        chosen = CommunityTotal.day.between(first, last)
        forecasts = list(session.scalars(select(CommunityTotal).where(chosen).order_by(CommunityTotal.day)))
        in_reach = select(MeasuredTotal.day, MeasuredTotal.values).where(MeasuredTotal.day.between(first, last))
        measured = {row.day: row[1] for row in session.execute(in_reach)}
    rows = (
        [total.day, start, total.forecast[hour], measured[total.day][hour] if total.day in measured else ""]
        for total in forecasts
        for hour, start in _hours(community, total.day)
    )
    return _table(("day", "start_utc", "forecast_sum_wh", "measured_wh"), rows)


def forecasts_csv(forecasts: Iterable[ForecastPublic]) -> bytes:
    """Registered forecasts: commitments, no values."""
    names = list(ForecastPublic.model_fields)
    return _table(names, ([getattr(one, name) for name in names] for one in forecasts))


def _hours(community: Community, day: int) -> Iterator[tuple[int, str]]:
    start = community.clock.start_of(day)
    return ((hour, (start + timedelta(hours=hour)).isoformat()) for hour in range(24))


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()
