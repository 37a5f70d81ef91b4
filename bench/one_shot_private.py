"""The private regression twin by the epsilon that its one release spends: a part of `bench.one_shot`.

The 17 real homes and, beside them, 200 block-bootstrapped from these (as in `bench.privacy`). Noise comes from seeds.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.federation import bootstrap
from bench.local_rounds import accuracy_of
from data.windows import Windows
from fl.dp.accountant import noise_multiplier_for
from fl.dp.noise import gaussian
from fl.one_shot.hour_inputs import hour_inputs, hour_targets, of_all_hours
from fl.one_shot.load_inputs import forecast
from fl.one_shot.private_ridge import adassp, private_statistics, with_noise
from fl.one_shot.sizes import LOAD_BOUND
from fl.one_shot.statistics import Statistics, regression_statistics
from fl.protection_settings import PrivacySettings

TARGETS = (1.0, 3.0, 10.0, 30.0, 100.0, None)
CLIP_NORM = 1.5
SIZES = (17, 200)
DRAWS = 5


def measure_private(learn: Windows, test: Windows) -> list[dict[str, Any]]:
    """A row for each size and epsilon (None: no noise): figures of the test days, means over draws of the noise."""
    rows = []
    for homes in SIZES:
        windows = learn if homes == len(np.unique(learn.unique_id)) else bootstrap(learn, homes, 140, seed=2026)
        total = reduce(
            Statistics.__add__, [_sent(windows.of_home(str(name))) for name in np.unique(windows.unique_id)]
        )
        for target in TARGETS:
            multiplier = 0.0 if target is None else noise_multiplier_for(target, 1, PrivacySettings(mode="central"))
            draws = [_figures(total, multiplier, test, f"{homes} {target} {k}") for k in range(DRAWS)]
            mean = {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]}
            rows.append({"homes": homes, "epsilon": target, "noise_multiplier": multiplier, **mean})
    return rows


def _sent(own: Windows) -> Statistics:
    return private_statistics(regression_statistics(hour_inputs(own), hour_targets(own), LOAD_BOUND), CLIP_NORM, 0)


def _figures(total: Statistics, multiplier: float, test: Windows, draw: str) -> dict[str, float]:
    def noise(count: int) -> NDArray[np.float64]:
        return gaussian(count, hashlib.sha256(draw.encode()).digest())

    stddev = multiplier * CLIP_NORM
    model = adassp(with_noise(total, stddev, noise), stddev)
    whole = of_all_hours(model, test.exogenous.shape[1])
    return asdict(accuracy_of(forecast(whole, test), test))
