"""`python -m bench.season_pull [--data fontana|london|PATH]`: how strongly means are to be kept from the season.

Means are linear in loads and public features, and are trained apart from the typical hours; so their training ends in
ridge regression, and that can be computed at once: everybody's days, those that start early or late among them,
weighted by the home's scale, each weight pulled towards the mean of the last seven days
(`forecasting.local_model.mean_decay`). Six stretches of 28 days before the test days are judged, each learnt from all
days before it. Errors are the WAPE of the community's total over all six, and of each, by how many times as strongly
the season's two weights are pulled as the others. Writes out/bench/season_pull-DATA.json and prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import before_test
from bench.accuracy_data import Community
from bench.local_rounds import SHAPE
from data.day import HOURS_PER_DAY
from data.features import SEASON_FEATURES
from data.windows import Windows
from forecasting.local_model import MEAN_DECAY, MOST_WEIGHT, USUAL_WEEK_WH
from forecasting.parameters import SCALE_FLOOR_WH, SCALE_UNIT, mean_of_days

Array = NDArray[np.float64]
STRETCH_DAYS, STRETCHES = 28, 6
PULLS = (0.2, 1.0, 5.0, 20.0, 100.0, 1000.0)
_FREE = 1e-9
"""The bias is not pulled; a pull of nothing at all may leave no solution."""


@dataclass(frozen=True)
class Sums:
    """What ridge regression takes of the windows learnt from: normal equations [168 + E + 1], and their number."""

    gram: Array
    cross: Array
    count: int


def inputs(windows: Windows) -> tuple[Array, Array]:
    """Loads relative to the scale, public features and 1, [n, 168 + E + 1]; the scale [n, 1] Wh."""
    scale = SCALE_FLOOR_WH + windows.history.sum(axis=1, keepdims=True).astype(np.float64)
    loads = windows.history * SCALE_UNIT / scale
    return np.concatenate([loads, windows.exogenous, np.ones((len(windows), 1))], axis=1), scale


def start() -> Array:
    """The mean of the last seven days, as weights of `inputs`, [168 + E + 1, 24]."""
    return np.concatenate([mean_of_days(SHAPE).T.astype(np.float64), np.zeros((1, HOURS_PER_DAY))])


def sums(windows: Windows) -> Sums:
    read, scale = inputs(windows)
    left = windows.target * SCALE_UNIT / scale - read @ start()
    counted = read * np.clip(scale / USUAL_WEEK_WH, 1 / MOST_WEIGHT, MOST_WEIGHT)
    return Sums(counted.T @ read, counted.T @ left, len(windows))


def fitted(learnt: Sums, pull: float) -> Array:
    """Weights of `inputs` [168 + E + 1, 24] that the loss of the means is least at."""
    decay = np.full(len(learnt.gram), MEAN_DECAY)
    decay[-1 - SEASON_FEATURES : -1] *= pull
    decay[-1] = _FREE
    penalty = np.diag(decay * HOURS_PER_DAY * learnt.count)
    return start() + np.linalg.solve(learnt.gram + penalty, learnt.cross)


def missed(weights: Array, judged: Windows) -> tuple[float, float]:
    """The total's absolute error and the total itself, Wh, of the days that all homes have."""
    read, scale = inputs(judged)
    values = np.maximum(read @ weights * scale / SCALE_UNIT, 0)
    homes = len(np.unique(judged.unique_id))
    whole = [own for own in (judged.day == day for day in np.unique(judged.day)) if own.sum() == homes]
    errors = sum(float(np.abs(values[own].sum(axis=0) - judged.target[own].sum(axis=0)).sum()) for own in whole)
    return errors, sum(float(judged.target[own].sum()) for own in whole)


def measure(community: Community) -> dict[str, dict[str, float | list[float]]]:
    """By pull: WAPE over all stretches, and of each."""
    learn, _ = before_test.stretch_of(community, 1.0, 1.0)
    end, at_start = int(learn.day.max()) + 1, learn.at_day_start()
    found: dict[float, list[tuple[float, float]]] = {pull: [] for pull in PULLS}
    for begin in range(end - STRETCH_DAYS * STRETCHES, end, STRETCH_DAYS):
        learnt, judged = sums(learn.between(0, begin)), at_start.between(begin, begin + STRETCH_DAYS)
        for pull in PULLS:
            found[pull].append(missed(fitted(learnt, pull), judged))
    return {
        str(pull): {
            "wape": round(sum(error for error, _ in parts) / sum(total for _, total in parts), 4),
            "of_each": [round(error / total, 4) for error, total in parts],
        }
        for pull, parts in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    community = before_test.opened(before_test.parser(__doc__).parse_args(arguments))
    before_test.written("season_pull", community, {"errors": measure(community)})


if __name__ == "__main__":
    main()
