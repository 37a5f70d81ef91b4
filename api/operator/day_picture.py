"""The picture of a community day: the proven forecasts' sum, the calibrated forecast with its bands, the load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.day import DayClock
from forecasting.palette import LIGHT, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from api.protocol.calibration import Calibrated


def day_picture(
    day: int,
    start_hour: int,
    total: Sequence[int],
    calibrated: Calibrated | None = None,
    measured: Sequence[int] | None = None,
    palette: Palette = LIGHT,
) -> Figure:
    """The community's forecast of a day, and the measured load once the day is over; 24 Wh each, drawn in kW."""
    with palette.applied():
        return _drawn(day, DayClock(start_hour), total, calibrated, measured, palette)


def _drawn(
    day: int,
    clock: DayClock,
    total: Sequence[int],
    calibrated: Calibrated | None,
    measured: Sequence[int] | None,
    palette: Palette,
) -> Figure:
    from matplotlib.figure import Figure  # loaded by the first picture

    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.subplots()
    hours = np.arange(25)
    if calibrated is not None:
        for band, share, colour in (
            (calibrated.band_90, "90 %", palette.band_90), (calibrated.band_50, "50 %", palette.band_50),
        ):  # fmt: skip
            if band is not None:
                low, high = (np.array(edge) / 1000 for edge in (band.low, band.high))
                axes.stairs(high, hours, baseline=low, color=colour, fill=True, linewidth=0, label=f"{share} band")
        axes.stairs(
            np.array(calibrated.values) / 1000, hours, color=palette.calibrated, linewidth=1.8, linestyle="--",
            baseline=None, label="calibrated on past totals",
        )  # fmt: skip
    axes.stairs(
        np.array(total) / 1000, hours, color=palette.proven, linewidth=2.5, baseline=None,
        label="sum of the proven forecasts",
    )  # fmt: skip
    if measured is not None:
        axes.stairs(
            np.array(measured) / 1000, hours, color=palette.measured, linewidth=1.4, baseline=None, label="measured"
        )
    axes.set(xlabel=f"local time, {clock.zone}", ylabel="community load (kW)")
    axes.set_title(f"{clock.date_of(day):%A, %d %B %Y} (community day {day})", loc="left")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure
