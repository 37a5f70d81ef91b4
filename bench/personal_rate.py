"""`python -m bench.personal_rate [--data fontana|london|PATH]`: at what rate a home's personal head is to be trained.

Two stretches before the test days: learnt on the first 70 % of the days before them and judged on the next 15 %, and
learnt on 85 % and judged on the rest. Errors are the mean and the median home's nMAE, of forecasts before they are
rounded to integers. Writes out/bench/personal_rate-DATA.json and prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench import before_test
from bench.accuracy_data import Community
from bench.accuracy_methods import Federated, homes_of
from bench.local_rounds import FORECASTING
from data.day import HOURS_PER_DAY
from data.windows import Windows
from fl.settings import FederationSettings
from forecasting.local_model import Reader
from forecasting.personal import fit_home_head, forecast_personal

STRETCHES = ((0.7, 0.85), (0.85, 1.0))
RATES = (0.0, 7.5e-5, 1.5e-4, 3e-4)
"""Zero: no personal head."""


@dataclass(frozen=True)
class Errors:
    """Of the homes' nMAE."""

    mean: float
    median: float


def errors(model: Reader, learn: Windows, judged: Windows, rate: float) -> Errors:
    """With heads that are trained at a rate, as the settings say otherwise."""
    settings = FORECASTING.model_copy(update={"personal_rate": rate})
    found = []
    for home in homes_of(judged):
        days = judged.of_home(home)
        head = fit_home_head(model, learn.of_home(home), settings) if rate else None
        values = model.outputs(days).in_wh() if head is None else forecast_personal(model, head, days)
        found.append(float(np.abs(values[:, :HOURS_PER_DAY] - days.target).mean() / days.target.mean()))
    return Errors(round(float(np.mean(found)), 4), round(float(np.median(found)), 4))


def measure(community: Community) -> dict[str, dict[str, dict[str, float]]]:
    """By stretch and rate."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for begin, end in STRETCHES:
        learn, judged = before_test.stretch_of(community, begin, end)
        federated = Federated(FederationSettings())
        federated.learn(learn)
        out[f"{begin} to {end}"] = {str(rate): vars(errors(federated.model, learn, judged, rate)) for rate in RATES}
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    community = before_test.opened(before_test.parser(__doc__).parse_args(arguments))
    before_test.written("personal_rate", community, {"errors": measure(community)})


if __name__ == "__main__":
    main()
