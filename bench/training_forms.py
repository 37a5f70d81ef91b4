"""`python -m bench.training_forms [--data fontana|london|PATH]`: forms of training, compared before the test days.

All learn on the first 85 % of the days before the test days and are judged on the rest of them, so that the form
can be chosen without a look at the test days: centralised, local rounds alone, local rounds and gradients, and
gradients after a single local round. Errors are the mean home's nMAE of the typical hours and the total's WAPE of
the means, without and with personal heads. Writes out/bench/training_forms-DATA.json and prints it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench.accuracy_data import FONTANA, open_community
from bench.accuracy_methods import Central, Federated, Personal
from bench.local_rounds import FORECASTING, OUT, SHAPE
from bench.training_cost import errors_in
from data.atomic import write_bytes
from data.features import public_features
from data.windows import Windows, make_windows
from fl.settings import FederationSettings
from forecasting.evaluation import Split

LEARN_SHARE = 0.85
FORMS: dict[str, dict[str, Any]] = {
    "local rounds": {"rounds": 40},
    "local rounds and gradients": {},
    "gradients": {"strategy": {"local_rounds": 1}},
}


def measure(learn: Windows, judged: Windows, forms: Mapping[str, Mapping[str, Any]], epochs: int) -> dict[str, Any]:
    """By form: errors without personal heads and with them; of the centralised training, in `epochs`, without."""
    usual = FederationSettings()
    central = Central(epochs, usual.local.learning_rate).learn(learn)
    out: dict[str, Any] = {"centralised": {"plain": asdict(errors_in(central(judged), judged))}}
    for name, told in forms.items():
        federated = Federated(FederationSettings.model_validate(told))
        plain, personal = federated.learn(learn), Personal(federated).learn(learn)
        out[name] = {
            "plain": asdict(errors_in(plain(judged), judged)),
            "personal": asdict(errors_in(personal(judged), judged)),
        }
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=FONTANA, help="fontana, london, or a table of unique_id, ds, y")
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    community = open_community(asked.data, asked.cache)
    readings, clock = community.data.readings, community.clock
    split = Split.by_share(readings, clock, FORECASTING.train_share, FORECASTING.test_share)
    features = public_features(community.data.weather, clock)
    windows = make_windows(readings, features, clock, steps=SHAPE.steps, shifts=FORECASTING.shifts)
    first = int(windows.day.min())
    end = first + int((split.test_start - first) * LEARN_SHARE)
    judged = windows.between(end, split.test_start).at_day_start()
    chosen = {name: FORMS[name] for name in asked.forms}
    result = {"data": community.name} | measure(windows.between(0, end), judged, chosen, epochs=80)
    write_bytes(OUT / f"training_forms-{community.name}.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
