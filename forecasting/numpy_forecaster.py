"""The forecaster of `forecasting.model` in NumPy, trained by backpropagation through time: what a gateway uses.

It takes the steps of `forecasting.training`: the same losses, batches in the same order, and AdamW (Loshchilov and
Hutter, ICLR 2019) as PyTorch has it. The models differ by what float32 rounds in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.backpropagation import Array, Layer, Passed, backward, forward
from forecasting.errors import ForecastError
from forecasting.generator import Generator
from forecasting.local_model import (
    LINEAR_DECAY,
    MOST_WEIGHT,
    USUAL_WEEK_WH,
    WEIGHT_DECAY,
    Outputs,
    check_some,
    mean_decay,
)
from forecasting.parameters import LOAD_LIMIT, SCALE_FLOOR_WH, SCALE_UNIT, Parameters, mean_of_days, project
from forecasting.shape import HISTORY, HOURS, ModelShape

_AT_ONCE = 256
"""Windows of one pass where all of them count: it takes 20 MB at 32 hidden units."""
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, repr=False)
class Inputs:
    """n windows as the model takes them: steps of the LSTM [n, T, F], what the hours share [n, 168 + E], the target
    [n, 24] relative to the scale [n, 1] Wh."""

    steps: Array
    shared: Array
    target: Array
    scale: Array

    @classmethod
    def of(cls, windows: Windows, shape: ModelShape, dtype: np.dtype[Any]) -> Inputs:
        history = windows.history.astype(dtype)
        scale = SCALE_FLOOR_WH + history.sum(axis=1, keepdims=True)
        load = history * (SCALE_UNIT / scale)
        return cls(
            np.concatenate([_step_loads(np.minimum(load, LOAD_LIMIT), shape), windows.steps.astype(dtype)], axis=2),
            np.concatenate([load, windows.exogenous.astype(dtype)], axis=1),
            windows.target.astype(dtype) * (SCALE_UNIT / scale),
            scale,
        )

    def __len__(self) -> int:
        return len(self.scale)

    def at(self, rows: NDArray[np.int64] | slice) -> Inputs:
        """Some of the windows."""
        return Inputs(self.steps[rows], self.shared[rows], self.target[rows], self.scale[rows])

    def parts(self, order: NDArray[np.int64], size: int) -> Iterator[Inputs]:
        """The windows in this order, `size` at a time."""
        return (self.at(order[first : first + size]) for first in range(0, len(order), size))


class NumpyForecaster:
    """A `forecasting.local_model.LocalModel`. `vector`: all parameters one after the other, as `parameters` views
    them; training changes it in place."""

    def __init__(self, shape: ModelShape, weights: Mapping[str, NDArray[Any]]) -> None:
        sizes = shape.parameters()
        if {name: array.shape for name, array in weights.items()} != sizes:
            raise ForecastError("the weights are not those of a model with the sizes in forecasting.model")
        self.shape = shape
        self.vector = np.concatenate([weights[name].ravel() for name in sizes])
        self.parameters = views(self.vector, shape)

    def weights(self) -> Parameters:
        """The parameters in float32, in arrays of their own."""
        return {name: np.array(part, dtype=np.float32) for name, part in self.parameters.items()}

    def inputs(self, windows: Windows) -> Inputs:
        """The windows in the parameters' dtype."""
        return Inputs.of(windows, self.shape, self.vector.dtype)

    def train(
        self,
        windows: Windows,
        *,
        epochs: int,
        learning_rate: float,
        batch: int,
        huber: float,
        seed: int,
        proximal_mu: float = 0.0,
    ) -> float:
        """Train in place; the last epoch's mean loss (`forecasting.training.train_epochs`)."""
        check_some(windows.days)
        inputs, generator = self.inputs(windows), Generator(seed)
        start, optimiser = self.vector.copy(), AdamW(self.vector, learning_rate, WEIGHT_DECAY)
        total = 0.0
        for _ in range(epochs):
            total = 0.0
            for part in inputs.parts(generator.permutation(len(inputs))[: windows.days], batch):
                loss, gradient = self.gradient(part, huber)
                gradient += self.pull() + proximal_mu * (self.vector - start)
                optimiser.step(gradient)
                project(self.parameters, self.shape)
                total += loss * len(part) / windows.days
        return total

    def step_down(self, windows: Windows, huber: float) -> float:
        """Subtract the mean gradient of the windows, in place; their mean loss (`forecasting.training.step_down`)."""
        check_some(len(windows))
        total, mean = 0.0, self.pull()
        for part, share in self._shares(windows):
            loss, gradient = self.gradient(part, huber)
            total += share * loss
            mean += share * gradient
        self.vector -= mean
        return total

    def loss(self, windows: Windows, huber: float) -> float:
        """Mean loss on windows; NaN where there are none."""
        if len(windows) == 0:
            return float("nan")
        return sum(share * self._loss(part, self._pass(part), huber)[0] for part, share in self._shares(windows))

    def forecast(self, windows: Windows) -> NDArray[np.float64]:
        """Forecasts in Wh, float64 [n, 48], typical hours and means, never below zero."""
        return self.outputs(windows).in_wh()

    def outputs(self, windows: Windows) -> Outputs:
        """The forecasts and what they are made of."""
        inputs = self.inputs(windows)
        parts = []
        for first in range(0, max(1, len(inputs)), _AT_ONCE):
            part = inputs.at(slice(first, first + _AT_ONCE))
            hidden = self._read_hours(self._pass(part))
            parts.append((hidden.swapaxes(0, 1), *self._read(part, hidden)))
        hidden, typical, mean = (np.concatenate(found) for found in zip(*parts, strict=True))
        return Outputs(hidden, inputs.shared, inputs.scale, typical, mean, self.shape.median)

    def gradient(self, inputs: Inputs, huber: float) -> tuple[float, Array]:
        """The mean loss of these windows, and its gradient, as long as `vector`."""
        passed = self._pass(inputs)
        loss, of_typical, of_mean = self._loss(inputs, passed, huber)
        vector = np.zeros_like(self.vector)
        found, size = views(vector, self.shape), self.shape.hidden
        hidden, head = self._read_hours(passed), self.parameters["head.weight"]
        found["head.weight"][:, :size] = (of_typical.T[:, None] @ hidden)[:, 0]
        found["head.weight"][:, size:] = of_typical.T @ inputs.shared
        found["head.bias"][:] = of_typical.sum(axis=0)
        found["mean.weight"][:] = of_mean.T @ inputs.shared
        found["mean.bias"][:] = of_mean.sum(axis=0)
        of_hidden = np.zeros_like(passed[-1].hidden[1:])
        of_hidden[-HOURS:] = of_typical.T[:, :, None] * head[:, None, :size]
        for number in reversed(range(self.shape.layers)):
            own, of_inputs = backward(self._layer(number), passed[number], of_hidden, to_inputs=number > 0)
            found[f"lstm.weight_ih_l{number}"][:] = own.inputs
            found[f"lstm.weight_hh_l{number}"][:] = own.recurrent
            found[f"lstm.bias_ih_l{number}"][:] = found[f"lstm.bias_hh_l{number}"][:] = own.bias
            if of_inputs is not None:
                of_hidden = of_inputs
        return loss, vector

    def pull(self) -> Array:
        """The gradient of what pulls the linear paths of both outputs towards the mean of the last seven days."""
        vector = np.zeros_like(self.vector)
        found, size, mean = views(vector, self.shape), self.shape.hidden, mean_of_days(self.shape)
        found["head.weight"][:, size:] = 2 * LINEAR_DECAY * (self.parameters["head.weight"][:, size:] - mean)
        found["mean.weight"][:] = 2 * mean_decay(self.shape) * (self.parameters["mean.weight"] - mean)
        return vector

    def _shares(self, windows: Windows) -> Iterator[tuple[Inputs, float]]:
        """All windows, some at a time, each time with their share of all."""
        inputs = self.inputs(windows)
        return ((part, len(part) / len(inputs)) for part in inputs.parts(np.arange(len(inputs)), _AT_ONCE))

    def _layer(self, number: int) -> Layer:
        own = {name: self.parameters[f"lstm.{name}_l{number}"] for name in ("weight_ih", "weight_hh")}
        biases = (self.parameters[f"lstm.bias_{kind}_l{number}"] for kind in ("ih", "hh"))
        return Layer(own["weight_ih"], own["weight_hh"], sum(biases, np.zeros((), dtype=self.vector.dtype)))

    def _pass(self, inputs: Inputs) -> list[Passed]:
        passed: list[Passed] = []
        for number in range(self.shape.layers):
            below = passed[-1].hidden[1:] if passed else np.ascontiguousarray(inputs.steps.swapaxes(0, 1))
            passed.append(forward(self._layer(number), below))
        return passed

    def _read_hours(self, passed: list[Passed]) -> Array:
        """Hidden states [24, B, H] that the hours read."""
        return passed[-1].hidden[-HOURS:]

    def _read(self, inputs: Inputs, hidden: Array) -> tuple[Array, Array]:
        """Both outputs [B, 24] relative to the scale."""
        size, head = self.shape.hidden, self.parameters["head.weight"]
        own = (hidden @ head[:, :size, None])[:, :, 0].T
        typical = own + inputs.shared @ head[:, size:].T + self.parameters["head.bias"]
        return typical, inputs.shared @ self.parameters["mean.weight"].T + self.parameters["mean.bias"]

    def _loss(self, inputs: Inputs, passed: list[Passed], huber: float) -> tuple[float, Array, Array]:
        return output_loss(*self._read(inputs, self._read_hours(passed)), inputs.target, inputs.scale, huber)


def output_loss(typical: Array, mean: Array, target: Array, scale: Array, huber: float) -> tuple[float, Array, Array]:
    """The loss of `forecasting.training.output_loss`, and its gradients by `typical` and by `mean`.

    Args:
        typical, mean, target: [B, 24], relative to the scale [B, 1] Wh.
    """
    error, missed = typical - target, mean - target
    bounded, counted = np.clip(error, -huber, huber), np.clip(scale / USUAL_WEEK_WH, 1 / MOST_WEIGHT, MOST_WEIGHT)
    loss = (bounded * (error - bounded / 2)).mean() / huber + (counted * missed * missed).mean()
    return float(loss), bounded / (huber * error.size), 2 / missed.size * counted * missed


class AdamW:
    """Moments and steps for a vector of parameters, which it changes in place; betas and epsilon as in PyTorch."""

    def __init__(self, vector: Array, learning_rate: float, weight_decay: float) -> None:
        self._vector, self._rate, self._decay = vector, learning_rate, weight_decay
        self._mean, self._square, self._steps = np.zeros_like(vector), np.zeros_like(vector), 0

    def step(self, gradient: Array) -> None:
        """One step down the gradient."""
        self._steps += 1
        self._vector *= 1 - self._rate * self._decay
        self._mean += (1 - _BETA_1) * (gradient - self._mean)
        self._square *= _BETA_2
        self._square += (1 - _BETA_2) * gradient * gradient
        size = np.sqrt(self._square)
        size /= (1 - _BETA_2**self._steps) ** 0.5
        size += _EPSILON
        self._vector -= self._rate / (1 - _BETA_1**self._steps) * self._mean / size


def views(vector: Array, shape: ModelShape) -> dict[str, Array]:
    """The parameters in a vector of all of them, in their shapes; no copies."""
    out, place = {}, 0
    for name, size in shape.parameters().items():
        count = int(np.prod(size))
        out[name] = vector[place : place + count].reshape(size)
        place += count
    return out


def _step_loads(load: Array, shape: ModelShape) -> Array:
    """[n, T, lags + recent] of loads [n, 168], as `zkp.lstm.integer_model.step_loads`."""
    steps, past = shape.steps, HOURS * (shape.lags - 1)
    padded = np.pad(load, ((0, 0), (max(0, steps + past - HISTORY), 0)))  # zeros before the window
    end = padded.shape[1]
    lags = [padded[:, end - steps - HOURS * k : end - HOURS * k] for k in range(shape.lags)]
    last = [np.repeat(load[:, HISTORY - 1 - k, None], steps, axis=1) for k in range(shape.recent)]
    return np.stack([*lags, *last], axis=2)
