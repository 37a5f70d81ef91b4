"""Green share: the best tier is proven, one more is not, whatever the prover makes up."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.cases import DAY, GREEN_BLINDING, GREEN_HOURS, GREEN_READINGS, green_case, green_tier
from tests.zkp.conftest import context, seeded
from zkp.algebra.commitment import MAX_READING_WH, commit_day
from zkp.errors import InvalidProof, InvalidStatement, WitnessError
from zkp.lstm.integer_model import Ints
from zkp.statements import green_share
from zkp.statements.green_share import SLACK_BITS, Statement

BEST: Statement = green_case().statement


def prove(statement: Statement, readings: list[int] | None = None, blinding: int = GREEN_BLINDING) -> bytes:
    return green_share.prove(statement, readings or GREEN_READINGS, blinding, random=seeded(1))


def refused(statement: Statement, proof: bytes) -> None:
    with pytest.raises(InvalidProof, match="commitments do not open"):
        green_share.verify(statement, proof)


# -- what can be proven ----------------------------------------------------------------------------------------------


@examples(3)
@given(
    st.lists(st.integers(0, MAX_READING_WH), min_size=24, max_size=24).filter(any),
    st.lists(st.integers(0, 255), min_size=24, max_size=24),
)
def test_any_true_share_is_proven(readings: list[int], weights: list[int]) -> None:
    share = 100 * sum(w * v for w, v in zip(weights, readings, strict=True)) // (255 * sum(readings))
    statement = Statement(context(), commit_day(DAY, readings, 5), tuple(weights), share)
    green_share.verify(statement, prove(statement, readings, 5))


@pytest.mark.parametrize(
    ("reading", "weight", "tier"), [(0, 0, 100), (MAX_READING_WH, 255, 100), (MAX_READING_WH, 0, 0)]
)
def test_the_ends_of_the_scale_are_proven(reading: int, weight: int, tier: int) -> None:
    """A day without any load reaches every share: nothing of it was not green."""
    readings = [reading] * 24
    statement = Statement(context(), commit_day(DAY, readings, 5), (weight,) * 24, tier)
    green_share.verify(statement, prove(statement, readings, 5))


def test_the_best_tier_is_proven_and_one_more_is_not() -> None:
    assert BEST.tier == green_tier(GREEN_READINGS)
    green_share.verify(BEST, prove(BEST))
    with pytest.raises(WitnessError):
        prove(replace(BEST, tier=BEST.tier + 1))


@pytest.mark.parametrize(
    "change", [{"tier": -1}, {"tier": 101}, {"weights": GREEN_HOURS[1:]}, {"weights": (256, *GREEN_HOURS[1:])}]
)
def test_a_statement_out_of_range_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(InvalidStatement):
        replace(BEST, **change)  # type: ignore[arg-type]


# -- every value of the witness --------------------------------------------------------------------------------------


def altered(monkeypatch: pytest.MonkeyPatch, change: Callable[[Ints], None]) -> None:
    """The slack's bits, changed before they are committed; whatever the slack is."""

    def decompose(values: list[int], width: int) -> Ints:
        bits = honest([values[0] % (1 << width)], width)
        change(bits)
        return bits

    honest = green_share.decompose
    monkeypatch.setattr(green_share, "decompose", decompose)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("cell", [0, 1, 20, SLACK_BITS - 1])
def test_a_bit_off_by_one_is_neither_proven_nor_accepted(
    cell: int, step: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def change(bits: Ints) -> None:
        bits[cell] += step

    altered(monkeypatch, change)
    with pytest.raises(WitnessError):
        prove(BEST)
    request.getfixturevalue("dishonest")
    refused(BEST, prove(BEST))


@pytest.mark.parametrize("hour", range(24))
def test_another_reading_than_the_committed_one_is_refused(hour: int) -> None:
    easy, other = replace(BEST, tier=0), GREEN_READINGS.copy()
    other[hour] += 1 if hour % 2 else -1
    refused(easy, prove(easy, other))


def test_another_blinding_than_the_committed_one_is_refused() -> None:
    refused(BEST, prove(BEST, blinding=GREEN_BLINDING + 1))


# -- a prover who wants one tier more --------------------------------------------------------------------------------

GREEDY = replace(BEST, tier=BEST.tier + 1)
SLACK = sum(GREEDY.coefficient(h) * v for h, v in enumerate(GREEN_READINGS))


def test_a_negative_slack_is_no_number_of_forty_bits(monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    """All of it in one cell: the linear relation holds, the cell is no bit."""
    assert SLACK < 0

    def one_cell(bits: Ints) -> None:
        bits[:] = 0
        bits[0] = SLACK

    altered(monkeypatch, one_cell)
    refused(GREEDY, prove(GREEDY))


def test_a_slack_reduced_to_forty_bits_is_not_the_slack(monkeypatch: pytest.MonkeyPatch, dishonest: None) -> None:
    """Good bits, of slack + 2^40: what wraps in a machine's word does not wrap in the field."""
    altered(monkeypatch, lambda bits: None)
    refused(GREEDY, prove(GREEDY))


def test_greener_hours_than_the_communitys_are_refused() -> None:
    claimed = replace(BEST, weights=(255,) * 24, tier=100)
    for honest in (BEST, replace(BEST, tier=100)):
        refused(honest, prove(claimed))


def test_readings_of_another_day_are_refused() -> None:
    """The ring's slots follow from the day."""
    tomorrow = replace(BEST, context=context(DAY + 1))
    refused(tomorrow, prove(tomorrow))
