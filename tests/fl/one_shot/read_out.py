"""What a one-shot training's model has to be: ridge on the days of all its homes in one place."""

from __future__ import annotations

import numpy as np

from data.windows import Windows
from fl.one_shot.home import own_statistics
from fl.one_shot.model import read_out
from fl.one_shot.moments import regression_moments
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.one_shot.ridge import ridge
from fl.store import RoundReport
from fl.weights import Weights

PLAN = OneShotPlan(STATISTICS, (), fewest_days=10, private=False, most_windows=10_000)


def is_read_out_of(weights: Weights, report: RoundReport, windows: Windows) -> bool:
    """Whether the model's mean output is that of the windows, with the report's penalty."""
    total = own_statistics(windows, PLAN)
    expected, _ = read_out(ridge(regression_moments(total), report.extra["one_shot_penalty"]))
    return bool(np.abs(weights["mean.weight"] - expected).max() < 1e-6)
