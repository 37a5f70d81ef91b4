"""`python -m bench.accuracy_new_home [--data NAME] [--homes N]`: what the community's model is worth to a new home.

The home is left out of the federation; it joins at the beginning of the test days with its last 7, 14 or 28 days
before them (and the week before those, which the first window reads), and is scored on the test days. These figures
are in `bench.accuracy`, too, with `--quick` those of three homes. Writes out/bench/accuracy_new_home-DATA.json and
prints it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from bench import before_test
from bench.accuracy_methods import Federated, Local, homes_of, personal
from bench.local_rounds import FORECASTING, SHAPE
from data.citylearn import CommunityData
from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.windows import Windows, make_windows
from fl.settings import FederationSettings
from forecasting.evaluation import Split
from forecasting.training import forecast

Array = NDArray[np.float64]
DAYS_KNOWN = (7, 14, 28)
WAYS = ("mean_7_days", "ridge_alone", "lstm_alone", "community_model", "community_model_own_head")


def measure_new_homes(
    community: CommunityData, clock: DayClock, split: Split, settings: FederationSettings, homes: int
) -> dict[str, dict[str, float]]:
    """Median nMAE over the first `homes` homes that have the days it takes, each of which joins, by days known and
    way of forecasting; nothing for none."""
    if homes == 0:
        return {}
    features = public_features(community.weather, clock)
    windows = make_windows(community.readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    errors: dict[str, dict[str, list[float]]] = {str(d): {way: [] for way in WAYS} for d in DAYS_KNOWN}
    joining = [home for home in homes_of(windows) if _has_days(windows.of_home(home), split)][:homes]
    if not joining:
        return {}
    for home in joining:
        federated = Federated(settings)
        federated.learn(_others(windows.between(0, split.train_end), home))
        own = windows.of_home(home)
        test = own.between(split.test_start, split.test_end).at_day_start()
        for days in DAYS_KNOWN:
            known = own.between(split.test_start - days, split.test_start)
            for way, values in _forecasts(federated, known, test, settings).items():
                errors[str(days)][way].append(float(np.abs(values - test.target).sum() / test.target.sum()))
    return {days: {way: float(np.median(v)) for way, v in ways.items()} for days, ways in errors.items()}


def _has_days(own: Windows, split: Split) -> bool:
    """Whether a home has days to be known by even where fewest are, and days to be judged by."""
    known = own.between(split.test_start - min(DAYS_KNOWN), split.test_start)
    return known.days > 0 and own.between(split.test_start, split.test_end).days > 0


def _others(windows: Windows, home: str) -> Windows:
    return windows.where(windows.unique_id != home)


def _forecasts(federated: Federated, known: Windows, test: Windows, settings: FederationSettings) -> dict[str, Array]:
    epochs = (settings.rounds - settings.gradient_rounds) * settings.local.epochs
    alone = Local(epochs, settings.local.learning_rate).learn(known)
    values = (
        test.history.reshape(len(test), 7, 24).mean(axis=1),
        _ridge(known, test),
        alone(test),
        forecast(federated.model, test),
        personal(federated.model, known)(test),
    )
    return dict(zip(WAYS, (v[:, :HOURS_PER_DAY] for v in values), strict=True))


def _ridge(known: Windows, test: Windows) -> Array:
    def inputs(windows: Windows) -> Array:
        return np.asarray(np.concatenate([windows.history / scale(windows), windows.exogenous], axis=1))

    def scale(windows: Windows) -> Array:
        return np.asarray(windows.history.mean(axis=1, keepdims=True) + 1.0)

    known = known.at_day_start()
    model = Ridge(alpha=300.0).fit(inputs(known), known.target / scale(known))
    return np.asarray(np.maximum(model.predict(inputs(test)) * scale(test), 0))


def main(arguments: Sequence[str] | None = None) -> None:
    options = before_test.parser(__doc__)
    options.add_argument("--homes", type=int, default=17, help="so many homes join, one after another")
    asked = options.parse_args(arguments)
    community = before_test.opened(asked)
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    found = measure_new_homes(community.data, clock, split, FederationSettings(), asked.homes)
    before_test.written("accuracy_new_home", community, {"homes": asked.homes, "new_home": found})


if __name__ == "__main__":
    main()
