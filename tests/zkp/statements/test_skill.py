"""Skill: the most buckets are proven, one more is not, whatever the prover makes up."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

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

pytestmark = pytest.mark.slow

Columns = dict[str, Ints]


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


weeks = st.lists(values, min_size=7, max_size=7)


def reached(secrets: skill.Secrets, buckets: int) -> bool:
    """Hour by hour, as in the statement."""
    actual = secrets.actual
    error = sum(abs(y - a) for y, a in zip(secrets.forecast[:24], actual, strict=True))
    of_days = [sum(abs(n - a) for n, a in zip(day, actual, strict=True)) for day in secrets.benchmarks]
    means = [Fraction(sum(hour), 7) for hour in zip(*secrets.benchmarks, strict=True)]
    of_mean = sum(abs(n - a) for n, a in zip(means, actual, strict=True))
    return all(100 * buckets <= e - error for e in (*of_days, of_mean)) and 2000 * buckets <= sum(actual)


@given(values, values, weeks)
def test_the_most_buckets_are_the_most_that_are_true(y: list[int], a: list[int], n: list[list[int]]) -> None:
    secrets = skill.Secrets(with_means(y), a, n, 0, 0, 0)
    most = skill.most_buckets(secrets)
    assert all(reached(secrets, count) == (count <= most) for count in range(most + 3))


@examples(3)
@given(values, values, weeks)
def test_any_true_number_of_buckets_is_proven(y: list[int], a: list[int], n: list[list[int]]) -> None:
    secrets = skill.Secrets(with_means(y), a, n, *seeded(3)(3))
    most = skill.most_buckets(secrets)
    if most < 0:
        with pytest.raises(WitnessError):
            prove(skill_statement(secrets, 0), secrets)
    else:
        statement = skill_statement(secrets, most)
        skill.verify(statement, prove(statement, secrets))


@pytest.mark.parametrize(
    ("forecast", "actual", "benchmark", "buckets"),
    [
        (0, 0, 0, 0),  # an empty home, whatever the benchmarks
        (0, 0, 500, 0),
        (1000, 1000, 500, 12),  # 120 buckets by error; by energy 12
        (100_000, 100_000, 0, 1_200),
        (131_071, 131_071, 0, 1_572),  # the largest values that fit
        (131_071, 0, 131_071, 0),
    ],
)
def test_the_ends_of_the_scale_are_proven(forecast: int, actual: int, benchmark: int, buckets: int) -> None:
    past = [[benchmark] * 24] * 7
    secrets = skill.Secrets(with_means([forecast] * 24), [actual] * 24, past, *seeded(3)(3))
    assert skill.most_buckets(secrets) == buckets
    statement = skill_statement(secrets, buckets)
    skill.verify(statement, prove(statement, secrets))


@pytest.mark.parametrize("number", range(8))
def test_every_one_of_the_benchmarks_counts(number: int) -> None:
    """The attack: make seven of the eight bad on purpose; the one that is left decides."""
    actual = [4000] * 24
    if number < 7:
        past = [[4050 if k == number else 9000] * 24 for k in range(7)]
    else:  # days on both sides, whose mean is 10 Wh off
        past = [[4000 + off] * 24 for off in (-3000, 3000, -2000, 2000, -1000, 1000, 70)]
    secrets = skill.Secrets(with_means([4000] * 24), actual, past, *seeded(3)(3))
    most = skill.most_buckets(secrets)
    assert most == (2 if number == 7 else 12)
    statement = skill_statement(secrets, most)
    skill.verify(statement, prove(statement, secrets))
    with pytest.raises(WitnessError):
        prove(replace(statement, buckets=most + 1), secrets)


def test_a_bucket_that_is_not_reached_is_not_proven_and_the_refusal_shows_no_value() -> None:
    best = skill_case().statement
    with pytest.raises(WitnessError) as refusal:
        prove(replace(best, buckets=best.buckets + 1))
    assert not {str(v) for v in skill_secrets().actual} & set(str(refusal.value).split())


def test_secrets_show_nothing_of_themselves() -> None:
    assert str(skill_secrets().actual[0]) not in repr(skill_secrets())


@pytest.mark.parametrize("buckets", [-1, 1 << 16])
def test_buckets_fit_into_two_bytes(buckets: int) -> None:
    with pytest.raises(InvalidStatement, match="a number from 0"):
        skill.Statement(context(), b"", b"", (b"",) * 7, buckets)


@pytest.mark.parametrize("count", [0, 6, 8])
def test_there_are_seven_days_of_benchmarks(count: int) -> None:
    with pytest.raises(InvalidStatement, match="beside 7 days"):
        skill.Statement(context(), b"", b"", (b"",) * count, 1)


# -- every value of the witness --------------------------------------------------------------------------------------

CELLS = [
    *(("bits", k) for k in (0, 16, 17, 407, 408, skill._SLACKS - 1)),
    *(("bits", skill._SLACKS + first) for first in (0, 21, 22, 153, 154, 178, 179, 200)),
    *((name, place) for name in ("d", "s", "f") for place in (0, 23, 24, 167, 168, 191)),
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


@pytest.mark.parametrize("name", ["forecast", "actual", 0, 3, 6])
@pytest.mark.parametrize("step", [1, -1])
def test_another_value_than_the_committed_one_is_refused(name: str | int, step: int) -> None:
    """The prover does not notice: all is true of the values it was given."""
    secrets = skill_secrets()
    other = list(secrets.benchmarks[name] if isinstance(name, int) else getattr(secrets, name))
    other[5] += step
    days = [other if k == name else day for k, day in enumerate(secrets.benchmarks)]
    new: dict[str, Any] = {"benchmarks": days} if isinstance(name, int) else {name: other}
    changed = replace(secrets, **new)
    easy = replace(skill_case().statement, buckets=0)
    refused(easy, prove(easy, changed))


@pytest.mark.parametrize("name", ["forecast_blinding", "actual_blinding", "benchmarks_blinding"])
def test_another_blinding_than_the_committed_one_is_refused(name: str) -> None:
    changed = replace(skill_secrets(), **{name: getattr(skill_secrets(), name) + 1})
    refused(skill_case().statement, prove(skill_case().statement, changed))


# -- a prover who wants three buckets more, and lies in one place, consistent everywhere else -----------------------


def put_number(columns: Columns, first: int, width: int, number: int) -> None:
    """As bits where it fits; else all of it in the first cell, which satisfies every linear relation."""
    cells = columns["bits"][first : first + width]
    if 0 <= number < 1 << width:
        cells[:] = [number >> k & 1 for k in range(width)]
    else:
        cells[:] = 0
        cells[0] = number


def with_slack(statement: skill.Statement, columns: Columns) -> None:
    """The slacks that the other cells imply."""
    bits = columns["bits"][: skill._SLACKS].reshape(48, skill.ERROR_BITS)
    need = int((bits << np.arange(skill.ERROR_BITS)).sum()) + 100 * statement.buckets
    *single, mean = (int(errors) for errors in columns["f"].reshape(8, 24).sum(axis=1))
    energy = sum(skill_secrets().actual) - 2000 * statement.buckets
    first = skill._SLACKS
    for slack, width in zip([*(e - need for e in single), mean - 7 * need, energy], skill._SLACK_WIDTHS, strict=True):
        put_number(columns, first, width, slack)
        first += width


def shrink_errors(columns: Columns) -> None:
    """plus + minus smaller than |y - a| in every hour, as one of them is negative."""
    secrets = skill_secrets()
    for hour, (y, a) in enumerate(zip(secrets.forecast[:24], secrets.actual, strict=True)):
        less, error = -abs(y - a) // 4, y - a
        put_number(columns, hour * skill.ERROR_BITS, skill.ERROR_BITS, max(error, 0) + less)
        put_number(columns, (24 + hour) * skill.ERROR_BITS, skill.ERROR_BITS, max(-error, 0) + less)


def triple_errors_of_benchmarks(columns: Columns) -> None:
    """A "sign" of three, 1 - 2 (-1), in every hour with n above a."""
    above = columns["d"] > 0
    columns["s"][above] = -1
    columns["f"][above] *= 3


def larger_difference(columns: Columns) -> None:
    columns["d"] += np.sign(columns["d"]) * 500
    columns["f"][:] = abs(columns["d"])


def larger_product(columns: Columns) -> None:
    columns["f"] += 500


def nothing(columns: Columns) -> None:
    """Only the slacks are negative."""


LIES = {
    "negative slack": nothing,
    "errors too small": shrink_errors,
    "sign that is no sign": triple_errors_of_benchmarks,
    "errors from other days": larger_difference,
    "errors of benchmarks made up": larger_product,
}


@pytest.mark.parametrize("name", list(LIES))
def test_a_lie_for_more_buckets_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    lie = LIES[name]
    best = skill_case().statement
    greedy = replace(best, buckets=best.buckets + 3)

    def change(columns: Columns) -> None:
        lie(columns)
        with_slack(greedy, columns)

    honest = skill._witness
    monkeypatch.setattr(skill, "_witness", lambda _, secrets: honest(best, secrets))
    altered(monkeypatch, change)
    refused(greedy, prove(greedy))


def test_these_lies_but_for_the_lie_are_accepted(monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    """The harness above is sound: with a true number of buckets and no lie it makes a good proof."""
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
