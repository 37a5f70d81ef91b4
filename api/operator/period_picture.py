"""The picture of a settled period: what was shared and what left the community day by day, and the mean day.

Okabe and Ito's colours (Color Universal Design, 2008), told apart by the colour-blind; light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from api.protocol.period import Period
from data.day import HOURS_PER_DAY, DayClock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]
_WH_PER_KWH = 1000
_GREEN, _ORANGE, _SKY = "#009E73", "#E69F00", "#56B4E9"


@dataclass(frozen=True)
class _Inks:
    ground: str
    text: str
    lines: str


_THEMES: dict[Theme, _Inks] = {
    "light": _Inks("#ffffff", "#1a1a1a", "#d0d0d0"),
    "dark": _Inks("#15191c", "#e8e8e8", "#3a4248"),
}


def period_picture(
    period: Period, clock: DayClock, theme: Theme = "light", self_consumed: Sequence[int] | None = None
) -> Figure:
    """Daily energy in bars, and the period's mean day in lines, drawn in kWh.

    Args:
        self_consumed: Wh of each day that homes used of their own generation: no meter at the grid sees it, so that
            only who plays all homes knows it (the demo does).
    """
    from matplotlib.figure import Figure  # loaded by the first picture

    inks = _THEMES[theme]
    figure = Figure(figsize=(10.5, 4.6), layout="constrained", facecolor=inks.ground)
    by_day, mean_day = figure.subplots(1, 2, width_ratios=(3, 2))
    _daily(by_day, period, clock, self_consumed, inks)
    _mean_day(mean_day, period, clock, inks)
    for axes in (by_day, mean_day):
        axes.set_facecolor(inks.ground)
        axes.tick_params(colors=inks.text)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(inks.lines)
        axes.grid(visible=True, axis="y", color=inks.lines, linewidth=0.6)
        axes.set_axisbelow(True)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(inks.text)
        axes.legend(
            frameon=False, labelcolor=inks.text, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3,
            fontsize=9,
        )  # fmt: skip
    return figure


def _daily(axes: Axes, period: Period, clock: DayClock, self_consumed: Sequence[int] | None, inks: _Inks) -> None:
    dates = [clock.date_of(record.day) for record in period.days]
    places = np.arange(len(dates))
    shared = np.array([sum(record.shared) for record in period.days]) / _WH_PER_KWH
    exported = np.array([sum(record.exports.values) for record in period.days]) / _WH_PER_KWH
    bottom = np.zeros(len(dates))
    parts = [
        (shared, "shared in the community", _GREEN, ""),
        (exported - shared, "exported beyond it", _ORANGE, "///"),
    ]
    if self_consumed is not None:
        parts.insert(0, (np.array(self_consumed) / _WH_PER_KWH, "self-consumed at home", _SKY, ".."))
    for values, label, colour, hatch in parts:
        axes.bar(
            places, values, bottom=bottom, width=0.82, color=colour, label=label, hatch=hatch,
            edgecolor=inks.ground, linewidth=0.6,
        )  # fmt: skip
        bottom += values
    ticks = places[:: max(1, len(places) // 6)]
    axes.set_xticks(ticks, [f"{dates[k]:%-d %b}" for k in ticks])
    axes.set_ylabel("kWh a day, all homes")
    axes.set_title(
        "Generation by use" if self_consumed is not None else "What the community fed in", loc="left", color=inks.text
    )


def _mean_day(axes: Axes, period: Period, clock: DayClock, inks: _Inks) -> None:
    hours = np.arange(HOURS_PER_DAY + 1)

    def mean(rows: list[Sequence[int]]) -> NDArray[np.float64]:
        return np.asarray(np.array(rows).mean(axis=0) / _WH_PER_KWH)

    shared = mean([record.shared for record in period.days])
    axes.stairs(shared, hours, fill=True, color=_GREEN, alpha=0.75, label="shared")
    for rows, label, colour, line in (
        ([record.taken for record in period.days], "taken by all", inks.text, "-"),
        ([record.exports.values for record in period.days], "fed in by all", _ORANGE, "--"),
    ):
        axes.stairs(mean(list(rows)), hours, color=colour, linestyle=line, linewidth=2, label=label, baseline=None)
    axes.set_xlim(0, HOURS_PER_DAY)
    axes.set_xticks(range(0, HOURS_PER_DAY + 1, 6))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"hour of the community day (starts {clock.start_hour_utc:02d}:00 UTC)")
    axes.set_ylabel("kWh an hour")
    axes.set_title("The mean day", loc="left", color=inks.text)
