"""What the benches by which models are chosen have in common: days before the test days, a community by name, a file
of what was found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from bench.accuracy_data import FONTANA, Community, open_community
from bench.local_rounds import FORECASTING, OUT, SHAPE
from data.atomic import write_bytes
from data.features import public_features
from data.windows import Windows, make_windows
from forecasting.evaluation import Split

LEARN_SHARE = 0.85
"""Of the days before the test days; the rest of them is judged."""


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that each of these benches has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    made.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    return made


def opened(asked: argparse.Namespace) -> Community:
    """The community asked for; what follows computes in one thread, so that it can be repeated."""
    torch.set_num_threads(1)
    return open_community(asked.data, asked.cache)


def stretch_of(community: Community, begin: float = LEARN_SHARE, end: float = 1.0) -> tuple[Windows, Windows]:
    """Windows to learn from, and those to be judged on, by shares of the days before the test days."""
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.data.weather, clock)
    windows = make_windows(readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    first = int(windows.day.min())
    since, until = (first + int((split.test_start - first) * share) for share in (begin, end))
    return windows.between(0, since), windows.between(since, until).at_day_start()


def written(bench: str, community: Community, found: dict[str, Any]) -> None:
    """Write out/bench/BENCH-DATA.json and print it as one line."""
    result = {"data": community.name} | found
    write_bytes(OUT / f"{bench}-{community.name}.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result))
