"""The accuracy report: JSON for programs, a table for the terminal, pictures for people.

Colours are Okabe and Ito's, told apart by colour-blind readers, and lines differ in style as well.
"""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from rich.table import Table

from data.atomic import write_bytes
from data.day import HOURS_PER_DAY, DayClock
from forecasting.metrics import Scores, for_totals

LABELS = {
    "yesterday": "same hour yesterday",
    "last_week": "same hour last week",
    "mean_7_days": "mean of the last 7 days",
    "median_7_days": "median of the last 7 days",
    "same_weekday_4_weeks": "mean of the same weekday, 4 weeks",
    "ridge_pooled": "ridge, all homes",
    "ridge_per_home": "ridge for each home",
}
ACTUAL, CHOSEN, MUTED = "#000000", "#0072B2", "#7F7F7F"
_LINES = (("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#E69F00", (0, (5, 1, 1, 1, 1, 1))))


def label(method: str) -> str:
    """A method's name as people read it."""
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
    """Write `accuracy.json`, `accuracy.png`, `community_week.png` and `error_by_hour.png`; their paths.

    `chosen` is the method that the pictures are about; `rivals`, at most four, are drawn beside it.
    """
    content = json.dumps(as_json(scores), indent=2, allow_nan=False) + "\n"
    files = {
        "accuracy.json": content.encode(),
        "accuracy.png": _png(accuracy_picture(scores, chosen)),
        "community_week.png": _png(week_picture(forecasts, chosen, rivals[:1])),
        "error_by_hour.png": _png(hour_picture(forecasts, clock, chosen, rivals)),
    }
    for name, data in files.items():
        write_bytes(folder / name, data)
    return [folder / name for name in files]


def accuracy_picture(scores: Scores, chosen: str) -> Figure:
    """Left: every home's nMAE with median and quartiles; right: the community's WAPE; one row for each method."""
    methods = scores.methods
    figure = Figure(figsize=(10, 1.6 + 0.5 * len(methods)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, method in enumerate(methods):
        colour = CHOSEN if method == chosen else MUTED
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
    left.set_ylim(len(methods) - 0.4, -0.7)
    left.set(
        xlabel="nMAE of a home (absolute error ÷ mean load)", title="Homes: dots; bar and tick: quartiles, median"
    )
    right.set(xlabel="WAPE of the community's total", title="Community")
    right.margins(x=0.15)
    _tidy(left, right)
    return figure


def week_picture(forecasts: pd.DataFrame, chosen: str, rivals: Sequence[str]) -> Figure:
    """The community's load in the last whole week that was forecast, and what was forecast, in kW."""
    total = _community_kw(forecasts, [chosen, *rivals]).iloc[-7 * HOURS_PER_DAY :]
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(total.index, total["y"], color="#DDDDDD")
    axes.plot(total.index, total["y"], color=ACTUAL, linewidth=1.2, label="measured")
    axes.plot(total.index, total[chosen], color=CHOSEN, linewidth=2, label=f"{label(chosen)}, a day ahead")
    for method, (colour, style) in zip(rivals, _LINES, strict=False):
        axes.plot(total.index, total[method], color=colour, linestyle=style, linewidth=1.2, label=label(method))
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set(xlabel="time (UTC)", ylabel="community load (kW)", title="The last week of the test")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    _legend_above(axes)
    _tidy(axes)
    return figure


def hour_picture(forecasts: pd.DataFrame, clock: DayClock, chosen: str, rivals: Sequence[str]) -> Figure:
    """Mean absolute error of the community's total by hour of the community day, in kW."""
    methods = [chosen, *rivals]
    total = _community_kw(forecasts, methods)
    errors = (
        total[methods].sub(total["y"], axis=0).abs().groupby(clock.hours_of(pd.DatetimeIndex(total.index))).mean()
    )
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for method, (colour, style) in zip(methods, ((CHOSEN, "-"), *_LINES), strict=False):
        width = 2.5 if method == chosen else 1.3
        axes.plot(errors.index, errors[method], color=colour, linestyle=style, linewidth=width, label=label(method))
    axes.set_xticks(range(0, HOURS_PER_DAY, 3))
    axes.set(xlabel=f"hour of the community day (starts at {clock.start_hour_utc:02d}:00 UTC)")
    axes.set(ylabel="mean absolute error (kW)", title="Error of the community's total, by hour")
    axes.set_ylim(bottom=0)
    _legend_above(axes)
    _tidy(axes)
    return figure


def _community_kw(forecasts: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The total over homes, of the hours for which every home has everything, indexed by `ds`."""
    known = for_totals(forecasts, methods).dropna(subset=["y", *methods])
    groups = known.groupby("ds")
    complete = groups.size() == known["unique_id"].nunique()
    total: pd.DataFrame = groups[["y", *methods]].sum()[complete] / 1000
    return total


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=3, frameon=False, borderaxespad=0)


def _tidy(*panels: Axes) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if axes.get_ylim()[0] > axes.get_ylim()[1] else "y", color="#E5E5E5", linewidth=0.8)
        axes.set_axisbelow(True)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without the version and date that matplotlib would add, the same data give the same bytes.
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
