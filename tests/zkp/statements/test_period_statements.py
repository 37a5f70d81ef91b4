"""Shares of a period: the true one is proven, one more watt-hour is not, whatever the prover makes up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.protocol.shared_energy import shared
from tests.support.laws import examples
from tests.zkp.cases import PERIOD, PERIOD_BLINDINGS, PERIOD_READINGS, Honest, allotted_case, shared_case
from tests.zkp.conftest import context, seeded
from zkp.algebra.commitment import MAX_READING_WH, commit_day, commit_hours, ring_slots
from zkp.errors import InvalidProof, InvalidStatement, WitnessError
from zkp.lstm.integer_model import Ints
from zkp.statements import allotted_energy, period, shared_energy
from zkp.statements.shared_energy import FRACTION_BITS, ONE

pytestmark = pytest.mark.slow


@pytest.fixture(params=[shared_case, allotted_case], ids=["in proportion", "by allotments"])
def case(request: pytest.FixtureRequest) -> Honest:
    made: Honest = request.param()
    return made


def prove(case: Honest, statement: Any, readings: Sequence[Sequence[int]] = PERIOD_READINGS) -> bytes:
    made: bytes = case.module.prove(statement, readings, PERIOD_BLINDINGS, random=seeded(1))
    return made


def refused(case: Honest, statement: Any, proof: bytes) -> None:
    with pytest.raises(InvalidProof, match="commitments do not open"):
        case.module.verify(statement, proof)


# -- what can be proven ----------------------------------------------------------------------------------------------

_DAY = st.lists(st.one_of(st.integers(0, 3000), st.just(MAX_READING_WH)), min_size=24, max_size=24)


@examples(3)
@given(st.lists(_DAY, min_size=3, max_size=3), st.data())
def test_any_true_share_is_proven(readings: list[list[int]], data: st.DataObject) -> None:
    days = (context().day, context().day + 3, context().day + 300)
    commitments = tuple(commit_day(d, r, 5) for d, r in zip(days, readings, strict=True))
    for module in (shared_energy, allotted_energy):
        number = st.integers(0, module.Statement.most)
        numbers = tuple(tuple(data.draw(st.lists(number, min_size=24, max_size=24))) for _ in days)
        share = module.share_of(numbers, readings)
        statement = module.Statement(context(), days, commitments, numbers, share)
        module.verify(statement, module.prove(statement, readings, [5, 5, 5], random=seeded(1)))


def test_a_coefficient_of_one_gives_all_that_was_measured() -> None:
    case, whole = shared_case(), sum(map(sum, PERIOD_READINGS))
    all_of_it = replace(case.statement, numbers=((ONE,) * 24,) * 2, share=whole)
    case.module.verify(all_of_it, prove(case, all_of_it))


def test_a_month_has_a_row_for_each_of_its_weeks() -> None:
    days = tuple(range(context().day, context().day + 31))
    of = replace(
        shared_case().statement, days=days, commitments=shared_case().statement.commitments[:1] * 31,
        numbers=((0,) * 24,) * 31,
    )  # fmt: skip
    assert [place for week in of.weeks for place in week] == list(range(31))
    assert len(of.weeks) in (5, 6) and all(len({d % 7 for d in week}) == len(week) for week in of.weeks)


@pytest.mark.parametrize("module", [shared_energy, allotted_energy])
def test_quarters_of_an_hour_are_four_commitments_a_day(module: Any) -> None:
    """Its 96 values in four blocks of 24, numbered 4 day + 0 to 3: a row holds seven blocks instead of days."""
    rng, first = np.random.default_rng(1), 4 * context().day
    blocks = tuple(range(first, first + 8))  # two days
    readings = rng.integers(0, 900, (8, 24)).tolist()
    numbers = tuple(map(tuple, rng.integers(0, module.Statement.most, (8, 24)).tolist()))
    commitments = tuple(commit_day(number, block, 5) for number, block in zip(blocks, readings, strict=True))
    share = module.share_of(numbers, readings)
    of = module.Statement(replace(context(), day=first), blocks, commitments, numbers, share)
    proof = module.prove(of, readings, [5] * 8, random=seeded(1))
    module.verify(of, proof)
    swapped = (commitments[1], commitments[0], *commitments[2:])
    for false in (replace(of, share=share + 1), replace(of, commitments=swapped)):
        with pytest.raises(InvalidProof):
            module.verify(false, proof)


def test_by_the_hour_never_less_is_shared_than_by_its_quarters() -> None:
    rng = np.random.default_rng(2)
    taken, fed_in = rng.integers(0, 900, (2, 96))
    quarters = np.minimum(taken, fed_in).reshape(24, 4).sum(axis=1)
    hours = shared(fed_in.reshape(24, 4).sum(axis=1).tolist(), taken.reshape(24, 4).sum(axis=1).tolist())
    assert all(hour >= sum_ for hour, sum_ in zip(hours, quarters.tolist(), strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"days": PERIOD[::-1]},
        {"days": (PERIOD[0], PERIOD[0])},  # a day twice
        {"days": (PERIOD[0] + 1, PERIOD[1])},  # another first day than the context's
        {"days": PERIOD[:1]},
        {"commitments": ()},
        {"commitments": (bytes(47), bytes(48))},
        {"numbers": ((0,) * 24,)},
        {"numbers": ((0,) * 24, (0,) * 23)},
        {"numbers": ((0,) * 24, (-1,) * 24)},
        {"numbers": ((0,) * 24, (ONE + 1,) * 24)},
        {"share": -1},
        {"share": period.MAX_SHARE_WH},
    ],
)
def test_a_statement_out_of_shape_cannot_be_made(case: Honest, change: dict[str, object]) -> None:
    with pytest.raises(InvalidStatement):
        replace(case.statement, **change)


# -- a member who wants more -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [1, -1, 1000])
def test_another_share_than_the_true_one_is_neither_proven_nor_accepted(
    case: Honest, more: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = replace(case.statement, share=case.statement.share + more)
    with pytest.raises(WitnessError):
        prove(case, claimed)
    request.getfixturevalue("dishonest")
    if case.module is shared_energy:
        rest_modulo(monkeypatch)
    else:
        monkeypatch.setattr(allotted_energy, "require", lambda holds, where: None)
    refused(case, claimed, prove(case, claimed))


def rest_modulo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits of the rest, whatever it is: good bits, of the rest + k 2^32."""
    honest = shared_energy.decompose
    monkeypatch.setattr(shared_energy, "decompose", lambda v, width: honest([v[0] % (1 << width)], width))


def test_a_negative_rest_in_one_cell_is_no_number_of_32_bits(
    monkeypatch: pytest.MonkeyPatch, dishonest: None
) -> None:
    """Rounding up: one watt-hour more, and the linear relation holds; the cell is no bit."""
    case = shared_case()
    claimed = replace(case.statement, share=case.statement.share + 1)
    rest = shared_energy.weighted_sum(claimed.numbers, PERIOD_READINGS) - (claimed.share << FRACTION_BITS)
    assert -ONE <= rest < 0
    bits = np.zeros(FRACTION_BITS, dtype=np.int64)
    bits[0] = rest
    monkeypatch.setattr(shared_energy, "decompose", lambda values, width: bits)
    refused(case, claimed, prove(case, claimed))


def test_other_readings_than_the_committed_ones_are_refused(case: Honest, dishonest: None) -> None:
    other = [PERIOD_READINGS[0], [v + 7 for v in PERIOD_READINGS[1]]]
    claimed = replace(case.statement, share=case.module.share_of(case.statement.numbers, other))
    refused(case, claimed, prove(case, claimed, other))


def test_a_day_in_the_place_of_another_is_refused(case: Honest, dishonest: None) -> None:
    """The better of two signed days, counted twice: its commitment stands in the slots of its own day."""
    best = case.statement.commitments[0]
    twice = replace(case.statement, commitments=(best, best))
    readings = [PERIOD_READINGS[0]] * 2
    claimed = replace(twice, share=case.module.share_of(twice.numbers, readings))
    refused(case, claimed, prove(case, claimed, readings))


def test_a_negative_reading_is_signed_by_no_meter_and_raises_no_share(case: Honest, dishonest: None) -> None:
    """Export counted as a negative import: a meter refuses it, and where it was signed it is no hour of zero."""
    with pytest.raises(InvalidStatement, match="between 0 and"):
        commit_day(PERIOD[0], [-500, *PERIOD_READINGS[0][1:]], 1)
    hour = 9
    negative, zero = ([*PERIOD_READINGS[0][:hour], v, *PERIOD_READINGS[0][hour + 1 :]] for v in (-500, 0))
    forged = commit_hours(ring_slots(PERIOD[0]), negative, PERIOD_BLINDINGS[0])
    numbers = case.statement.numbers
    shares = [case.module.share_of(numbers, [first, PERIOD_READINGS[1]]) for first in (negative, zero)]
    assert shares[0] < shares[1]
    as_zero = replace(case.statement, commitments=(forged, case.statement.commitments[1]), share=shares[1])
    refused(case, as_zero, prove(case, as_zero, [zero, PERIOD_READINGS[1]]))


# -- by allotments: every value of the witness -----------------------------------------------------------------------


def altered(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Ints]], None]) -> None:
    honest = allotted_energy._columns

    def columns(allotments: Ints, readings: Ints) -> dict[str, Ints]:
        out = honest(allotments, readings)
        change(out)
        return out

    monkeypatch.setattr(allotted_energy, "_columns", columns)
    monkeypatch.setattr(allotted_energy, "require", lambda holds, where: None)


@pytest.mark.parametrize("column", [f"{kind} {k}" for kind in "uv" for k in range(allotted_energy.VALUE_BITS)])
def test_every_bit_counts(column: str, monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    case = allotted_case()

    def change(columns: dict[str, Ints]) -> None:
        columns[column][9] ^= 1

    altered(monkeypatch, change)
    refused(case, case.statement, prove(case, case.statement))


def less_unused(hour: int, by: int) -> Callable[[dict[str, Ints]], None]:
    """More taken in an hour than the minimum: both differences smaller by as much, as the linear constraints ask."""

    def change(columns: dict[str, Ints]) -> None:
        for kind in "uv":
            names = [f"{kind} {k}" for k in range(allotted_energy.VALUE_BITS)]
            value = sum(int(columns[name][hour]) << k for k, name in enumerate(names)) + by
            for k, name in enumerate(names):
                columns[name][hour] = value >> k & 1 if value >= 0 else (value if k == 0 else 0)

    return change


@pytest.mark.parametrize("by", [1, -1, 40])
def test_an_hour_gives_neither_more_nor_less_than_the_minimum(
    by: int, monkeypatch: pytest.MonkeyPatch, dishonest: None
) -> None:
    """Less is refused by u v = 0, more by the bits: one of the differences would be negative."""
    case = allotted_case()
    claimed = replace(case.statement, share=case.statement.share - by)
    altered(monkeypatch, less_unused(9, by))
    refused(case, claimed, prove(case, claimed))
