"""`python -m bench.accuracy [--quick]`: how well the forecasters do on the 17 real homes, side by side.

Everyone learns from the same days and sees the same: the week before the origin, the calendar, the weather service's
predictions. Of the whole year by default, learning again every four weeks; `--quick` takes one split, the last fifth
of the year. The community's total is scored as it adds up, and calibrated on past totals (`forecasting.calibration`),
for every method alike. Writes out/bench/accuracy.json and accuracy.png, and prints a table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench import accuracy_methods as methods
from bench.accuracy_new_home import DAYS_KNOWN, measure_new_homes
from bench.local_rounds import FORECASTING, OUT
from bench.pictures import BLUE, ORANGE
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, load
from data.day import HOURS_PER_DAY, DayClock
from fl.settings import FederationSettings
from forecasting import baselines, calibration, evaluation, metrics

Array = NDArray[np.float64]
OURS = "federated_personal"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
REFIT_DAYS = 28
FIRST_TRAINING_DAYS = 112


def forecasters(clock: DayClock, federation: FederationSettings, quick: bool) -> list[evaluation.Forecaster]:
    """Every method; NHITS where neuralforecast is installed."""
    federated = methods.Federated(federation)
    epochs, rate = federation.rounds * federation.local.epochs, federation.local.learning_rate
    learnt: dict[str, methods.Method] = {
        "lightgbm_squared": methods.Boosted("regression"),
        "lightgbm_absolute": methods.Boosted("l1"),
        "lstm_per_home": methods.Local(epochs, rate),
        "lstm_central": methods.Central(epochs, rate),
        "federated": federated,
        OURS: methods.Personal(federated),
    }
    if importlib.util.find_spec("neuralforecast"):
        learnt["nhits"] = methods.Nhits(200 if quick else 600)
    out: list[evaluation.Forecaster] = [
        *baselines.naive_methods(clock),
        baselines.HomeRidge(clock),
        baselines.PooledRidge(clock),
    ]
    return [*out, *(methods.Learnt(name, method, clock) for name, method in learnt.items())]


def totals(table: pd.DataFrame, column: str, clock: DayClock) -> Array:
    """The community's total of every day, [D, 24] Wh; of a method's means, where it has them."""
    summed = metrics.for_totals(table, [column]).groupby("ds")[column].sum().sort_index()
    return np.asarray(summed.to_numpy(dtype=np.float64).reshape(-1, HOURS_PER_DAY))


def score(table: pd.DataFrame, readings: pd.DataFrame, clock: DayClock, first_scored: int) -> dict[str, Any]:
    """By method: homes, community as it adds up, community calibrated (the same days for all)."""
    naive = [n.name for n in baselines.naive_methods(clock)]
    scored = table[table["cutoff"] >= clock.start_of(first_scored)].reset_index(drop=True)
    past = evaluation.before(readings, clock.start_of(first_scored))
    scores = metrics.evaluate(scored, past, naive)
    measured = totals(table, "y", clock)
    skipped = len(measured) - len(totals(scored, "y", clock))
    out: dict[str, Any] = {}
    for name in scores.methods:
        calibrated = calibration.walk_forward(totals(table, name, clock), measured)
        quartiles = scores.quartiles(name)
        out[name] = {
            "home_nmae_median": quartiles["nmae"][1],
            "home_nmae_quartiles": [quartiles["nmae"][0], quartiles["nmae"][2]],
            "home_nmae_pooled": scores.pooled_nmae[name],
            "community_wape": scores.community[name]["nmae"],
            "community_wape_calibrated": metrics.wape(measured[skipped:].ravel(), calibrated[skipped:].ravel()),
            "mase_168_median": quartiles["mase_168"][1],
            "homes": {str(k): float(v) for k, v in scores.of_homes(name)["nmae"].items()},
        }
    return out


def score_quantiles(table: pd.DataFrame, clock: DayClock, first_scored: int) -> dict[str, Any]:
    """Coverage of the community's quantiles, and the width of their outer band relative to the mean load."""
    measured = totals(table, "y", clock)
    calibrated = calibration.walk_forward(totals(table, OURS, clock), measured)
    bands = calibration.walk_forward_quantiles(calibrated, measured, LEVELS)
    scored = np.asarray(pd.DatetimeIndex(table["cutoff"].unique()).sort_values() >= clock.start_of(first_scored))
    here, bands = measured[scored], bands[scored]
    below = (here[:, None] <= bands).mean(axis=(0, 2))
    errors = here[:, None] - bands
    levels = np.asarray(LEVELS)[None, :, None]
    pinball = np.maximum(levels * errors, (levels - 1) * errors).mean() / here.mean()
    return {
        "levels": list(LEVELS),
        "share_below": [round(float(v), 4) for v in below],
        "coverage_90": round(float(((here >= bands[:, 0]) & (here <= bands[:, -1])).mean()), 4),
        "coverage_50": round(float(((here >= bands[:, 1]) & (here <= bands[:, -2])).mean()), 4),
        "width_90": round(float((bands[:, -1] - bands[:, 0]).mean() / here.mean()), 4),
        "pinball": round(float(pinball), 4),
        "days": int(scored.sum()),
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Methods by the median home's error and the community's, calibrated and not."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    table = result["table"]
    names = sorted(table, key=lambda n: -table[n]["home_nmae_median"])
    rows = np.arange(len(names))
    figure, (homes, community) = plt.subplots(1, 2, figsize=(11, 5.5), sharey=True, layout="constrained")
    colours = [ORANGE if n == OURS else BLUE for n in names]
    middle = np.array([table[n]["home_nmae_median"] for n in names])
    low, high = (np.array([table[n]["home_nmae_quartiles"][k] for n in names]) for k in (0, 1))
    homes.hlines(rows, low, high, colors=colours, linewidth=2)
    homes.scatter(middle, rows, color=colours, zorder=3)
    homes.set(xlabel="error of a home's hours / its mean load (median and quartiles of homes)", title="Homes")
    community.scatter([table[n]["community_wape"] for n in names], rows, color="#999999", marker="o", label="sum")
    calibrated = [table[n]["community_wape_calibrated"] for n in names]
    community.scatter(calibrated, rows, color=colours, marker="D", label="sum, calibrated")
    community.set(xlabel="error of the community's hours / mean load", title="Community")
    community.legend(frameon=False)
    homes.set_yticks(rows, [n.replace("_", " ") for n in names])
    for axes in (homes, community):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def show(result: dict[str, Any], console: Console) -> None:
    table = Table("method", "home nMAE, median", "quartiles", "community WAPE", "calibrated", "MASE 168, median")
    for name, row in result["table"].items():
        low, high = row["home_nmae_quartiles"]
        figures = [row["home_nmae_median"], row["community_wape"], row["community_wape_calibrated"]]
        median, plain, calibrated = (f"{v:.4f}" for v in figures)
        table.add_row(name, median, f"{low:.3f}..{high:.3f}", plain, calibrated, f"{row['mase_168_median']:.3f}")
    console.print(table)
    fresh = Table("a new home's days", *result["new_home"][str(DAYS_KNOWN[0])])
    for days, row in result["new_home"].items():
        fresh.add_row(days, *(f"{v:.4f}" for v in row.values()))
    console.print(fresh)
    console.print_json(data=result["quantiles"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one split, a few minutes")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    quick, cache = (getattr(parser.parse_args(arguments), name) for name in ("quick", "cache"))
    console, started = Console(), time.monotonic()
    community, clock = load(cache), DayClock(DAY_START_UTC)
    share = evaluation.Split.by_share(community.readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    if quick:  # the validation days, forecast as well, are what the calibration begins with
        split = evaluation.Split(share.train_end, share.train_end, share.test_end)
        first_scored = share.test_start
    else:
        first = clock.day_of(community.readings["ds"].min()) + FIRST_TRAINING_DAYS
        split = evaluation.Split(first, first, share.test_end, REFIT_DAYS)
        first_scored = first + calibration.WARM_UP_DAYS + calibration.WEEK
    federation = FederationSettings()
    with console.status("forecasting every day by every method"):
        everyone = forecasters(clock, federation, quick)
        table = evaluation.walk_forward(everyone, community.readings, community.weather, clock, split)
    result: dict[str, Any] = {
        "protocol": {
            "learns_from": "the first 70 % of the hours" if quick else f"all before, every {REFIT_DAYS} days",
            "scored_days": split.test_end - first_scored,
            "rounds": federation.rounds,
            "local_epochs": federation.local.epochs,
            "skipped": [] if importlib.util.find_spec("neuralforecast") else ["nhits: neuralforecast not installed"],
        },
        "table": score(table, community.readings, clock, first_scored),
        "quantiles": score_quantiles(table, clock, first_scored),
    }
    with console.status("new homes"):
        result["new_home"] = measure_new_homes(community, clock, share, federation, homes=3 if quick else 17)
    result["seconds"] = round(time.monotonic() - started, 1)
    suffix = "-quick" if quick else ""
    draw(result, OUT / f"accuracy{suffix}.png")
    text = json.dumps(result, indent=1).encode()
    for name in {f"accuracy{suffix}.json", "accuracy.json"}:
        write_bytes(OUT / name, text)
    show(result, console)
    for skipped in result["protocol"]["skipped"]:
        console.print(f"skipped: {skipped}")
    console.print(f"{result['seconds']:.0f} s; {OUT / 'accuracy.json'}")


if __name__ == "__main__":
    main()
