"""Skill: the best tier is proven, one more is not, whatever the prover makes up."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.cases import DAY, skill_case, skill_secrets, skill_statement
from tests.zkp.conftest import context, seeded
from zkp.algebra.commitment import commit_point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.algebra.vector import Vector
from zkp.argument.relation import Witness
from zkp.errors import InvalidProof, InvalidStatement, WitnessError
from zkp.lstm.integer_model import Ints
from zkp.statements import skill

Columns = dict[str, Ints]
HOURS = range(24)


def prove(statement: skill.Statement, secrets: skill.Secrets | None = None) -> bytes:
    return skill.prove(statement, secrets or skill_secrets(), random=seeded(1))


def refused(statement: skill.Statement, proof: bytes) -> None:
    with pytest.raises(InvalidProof, match="commitments do not open"):
        skill.verify(statement, proof)


def with_means(typical: list[int]) -> list[int]:
    """A forecast; its means do not count."""
    return [*typical, *[7] * 24]


# -- what can be proven ----------------------------------------------------------------------------------------------

values = st.lists(st.integers(0, 5000), min_size=24, max_size=24)


@given(values, values, values)
def test_the_best_tier_is_the_highest_that_is_true(y: list[int], a: list[int], n: list[int]) -> None:
    tier = skill.best_tier(skill.Secrets(with_means(y), a, n, 0, 0, 0))
    error, naive = (sum(abs(p - q) for p, q in zip(left, a, strict=True)) for left in (y, n))

    def reached(t: int) -> bool:
        return 100 * error <= (100 - t) * naive

    assert all(reached(t) == (t <= tier) for t in range(101))


@examples(3)
@given(values, values, values)
def test_any_true_tier_is_proven(y: list[int], a: list[int], n: list[int]) -> None:
    secrets = skill.Secrets(with_means(y), a, n, *seeded(3)(3))
    tier = skill.best_tier(secrets)
    if tier < 0:
        with pytest.raises(WitnessError):
            prove(skill_statement(secrets, 0), secrets)
    else:
        statement = skill_statement(secrets, tier)
        skill.verify(statement, prove(statement, secrets))


@pytest.mark.parametrize(
    ("forecast", "naive", "tier"),
    [
        (0, 0, 100),  # nothing to be better than, and nothing wrong
        (0, 500, 100),
        (500, 500, 0),
        (131_071, 131_071, 0),  # the largest errors that fit
        (-131_071, 131_071, 0),
    ],
)
def test_the_ends_of_the_scale_are_proven(forecast: int, naive: int, tier: int) -> None:
    secrets = skill.Secrets(with_means([forecast] * 24), [0] * 24, [naive] * 24, *seeded(3)(3))
    assert skill.best_tier(secrets) == tier
    statement = skill_statement(secrets, tier)
    skill.verify(statement, prove(statement, secrets))


def test_a_tier_that_is_not_reached_is_not_proven_and_the_refusal_shows_no_value() -> None:
    best = skill_case().statement
    with pytest.raises(WitnessError) as refusal:
        prove(replace(best, tier=best.tier + 1))
    assert not {str(v) for v in skill_secrets().actual} & set(str(refusal.value).split())


def test_secrets_show_nothing_of_themselves() -> None:
    assert str(skill_secrets().actual[0]) not in repr(skill_secrets())


@pytest.mark.parametrize("tier", [-1, 101])
def test_a_tier_is_a_percentage(tier: int) -> None:
    with pytest.raises(InvalidStatement, match="percentage"):
        skill.Statement(context(), b"", b"", b"", tier)


# -- every value of the witness --------------------------------------------------------------------------------------

CELLS = [
    *(("bits", k) for k in (0, 17, 18, 431, 432, skill._SLACK - 1, skill._SLACK, skill._BITS - 1)),
    *((name, hour) for name in ("d", "s", "f") for hour in (0, 23)),
]


def altered(monkeypatch: pytest.MonkeyPatch, change: Callable[[Columns], None]) -> None:
    """The prover's columns, changed before they are committed."""
    honest = skill._witness

    def witness(statement: skill.Statement, secrets: skill.Secrets) -> Witness:
        made = honest(statement, secrets)
        change(made.columns)  # type: ignore[arg-type]
        return made

    monkeypatch.setattr(skill, "_witness", witness)


def test_the_loop_below_misses_no_column() -> None:
    assert {name for name, _ in CELLS} == {c.name for c in skill_case().relation().columns}


@pytest.mark.parametrize(("name", "cell", "step"), [(*cell, (-1) ** k) for k, cell in enumerate(CELLS)])
def test_a_value_off_by_one_is_neither_proven_nor_accepted(
    name: str, cell: int, step: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def change(columns: Columns) -> None:
        columns[name][cell] += step

    altered(monkeypatch, change)
    statement = skill_case().statement
    with pytest.raises(WitnessError):
        prove(statement)
    request.getfixturevalue("dishonest")
    refused(statement, prove(statement))


@pytest.mark.parametrize("name", ["forecast", "actual", "naive"])
@pytest.mark.parametrize("step", [1, -1])
def test_another_value_than_the_committed_one_is_refused(name: str, step: int) -> None:
    """The prover does not notice: all is true of the values it was given."""
    secrets = skill_secrets()
    other = list(getattr(secrets, name))
    other[5] += step
    changed = replace(secrets, **{name: other})
    easy = replace(skill_case().statement, tier=0)
    refused(easy, prove(easy, changed))


@pytest.mark.parametrize("name", ["forecast_blinding", "actual_blinding", "naive_blinding"])
def test_another_blinding_than_the_committed_one_is_refused(name: str) -> None:
    changed = replace(skill_secrets(), **{name: getattr(skill_secrets(), name) + 1})
    refused(skill_case().statement, prove(skill_case().statement, changed))


# -- a prover who wants one tier more, and lies in one place, consistent everywhere else ---------------------------


def put_number(columns: Columns, first: int, width: int, number: int) -> None:
    """As bits where it fits; else all of it in the first cell, which satisfies every linear relation."""
    cells = columns["bits"][first : first + width]
    if 0 <= number < 1 << width:
        cells[:] = [number >> k & 1 for k in range(width)]
    else:
        cells[:] = 0
        cells[0] = number


def with_slack(statement: skill.Statement, columns: Columns) -> None:
    """The slack that the other cells imply."""
    bits = columns["bits"][: skill._SLACK].reshape(48, skill.ERROR_BITS)
    errors = int((bits << np.arange(skill.ERROR_BITS)).sum())
    slack = (100 - statement.tier) * int(columns["f"].sum()) - 100 * errors
    put_number(columns, skill._SLACK, skill.SLACK_BITS, slack)


def shrink_errors(columns: Columns) -> None:
    """plus + minus smaller than |y - a| in every hour, as one of them is negative."""
    secrets = skill_secrets()
    for hour, (y, a) in enumerate(zip(secrets.forecast[:24], secrets.actual, strict=True)):
        less, error = -abs(y - a) // 4, y - a
        put_number(columns, hour * skill.ERROR_BITS, skill.ERROR_BITS, max(error, 0) + less)
        put_number(columns, (24 + hour) * skill.ERROR_BITS, skill.ERROR_BITS, max(-error, 0) + less)


def triple_naive_errors(columns: Columns) -> None:
    """A "sign" of three, 1 - 2 (-1), in every hour with n above a."""
    for hour in HOURS:
        if columns["d"][hour] > 0:
            columns["s"][hour] = -1
            columns["f"][hour] *= 3


def larger_difference(columns: Columns) -> None:
    columns["d"] += np.sign(columns["d"]) * 500
    columns["f"][:] = abs(columns["d"])


def larger_product(columns: Columns) -> None:
    columns["f"] += 500


def nothing(columns: Columns) -> None:
    """Only the slack is negative."""


LIES = {
    "negative slack": nothing,
    "errors too small": shrink_errors,
    "sign that is no sign": triple_naive_errors,
    "naive errors from other days": larger_difference,
    "naive errors made up": larger_product,
}


@pytest.mark.parametrize("name", list(LIES))
def test_a_lie_for_a_higher_tier_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    lie = LIES[name]
    best = skill_case().statement
    greedy = replace(best, tier=best.tier + 3)

    def change(columns: Columns) -> None:
        lie(columns)
        with_slack(greedy, columns)

    honest = skill._witness
    monkeypatch.setattr(skill, "_witness", lambda _, secrets: honest(best, secrets))
    altered(monkeypatch, change)
    refused(greedy, prove(greedy))


def test_these_lies_but_for_the_lie_are_accepted(monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    """The harness above is sound: with a true tier and no lie it makes a good proof."""
    best = skill_case().statement
    altered(monkeypatch, lambda columns: with_slack(best, columns))
    skill.verify(best, prove(best))


def test_a_forecast_of_another_day_is_not_scored_against_this_one() -> None:
    """The ring's slots follow from the day: readings of the day after stand elsewhere."""
    tomorrow = replace(skill_case().statement, context=context(DAY + 1))
    refused(tomorrow, prove(tomorrow))


def test_a_forecast_out_of_reach_is_refused_by_the_prover() -> None:
    far = replace(skill_secrets(), forecast=[1 << 18, *skill_secrets().forecast[1:]])
    with pytest.raises(WitnessError):
        prove(skill_case().statement, far)


# -- forecasts that are no whole numbers -----------------------------------------------------------------------------


def test_a_forecast_of_half_a_watt_hour_is_refused(monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    """y = k / 2 in the field: e - (y - a) and e + (y - a) would be whole numbers, if they were asked for. Here it is
    the parts of y - a that are, so that such a forecast has none."""
    secrets, setup = skill_secrets(), load_setup()
    half = pow(2, -1, MODULUS)
    odd = [*secrets.forecast]
    odd[0] = (2 * secrets.actual[0] + 1) * half % MODULUS  # a + 1/2
    point = commit_point(setup, range(48), odd, secrets.forecast_blinding)
    statement = replace(skill_statement(secrets, 0), forecast=setup.curve.encode(point))

    def halves(columns: Columns) -> None:
        for first in (0, 24 * skill.ERROR_BITS):
            put_number(columns, first, skill.ERROR_BITS, 0)
        put_number(columns, 0, skill.ERROR_BITS, 1)  # plus - minus = 1, and not 1/2
        with_slack(statement, columns)

    altered(monkeypatch, halves)
    exact = Vector.from_array

    def with_half(values: Ints) -> Vector:
        out = exact(values)
        if len(values) == 48:
            out[:1] = Vector.from_ints(odd[:1])
        return out

    monkeypatch.setattr(Vector, "from_array", with_half)
    refused(statement, prove(statement))
