"""A run that is not the documented one never overwrites the documented one's files."""

from __future__ import annotations

import pytest

from bench import heterogeneity, privacy, robustness
from bench.options import SEED, Options, options, parser

METHODS = ("mean", "Multi-Krum", "median")


def asked(*words: str) -> Options:
    return options("robustness", parser(None, METHODS, "rules", "quick").parse_args(words), METHODS)


def test_a_full_run_has_the_files_of_the_docs() -> None:
    for words in ((), ("--seed", str(SEED)), ("--rules", *METHODS), ("--workers", "1")):
        assert asked(*words).path(".json").name == "robustness.json"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--quick",), "robustness-quick"),
        (("--seed", "7"), "robustness-seed7"),
        (("--rules", "median", "Multi-Krum"), "robustness-multi_krum-median"),
        (("--quick", "--seed", "7", "--rules", "mean"), "robustness-quick-seed7-mean"),
    ],
)
def test_any_other_run_has_files_of_its_own(words: tuple[str, ...], name: str) -> None:
    chosen = asked(*words)
    assert chosen.path(".json").name == f"{name}.json" and chosen.path(".png").name == f"{name}.png"


def test_a_method_that_is_not_known_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked("--rules", "best")
    assert "'Multi-Krum'" in capsys.readouterr().err


def test_the_options_reach_every_training() -> None:
    rules = robustness.cases(quick=True, rules=["median"], seed=7)
    assert {(case.rule, case.seed) for case in rules} == {("median", 7)}
    kinds = privacy.cases(quick=True, homes=200, kinds=["local, fixed"], seed=7)
    assert {(case.kind, case.seed) for case in kinds} == {("no privacy", 7), ("local, fixed", 7)}
    assert heterogeneity.Case("growing", "FedAvg, equal", 3).seed == SEED


def test_the_documented_runs_draw_the_noise_that_they_drew() -> None:
    case = privacy.Case("central, fixed", 17, 10.0, 8)
    assert repr(case) == "Case(kind='central, fixed', homes=17, target=10.0, rounds=8)"
