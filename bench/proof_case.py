"""What `bench.proof` proves: a random model of a given size, homes with signed-day commitments, and the float model.

The cost of a proof depends on the sizes alone, not on the weights, so that random weights of PyTorch's initial spread
stand for trained ones. NumPy and `zkp` only: nothing here imports torch, which would hide the memory of the prover.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecasting.integer import IntegerModel, quantise
from zkp.algebra.commitment import DAY_HOURS, RING_DAYS, add, commit_day, commit_forecast, random_blinding
from zkp.algebra.field import MODULUS
from zkp.lstm.integer_model import (
    HISTORY,
    HOURS,
    LOAD_LIMIT,
    MEDIAN_BITS,
    SCALE_FLOOR_WH,
    SCALE_UNIT_BITS,
    IntegerWeights,
    Ints,
    Shape,
    Trace,
)
from zkp.lstm.weights import WeightsCommitment
from zkp.statements import inference
from zkp.statements.context import HOUSEHOLD_BYTES, Context

Floats = NDArray[np.float64]
FIRST_DAY = 20_000
COMMUNITY = b"wattproof bench".ljust(32, b"\0")


def float_weights(shape: Shape, seed: int) -> dict[str, Floats]:
    """A state dict as `forecasting.model.LoadForecaster` has: LSTM uniform in ±1/sqrt(H), less for many loads, so
    that it stays in its bounds; head near a mean."""
    random = np.random.default_rng(seed)
    spread = 1 / np.sqrt(shape.hidden)
    state: dict[str, Floats] = {}
    for layer in range(shape.layers):
        below = shape.features if layer == 0 else shape.hidden
        for name, size in (("weight_ih", (below,)), ("weight_hh", (shape.hidden,)), ("bias_ih", ()), ("bias_hh", ())):
            state[f"lstm.{name}_l{layer}"] = random.uniform(-spread, spread, (4 * shape.hidden, *size))
    state["lstm.weight_ih_l0"][:, : shape.loads] /= shape.loads
    for name, inputs in (("head", shape.hidden + HISTORY + shape.exogenous), ("mean", HISTORY + shape.exogenous)):
        weight = random.uniform(-0.02, 0.02, (HOURS, inputs))
        first = inputs - HISTORY - shape.exogenous
        for hour in range(HOURS):
            weight[hour, first + hour : first + HISTORY : HOURS] += 1 / RING_DAYS
        state |= {f"{name}.weight": weight, f"{name}.bias": random.uniform(-0.02, 0.02, HOURS)}
    return state


def float_forecast(state: dict[str, Floats], shape: Shape, history: Ints, steps: Floats, exogenous: Floats) -> Floats:
    """The float model in float64: [B, 48] relative to the home's scale (times S / 128 it is Wh)."""
    load = history * (1 << SCALE_UNIT_BITS) / (SCALE_FLOOR_WH + history.sum(axis=1, keepdims=True))
    inputs = np.concatenate([_step_loads(np.minimum(load, LOAD_LIMIT), shape), steps], axis=2)
    for layer in range(shape.layers):
        inputs = _float_layer(state, layer, inputs)
    own, shared = np.split(state["head.weight"], [shape.hidden], axis=1)
    read, linear = inputs[:, shape.hour_step(0) :], np.concatenate([load, exogenous], axis=1)
    typical = (read * own).sum(axis=2) + linear @ shared.T + state["head.bias"]
    share = shape.median / (1 << MEDIAN_BITS)
    typical = (1 - share) * typical + share * np.median(load.reshape(-1, RING_DAYS, HOURS), axis=1)
    return np.concatenate([typical, linear @ state["mean.weight"].T + state["mean.bias"]], axis=1)


def _step_loads(load: Floats, shape: Shape) -> Floats:
    """What each step sees of the loads [B, 168]: its hour that day and before, and the last hours; [B, T, loads]."""
    out = np.zeros((len(load), shape.steps, shape.loads))
    for step in range(shape.steps):
        for lag in range(shape.lags):
            if (hour := shape.lag_hour(step, lag)) >= 0:
                out[:, step, lag] = load[:, hour]
        out[:, step, shape.lags :] = load[:, ::-1][:, : shape.recent]
    return out


def _float_layer(state: dict[str, Floats], layer: int, inputs: Floats) -> Floats:
    """PyTorch's LSTM; inputs [B, T, M], returns the hidden states [B, T, H]."""
    own = state[f"lstm.weight_hh_l{layer}"]
    bias = state[f"lstm.bias_ih_l{layer}"] + state[f"lstm.bias_hh_l{layer}"]
    below = inputs @ state[f"lstm.weight_ih_l{layer}"].T + bias
    hidden = cell = np.zeros((len(inputs), own.shape[1]))
    out = []
    for t in range(inputs.shape[1]):
        i, f, g, o = np.split(below[:, t] + hidden @ own.T, 4, axis=1)
        cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
        hidden = _sigmoid(o) * np.tanh(cell)
        out.append(hidden)
    return np.stack(out, axis=1)


def _sigmoid(z: Floats) -> Floats:
    out: Floats = 1 / (1 + np.exp(-z))
    return out


@dataclass(frozen=True, repr=False)
class Home:
    """Statements of a home for consecutive days, as one, and what proves it."""

    statement: inference.Statement
    trace: Trace
    secrets: inference.Secrets

    def select(self, days: slice) -> Home:
        """Some of its days."""
        statement, secrets = self.statement, self.secrets
        chosen = statement.days[days]
        return Home(
            replace(
                statement,
                context=replace(statement.context, day=chosen[0]),
                days=chosen,
                windows=statement.windows[days],
                steps=statement.steps[days],
                exogenous=statement.exogenous[days],
                forecasts=statement.forecasts[days],
            ),
            self.trace.select(days),
            inference.Secrets(secrets.windows[days], secrets.forecasts[days]),
        )

    def prove(self, weights: IntegerWeights) -> bytes:
        return inference.prove(self.statement, self.trace, weights, self.secrets)


@dataclass(frozen=True, repr=False)
class Case:
    """A model of one size, in floats and in integers, and its commitment."""

    state: dict[str, Floats]
    model: IntegerModel
    commitment: WeightsCommitment
    seed: int

    @classmethod
    def model_of(cls, shape: Shape, seed: int) -> tuple[dict[str, Floats], IntegerModel]:
        state = float_weights(shape, seed)
        return state, quantise(state, shape)

    def features(self, days: int) -> tuple[Floats, Floats]:
        """Public features of consecutive days, the same for all homes: steps [B, T, F - 1], exogenous [B, E]."""
        shape = self.model.shape
        random = np.random.default_rng(self.seed + 1)
        steps = random.uniform(-1, 1, (days, shape.steps, shape.public))
        return steps, random.uniform(-1, 1, (days, shape.exogenous))

    def home(self, number: int, days: int) -> Home:
        """A home forecasting `days` days in a row: each window is the sum of seven of its daily commitments."""
        readings = np.random.default_rng((self.seed, number)).integers(50, 5000, (days + RING_DAYS - 1, DAY_HOURS))
        blindings = [random_blinding() for _ in readings]
        signed = [
            commit_day(FIRST_DAY - RING_DAYS + k, [int(v) for v in day], blindings[k])
            for k, day in enumerate(readings)
        ]
        history = np.stack([readings[b : b + RING_DAYS].ravel() for b in range(days)])
        trace = self.model.run(history, *self.features(days))
        own = tuple(random_blinding() for _ in range(days))
        statement = inference.Statement(
            Context(COMMUNITY, number.to_bytes(HOUSEHOLD_BYTES, "big"), FIRST_DAY, 1),
            self.commitment,
            tuple(range(FIRST_DAY, FIRST_DAY + days)),
            tuple(add(signed[b : b + RING_DAYS]) for b in range(days)),
            trace.steps,
            trace.exogenous,
            tuple(commit_forecast([int(v) for v in trace.forecast[b]], own[b]) for b in range(days)),
        )
        windows = tuple(sum(blindings[b : b + RING_DAYS]) % MODULUS for b in range(days))
        return Home(statement, trace, inference.Secrets(windows, own))
