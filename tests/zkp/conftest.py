"""Small models with their statements and proofs, made from seeds; channels whose challenges are given."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from forecasting.integer import IntegerModel
from tests.zkp.dishonest import take_out_the_checks
from zkp.algebra.commitment import commit_forecast, commit_point, window_slots
from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import RandomScalars
from zkp.lstm.integer_model import HISTORY, HOURS, OUTPUTS, IntegerWeights, Ints, Shape, Trace
from zkp.lstm.weights import HeadOpening, commit_weights
from zkp.statements import inference
from zkp.statements.context import Context

FIRST_DAY = 100


def seeded(seed: int) -> RandomScalars:
    """A source of scalars that gives the same ones again."""
    source = random.Random(seed)
    return lambda count: [source.randrange(MODULUS) for _ in range(count)]


def small_shape(layers: int = 1, steps: int = 24, hidden: int = 3, horizon: int = 1, median: int = 0) -> Shape:
    """Three hidden units unless asked otherwise: not a power of two."""
    return Shape(steps=steps, features=3, hidden=hidden, layers=layers, exogenous=5, horizon=horizon, median=median)


def random_weights(shape: Shape, seed: int) -> IntegerWeights:
    rng = np.random.default_rng(seed)

    def integers(limit: float, *size: int) -> Ints:
        return np.rint(rng.uniform(-limit, limit, size)).astype(np.int64)

    layers = []
    for k in range(shape.layers):
        w = integers(600, 4, shape.hidden, shape.inputs(k))
        if k == 0:
            w[:, :, 0] //= 8  # the load has finer fixed point than the other inputs
        w[:, :, -1] *= 200
        layers.append(w)
    head = integers(200, OUTPUTS, shape.head_inputs)
    head[HOURS:, HISTORY : shape.personal_inputs] = 0  # the means do not read the hidden state
    return IntegerWeights(shape, tuple(layers), head)


@dataclass(frozen=True, repr=False)
class Case:
    """An honest home: everything that it proves from."""

    model: IntegerModel
    history: Ints
    trace: Trace
    statement: inference.Statement
    secrets: inference.Secrets

    def prove(self, seed: int = 1, **changed: Any) -> bytes:
        parts: dict[str, Any] = {
            "statement": self.statement,
            "trace": self.trace,
            "model": self.model.weights,
            "secrets": self.secrets,
            **changed,
        }
        return inference.prove(**parts, random=seeded(seed))


def context(day: int = FIRST_DAY) -> Context:
    return Context(b"c" * 32, b"h" * 20, day, 1)


def commit_window(day: int, readings: Sequence[int], blinding: int, horizon: int = 1) -> bytes:
    setup = load_setup()
    return setup.curve.encode(commit_point(setup, window_slots(day, horizon), list(readings), blinding))


def state(trace: Trace, model: IntegerModel, history: Ints, personal: HeadOpening | None = None) -> Case:
    """The statement that a trace is about, with fresh but seeded blindings."""
    days = tuple(range(FIRST_DAY, FIRST_DAY + len(history)))
    blindings = seeded(7)(2 * len(days))
    secrets = inference.Secrets(tuple(blindings[: len(days)]), tuple(blindings[len(days) :]), personal)
    windows = tuple(
        commit_window(d, h.tolist(), b, model.shape.horizon)
        for d, h, b in zip(days, history, secrets.windows, strict=True)
    )
    forecasts = tuple(commit_forecast(f.tolist(), b) for f, b in zip(trace.forecast, secrets.forecasts, strict=True))
    statement = inference.Statement(
        context(), commit_weights(model.weights), days, windows, trace.steps, trace.exogenous, forecasts,
        None if personal is None else personal.commit(model.shape),
    )  # fmt: skip
    return Case(model, history, trace, statement, secrets)


def inputs(shape: Shape, windows: int, seed: int) -> tuple[Ints, Any, Any]:
    """History with one hour above the clipping limit, and public features."""
    rng = np.random.default_rng(seed)
    history = rng.integers(100, 3000, (windows, 168))
    history[:, -2] = 120_000
    steps = rng.uniform(-1, 1, (windows, shape.steps, shape.public))
    return history, steps, rng.uniform(-1, 1, (windows, shape.exogenous))


@cache
def honest(
    layers: int = 1,
    windows: int = 1,
    personal: bool = False,
    seed: int = 3,
    hidden: int = 3,
    horizon: int = 1,
    median: int = 0,
) -> Case:
    shape = small_shape(layers, hidden=hidden, horizon=horizon, median=median)
    weights = random_weights(shape, seed)
    private = None
    if personal:
        values = np.random.default_rng(seed + 1).integers(-12, 13, (OUTPUTS, shape.personal_inputs))
        values[HOURS:, HISTORY:] = 0
        private = HeadOpening.blind(shape, values, seeded(5))
    model = IntegerModel(weights, None if private is None else private.values)
    history, steps, exogenous = inputs(shape, windows, seed)
    return state(model.run(history, steps, exogenous), model, history, private)


@cache
def honest_proof(layers: int = 1, windows: int = 1, personal: bool = False) -> bytes:
    return honest(layers, windows, personal).prove()


@pytest.fixture(scope="session")
def build() -> Callable[..., Case]:
    """build(layers, windows, personal) -> the same honest home whenever it is asked for."""
    return honest


@pytest.fixture(scope="session")
def proof_of() -> Callable[..., bytes]:
    return honest_proof


@pytest.fixture(scope="session")
def case() -> Case:
    return honest()


@pytest.fixture(scope="session")
def proof() -> bytes:
    return honest_proof()


@pytest.fixture(scope="session")
def restate() -> Callable[..., Case]:
    """restate(trace, model, history, personal) -> a home that claims this trace."""
    return state


@pytest.fixture(scope="session")
def setup() -> Setup:
    return load_setup()


@pytest.fixture
def dishonest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover without checks of its own."""
    take_out_the_checks(monkeypatch)


@pytest.fixture
def scalars() -> RandomScalars:
    return seeded(11)


@pytest.fixture(scope="session")
def source() -> Callable[[int], RandomScalars]:
    return seeded


class Given:
    """A channel for both sides whose challenges are given: what is sent is read again, in the same order."""

    def __init__(self, challenges: Sequence[int]) -> None:
        self._challenges: Iterator[int] = iter(challenges)
        self.sent: list[tuple[str, list[Any]]] = []

    def send_scalars(self, label: str, values: Sequence[int]) -> None:
        self.sent.append((label, [v % MODULUS for v in values]))

    def send_points(self, label: str, points: Sequence[Point]) -> None:
        self.sent.append((label, list(points)))

    def _receive(self, label: str, count: int) -> list[Any]:
        known, values = self.sent.pop(0)
        assert (known, len(values)) == (label, count)
        return values

    receive_scalars = receive_points = _receive

    def challenge(self, label: str) -> int:
        return next(self._challenges)

    def scalars(self) -> list[int]:
        return [v for _, values in self.sent for v in values]


@pytest.fixture(scope="session")
def given_channel() -> type[Given]:
    return Given
