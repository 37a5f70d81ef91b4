"""`python -m bench.median_share [--data fontana|london|PATH]`: how much of a typical hour is to be the week's median.

Learnt on the first 85 % of the days before the test days and judged on the rest of them, so that the share can be
chosen without a look at the test days. Beside the median of the same hour on the last seven days stand their mean,
which a head could read without it, and the mean of the middle three. Errors are the mean home's nMAE, without and
with personal heads, as proven. Writes out/bench/median_share-DATA.json and prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench import before_test
from bench.accuracy_methods import Federated, by_home, homes_of
from bench.local_rounds import FORECASTING, SHAPE
from bench.training_cost import errors_in
from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.settings import FederationSettings
from fl.weights import from_state_dict
from forecasting.integer import quantise
from forecasting.model import LoadForecaster
from forecasting.personal import fit_home_head

Array = NDArray[np.float64]
SIXTEENTHS = range(0, 7)
PLAIN = replace(SHAPE, median=0)
STATISTICS: dict[str, Callable[[Array], Array]] = {
    "median": lambda week: np.asarray(np.median(week, axis=1)),
    "mean": lambda week: np.asarray(week.mean(axis=1)),
    "middle_three": lambda week: np.asarray(np.sort(week, axis=1)[:, 2:5].mean(axis=1)),
}


def forecasts(learn: Windows, judged: Windows, settings: FederationSettings) -> dict[str, Array]:
    """Without a median [n, 48] Wh, without personal heads and with them."""
    federated = Federated(settings)
    federated.learn(learn)
    state = federated.model.state_dict()
    model = LoadForecaster(PLAIN)
    model.load_state_dict(state)

    def proven(home: str | None) -> Callable[[Windows], Array]:
        head = None if home is None else fit_home_head(model, learn.of_home(home), FORECASTING)
        integer = quantise(from_state_dict(state), PLAIN, None if head is None else head.as_mapping())
        return lambda asked: integer.run(asked.history, asked.steps, asked.exogenous).forecast.astype(np.float64)

    own = {home: proven(home) for home in homes_of(judged)}
    return {"plain": proven(None)(judged), "personal": by_home(judged, own)}


def errors(judged: Windows, found: dict[str, Array]) -> dict[str, dict[str, dict[str, float]]]:
    """The mean home's error by statistic, sixteenths of it, and heads."""
    week = judged.history.reshape(len(judged), -1, HOURS_PER_DAY).astype(np.float64)
    out: dict[str, dict[str, dict[str, float]]] = {}
    for name, statistic in STATISTICS.items():
        of_week = statistic(week)
        out[name] = {}
        for sixteenths in SIXTEENTHS:
            share = sixteenths / 16
            mixed = {
                heads: np.concatenate([(1 - share) * values[:, :HOURS_PER_DAY] + share * of_week, values], axis=1)
                for heads, values in found.items()
            }
            out[name][str(sixteenths)] = {
                heads: round(errors_in(values, judged).home, 4) for heads, values in mixed.items()
            }
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    community = before_test.opened(before_test.parser(__doc__).parse_args(arguments))
    learn, judged = before_test.stretch_of(community)
    found = errors(judged, forecasts(learn, judged, FederationSettings()))
    before_test.written("median_share", community, {"days": len(np.unique(judged.day)), "errors": found})


if __name__ == "__main__":
    main()
