"""The picture of a community day: the proven sum, the calibrated forecast with its band, what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.day import DayClock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from api.protocol.calibration import Calibrated

_BLUE, _ORANGE = "#0072B2", "#D55E00"


def day_picture(
    day: int,
    start_hour: int,
    total: Sequence[int],
    calibrated: Calibrated | None = None,
    measured: Sequence[int] | None = None,
) -> Figure:
    """The community's forecast of a day, and what was measured once it is over; 24 Wh each, drawn in kW."""
    from matplotlib.figure import Figure  # loaded by the first picture

    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.subplots()
    hours = np.arange(25)
    if calibrated is not None:
        for band, share, alpha in ((calibrated.band_90, "90 %", 0.18), (calibrated.band_50, "50 %", 0.36)):
            if band is not None:
                low, high = (np.array(edge) / 1000 for edge in (band.low, band.high))
                axes.stairs(
                    high, hours, baseline=low, color=_BLUE, fill=True, alpha=alpha, linewidth=0, label=f"{share} band"
                )
        axes.stairs(
            np.array(calibrated.values) / 1000, hours, color=_BLUE, linewidth=2.5, baseline=None,
            label="calibrated by past totals",
        )  # fmt: skip
    axes.stairs(
        np.array(total) / 1000, hours, color=_ORANGE, linewidth=1.8, linestyle="--", baseline=None,
        label="sum of the proven forecasts",
    )  # fmt: skip
    if measured is not None:
        axes.stairs(np.array(measured) / 1000, hours, color="black", linewidth=1.4, baseline=None, label="measured")
    date = DayClock(start_hour).date_of(day)
    axes.set(xlabel=f"hour of the community day (starts {start_hour:02d}:00 UTC)", ylabel="community load (kW)")
    axes.set_title(f"Community day {day} ({date})", loc="left")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure
