"""The median of the same hour of seven days, proven by who cheats: every way to have another number in its place.

Each cheat is consistent everywhere but at one check. It is refused, and a verifier without that check takes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from tests.zkp.conftest import Case, honest, inputs, random_weights, small_shape, state
from tests.zkp.statements.test_inference_attacks import alter_columns, refused
from zkp.argument.tables import LookupGroup
from zkp.errors import ProofError, WitnessError
from zkp.lstm import gates, integer_model
from zkp.lstm.grid import MEDIAN, STRIDE, Grid
from zkp.lstm.integer_model import DAYS, HISTORY, HOURS, IntegerWeights, Ints, median_of_days, round_shift
from zkp.statements import inference

pytestmark = pytest.mark.slow

Patch = pytest.MonkeyPatch
SHARE = 3
"""Sixteenths of the typical hours."""
READ = {MEDIAN: 0, "u3": 1, "u2": 30, "v1": HISTORY - 1}
"""The cells that the median is made of, and a row of each."""


@pytest.fixture(scope="module")
def case() -> Case:
    return honest(median=SHARE)


def with_outputs(case: Case, add: Ints) -> Case:
    """The home's claim with `add` [48] on top of its outputs, all that follows from them consistent."""
    output = case.trace.output + add
    forecast, rest = round_shift(output * case.trace.scale[:, None], integer_model.OUTPUT_SHIFT)
    assert (forecast != case.trace.forecast).any()
    trace = replace(case.trace, output=output, forecast=forecast, forecast_remainder=rest)
    return state(trace, case.model, case.history)


def of_typical(hour: int, value: int) -> Ints:
    """A change of one typical output [1, 48]."""
    out = np.zeros((1, 2 * HOURS), dtype=np.int64)
    out[0, hour] = value
    return out


# -- what is true ----------------------------------------------------------------------------------------------------


def test_a_median_is_proven(case: Case) -> None:
    without = IntegerModel(replace(case.model.weights, shape=replace(case.model.shape, median=0)))
    ran = without.run(case.history, case.trace.steps, case.trace.exogenous)
    share = case.trace.output - ran.output
    week = case.trace.load.reshape(DAYS, HOURS)
    assert np.array_equal(share[0, :HOURS] * 16, np.median(week, axis=0).astype(np.int64) * SHARE << 12)
    assert not share[0, HOURS:].any()
    proof = case.prove()
    for backend in ("arkworks", "py-ecc"):
        inference.verify(case.statement, proof, backend=backend)


@pytest.mark.parametrize("readings", ["nothing", "the same every hour", "two values"])
def test_equal_loads_have_a_median_that_can_be_proven(readings: str, case: Case) -> None:
    hours = np.arange(HISTORY)
    history = {
        "nothing": 0 * hours,
        "the same every hour": 0 * hours + 500,
        "two values": np.where(hours // HOURS < 3, 200, 900),
    }[readings][None, :]
    trace = case.model.run(history, case.trace.steps, case.trace.exogenous)
    again = state(trace, case.model, history)
    inference.verify(again.statement, again.prove())


@pytest.mark.parametrize("name", list(READ))
@pytest.mark.parametrize("step", [-1, 1])
def test_a_value_off_by_one_is_neither_proven_nor_accepted(
    name: str, step: int, case: Case, monkeypatch: Patch, request: pytest.FixtureRequest
) -> None:
    def change(columns: dict[str, Ints]) -> None:
        columns[name][READ[name]] += step

    alter_columns(monkeypatch, change)
    with pytest.raises(WitnessError):
        case.prove()
    request.getfixturevalue("dishonest")
    refused(case.statement, case.prove())


# -- another number in its place -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cheat:
    """Medians and sides [168] of the loads that a prover writes down; distances follow."""

    median: Ints
    side: Ints

    def place(self, columns: dict[str, Ints], load: Ints) -> None:
        """In the rows of hours."""
        for name, values in self._columns(load).items():
            columns[name][:HISTORY] = values

    def _columns(self, load: Ints) -> dict[str, Ints]:
        distance = (load - self.median) * np.sign(self.side)
        low = distance & (1 << integer_model.WIDE_BITS) - 1
        return {
            MEDIAN: self.median,
            "u3": self.side,
            "u2": low - (1 << integer_model.WIDE_BITS - 1),
            "v1": (distance >> integer_model.WIDE_BITS) - (1 << integer_model.NARROW_BITS - 1),
        }


def true_of(load: Ints) -> Cheat:
    return Cheat(np.tile(median_of_days(load), DAYS)[0].copy(), integer_model.sides_of_median(load)[0].copy())


def with_median(load: Ints, hour: int, median: int) -> Cheat:
    """As it is, but for one hour's median, with the sides that go with it."""
    out = true_of(load)
    out.median[hour::HOURS] = median
    out.side[hour::HOURS] = np.sign(load[0, hour::HOURS] - median)
    return out


def largest(load: Ints) -> Cheat:
    return with_median(load, 0, int(load[0, ::HOURS].max()))


def between(load: Ints) -> Cheat:
    """Below the median, where no load is: three loads below, four above."""
    below, middle = np.sort(load[0, ::HOURS])[2:4]
    assert middle - below > 1
    return with_median(load, 0, int(below) + 1)


def nothing_at_all(load: Ints) -> Cheat:
    """Below all of them, as large a number as there is, modulo the field: negative."""
    return with_median(load, 0, -1)


def made_up_by_another_hour(load: Ints) -> Cheat:
    """One hour's median too low, another's too high: the sides of both together add up to zero."""
    out = true_of(load)
    for hour, rank in ((0, 2), (1, 4)):
        one = with_median(load, hour, int(np.sort(load[0, hour::HOURS])[rank]))
        out.median[hour::HOURS], out.side[hour::HOURS] = one.median[hour::HOURS], one.side[hour::HOURS]
    assert out.side.sum() == 0 and out.side[::HOURS].any()
    return out


def one_day_of_its_own(load: Ints) -> Cheat:
    """The first day's row, which the output reads, has another median than the six others, its side unchanged."""
    out = true_of(load)
    hour = int(np.flatnonzero(out.side[:HOURS] == 1)[0])
    out.median[hour] -= 500
    return out


def of_the_next_hour(load: Ints) -> Cheat:
    """The rows of the first day hold the medians of the hours after them."""
    out = true_of(load)
    out.median[:HOURS] = np.roll(out.median[:HOURS], 1)
    out.side[:HOURS] = np.sign(load[0, :HOURS] - out.median[:HOURS])
    return out


def a_side_that_counts_six_times(load: Ints) -> Cheat:
    out = largest(load)
    out.side[HOURS * int(load[0, ::HOURS].argmax())] = 6
    return out


def a_negative_distance(load: Ints) -> Cheat:
    """Three of the loads below are said to be above."""
    out = largest(load)
    below = np.flatnonzero(out.side[::HOURS] == -1)
    out.side[HOURS * below[:3]] = 1
    return out


def no_constraint(monkeypatch: Patch) -> None:
    made = inference.constraints
    monkeypatch.setattr(inference, "constraints", lambda *args: made(*args)[:-1])


def no_side_gate(monkeypatch: Patch) -> None:
    made = inference.gates
    monkeypatch.setattr(inference, "gates", lambda grid: tuple(g for g in made(grid) if g.value is not gates._side))


def no_range(monkeypatch: Patch) -> None:
    made = inference.lookup_groups

    def without(grid: Grid) -> tuple[LookupGroup, ...]:
        left = {("u2",), ("v1",)}
        return tuple(replace(g, lookups=tuple(k for k in g.lookups if k.columns not in left)) for g in made(grid))

    monkeypatch.setattr(inference, "lookup_groups", without)


CHEATS: list[tuple[Callable[[Ints], Cheat], Callable[[Patch], None]]] = [
    (largest, no_constraint),
    (between, no_constraint),
    (nothing_at_all, no_constraint),
    (made_up_by_another_hour, no_constraint),
    (one_day_of_its_own, no_constraint),
    (of_the_next_hour, no_constraint),
    (a_side_that_counts_six_times, no_side_gate),
    (a_negative_distance, no_range),
]


@pytest.mark.parametrize(("cheat", "remove"), CHEATS, ids=lambda one: one.__name__)
def test_another_number_than_the_median_is_refused(
    cheat: Callable[[Ints], Cheat],
    remove: Callable[[Patch], None],
    case: Case,
    monkeypatch: Patch,
    dishonest: None,
) -> None:
    false = cheat(case.trace.load)
    extra = np.zeros((1, 2 * HOURS), dtype=np.int64)
    extra[0, :HOURS] = (false.median[:HOURS] - median_of_days(case.trace.load)) * case.model.shape.median_weight
    claim = with_outputs(case, extra)
    alter_columns(monkeypatch, lambda columns: false.place(columns, case.trace.load[0]))
    refused(claim.statement, claim.prove())
    remove(monkeypatch)
    inference.verify(claim.statement, claim.prove())


@pytest.mark.usefixtures("dishonest")
class TestWhereItGoes:
    @pytest.mark.parametrize("share", [0, SHARE - 1, SHARE + 1, 16])
    def test_another_share_than_the_models(self, share: int, case: Case) -> None:
        other = IntegerModel(replace(case.model.weights, shape=replace(case.model.shape, median=share)))
        ran = other.run(case.history, case.trace.steps, case.trace.exogenous)
        claim = with_outputs(case, ran.output - case.trace.output)
        refused(claim.statement, claim.prove())

    def test_a_model_without_a_median_has_none(self, case: Case) -> None:
        plain = honest()
        median = int(median_of_days(plain.trace.load)[0, 0])
        claim = with_outputs(plain, of_typical(0, median * case.model.shape.median_weight))
        refused(claim.statement, claim.prove())

    def test_a_model_is_another_with_another_share(self, case: Case) -> None:
        """The rows of its weights are the same."""
        weights = case.statement.weights
        digests = {replace(weights, shape=replace(weights.shape, median=k)).digest() for k in range(17)}
        assert len(digests) == 17
        proof = case.prove()
        for share in (0, SHARE + 1):
            other = replace(case.statement, weights=replace(weights, shape=replace(weights.shape, median=share)))
            with pytest.raises(ProofError):
                inference.verify(other, proof)

    def test_the_median_of_another_hour(self, case: Case) -> None:
        median = median_of_days(case.trace.load)[0]
        claim = with_outputs(case, of_typical(5, int(median[6] - median[5]) * case.model.shape.median_weight))
        refused(claim.statement, claim.prove())

    def test_a_median_in_the_mean(self, case: Case) -> None:
        median = int(median_of_days(case.trace.load)[0, 2])
        claim = with_outputs(case, of_typical(HOURS + 2, median * case.model.shape.median_weight))
        refused(claim.statement, claim.prove())

    def test_the_median_of_another_day_that_is_proven_with_it(self) -> None:
        shape = small_shape(median=SHARE)
        model = IntegerModel(random_weights(shape, 3))
        history, steps, exogenous = inputs(shape, 2, 3)
        trace = model.run(history, steps, exogenous)
        both = state(trace, model, history)
        median = median_of_days(trace.load)
        extra = np.zeros((2, 2 * HOURS), dtype=np.int64)
        extra[:, :HOURS] = (median[::-1] - median) * shape.median_weight
        claim = with_outputs(both, extra)
        refused(claim.statement, claim.prove())


def test_weights_beside_a_median_keep_their_range() -> None:
    """A head whose outputs are in range only without the median is refused when it is quantised."""
    shape = small_shape(median=16)
    weights = random_weights(replace(shape, median=0), 3)
    head = weights.head.copy()
    head[0, :HISTORY] = 15_000
    plain = replace(weights, head=head)
    IntegerModel(plain)
    with pytest.raises(ValueError, match="of its range"):
        IntegerModel(IntegerWeights(shape, plain.layers, head))


def test_rows_of_medians_stand_in_every_window() -> None:
    grid = Grid(small_shape(median=1), 3)
    assert grid.median_used == 2 * STRIDE + HISTORY <= grid.aux_used
