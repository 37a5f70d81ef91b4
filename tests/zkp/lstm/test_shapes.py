"""Any size goes through the same code: one or two layers, hidden units that are no power of two, several days,
a personal head.
"""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import commit_forecast, commit_point, window_slots
from zkp.algebra.srs import load_setup
from zkp.argument.relation import PRODUCT_PADS
from zkp.errors import ProofError
from zkp.lstm.gates import gates
from zkp.lstm.grid import Grid, columns, personal_columns
from zkp.lstm.integer_model import HISTORY, HOURS, OUTPUTS, IntegerWeights, Ints, Shape
from zkp.lstm.weights import HeadOpening, commit_weights
from zkp.statements import inference
from zkp.statements.context import Context
from zkp.zero_knowledge import revealed_values

pytestmark = pytest.mark.slow


@cache
def prove(
    shape: Shape, windows: int, personal: bool, horizon: int | None = None
) -> tuple[inference.Statement, bytes, IntegerModel]:
    """A random model of a shape, run on random windows, and its proof: made once. `horizon`: of the windows' days,
    the shape's unless told otherwise."""
    rng = np.random.default_rng([shape.steps, shape.hidden, windows])

    def draw(*size: int, scale: float) -> Ints:
        return np.rint(rng.uniform(-scale, scale, size)).astype(np.int64)

    layers = tuple(draw(4, shape.hidden, shape.inputs(k), scale=900 / shape.inputs(k)) for k in range(shape.layers))
    layers[0][:, :, : shape.loads] //= 8  # loads reach further than other inputs
    head = draw(OUTPUTS, shape.head_inputs, scale=200)
    own = draw(OUTPUTS, shape.personal_inputs, scale=12) if personal else None
    for weights in (head, own):
        if weights is not None:
            weights[HOURS:, HISTORY : shape.personal_inputs] = 0  # the means do not read the hidden state
    model = IntegerModel(IntegerWeights(shape, layers, head), own)
    trace = model.run(
        rng.integers(0, 3000, (windows, 168)),
        rng.uniform(-2, 2, (windows, shape.steps, shape.public)),
        rng.uniform(-2, 2, (windows, shape.exogenous)),
    )
    setup, days = load_setup(), tuple(range(50, 50 + windows))
    blindings, forecast_blindings = seeded(1)(windows), seeded(2)(windows)
    slots = partial(window_slots, horizon=horizon or shape.horizon)
    committed = [
        setup.curve.encode(commit_point(setup, slots(d), [int(v) for v in trace.history[b]], blindings[b]))
        for b, d in enumerate(days)
    ]
    forecasts = [commit_forecast([int(v) for v in trace.forecast[b]], forecast_blindings[b]) for b in range(windows)]
    head = None if own is None else HeadOpening.blind(shape, own, seeded(3))
    statement = inference.Statement(
        Context(b"c" * 32, b"h" * 20, days[0], 1), commit_weights(model.weights), days, tuple(committed),
        trace.steps, trace.exogenous, tuple(forecasts), None if head is None else head.commit(shape),
    )  # fmt: skip
    secrets = inference.Secrets(tuple(blindings), tuple(forecast_blindings), head)
    proof = inference.prove(statement, trace, model.weights, secrets, random=seeded(4))
    return statement, proof, model


SHAPES = {
    "one of each": (Shape(24, 1, 1, 1, 0), 1, False),
    "two layers, odd sizes": (Shape(25, 4, 5, 2, 7), 1, False),
    "two days": (Shape(26, 3, 4, 1, 2), 2, False),
    "three days, two layers, personal head": (Shape(24, 2, 3, 2, 1), 3, True),
    "many exogenous values, personal head": (Shape(24, 2, 2, 1, 400), 1, True),
    "a day of steps": (Shape(24, 8, 16, 1, 33), 1, True),
    "a week of steps": (Shape(168, 4, 6, 1, 3), 1, False),
    "loads of a week at every step": (Shape(30, 12, 5, 1, 4, lags=7, recent=3), 2, True),
    "two days ahead": (Shape(24, 2, 3, 1, 1, horizon=2), 2, True),
    "a median": (Shape(24, 2, 3, 1, 1, median=3), 1, False),
    "a median two days ahead, three days": (Shape(25, 2, 3, 1, 1, horizon=2, median=16), 3, True),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_shape_is_proven_and_verified(name: str) -> None:
    shape, windows, personal = SHAPES[name]
    statement, proof, _ = prove(shape, windows, personal)
    inference.verify(statement, proof)


def test_a_proof_does_not_serve_without_its_personal_head() -> None:
    statement, proof, _ = prove(Shape(24, 2, 3, 1, 1), 1, True)
    with pytest.raises(ProofError):
        inference.verify(replace(statement, personal=None), proof)


@pytest.mark.parametrize(("of_model", "of_days"), [(2, 1), (1, 2), (3, 2)])
def test_a_window_of_another_horizon_is_not_the_models(of_model: int, of_days: int) -> None:
    """The seven days of one day's window and of the next have six in common, and all slots of the ring."""
    with pytest.raises(ProofError):
        inference.verify(*prove(Shape(24, 2, 3, 1, 1, horizon=of_model), 1, False, horizon=of_days)[:2])


def test_a_proof_by_a_model_of_one_horizon_is_none_by_the_same_model_of_another() -> None:
    """The weights, the window and the day are the same: it is the horizon that names another model."""
    statement, proof, model = prove(Shape(24, 2, 3, 1, 1, horizon=2), 1, False)
    other = replace(statement.weights, shape=replace(model.shape, horizon=1))
    assert other.digest() != statement.weights.digest()
    with pytest.raises(ProofError):
        inference.verify(replace(statement, weights=other), proof)


@pytest.mark.parametrize("horizon", [1, 2, 3, 7])
def test_the_sizes_of_a_shape_have_one_form(horizon: int) -> None:
    shape = Shape(24, 12, 3, 1, 33, 7, 3, horizon)
    assert Shape.of_sizes(shape.sizes) == shape
    assert len(shape.sizes) == 7 + (horizon > 1)


@pytest.mark.parametrize("sizes", [(24, 12, 3, 1, 33, 7, 3, 1), (24, 12, 3, 1, 33, 7), (24, 12, 3, 1, 33, 7, 3, 8)])
def test_sizes_of_another_form_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="horizon"):
        Shape.of_sizes(sizes)


@pytest.mark.parametrize("name", list(SHAPES))
def test_no_more_is_revealed_than_is_random(name: str) -> None:
    shape, windows, personal = SHAPES[name]
    statement, _, _ = prove(shape, windows, personal)
    relation = inference.relation(statement, load_setup())
    for kind, (revealed, fresh) in revealed_values(relation).items():
        assert revealed <= fresh, kind


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_last_row_of_the_grid_holds_nothing_but_pads(name: str) -> None:
    """No gate with a selector reaches it, no column has a value there; of a personal head it is padding."""
    shape, windows, personal = SHAPES[name]
    grid = Grid(shape, windows, personal)
    last = (1 << grid.bits) - 1
    assert all(last not in gate.selector.rows() for gate in gates(grid) if gate.selector)
    assert all(column.used <= last for column in columns(grid) if not column.block)
    for column in personal_columns(grid) if personal else ():
        places = range(column.first, column.first + column.used)
        if last < column.used:
            assert places[last] % (1 << grid.head_bits) >= shape.personal_inputs


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_parts_of_the_product_are_apart_and_before_the_pads(name: str) -> None:
    shape, windows, _ = SHAPES[name]
    grid = Grid(shape, windows)
    taken = [range(first, first + (1 << grid.slot_bits(part))) for part, first in grid.slots.items()]
    slots = [slot for part in taken for slot in part]
    assert len(set(slots)) == len(slots) and max(slots) < (1 << grid.product_bits) - PRODUCT_PADS
    assert all(first % (1 << grid.slot_bits(part)) == 0 for part, first in grid.slots.items())
