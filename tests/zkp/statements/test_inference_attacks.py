"""Inference, proven by who cheats and skips every check of the own (tests/zkp/dishonest.py): it must be refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from zkp.algebra.commitment import commit_point
from zkp.algebra.field import inverse
from zkp.algebra.srs import load_setup
from zkp.algebra.vector import Vector
from zkp.argument import gates, products, sumcheck
from zkp.errors import InvalidProof, WitnessError
from zkp.lstm import integer_model
from zkp.lstm.grid import FORECAST_ROW, MULTIPLIER_ROW, SCALE_ROW, Grid, columns
from zkp.lstm.integer_model import HISTORY, OUTPUTS, IntegerWeights, Ints, Shape, Trace, round_shift
from zkp.lstm.weights import HeadOpening
from zkp.statements import inference

pytestmark = pytest.mark.slow

Patch = pytest.MonkeyPatch


def alter_columns(monkeypatch: Patch, change: Callable[[dict[str, Ints]], None]) -> None:
    """The prover's columns, changed before they are committed."""
    honest = inference.column_values

    def altered(grid: Grid, trace: Trace, personal: Ints | None = None) -> dict[str, Ints]:
        made = {name: values.copy() for name, values in honest(grid, trace, personal).items()}
        change(made)
        return made

    monkeypatch.setattr(inference, "column_values", altered)


def refused(statement: inference.Statement, proof: bytes) -> None:
    with pytest.raises(InvalidProof):
        inference.verify(statement, proof)


# -- every value of the witness --------------------------------------------------------------------------------------

AUX_CELLS = {
    0: ("p", "q", "u0", "u1", "v0", "whole", "seen", "over", "kept"),
    FORECAST_ROW: ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1"),
    FORECAST_ROW + OUTPUTS - 1: ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1"),
    SCALE_ROW: ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1"),
    MULTIPLIER_ROW: ("u0", "u1", "v0"),
}
"""Columns with a meaning in each kind of row; elsewhere they are range-checked, and nothing reads them."""

GRID = Grid(Shape(24, 3, 3, 1, 5), 1)
COLUMNS = [c.name for c in columns(GRID)]
CELLS = [(name, row) for row, names in AUX_CELLS.items() for name in names]
CELLS += [(name, 5) for name in COLUMNS if name.startswith("0.")]  # step 1, unit 1


def test_the_loop_below_misses_no_column() -> None:
    assert {name for name, _ in CELLS} == set(COLUMNS)


@pytest.mark.parametrize(("name", "row", "step"), [(*cell, (-1) ** k) for k, cell in enumerate(CELLS)])
def test_a_value_off_by_one_is_neither_proven_nor_accepted(
    name: str, row: int, step: int, case: Any, monkeypatch: Patch, request: pytest.FixtureRequest
) -> None:
    def change(columns: dict[str, Ints]) -> None:
        columns[name][row] += step

    alter_columns(monkeypatch, change)
    with pytest.raises(WitnessError):
        case.prove()
    request.getfixturevalue("dishonest")
    refused(case.statement, case.prove())


def test_the_dishonest_prover_proves_what_is_true(case: Any, dishonest: None) -> None:
    inference.verify(case.statement, case.prove())


# -- whole computations that are wrong in one place, consistent everywhere else ---------------------------------


@pytest.mark.usefixtures("dishonest")
class TestMaliciousProver:
    def test_wrong_table_entry(self, case: Any, restate: Any, monkeypatch: Patch) -> None:
        table = integer_model.sigmoid_table()
        with monkeypatch.context() as during:
            during.setattr(integer_model, "sigmoid_table", lambda: np.minimum(table + 1, 256))
            trace = run_again(case.model, case)
        cheat = restate(trace, case.model, case.history)
        assert (trace.forecast != case.trace.forecast).any()
        refused(cheat.statement, cheat.prove())

    def test_remainder_out_of_range(self, case: Any, monkeypatch: Patch) -> None:
        """Index one up, remainder 2^11 down: the sum stays, and so does the gate where the table is flat."""
        table = integer_model.sigmoid_table()

        def borrow(columns: dict[str, Ints]) -> None:
            index = columns["0.index0"]
            rows = [r for r in range(len(index)) if r % 4 < 3 and table[index[r] + 2048] == table[index[r] + 2049]]
            index[rows[0]] += 1
            columns["0.rest0"][rows[0]] -= 1 << integer_model.WIDE_BITS

        alter_columns(monkeypatch, borrow)
        refused(case.statement, case.prove())

    def test_a_fraction_of_the_field_as_hidden_state(self, case: Any, monkeypatch: Patch) -> None:
        """h = exact / 2^8 in the field satisfies the gate with any remainder; only its range says no."""
        exact = Vector.from_array

        def fraction(values: Ints) -> Vector:
            out = exact(values)
            if values is marked[0]:
                rest = int(marked[1][5])
                out[5:6] = Vector.from_ints([int(values[5]) + rest * inverse(256)])
            return out

        marked: list[Ints] = []

        def no_remainder(columns: dict[str, Ints]) -> None:
            marked.extend([columns["0.hidden"], columns["0.hidden rest"].copy()])
            columns["0.hidden rest"][5] = 0
            assert marked[1][5]

        alter_columns(monkeypatch, no_remainder)
        monkeypatch.setattr(Vector, "from_array", fraction)
        refused(case.statement, case.prove())

    def test_a_negative_load_that_wraps_around_the_field(self, case: Any, monkeypatch: Patch) -> None:
        def wrap(columns: dict[str, Ints]) -> None:
            columns["whole"][0] -= 1
            columns["u0"][0] += 1 << integer_model.WIDE_BITS

        alter_columns(monkeypatch, wrap)
        refused(case.statement, case.prove())

    def test_wrong_hidden_state_of_the_step_before(self, case: Any, restate: Any) -> None:
        """All values as if h were zero at every step."""
        forgetful = case.model.weights.layers[0].copy()
        forgetful[:, :, 3:6] = 0
        other = IntegerModel(replace(case.model.weights, layers=(forgetful,)))
        cheat = restate(run_again(other, case), case.model, case.history)
        assert (cheat.trace.forecast != case.trace.forecast).any()
        refused(cheat.statement, cheat.prove())

    def test_wrong_initial_state(self, case: Any, restate: Any, monkeypatch: Patch) -> None:
        """A run of one step more with the first one kept to itself: all is right but for where it starts."""
        shape = replace(case.model.shape, steps=25)
        longer = IntegerModel(IntegerWeights(shape, case.model.weights.layers, case.model.weights.head))
        steps = np.concatenate([case.trace.steps[:, :1], case.trace.steps], axis=1)
        long = longer.run(case.history, steps, case.trace.exogenous)
        cheat = restate(without_first_step(long), case.model, case.history)

        def own_start(columns: dict[str, Ints]) -> None:
            columns["0.before"][:3] = long.layers[0].cell[0, 0]

        alter_columns(monkeypatch, own_start)
        refused(cheat.statement, cheat.prove())

    def test_wrong_scale_of_the_home(self, case: Any, monkeypatch: Patch) -> None:
        """A multiplier one lower, with every load rounded by it: only the multiplier's own range says no."""

        def lower(columns: dict[str, Ints]) -> None:
            trace = case.trace
            load, rest = round_shift(case.history * (trace.multiplier - 1)[:, None], integer_model.SCALE_SHIFT)
            false = replace(trace, multiplier=trace.multiplier - 1, load=load, load_remainder=rest)
            columns.update(honest(GRID, false))

        honest = inference.column_values
        alter_columns(monkeypatch, lower)
        refused(case.statement, case.prove())

    def test_another_forecast_than_the_committed_one(self, case: Any, restate: Any) -> None:
        higher = replace(case.trace, forecast=case.trace.forecast + 1)
        refused(restate(higher, case.model, case.history).statement, case.prove())

    def test_other_public_features(self, case: Any, restate: Any) -> None:
        """A run on other weather, claimed to be on the published one."""
        trace = case.model.run(case.history, np.clip(case.trace.steps + 100, -512, 512), case.trace.exogenous)
        cheat = restate(trace, case.model, case.history)
        assert (trace.forecast != case.trace.forecast).any()
        statement = replace(cheat.statement, steps=case.statement.steps)
        refused(statement, cheat.prove(statement=statement))

    def test_another_model_than_the_committed_one(self, case: Any, restate: Any) -> None:
        head = case.model.weights.head.copy()
        head[3, -1] += 50
        other = IntegerModel(replace(case.model.weights, head=head))
        cheat = restate(run_again(other, case), other, case.history)
        statement = replace(cheat.statement, weights=case.statement.weights)
        refused(statement, cheat.prove(statement=statement))

    @pytest.mark.parametrize("hour", [0, 100, 167])
    def test_other_readings_than_the_committed_ones(self, case: Any, restate: Any, hour: int) -> None:
        history = case.history.copy()
        history[0, hour] += 1
        trace = case.model.run(history, case.trace.steps, case.trace.exogenous)
        cheat = restate(trace, case.model, history)
        statement = replace(cheat.statement, windows=case.statement.windows)
        refused(statement, cheat.prove(statement=statement))

    def test_a_window_that_ends_on_another_day(self, case: Any) -> None:
        """The right readings in the wrong order: the statement's day says which slot is the oldest."""
        later = replace(case.statement.context, day=case.statement.days[0] + 1)
        statement = replace(case.statement, context=later, days=(later.day,))
        refused(statement, case.prove(statement=statement))

    @pytest.mark.parametrize("slot", [48, 168, 4095])
    def test_a_forecast_commitment_that_holds_more_than_48_values(
        self, case: Any, slot: int, monkeypatch: Patch
    ) -> None:
        """A 49th value would be summed into the community's total, and nobody could open that any more."""
        values = [*case.trace.forecast[0].tolist(), 1]
        setup = load_setup()
        longer = setup.curve.encode(commit_point(setup, [*range(48), slot], values, case.secrets.forecasts[0]))
        statement = replace(case.statement, forecasts=(longer,))
        supplied = inference._input_values

        def with_extra(*args: Any) -> Any:
            rows = supplied(*args)
            row, blinding = rows["forecast 0"][0]
            cells = Vector.zeros(slot + 1)
            cells[: len(row)] = row
            cells[slot:] = Vector.from_ints([1])
            return {**rows, "forecast 0": [(cells, blinding)]}

        monkeypatch.setattr(inference, "_input_values", with_extra)
        refused(statement, case.prove(statement=statement))

    def test_a_cell_that_the_next_step_does_not_take_over(self, case: Any, monkeypatch: Patch) -> None:
        def lower(columns: dict[str, Ints]) -> None:
            columns["0.before"][GRID.units : 2 * GRID.units] -= 1

        alter_columns(monkeypatch, lower)
        refused(case.statement, case.prove())

    def test_a_mean_that_is_another_than_the_models(self, case: Any, restate: Any) -> None:
        """The second half of a forecast is held as the first one is."""
        output = case.trace.output.copy()
        output[0, 40] += 1 << 30
        forecast, rest = round_shift(output * case.trace.scale[:, None], integer_model.OUTPUT_SHIFT)
        false = replace(case.trace, output=output, forecast=forecast, forecast_remainder=rest)
        assert (forecast != case.trace.forecast).any()
        cheat = restate(false, case.model, case.history)
        refused(cheat.statement, cheat.prove())

    @pytest.mark.parametrize("step", ["gates", "products"])
    def test_a_pad_that_covers_a_false_sum(self, case: Any, step: str, monkeypatch: Patch) -> None:
        """The prover picks the mask's cells after it has seen the point: they are committed before."""
        module = {"gates": gates, "products": products}[step]
        honest = module._claims

        def fitting(*args: Any) -> Any:
            """The claim about the mask left out: as if the cells had the value that is wanted."""
            return honest(*args)[:-1]

        def add_one(columns: dict[str, Ints]) -> None:
            columns["0.gate0"][5] += 1

        alter_columns(monkeypatch, add_one)
        with monkeypatch.context() as during:
            during.setattr(module, "_claims", fitting)
            proof = case.prove()
        refused(case.statement, proof)

    def test_masks_left_out_of_the_sums(self, case: Any, monkeypatch: Patch) -> None:
        """Committed, but not added: the rounds are those of the bare sum."""
        honest = sumcheck.prove

        def bare(channel: Any, label: str, summand: Any, weights: Any, claim: int, mask: list[int]) -> Any:
            return honest(channel, label, summand, weights, claim, [0] * len(mask))

        monkeypatch.setattr(sumcheck, "prove", bare)
        refused(case.statement, case.prove())

    def test_a_last_row_that_is_not_the_pads(self, case: Any, monkeypatch: Patch) -> None:
        """A gate broken in another row, its error said to be that of the last row."""
        interpolate = gates.gate_sum

        def add_one(columns: dict[str, Ints]) -> None:
            columns["0.cell rest"][5] += 1

        def hide(relation: Any, columns: Any, *rest: Any) -> Any:
            found = interpolate(relation, columns, *rest)
            one_row = all(len(v) == 1 for v in columns.values() if isinstance(v, Vector))
            return found + 12345 if one_row and isinstance(found, Vector) else found

        alter_columns(monkeypatch, add_one)
        monkeypatch.setattr(gates, "gate_sum", hide)
        refused(case.statement, case.prove())


def run_again(model: IntegerModel, case: Any) -> Trace:
    return model.run(case.history, case.trace.steps, case.trace.exogenous)


def without_first_step(trace: Trace) -> Trace:
    layers = []
    for layer in trace.layers:
        parts = {n: v[:, :, 1:] if v.ndim == 4 else v[:, 1:] for n, v in vars(layer).items()}
        layers.append(replace(layer, **parts))
    return replace(trace, steps=trace.steps[:, 1:], layers=tuple(layers))


# -- a personal head is private: what its cells may be ---------------------------------------------------------------


def with_head_cells(monkeypatch: Patch, change: Callable[[Ints], None]) -> None:
    """The cells of the personal head, [48, inputs], changed before they are committed; weights keep their places."""
    weights, honest = inference.weights, inference.weights.personal_cells

    def altered(grid: Grid, head: Ints) -> Ints:
        cells = honest(grid, head).reshape(OUTPUTS, -1).copy()
        change(cells)
        return cells.ravel()

    monkeypatch.setattr(weights, "personal_cells", altered)


def without_the_range_check(monkeypatch: Patch) -> None:
    """Prover and verifier without the lookups of a personal head's weights: what these lookups are for."""
    looked_up = inference.lookup_groups
    monkeypatch.setattr(inference, "lookup_groups", lambda grid: looked_up(replace(grid, personal=False)))


def again(home: Any, restate: Any, output: Ints, personal: HeadOpening) -> Any:
    """The home's claim with other outputs, all that follows from them consistent."""
    forecast, rest = round_shift(output * home.trace.scale[:, None], integer_model.OUTPUT_SHIFT)
    trace = replace(home.trace, output=output, forecast=forecast, forecast_remainder=rest)
    return restate(trace, home.model, home.history, personal)


@pytest.mark.parametrize("column", ["exogenous", "one", "padding"])
def test_a_personal_head_has_no_say_on_what_is_public(
    column: str, build: Any, restate: Any, monkeypatch: Patch, dishonest: None
) -> None:
    """Weights on weekdays, or a bias, would let a household choose its forecast of each weekday when it pins the
    head. They are not read: a forecast that follows from them is refused, one that does not is taken."""
    home = build(personal=True)
    shape, private = home.model.shape, home.secrets.personal
    place = {"exogenous": shape.personal_inputs, "one": shape.head_inputs - 1, "padding": shape.head_inputs}[column]
    value = {"exogenous": int(home.trace.exogenous[0, 0]), "one": 1, "padding": 1}[column]
    assert value
    output = home.trace.output.copy()
    output[0, 3] += 500 * value * integer_model.PERSONAL_LOAD_SCALE

    def choose(cells: Ints) -> None:
        cells[3, place] = 500

    with_head_cells(monkeypatch, choose)
    honest = restate(home.trace, home.model, home.history, private)
    inference.verify(honest.statement, honest.prove())
    cheat = again(home, restate, output, private)
    refused(cheat.statement, cheat.prove())


@pytest.mark.parametrize("weight", [-integer_model.PERSONAL_LIMIT - 1, integer_model.PERSONAL_LIMIT, 1 << 40])
def test_a_personal_weight_out_of_range_is_neither_proven_nor_accepted(
    weight: int, build: Any, restate: Any, monkeypatch: Patch, request: pytest.FixtureRequest
) -> None:
    home = build(personal=True)
    values = home.secrets.personal.values.copy()
    values[30, 7] = weight
    head = HeadOpening(values, home.secrets.personal.blindings)
    with pytest.raises(WitnessError, match="personal weight"):
        head.commit(home.model.shape)
    request.getfixturevalue("dishonest")
    extra = (weight - int(home.secrets.personal.values[30, 7])) * home.trace.load[0, 7]
    output = home.trace.output.copy()
    output[0, 30] += extra * integer_model.PERSONAL_LOAD_SCALE
    if abs(int(output[0, 30])) < integer_model.OUTPUT_LIMIT:
        cheat = again(home, restate, output, head)
        refused(cheat.statement, cheat.prove())
        without_the_range_check(monkeypatch)
        inference.verify(cheat.statement, cheat.prove())


def test_a_personal_weight_that_is_no_integer_is_refused(
    build: Any, restate: Any, monkeypatch: Patch, dishonest: None
) -> None:
    """2^11 / 7 in the field: with such weights outputs could be interpolated. The load it stands beside is a multiple
    of 7, so that the output is an integer and everything but the weight's range is satisfied."""
    home = build(personal=True)
    hour = next(k for k in range(HISTORY) if home.trace.load[0, k] and home.trace.load[0, k] % 7 == 0)
    fraction = (1 << 11) * inverse(7)
    exact, size = Vector.from_array, 1 << GRID.head_bits

    def with_fraction(values: Ints) -> Vector:
        out = exact(values)
        if len(values) == OUTPUTS * size and values[2 * size + hour] == 777:
            out[2 * size + hour :][:1] = Vector.from_ints([fraction])
        return out

    def mark(cells: Ints) -> None:
        cells[2, hour] = 777

    honest = inference.sides

    def fractional_sides(*args: Any) -> Any:
        """The product's right side with that weight in it."""
        *rest, draw = args
        drawn: list[int] = []
        left, right = honest(*rest, lambda: drawn.append(draw()) or drawn[-1])
        outputs, place = drawn[-2], GRID.slots["shared"] + hour
        lacks = (fraction - int(private.values[2, hour])) * integer_model.PERSONAL_LOAD_SCALE
        right[place : place + 1] = right[place : place + 1] + outputs * outputs * lacks
        return left, right

    with_head_cells(monkeypatch, mark)
    monkeypatch.setattr(Vector, "from_array", with_fraction)
    monkeypatch.setattr(inference, "sides", fractional_sides)
    private = home.secrets.personal
    delta = (int(home.trace.load[0, hour]) // 7 << 11) - int(private.values[2, hour]) * int(home.trace.load[0, hour])
    output = home.trace.output.copy()
    output[0, 2] += delta * integer_model.PERSONAL_LOAD_SCALE
    cheat = again(home, restate, output, private)
    refused(cheat.statement, cheat.prove())
    without_the_range_check(monkeypatch)
    inference.verify(cheat.statement, cheat.prove())
