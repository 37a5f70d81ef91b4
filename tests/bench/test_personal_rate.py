"""A personal head's rate is compared on the same model and days; without a head the forecast is the community's."""

from __future__ import annotations

import numpy as np

from bench import personal_rate
from bench.local_rounds import SHAPE
from data.day import HOURS_PER_DAY
from forecasting.model import LoadForecaster
from tests.fl.federation import made_up_windows


def test_rate_zero_is_the_communitys_model_and_others_are_not() -> None:
    windows = made_up_windows(("home-a", "home-b", "home-c"), days=50)
    learn, judged = windows.between(0, 40), windows.between(40, 50)
    model = LoadForecaster(SHAPE)
    plain, personal = (personal_rate.errors(model, learn, judged, rate) for rate in (0.0, 3e-4))
    values = model.outputs(judged).in_wh()[:, :HOURS_PER_DAY]
    homes = [
        float(np.abs(values[own] - judged.target[own]).mean() / judged.target[own].mean())
        for own in (judged.unique_id == home for home in ("home-a", "home-b", "home-c"))
    ]
    assert plain == personal_rate.Errors(round(float(np.mean(homes)), 4), round(float(np.median(homes)), 4))
    assert personal != plain
