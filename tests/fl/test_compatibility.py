"""What can't be combined is refused as the settings are read, with the reason and the way out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from fl.settings import REFUSALS, FederationSettings, problems

SECURE = {"secure_aggregation": {"enabled": True}, "evaluate_every": 0, "min_homes": 3}
BFV = {"enabled": True, "scheme": "bfv"}
EQUAL = {"strategy": {"weighting": "equal"}}


def robust(rule: str, attackers: int = 1) -> dict[str, Any]:
    return {"robust": {"rule": rule, "attackers": attackers}, "min_homes": 7, **EQUAL}


def private(mode: str, **other: Any) -> dict[str, Any]:
    return {"privacy": {"mode": mode}, "evaluate_every": 0, **EQUAL, **other}


def check(values: dict[str, Any]) -> FederationSettings:
    return FederationSettings.model_validate(copy.deepcopy(values))


GOSSIP = {"topology": "gossip"}
REFUSED = [
    (GOSSIP | {"retraining": {"enabled": True}}, "there is no coordinator that looks whether the model still fits"),
    (GOSSIP | {"export": True}, "peers train one model, that of load"),
    (SECURE | GOSSIP, "peers merge what single neighbours publish"),
    (private("local") | GOSSIP, "set gossip.sampled_privacy: days"),
    (robust("median") | GOSSIP, "there is no coordinator to combine"),
    (GOSSIP | {"gossip": {"sampled_privacy": "days", "clusters": 2}}, "homes would tell their kind of day"),
    (SECURE | robust("median"), "secure aggregation hides from the coordinator; choose one"),
    (SECURE | {"evaluate_every": 5}, "set evaluate_every: 0"),
    (SECURE | {"min_homes": 2}, "fewest_homes: 3; raise min_homes"),
    (robust("median") | {"strategy": {"combine": "mine", "weighting": "equal"}}, r"strategy\.combine: mine with"),
    ({"secure_aggregation": {"roster": "roster.json"}}, "a roster guards sums"),
    (
        SECURE | {"deployment": {"insecure": True}},
        "no lasting keys",
    ),
    ({"secure_aggregation": {"scheme": "bfv"}}, "nothing would be encrypted"),
    (SECURE | EQUAL | {"secure_aggregation": BFV, "privacy": {"mode": "central"}}, "homes decrypt the sum"),
    (
        SECURE | EQUAL | {"secure_aggregation": BFV, "privacy": {"mode": "distributed"}},
        "one home colluding with the coordinator reads each update",
    ),
    (private("distributed"), "enable secure_aggregation, or set privacy.mode: local"),
    (
        SECURE | EQUAL | {"privacy": {"mode": "distributed", "noise_multiplier": 1e5}},
        r"noise_multiplier 100000 and clip_norm 0.5: a home's part of the noise would go beyond 80,000",
    ),
    (
        SECURE | EQUAL | {"privacy": {"mode": "distributed", "clip_norm": 1e-7}},
        r"clip_norm 1e-07 .* would be below 2\^-22",
    ),
    (robust("krum") | private("central", min_homes=7), "measured for a mean"),
    (private("central") | {"strategy": {"weighting": "examples"}}, "set weighting: equal"),
    (private("local") | {"evaluate_every": 5}, "losses would leave the homes without noise"),
    (robust("median") | {"strategy": {"weighting": "examples"}}, "gain weight by lying"),
    (robust("bulyan", attackers=2), "needs 11 updates in a round"),
]


@pytest.mark.parametrize(("values", "complaint"), REFUSED)
def test_a_combination_is_refused_with_the_reason(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        check(values)


def test_every_refusal_has_its_case_here() -> None:
    assert len(REFUSED) == len(REFUSALS)


@pytest.mark.parametrize(
    "values",
    [
        {},
        SECURE,
        SECURE | {"secure_aggregation": {"enabled": True, "roster": "roster.json"}},
        SECURE | {"secure_aggregation": BFV},
        SECURE | private("local") | {"secure_aggregation": BFV},
        SECURE | private("distributed"),
        SECURE | private("central"),
        SECURE | {"strategy": {"name": "fedadam"}, "fraction": 0.5},
        private("central", evaluate_every=5),
        private("local"),
        private("local") | robust("median"),
        robust("multi_krum"),
        robust("bulyan"),
        robust("outliers") | {"strategy": {"weighting": "equal", "name": "fedprox"}},
    ],
)
def test_what_goes_together_is_taken(values: dict[str, Any]) -> None:
    assert problems(check(values)) == []


def test_all_reasons_are_given_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        check(SECURE | robust("median") | {"evaluate_every": 5})
    assert "choose one" in str(refused.value) and "evaluate_every: 0" in str(refused.value)


@pytest.mark.parametrize(("mode", "z", "fewest", "fits"), [
    ("distributed", 3.9e4, 3, True), ("distributed", 4e4, 3, False), ("distributed", 7.9e4, 12, True),
    ("local", 2.2e4, 12, True), ("local", 2.3e4, 12, False), ("central", 1e6, 3, True), ("off", 1e6, 3, True),
])  # fmt: skip
def test_noise_that_a_masked_sum_would_cut_is_refused(mode: str, z: float, fewest: int, fits: bool) -> None:
    """Seven standard deviations of a home's part have to fit: z C / sqrt(fewest_homes), z C in `local`."""
    values = SECURE | EQUAL | {
        "privacy": {"mode": mode, "noise_multiplier": z}, "min_homes": fewest,
        "secure_aggregation": {"enabled": True, "fewest_homes": fewest},
    }  # fmt: skip
    if fits:
        assert check(values).privacy.noise_multiplier == z
    else:
        with pytest.raises(ValidationError, match="where the entries of a masked sum end"):
            check(values)
