"""The picture of a day's surplus hours: forecast load and export of the community, the hours of surplus shaded.

Lines differ in their dashes and the hours are hatched, too, so that nothing rests on colour alone.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from api.protocol.schemas import SurplusHours
from data.day import HOURS_PER_DAY, DayClock
from forecasting.palette import AMBER, DARK, GREEN, LIGHT, Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WH_PER_KWH = 1000


def surplus_picture(day: SurplusHours, clock: DayClock, palette: Palette = LIGHT) -> Figure:
    """A day's forecasts by hour, drawn in kW."""
    with palette.applied():
        from matplotlib.figure import Figure  # loaded by the first picture

        figure = Figure(figsize=(9, 4.4), layout="constrained")
        axes = figure.subplots()
        hours = np.arange(HOURS_PER_DAY + 1)
        load, export = (np.array(values) / _WH_PER_KWH for values in (day.load_wh, day.export_wh))
        is_surplus = np.isin(hours[:-1], day.hours)
        label = "surplus hours"
        for hour in day.hours:
            axes.axvspan(hour, hour + 1, facecolor=GREEN, alpha=0.22, linewidth=0, label=label)
            label = ""
        axes.stairs(
            np.where(is_surplus, export, 0), hours, baseline=np.where(is_surplus, load, 0), fill=False,
            hatch="///", edgecolor=GREEN, linewidth=0,
        )  # fmt: skip
        for values, name, colour, line in (
            (load, "forecast load, all homes", palette.ink, "-"), (export, "forecast export, all homes", AMBER, "--"),
        ):  # fmt: skip
            axes.stairs(values, hours, color=colour, linestyle=line, linewidth=2.2, label=name, baseline=None)
        axes.set(xlabel=f"local time, {clock.zone}", ylabel="kW, mean of the hour")
        axes.set_title(f"Surplus hours, {day.date:%A, %d %B %Y}", loc="left")
        axes.set_xlim(0, HOURS_PER_DAY)
        axes.set_xticks(range(0, HOURS_PER_DAY + 1, 3), [f"{hour:02d}:00" for hour in range(0, HOURS_PER_DAY + 1, 3)])
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, axis="y", color=palette.grid, linewidth=0.6)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def pictures(day: SurplusHours, clock: DayClock) -> dict[str, bytes]:
    """The picture as PNG, by what its name ends in: nothing (light) or -dark."""
    drawn = {}
    for suffix, palette in (("", LIGHT), ("-dark", DARK)):
        content = io.BytesIO()
        figure = surplus_picture(day, clock, palette)
        with palette.applied():
            figure.savefig(content, format="png", dpi=130)
        drawn[suffix] = content.getvalue()
    return drawn
