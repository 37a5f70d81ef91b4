"""`python -m bench.training_forms [--data fontana|london|PATH]`: forms of training, compared before the test days.

All learn on the first 85 % of the days before the test days and are judged on the rest of them, so that the form
can be chosen without a look at the test days: centralised, local rounds alone, local rounds and gradients, and
gradients after a single local round. Errors are the mean home's nMAE of the typical hours and the total's WAPE of
the means, without and with personal heads. Writes out/bench/training_forms-DATA.json and prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench import before_test
from bench.accuracy_methods import Central, Federated, Personal
from bench.training_cost import errors_in
from data.windows import Windows
from fl.settings import FederationSettings

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
    options = before_test.parser(__doc__)
    options.add_argument("--forms", nargs="*", default=list(FORMS), choices=list(FORMS))
    asked = options.parse_args(arguments)
    community = before_test.opened(asked)
    learn, judged = before_test.stretch_of(community)
    chosen = {name: FORMS[name] for name in asked.forms}
    before_test.written("training_forms", community, measure(learn, judged, chosen, epochs=80))


if __name__ == "__main__":
    main()
