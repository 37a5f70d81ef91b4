"""The picture of a settled period: what was shared and what left the community day by day, and the mean day.

Parts of a bar differ in hatching, too, and lines in their dashes, so that nothing rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from api.protocol.period import Period
from data.day import HOURS_PER_DAY, DayClock
from data.interval import by_hour
from forecasting.palette import AMBER, GREEN, LIGHT, SKY, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WH_PER_KWH = 1000


def period_picture(
    period: Period, clock: DayClock, palette: Palette = LIGHT, self_consumed: Sequence[int] | None = None
) -> Figure:
    """Daily energy in bars, and the period's mean day in lines, drawn in kWh.

    Args:
        self_consumed: Wh of each day that homes used of their own generation: no meter at the grid sees it, so that
            only who plays all homes knows it (the demo does).
    """
    with palette.applied():
        from matplotlib.figure import Figure  # loaded by the first picture

        figure = Figure(figsize=(10.5, 4.6), layout="constrained")
        by_day, mean_day = figure.subplots(1, 2, width_ratios=(3, 2))
        _daily(by_day, period, clock, self_consumed, palette)
        _mean_day(mean_day, period, clock, palette)
        for axes in (by_day, mean_day):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(visible=True, axis="y", color=palette.grid, linewidth=0.6)
            axes.set_axisbelow(True)
            axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9)
    return figure


def _daily(
    axes: Axes, period: Period, clock: DayClock, self_consumed: Sequence[int] | None, palette: Palette
) -> None:
    dates = [clock.date_of(record.day) for record in period.days]
    places = np.arange(len(dates))
    shared = np.array([sum(record.shared) for record in period.days]) / _WH_PER_KWH
    exported = np.array([sum(record.fed_in) for record in period.days]) / _WH_PER_KWH
    parts = [(shared, "shared in the community", GREEN, ""), (exported - shared, "exported beyond it", AMBER, "///")]
    if self_consumed is not None:
        parts.insert(0, (np.array(self_consumed) / _WH_PER_KWH, "self-consumed at home", SKY, ".."))
    bottom = np.zeros(len(dates))
    for values, label, colour, hatch in parts:
        axes.bar(
            places, values, bottom=bottom, width=0.82, color=colour, label=label, hatch=hatch,
            edgecolor=palette.paper, linewidth=0.6,
        )  # fmt: skip
        bottom += values
    ticks = places[:: max(1, len(places) // 6)]
    axes.set_xticks(ticks, [f"{dates[k].day} {dates[k]:%b}" for k in ticks])
    axes.set_ylabel("kWh a day, all homes")
    axes.set_title("Generation by use" if self_consumed is not None else "What the community fed in", loc="left")


def _mean_day(axes: Axes, period: Period, clock: DayClock, palette: Palette) -> None:
    hours = np.arange(HOURS_PER_DAY + 1)

    def mean(rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        return np.asarray(np.array(rows).mean(axis=0) / _WH_PER_KWH)

    axes.stairs(
        mean([by_hour(record.shared) for record in period.days]), hours, fill=True, color=GREEN, label="shared"
    )
    for rows, label, colour, line in (
        ([by_hour(record.taken) for record in period.days], "taken by all", palette.ink, "-"),
        ([by_hour(record.fed_in) for record in period.days], "fed in by all", AMBER, "--"),
    ):
        axes.stairs(mean(rows), hours, color=colour, linestyle=line, linewidth=2, label=label, baseline=None)
    axes.set_xlim(0, HOURS_PER_DAY)
    axes.set_xticks(range(0, HOURS_PER_DAY + 1, 6), [f"{hour:02d}:00" for hour in range(0, HOURS_PER_DAY + 1, 6)])
    axes.set_ylim(bottom=0)
    axes.set(xlabel=f"local time, {clock.zone}", ylabel="kWh an hour")
    axes.set_title("The mean day", loc="left")
