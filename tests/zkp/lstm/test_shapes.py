"""Any size goes through the same code: one or two layers, hidden units that are no power of two, several days,
a personal head.
"""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from tests.zkp.cases import read_by
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import commit_forecast, commit_point, window_slots
from zkp.algebra.srs import load_setup
from zkp.argument.relation import revealed_values
from zkp.errors import InvalidProof
from zkp.lstm.integer_model import Ints, Shape, Weights
from zkp.lstm.weights import PersonalHead, commit_weights
from zkp.statements import inference
from zkp.statements.context import Context


def prove(shape: Shape, windows: int, personal: bool) -> tuple[inference.Statement, bytes, IntegerModel]:
    """A random model of a shape, run on random windows, and its proof."""
    rng = np.random.default_rng([shape.steps, shape.hidden, windows])

    def draw(*size: int, scale: float) -> Ints:
        return np.rint(rng.uniform(-scale, scale, size)).astype(np.int64)

    layers = tuple(draw(4, shape.hidden, shape.inputs(k), scale=900 / shape.inputs(k)) for k in range(shape.layers))
    layers[0][:, :, : shape.loads] //= 8  # loads reach further than other inputs
    own = draw(24, shape.head_inputs, scale=50) if personal else None
    model = IntegerModel(Weights(shape, layers, draw(24, shape.head_inputs, scale=200)), own)
    trace = model.run(
        rng.integers(0, 3000, (windows, 168)),
        rng.uniform(-2, 2, (windows, shape.steps, shape.public)),
        rng.uniform(-2, 2, (windows, shape.exogenous)),
    )
    setup, days = load_setup(), tuple(range(50, 50 + windows))
    blindings, forecast_blindings = seeded(1)(windows), seeded(2)(windows)
    committed = [
        setup.curve.encode(commit_point(setup, window_slots(d), [int(v) for v in trace.history[b]], blindings[b]))
        for b, d in enumerate(days)
    ]
    forecasts = [commit_forecast([int(v) for v in trace.forecast[b]], forecast_blindings[b]) for b in range(windows)]
    head = None if own is None else PersonalHead.blind(shape, own, seeded(3))
    statement = inference.Statement(
        Context(b"c" * 32, b"h" * 20, days[0], 1), commit_weights(model.weights), days, tuple(committed),
        trace.steps, trace.exogenous, tuple(forecasts), None if head is None else head.commit(shape),
    )  # fmt: skip
    secrets = inference.Secrets(tuple(blindings), tuple(forecast_blindings), head)
    proof = inference.prove(statement, trace, model.weights, secrets, random=seeded(4))
    return statement, proof, model


SHAPES = {
    "one of each": (Shape(1, 1, 1, 1, 0), 1, False),
    "two layers, odd sizes": (Shape(5, 4, 5, 2, 7), 1, False),
    "two days": (Shape(6, 3, 4, 1, 2), 2, False),
    "three days, two layers, personal head": (Shape(3, 2, 3, 2, 1), 3, True),
    "a day of steps": (Shape(24, 8, 16, 1, 33), 1, True),
    "a week of steps": (Shape(168, 4, 6, 1, 3), 1, False),
    "loads of a week at every step": (Shape(30, 12, 5, 1, 4, lags=7, recent=3), 2, True),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_shape_is_proven_and_verified(name: str) -> None:
    shape, windows, personal = SHAPES[name]
    statement, proof, _ = prove(shape, windows, personal)
    inference.verify(statement, proof)


def test_a_proof_does_not_serve_without_its_personal_head() -> None:
    statement, proof, _ = prove(Shape(3, 2, 3, 1, 1), 1, True)
    with pytest.raises(InvalidProof):
        inference.verify(replace(statement, personal=None), proof)


@pytest.mark.parametrize("name", list(SHAPES))
def test_no_more_is_revealed_than_is_random(name: str) -> None:
    shape, windows, personal = SHAPES[name]
    statement, _, _ = prove(shape, windows, personal)
    relation = inference.relation(statement, load_setup())
    for kind, (revealed, fresh) in revealed_values(relation).items():
        assert revealed <= fresh, kind
    for column in relation.columns:
        for gate in (*relation.gates, *relation.groups):
            rows = gate.selector.rows()
            assert column.used not in rows or column.name not in read_by(gate), column.name
