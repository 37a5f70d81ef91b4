"""The pictures of a report, drawn once: the period's last measured day, and the errors of all its days."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from api.operator.day_picture import day_picture
from api.operator.report.figures import Report
from api.protocol.calibration import Band, Calibrated
from api.protocol.schemas import BandPublic, CalibratedPublic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _GREY = "#0072B2", "#51606d"


def pictures(report: Report, start_hour: int, form: str) -> list[tuple[str, bytes]]:
    """Each picture by its caption, as `svg` or `png`."""
    found = [("The last day of the period", _day(report, start_hour))]
    if sum(day.accuracy is not None for day in report.days) > 1:
        found.append(("Errors of the days, beside the same hours of the day before", _errors(report)))
    return [(caption, _drawn(figure, form)) for caption, figure in found if figure is not None]


def _drawn(figure: Figure, form: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=200)
    return out.getvalue()


def _day(report: Report, start_hour: int) -> Figure | None:
    with_forecast = [one for one in report.summaries if one.forecast_wh is not None]
    shown = next((one for one in reversed(with_forecast) if one.measured_wh is not None), None)
    shown = shown or (with_forecast[-1] if with_forecast else None)
    if shown is None or shown.forecast_wh is None:
        return None
    return day_picture(shown.day, start_hour, shown.forecast_wh, _calibrated(shown.calibrated), shown.measured_wh)


def _calibrated(told: CalibratedPublic | None) -> Calibrated | None:
    if told is None:
        return None
    return Calibrated(tuple(told.values_wh), _band(told.band_50), _band(told.band_90), ())


def _band(told: BandPublic | None) -> Band | None:
    return None if told is None else Band(tuple(told.low_wh), tuple(told.high_wh))


def _errors(report: Report) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    scored = [(day.date, day.accuracy) for day in report.days if day.accuracy is not None]
    dates = [date.toordinal() for date, _ in scored]
    ours = [100 * (a.calibrated if a.calibrated is not None else a.forecast_sum) for _, a in scored]
    naive = [None if a.naive is None else 100 * a.naive for _, a in scored]
    axes.plot(dates, ours, color=_BLUE, marker="o", label="forecast")
    axes.plot(dates, [float("nan") if v is None else v for v in naive], color=_GREY, linestyle=":", marker="s",
              label="same hours of the day before")  # fmt: skip
    axes.set_xticks(dates[:: max(1, len(dates) // 8)])
    axes.set_xticklabels([date.strftime("%d %b") for date, _ in scored][:: max(1, len(dates) // 8)])
    axes.set(ylabel="error of the day (WAPE, %)")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
