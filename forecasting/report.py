"""The accuracy report: JSON for programs, a table for the terminal, pictures for people.

Pictures are written for light and for dark pages (`forecasting.palette`).
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.table import Table

from data.atomic import write_bytes
from data.day import HOURS_PER_DAY, DayClock
from forecasting.metrics import Scores, for_totals
from forecasting.palette import DARK, LIGHT, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "yesterday": "same hour yesterday",
    "last_week": "same hour last week",
    "mean_7_days": "mean of the last 7 days",
    "median_7_days": "median of the last 7 days",
    "same_weekday_4_weeks": "mean of the same weekday, 4 weeks",
    "ridge_pooled": "ridge regression, pooled",
    "ridge_per_home": "ridge regression, each home alone",
    "federated": "federated LSTM",
    "federated_personal": "federated LSTM with personal heads, floats",
    "proven": "federated LSTM with personal heads, as proven",
}


def label(method: str) -> str:
    """A method's display name."""
    return LABELS.get(method, method.replace("_", " "))


def headline(scores: Scores, method: str) -> dict[str, float]:
    """The two figures that a method is compared by, and MASE against last week."""
    quartiles = scores.quartiles(method)
    return {
        "community_wape": scores.community[method]["nmae"],
        "home_nmae_median": quartiles["nmae"][1],
        "mase_168_median": quartiles["mase_168"][1],
    }


def as_json(scores: Scores) -> dict[str, Any]:
    """Everything in `scores`: for each method the quartiles over homes, each home, and the community.

    Numbers that do not exist (a home without load has no nMAE) are null.
    """
    methods = {
        method: {
            "headline": headline(scores, method),
            "pooled_nmae": scores.pooled_nmae[method],
            "home_quartiles": {metric: list(values) for metric, values in scores.quartiles(method).items()},
            "homes": scores.of_homes(method).to_dict(orient="index"),
            "community": scores.community[method],
        }
        for method in scores.methods
    }
    content = {"home_hours": scores.hours, "home_hours_dropped": scores.dropped, "methods": methods}
    return dict(_finite(content))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_table(scores: Scores, chosen: str | None = None) -> Table:
    """A row for each method: quartiles of the homes' nMAE, MASE, skill, the community's WAPE; `chosen` in bold."""
    table = Table(title=f"Day-ahead accuracy over {scores.hours:,} home-hours (lower is better, but for skill)")
    table.add_column("method")
    for heading in ("home nMAE\nmedian", "home nMAE\nquartiles", "home MASE\n24 h", "home MASE\n168 h",
                    "home skill\nmedian", "community\nWAPE", "community\nNRMSE", "community\nskill"):  # fmt: skip
        table.add_column(heading, justify="right")
    for method in scores.methods:
        home, total = scores.quartiles(method), scores.community[method]
        low, middle, high = home["nmae"]
        cells = [f"{middle:.3f}", f"{low:.3f}–{high:.3f}", f"{home['mase_24'][1]:.3f}", f"{home['mase_168'][1]:.3f}",
                 f"{home['skill'][1]:+.1%}", f"{total['nmae']:.3f}", f"{total['nrmse']:.3f}",
                 f"{total['skill']:+.1%}"]  # fmt: skip
        table.add_row(label(method), *cells, style="bold" if method == chosen else None)
    return table


def write_report(
    folder: Path, forecasts: pd.DataFrame, scores: Scores, clock: DayClock, chosen: str, rivals: Sequence[str]
) -> list[Path]:
    """Write `accuracy.json`, and the pictures `accuracy`, `community_week` and `error_by_hour` as `NAME.png` and, for
    dark pages, `NAME_dark.png`; their paths.

    `chosen` is the method that the pictures are about; `rivals`, at most four, are drawn beside it.
    """
    content = json.dumps(as_json(scores), indent=2, allow_nan=False) + "\n"
    files = {"accuracy.json": content.encode()}
    for palette, suffix in ((LIGHT, ""), (DARK, "_dark")):
        with palette.applied():
            figures = {
                "accuracy": accuracy_picture(scores, chosen, palette),
                "community_week": week_picture(forecasts, clock, chosen, rivals[:1], palette),
                "error_by_hour": hour_picture(forecasts, clock, chosen, rivals, palette),
            }
            files |= {f"{name}{suffix}.png": _png(figure) for name, figure in figures.items()}
    for name, data in files.items():
        write_bytes(folder / name, data)
    return [folder / name for name in files]


def accuracy_picture(scores: Scores, chosen: str, palette: Palette) -> Figure:
    """Left: every home's nMAE with median and quartiles; right: the community's WAPE; one row for each method."""
    methods = scores.methods
    figure = _figure(11, 1.6 + 0.5 * len(methods))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, method in enumerate(methods):
        colour = palette.proven if method == chosen else palette.muted
        values = scores.of_homes(method)["nmae"].to_numpy()
        low, middle, high = scores.quartiles(method)["nmae"]
        left.hlines(row, low, high, color=colour, linewidth=9, alpha=0.3)
        left.plot(values, np.full(len(values), row), ".", color=colour, alpha=0.6)
        left.plot(middle, row, "|", color=colour, markersize=18, markeredgewidth=3)
        left.annotate(f"{middle:.3f}", (middle, row), xytext=(0, 11), textcoords="offset points", ha="center", size=8)
        wape = scores.community[method]["nmae"]
        right.barh(row, wape, color=colour, height=0.55)
        right.annotate(f"{wape:.3f}", (wape, row), xytext=(4, 0), textcoords="offset points", va="center", size=8)
    left.set_yticks(range(len(methods)), [label(method) for method in methods])
    for name, method in zip(left.get_yticklabels(), methods, strict=True):
        if method == chosen:
            name.set(color=palette.proven, fontweight="bold")
    left.set_ylim(len(methods) - 0.4, -0.7)
    left.set(xlabel="nMAE: a home's absolute error ÷ its mean load")
    left.set_title("Each home (dots), quartiles (bar), median: lower is better", size=10)
    right.set(xlabel="WAPE of the community's total")
    right.set_title("Community: lower is better", size=10)
    right.margins(x=0.15)
    _tidy(palette, left, right)
    return figure


def week_picture(
    forecasts: pd.DataFrame, clock: DayClock, chosen: str, rivals: Sequence[str], palette: Palette
) -> Figure:
    """The community's load on the last seven days that were forecast, and its forecasts, in kW."""
    from matplotlib.dates import date2num

    total = _community_kw(forecasts, [chosen, *rivals]).iloc[-7 * HOURS_PER_DAY :]
    figure = _figure(10, 4)
    axes = figure.subplots()
    axes.plot(total.index, total["y"], color=palette.measured, linewidth=1.2, label="measured")
    axes.plot(total.index, total[chosen], color=palette.proven, linewidth=2, label=f"{label(chosen)}, a day ahead")
    for method in rivals:
        colour, style = palette.of_method(method, chosen)
        axes.plot(total.index, total[method], color=colour, linestyle=style, linewidth=1.2, label=label(method))
    days = np.unique(clock.days_of(pd.DatetimeIndex(total.index)))
    starts = [date2num(clock.start_of(int(day))) for day in days]  # type: ignore[no-untyped-call]
    axes.set_xticks(starts, [f"{clock.date_of(int(day)):%a %d %b}" for day in days])
    axes.set(xlabel=f"local time, {clock.zone}; ticks at the start of each day", ylabel="community load (kW)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    _legend_above(figure)
    _tidy(palette, axes)
    return figure


def hour_picture(
    forecasts: pd.DataFrame, clock: DayClock, chosen: str, rivals: Sequence[str], palette: Palette
) -> Figure:
    """Mean absolute error of the community's total by hour of the community day, in kW."""
    methods = [chosen, *rivals]
    total = _community_kw(forecasts, methods)
    errors = (
        total[methods].sub(total["y"], axis=0).abs().groupby(clock.hours_of(pd.DatetimeIndex(total.index))).mean()
    )
    figure = _figure(9, 4.4)
    axes = figure.subplots()
    for method in methods:
        colour, style = palette.of_method(method, chosen)
        width = 2.5 if method == chosen else 1.3
        axes.plot(errors.index, errors[method], color=colour, linestyle=style, linewidth=width, label=label(method))
    axes.set_xticks(range(0, HOURS_PER_DAY, 3), [f"{hour:02d}:00" for hour in range(0, HOURS_PER_DAY, 3)])
    axes.set(xlabel=f"hour of the day, local time ({clock.zone})")
    axes.set(ylabel="mean absolute error of the total, kW\n(lower is better)")
    axes.set_ylim(bottom=0)
    _legend_above(figure)
    _tidy(palette, axes)
    return figure


def _community_kw(forecasts: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The total over homes, of the hours for which every home has everything, indexed by `ds`."""
    known = for_totals(forecasts, methods).dropna(subset=["y", *methods])
    groups = known.groupby("ds")
    complete = groups.size() == known["unique_id"].nunique()
    total: pd.DataFrame = groups[["y", *methods]].sum()[complete] / 1000
    return total


def _figure(width: float, height: float) -> Figure:
    """An empty one, in inches."""
    from matplotlib.figure import Figure  # loaded by the first picture

    return Figure(figsize=(width, height), layout="constrained")


def _legend_above(figure: Figure) -> None:
    figure.legend(loc="outside upper left", ncols=2, frameon=False)


def _tidy(palette: Palette, *panels: Axes) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if axes.get_ylim()[0] > axes.get_ylim()[1] else "y", color=palette.grid, linewidth=0.8)
        axes.set_axisbelow(True)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without the version and date that matplotlib would add, the same data give the same bytes.
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
