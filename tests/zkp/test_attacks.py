"""What a cheating household could try on the inference proof, by loops over every column and every message."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from zkp import lstm, sumcheck
from zkp.commitment import commit_forecast, commit_point, window_slots
from zkp.errors import InvalidProof, MalformedProof, ProofError, WitnessError
from zkp.field import MODULUS
from zkp.integer_model import Ints, Shape, Trace, Weights
from zkp.lstm import Grid
from zkp.setup import load_setup
from zkp.statements import inference
from zkp.statements.context import Context
from zkp.weights import commit_weights

SHAPE = Shape(steps=4, features=3, hidden=3, layers=1, exogenous=5)
DAY = 100


def seeded(seed: int) -> Callable[[int], list[int]]:
    source = random.Random(seed)
    return lambda count: [source.randrange(MODULUS) for _ in range(count)]


@dataclass
class Case:
    statement: inference.Statement
    trace: Trace
    weights: Weights
    secrets: inference.Secrets

    def prove(self, trace: Trace | None = None) -> bytes:
        return inference.prove(self.statement, trace or self.trace, self.weights, self.secrets, random=seeded(5))


def make_case() -> Case:
    rng = np.random.default_rng(1)

    def draw(*size: int, scale: float) -> Ints:
        return np.rint(rng.uniform(-scale, scale, size)).astype(np.int64)

    layer = draw(4, SHAPE.hidden, SHAPE.inputs(0), scale=500)
    layer[:, :, 0] //= 8
    model = IntegerModel(Weights(SHAPE, (layer,), draw(24, SHAPE.head_inputs, scale=200)))
    history = rng.integers(100, 3000, (1, 168))
    history[0, -1] = 120_000  # so that the load is clipped once
    features = rng.uniform(-1, 1, (1, SHAPE.steps, SHAPE.features - 1)), rng.uniform(-1, 1, (1, SHAPE.exogenous))
    trace = model.run(history, *features)
    blinding, forecast_blinding = seeded(2)(2)
    setup = load_setup()
    window = commit_point(setup, window_slots(DAY), [int(v) for v in history[0]], blinding)
    statement = inference.Statement(
        Context(b"c" * 32, b"h" * 20, DAY, 1), commit_weights(model.weights), (DAY,),
        (setup.curve.encode(window),), trace.steps, trace.exogenous,
        (commit_forecast([int(v) for v in trace.forecast[0]], forecast_blinding),),
    )  # fmt: skip
    return Case(statement, trace, model.weights, inference.Secrets((blinding,), (forecast_blinding,)))


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


@pytest.fixture(scope="module")
def proof(case: Case) -> bytes:
    return case.prove()


def test_an_honest_proof_is_accepted_by_both_backends(case: Case, proof: bytes) -> None:
    inference.verify(case.statement, proof)
    inference.verify(case.statement, proof, backend="py-ecc")


GRID = Grid(SHAPE, 1)
COLUMNS = [c.name for c in lstm.columns(GRID)]


@pytest.fixture
def reckless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover that has thrown its own checks away: sums that do not match are sent all the same."""

    def prove(channel, label, summand, claim, mask):  # type: ignore[no-untyped-def]
        """`sumcheck.prove` without its check: the first value is bent so that the round agrees with the claim."""
        shape = mask.shape
        channel.send_scalars(f"{label}/mask total", [mask.total()])
        rho = channel.challenge(f"{label}/mask")
        claim = (claim + rho * mask.total()) % MODULUS
        point, bound = [0] * shape.variables, 0
        for k in reversed(range(shape.variables)):
            pairs = zip(summand.round_values(shape.degree), mask.round_values(k, bound), strict=True)
            values = [(f + rho * g) % MODULUS for f, g in pairs]
            values[0] = (claim - values[1]) % MODULUS
            channel.send_scalars(f"{label}/round", values[:1] + values[2:])
            point[k] = channel.challenge(f"{label}/point")
            claim = sumcheck.interpolate(values, point[k])
            bound += mask.at(k, point[k])
            summand.bind(point[k])
        channel.send_scalars(f"{label}/mask value", [(mask.coefficients[0] + bound) % MODULUS])
        return point

    monkeypatch.setattr(sumcheck, "prove", prove)


def cell_of(column: str) -> int:
    """A cell of the column that some rule speaks of."""
    return {"u3": lstm.SCALE_ROW, "v1": lstm.FORECAST_ROW, "u2": lstm.OUTPUT_ROW}.get(column, 2 * GRID.units + 1)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_changed_by_one_is_refused_even_from_a_reckless_prover(
    case: Case, column: str, monkeypatch: pytest.MonkeyPatch, reckless: None
) -> None:
    honest = lstm.column_values

    def altered(grid: Grid, trace: Trace) -> dict[str, Ints]:
        values = honest(grid, trace)
        values[column] = values[column].copy()
        values[column][cell_of(column)] += 1
        return values

    monkeypatch.setattr(lstm, "column_values", altered)
    try:
        forged = case.prove()
    except WitnessError:
        return  # the prover could not even count its lookups
    with pytest.raises(InvalidProof):
        inference.verify(case.statement, forged)


@pytest.mark.parametrize("column", COLUMNS)
def test_an_honest_prover_notices_every_altered_column(
    case: Case, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = lstm.column_values

    def altered(grid: Grid, trace: Trace) -> dict[str, Ints]:
        values = honest(grid, trace)
        values[column][cell_of(column)] += 1
        return values

    monkeypatch.setattr(lstm, "column_values", altered)
    with pytest.raises(WitnessError):
        case.prove()


def test_every_part_of_a_proof_counts(case: Case, proof: bytes) -> None:
    """One bit changed in each group of sixteen bytes: none is accepted."""
    for place in range(0, len(proof), 16):
        forged = bytearray(proof)
        forged[place + 7 if place + 7 < len(proof) else place] ^= 1
        with pytest.raises((MalformedProof, InvalidProof)):
            inference.verify(case.statement, bytes(forged))


@pytest.mark.parametrize("forge", [lambda p: p[:-1], lambda p: p + b"\0", lambda p: p[:100], lambda p: b""])
def test_a_proof_of_another_length_is_malformed(case: Case, proof: bytes, forge: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedProof):
        inference.verify(case.statement, forge(proof))


def other_statements(case: Case) -> dict[str, inference.Statement]:
    s, context = case.statement, case.statement.context
    flipped = (s.weights.layers[0][::-1],) if len(s.weights.layers[0]) > 1 else ((s.weights.head[0],),)
    steps = s.steps.copy()
    steps[0, 0, 0] += 1
    return {
        "community": replace(s, context=replace(context, community=b"d" * 32)),
        "household": replace(s, context=replace(context, household=b"i" * 20)),
        "day": replace(s, context=replace(context, day=DAY + 7), days=(DAY + 7,)),
        "round": replace(s, context=replace(context, round=2)),
        "weights": replace(s, weights=replace(s.weights, layers=flipped)),
        "features": replace(s, steps=steps),
        "exogenous": replace(s, exogenous=s.exogenous + 1),
        "window": replace(s, windows=s.forecasts),
        "forecast": replace(s, forecasts=s.windows),
    }


@pytest.mark.parametrize("what", list(other_statements(make_case())))
def test_a_proof_serves_no_other_statement(case: Case, proof: bytes, what: str) -> None:
    with pytest.raises(InvalidProof):
        inference.verify(other_statements(case)[what], proof)


def forged_forecast(trace: Trace) -> Trace:
    """The output one unit higher, everything after it consistent."""
    output = trace.output.copy()
    output[0, 3] += 1
    shifted = output * trace.scale[:, None] + (1 << 18)
    return replace(trace, output=output, forecast=shifted >> 19, forecast_remainder=shifted & ((1 << 19) - 1))


def forged_start(trace: Trace) -> Trace:
    """A cell state that was not handed on by the step before."""
    layer = trace.layers[0]
    cell = layer.cell.copy()
    cell[0, 1, 1] += 1
    return replace(trace, layers=(replace(layer, cell=cell),))


def forged_hidden(trace: Trace) -> Trace:
    layer = trace.layers[0]
    hidden = layer.hidden.copy()
    hidden[0, 2, 0] += 1
    return replace(trace, layers=(replace(layer, hidden=hidden),))


@pytest.mark.parametrize("forge", [forged_forecast, forged_start, forged_hidden])
def test_consistent_lies_about_the_trace_are_refused(
    case: Case, forge: Callable[[Trace], Trace], reckless: None
) -> None:
    statement = case.statement
    lied = forge(case.trace)
    values = [int(v) for v in lied.forecast[0]]
    honest_looking = replace(
        case, statement=replace(statement, forecasts=(commit_forecast(values, case.secrets.forecasts[0]),))
    )
    with pytest.raises(ProofError):
        inference.verify(honest_looking.statement, honest_looking.prove(lied))


def test_a_batch_names_the_bad_ones(case: Case, proof: bytes) -> None:
    other = case.prove()
    forged = bytearray(proof)
    forged[-40] ^= 1  # the last point: only the pairing can tell
    pairs = [(case.statement, proof), (case.statement, bytes(forged)), (case.statement, other)]
    assert set(inference.verify_batch(pairs)) == {1}
    assert inference.verify_batch([pairs[0], pairs[2]]) == {}
