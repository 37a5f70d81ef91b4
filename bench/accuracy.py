"""`python -m bench.accuracy [--data fontana|london|PATH] [--horizon DAYS] [--quick]`: the forecasters side by side.

On the demo's 17 homes (fontana), on 17 homes of London, or on the homes of a table (`bench.accuracy_data`). Everyone
learns from the same days and sees the same: the week before the origin, the calendar, the weather service's
predictions where there are any. Of the whole year by default, learning again every four weeks; `--quick` takes one
split, the last fifth of the year. `--horizon` is how many days before the forecast day the last reading is. The
community's total is scored as it adds up, and calibrated on past totals (`forecasting.calibration`), for every method
alike; rows named top_down forecast the total from its own past alone, as the manager of a substation's meter could.

Writes out/bench/accuracy-DATA.json and .png (of `--quick`: accuracy-DATA-quick; of a horizon of two days:
accuracy-DATA-horizon2), and of a horizon of one day the same as accuracy.json, where `--quick` leaves the figures of
a long run as they are. Prints a table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench import accuracy_methods as methods
from bench import accuracy_quantiles
from bench.accuracy_data import DRAW_SEED, FONTANA, Community, check_homes, open_community, totals_of
from bench.accuracy_differences import differences
from bench.accuracy_new_home import WAYS, measure_new_homes
from bench.accuracy_scores import score, score_quantiles, totals
from bench.local_rounds import FORECASTING, OUT
from bench.pictures import BLUE, ORANGE
from data.atomic import write_bytes
from data.day import HOURS_PER_DAY, DayClock
from data.errors import DataError
from fl.settings import FederationSettings
from forecasting import baselines, calibration, evaluation
from forecasting.errors import ForecastError

OURS = "federated_personal"
NEW_HOMES = "new_homes"
SKIPPABLE = ("lstm_per_home", "lstm_central", "nhits", NEW_HOMES)
REFIT_DAYS = 28
FIRST_TRAINING_DAYS = 112


def forecasters(
    clock: DayClock, federation: FederationSettings, quick: bool, skip: Sequence[str] = (), horizon: int = 1
) -> list[evaluation.Forecaster]:
    """Every method but those to skip; NHITS where neuralforecast is installed."""
    federated = methods.Federated(federation)
    epochs = (federation.rounds - federation.gradient_rounds) * federation.local.epochs
    rate = federation.local.learning_rate
    learnt: dict[str, methods.Method] = {
        "ridge_pooled_shifted": methods.ShiftedRidge(),
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
        *baselines.naive_methods(clock, horizon),
        baselines.HomeRidge(clock, horizon=horizon),
        baselines.PooledRidge(clock, horizon=horizon),
    ]
    shared = methods.SharedWindows(clock, horizon)
    return [*out, *(methods.Learnt(name, method, shared) for name, method in learnt.items() if name not in skip)]


def top_down(clock: DayClock, horizon: int = 1) -> list[evaluation.Forecaster]:
    """Methods that see the community's total alone."""
    shared = methods.SharedWindows(clock, horizon)
    return [
        methods.Learnt("top_down_ridge", methods.ShiftedRidge(), shared),
        methods.Learnt("top_down_lightgbm", methods.Boosted("regression"), shared),
    ]


def draw(result: dict[str, Any], path: Path) -> None:
    """Methods by the median home's error and the community's, calibrated and not."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    table = result["table"]
    names = sorted(table, key=lambda n: -(table[n]["home_nmae_median"] or np.inf))
    rows, at_homes = np.arange(len(names)), [k for k, n in enumerate(names) if table[n]["homes"]]
    figure, (homes, community) = plt.subplots(1, 2, figsize=(11, 5.5), sharey=True, layout="constrained")
    colours = [ORANGE if n == OURS else BLUE for n in names]
    of_homes = [table[names[k]] for k in at_homes]
    low, high = ([row["home_nmae_quartiles"][k] for row in of_homes] for k in (0, 1))
    homes.hlines(at_homes, low, high, colors=[colours[k] for k in at_homes], linewidth=2)
    middle = [row["home_nmae_median"] for row in of_homes]
    homes.scatter(middle, at_homes, color=[colours[k] for k in at_homes], zorder=3)
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
        low, high = row["home_nmae_quartiles"] or (None, None)
        figures = [row["home_nmae_median"], low, high, row["community_wape"], row["community_wape_calibrated"]]
        median, lower, upper, plain, calibrated = ("-" if v is None else f"{v:.4f}" for v in figures)
        mase = "-" if row["mase_168_median"] is None else f"{row['mase_168_median']:.3f}"
        table.add_row(name, median, f"{lower}..{upper}", plain, calibrated, mase)
    console.print(table)
    console.print(_compared(result["ours_and_others"]))
    fresh = Table("a new home's days", *WAYS)
    for days, row in result["new_home"].items():
        fresh.add_row(days, *(f"{v:.4f}" for v in row.values()))
    console.print(fresh)
    console.print_json(data=result["quantiles"])
    bands = Table("the total's quantiles", "CRPS", "90 % band holds", "50 % band holds", "width of the 90 % band")
    for name, row in result["probabilistic"].items():
        keys = ("crps", "coverage_90", "coverage_50", "width_90")
        bands.add_row(name, *(f"{row[key]:.4f}" if key in row else "-" for key in keys))
    console.print(bands)


def _compared(found: dict[str, dict[str, list[float] | None]]) -> Table:
    """Each other method's errors and ours, relative to the other's, and where chance alone would put that."""
    out = Table("ours and", "at homes", "90 % interval", "for the total", "90 % interval")
    for name, row in found.items():
        cells = (
            ("-", "-") if of is None else (f"{of[0]:+.1%}", f"{of[1]:+.1%} to {of[2]:+.1%}")
            for of in (row["homes"], row["total"])
        )
        out.add_row(name, *(cell for pair in cells for cell in pair))
    return out


def measure(
    community: Community,
    federation: FederationSettings,
    quick: bool,
    console: Console,
    beside: Executor,
    skip: Sequence[str] = (),
    horizon: int = 1,
) -> dict[str, Any]:
    """Every method on one community; what is written and shown. New homes are measured by `beside`, meanwhile."""
    torch.set_num_threads(1)  # sums keep their order, and the other core is for what runs beside
    readings, weather, clock = community.data.readings, community.data.weather, community.clock
    share = evaluation.Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    if quick:  # the validation days, forecast as well, are what the calibration begins with
        split = evaluation.Split(share.train_end, share.train_end, share.test_end)
        first_scored = share.test_start
    else:
        first = clock.day_of(readings["ds"].min()) + FIRST_TRAINING_DAYS
        split = evaluation.Split(first, first, share.test_end, REFIT_DAYS)
        first_scored = first + calibration.WARM_UP_DAYS + calibration.WEEK
    check_homes(community, split.train_end, first_scored, split.test_end)
    new = 0 if NEW_HOMES in skip else 3 if quick else 17
    of_new = beside.submit(measure_new_homes, community.data, clock, share, federation, homes=new)
    with console.status("forecasting every day by every method"):
        everyone = forecasters(clock, federation, quick, skip, horizon)
        table = evaluation.walk_forward(everyone, readings, weather, clock, split, horizon)
        total = totals_of(readings)
        above = evaluation.walk_forward(top_down(clock, horizon), total, weather, clock, split, horizon)
        sums = totals(table, above, clock, first_scored, horizon)
        boosted = accuracy_quantiles.boosted_quantiles(total, weather, clock, split, sums.days, horizon)
    scores = score(table, sums, readings, clock)
    result: dict[str, Any] = {
        "data": community.name,
        "homes": len(community.homes),
        "protocol": {
            "quick": quick,
            "horizon_days": horizon,
            "homes": community.homes,
            "learns_from": "the first 70 % of the hours" if quick else f"all before, every {REFIT_DAYS} days",
            "scored_days": split.test_end - first_scored,
            "scored_days_of_totals": int(sums.scored.sum()),
            "rounds": federation.rounds,
            "gradient_rounds": federation.gradient_rounds,
            "local_epochs": federation.local.epochs,
            "seed": federation.seed,
            "skipped": [*(f"{name}: asked to" for name in skip), *_not_installed()],
        },
        "table": scores,
        "ours_and_others": differences(scores, sums, OURS),
        "quantiles": score_quantiles(sums, OURS),
        "probabilistic": accuracy_quantiles.score(sums, OURS, boosted),
    }
    with console.status("new homes"):
        result["new_home"] = of_new.result()
    return result


def _not_installed() -> list[str]:
    return [] if importlib.util.find_spec("neuralforecast") else ["nhits: neuralforecast not installed"]


def write(result: dict[str, Any]) -> list[Path]:
    """Write the figures of one run; the files. accuracy.json has a horizon of one day, and the figures of a long run
    stay where this one is quick."""
    quick, horizon = result["protocol"]["quick"], result["protocol"]["horizon_days"]
    suffix = (f"-horizon{horizon}" if horizon > 1 else "") + ("-quick" if quick else "")
    own, last = OUT / f"accuracy-{result['data']}{suffix}.json", OUT / "accuracy.json"
    draw(result, own.with_suffix(".png"))
    text = json.dumps(result, indent=1, allow_nan=False).encode()
    write_bytes(own, text)
    longer_run = last.exists() and not json.loads(last.read_bytes()).get("protocol", {}).get("quick", False)
    if horizon > 1 or (quick and longer_run):
        return [own]
    write_bytes(last, text)
    return [own, last]


def _hour(text: str) -> int:
    return (
        int(text) if text.isascii() and text.isdecimal() and int(text) < HOURS_PER_DAY else _refuse("0 to 23", text)
    )


def _natural(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else _refuse("0 or more", text)


def _refuse(wanted: str, text: str) -> int:
    raise argparse.ArgumentTypeError(f"a whole number, {wanted}, not {text!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--start-utc", type=_hour, help="hour at which the community's days start")
    parser.add_argument("--homes", type=_natural, help="so many of its homes, drawn (london: 17)")
    parser.add_argument("--seed", type=_natural, default=DRAW_SEED, help="of that draw")
    parser.add_argument("--training-seed", type=_natural, help="of the federation; by default that of the settings")
    parser.add_argument("--skip", nargs="*", default=[], choices=SKIPPABLE, help="slow parts to leave out")
    parser.add_argument("--horizon", type=int, default=1, choices=(1, 2, 3), help="days to the last reading")
    parser.add_argument("--quick", action="store_true", help="one split, a few minutes")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    console, started = Console(), time.monotonic()
    own_seed = {} if asked.training_seed is None else {"seed": asked.training_seed}
    try:
        community = open_community(asked.data, asked.cache, asked.start_utc, asked.homes, asked.seed)
        federation = FederationSettings.model_validate(own_seed)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
            skip = sorted({*asked.skip, *([NEW_HOMES] if asked.horizon > 1 else [])})  # measured for one day only
            result = measure(community, federation, asked.quick, console, beside, skip, asked.horizon)
    except (DataError, ForecastError) as problem:
        console.print(f"error: {problem}", style="red", markup=False)
        return 1
    result["seconds"] = round(time.monotonic() - started, 1)
    paths = write(result)
    show(result, console)
    for skipped in result["protocol"]["skipped"]:
        console.print(f"skipped: {skipped}")
    console.print(f"{result['seconds']:.0f} s; {', '.join(str(path) for path in paths)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
