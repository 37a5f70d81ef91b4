"""Inference, proven by who cheats and skips every check of the own (tests/zkp/dishonest.py): it must be refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from tests.zkp.dishonest import play_to_the_end
from zkp.algebra.commitment import commit_point
from zkp.algebra.field import inverse
from zkp.algebra.srs import load_setup
from zkp.algebra.vector import Vector
from zkp.argument import relation as argument
from zkp.argument import sumcheck
from zkp.argument.masks import CommittedMasks
from zkp.argument.relation import PADS
from zkp.argument.sumcheck import Mask
from zkp.argument.transcript import ProverChannel
from zkp.errors import InvalidProof, MalformedProof, WitnessError
from zkp.lstm import grid as lstm
from zkp.lstm import integer_model
from zkp.lstm.grid import FORECAST_ROW, MULTIPLIER_ROW, OUTPUT_ROW, SCALE_ROW, Grid
from zkp.lstm.integer_model import Ints, Shape, Trace, Weights, round_shift
from zkp.lstm.weights import PersonalHead
from zkp.statements import inference

Patch = pytest.MonkeyPatch


def alter_columns(monkeypatch: Patch, change: Callable[[dict[str, Ints]], None]) -> None:
    """The prover's columns, changed before they are committed."""
    honest = lstm.column_values

    def altered(grid: Grid, trace: Trace) -> dict[str, Ints]:
        columns = {name: values.copy() for name, values in honest(grid, trace).items()}
        change(columns)
        return columns

    monkeypatch.setattr(lstm, "column_values", altered)


def refused(statement: inference.Statement, proof: bytes) -> None:
    with pytest.raises(InvalidProof):
        inference.verify(statement, proof)


# -- every value of the witness --------------------------------------------------------------------------------------

AUX_CELLS = {
    0: ("p", "q", "u0", "u1", "v0", "whole", "seen", "live", "kept"),
    OUTPUT_ROW: ("u0", "u1", "u2"),
    FORECAST_ROW: ("p", "q", "u0", "u1", "u2", "v0", "v1"),
    SCALE_ROW: ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1"),
    MULTIPLIER_ROW: ("p", "u0", "u1", "v0"),
}
"""Columns with a meaning in each kind of row; elsewhere they are range-checked, and nothing reads them."""

GRID = Grid(Shape(4, 3, 3, 1, 5), 1)
COLUMNS = [c.name for c in lstm.columns(GRID)]
CELLS = [(name, row) for row, names in AUX_CELLS.items() for name in names]
CELLS += [(name, 5) for name in COLUMNS if name.startswith("0.")]  # step 1, unit 1


def test_the_loop_below_misses_no_column() -> None:
    assert {name for name, _ in CELLS} == set(COLUMNS)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize(("name", "row"), CELLS)
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
            rows = [r for r in range(len(index)) if r % 4 < 3 and table[index[r]] == table[index[r] + 1]]
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
        """A run of five steps with the first one kept to itself: all is right but for where it starts."""
        shape = replace(case.model.shape, steps=5)
        longer = IntegerModel(Weights(shape, case.model.weights.layers, case.model.weights.head))
        steps = np.concatenate([case.trace.steps[:, :1], case.trace.steps], axis=1)
        long = longer.run(case.history, steps, case.trace.exogenous)
        cheat = restate(without_first_step(long), case.model, case.history)

        def own_start(columns: dict[str, Ints]) -> None:
            columns["0.before"][:3] = long.layers[0].cell[0, 0] + integer_model.CELL_OFFSET

        alter_columns(monkeypatch, own_start)
        refused(cheat.statement, cheat.prove())

    def test_wrong_scale_of_the_home(self, case: Any, monkeypatch: Patch) -> None:
        """A multiplier one lower, with every load rounded by it: only the multiplier's own range says no."""

        def lower(columns: dict[str, Ints]) -> None:
            trace = case.trace
            load, rest = round_shift(case.history * (trace.multiplier - 1)[:, None], integer_model.SCALE_SHIFT)
            false = replace(trace, multiplier=trace.multiplier - 1, load=load, load_remainder=rest)
            columns.update(honest(GRID, false))

        honest = lstm.column_values
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

    @pytest.mark.parametrize("slot", [24, 168, 4095])
    def test_a_forecast_commitment_that_holds_more_than_24_hours(
        self, case: Any, slot: int, monkeypatch: Patch
    ) -> None:
        """A 25th value would be summed into the community's total, and nobody could open that any more."""
        values = [*case.trace.forecast[0].tolist(), 1]
        setup = load_setup()
        longer = setup.curve.encode(commit_point(setup, [*range(24), slot], values, case.secrets.forecasts[0]))
        statement = replace(case.statement, forecasts=(longer,))
        supplied = inference._supplied_values

        def with_extra(*args: Any) -> Any:
            rows = supplied(*args)
            row, blinding = rows["forecast 0"][0]
            cells = Vector.zeros(slot + 1)
            cells[: len(row)] = row
            cells[slot:] = Vector.from_ints([1])
            return {**rows, "forecast 0": [(cells, blinding)]}

        monkeypatch.setattr(inference, "_supplied_values", with_extra)
        refused(statement, case.prove(statement=statement))

    def test_a_cell_that_the_next_step_does_not_take_over(self, case: Any, monkeypatch: Patch) -> None:
        def lower(columns: dict[str, Ints]) -> None:
            columns["0.before"][GRID.units : 2 * GRID.units] -= 1

        alter_columns(monkeypatch, lower)
        refused(case.statement, case.prove())

    def test_mask_value_that_covers_a_false_sum(self, case: Any, monkeypatch: Patch) -> None:
        def lie(*args: Any) -> list[int]:
            return play_to_the_end(*args, lie=True)

        def add_one(columns: dict[str, Ints]) -> None:
            columns["0.gate0"][5] += 1

        monkeypatch.setattr(sumcheck, "prove", lie)
        alter_columns(monkeypatch, add_one)
        with pytest.raises(InvalidProof, match="mask"):
            inference.verify(case.statement, case.prove())

    def test_mask_left_out_of_the_commitment(self, case: Any, monkeypatch: Patch) -> None:
        def none(self: CommittedMasks, setup: Any) -> Any:
            return setup.curve.identity()

        monkeypatch.setattr(CommittedMasks, "commit", none)
        with pytest.raises(MalformedProof, match="identity"):
            inference.verify(case.statement, case.prove())

    def test_mask_left_out_of_the_sum(self, case: Any, monkeypatch: Patch) -> None:
        """Committed, but not added: the rounds are those of the bare sum."""

        def bare(channel: ProverChannel, label: str, summand: Any, claim: int, mask: Mask) -> list[int]:
            return play_to_the_end(channel, label, summand, claim, Mask(mask.shape, [0] * mask.shape.size))

        monkeypatch.setattr(sumcheck, "prove", bare)
        refused(case.statement, case.prove())


def run_again(model: IntegerModel, case: Any) -> Trace:
    return model.run(case.history, case.trace.steps, case.trace.exogenous)


def without_first_step(trace: Trace) -> Trace:
    layers = []
    for layer in trace.layers:
        parts = {n: v[:, :, 1:] if v.ndim == 4 else v[:, 1:] for n, v in vars(layer).items()}
        layers.append(replace(layer, **parts))
    return replace(trace, steps=trace.steps[:, 1:], layers=tuple(layers))


# -- a personal head is private: what stands in its padding is the prover's choice -------------------------------


def test_padding_of_a_personal_head_cannot_shift_the_forecast(build: Any, restate: Any, monkeypatch: Patch) -> None:
    """A one in the padding, opposite a random slot of the product, adds any number to the product's total."""
    honest = build(personal=True, hidden=8)
    shape, shift = honest.model.shape, 40
    grid = Grid(shape, 1)
    size = 1 << grid.head_bits
    assert grid.head_product_bits == 1 + 5 + grid.unit_bits, "the last slots are opposite hours that are padding"
    private = honest.secrets.personal
    cells, products, fill = inference.weights.head_cells, lstm.product_vectors, argument._Prover._fill

    def padded_cells(grid: Grid, head: Ints) -> Vector:
        out = cells(grid, head)
        if head is private.values:
            out[31 * size + grid.units - 2 :][:1] = Vector.from_ints([1])
        return out

    def padded_products(grid: Grid, trace: Trace, model: Weights, head: Ints, draw: Any) -> Any:
        *layers, (left, right) = products(grid, trace, model, head, draw)
        longer = Vector.zeros(1 << grid.head_product_bits)
        longer[: len(right)] = right
        longer[len(longer) - 2 :][:1] = Vector.from_ints([1])
        return [*layers, (left, longer)]

    def chosen_slot(self: Any) -> None:
        fill(self)
        slot = self.layout.blocks[PADS].offset + 3 * shape.layers + 1
        self.cells[slot : slot + 1] = Vector.from_ints([shift << integer_model.WIDE_BITS])

    monkeypatch.setattr(inference.weights, "head_cells", padded_cells)
    monkeypatch.setattr(lstm, "product_vectors", padded_products)
    monkeypatch.setattr(argument._Prover, "_fill", chosen_slot)
    monkeypatch.setattr(sumcheck, "prove", play_to_the_end)
    output = honest.trace.output + shift
    forecast, rest = round_shift(output * honest.trace.scale[:, None], integer_model.SCALE_SHIFT)
    trace = replace(honest.trace, output=output, forecast=forecast, forecast_remainder=rest)
    assert isinstance(private, PersonalHead)
    cheat = restate(trace, honest.model, honest.history, private)
    refused(cheat.statement, cheat.prove())
