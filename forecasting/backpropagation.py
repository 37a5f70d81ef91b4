"""An LSTM layer in NumPy, forwards and backwards through time.

Forwards, with the gates i, f, g, o in PyTorch's order and * element by element (Hochreiter and Schmidhuber 1997, with
the forget gate of Gers, Schmidhuber and Cummins 2000; as in docs/protocol.md):

    z[t] = W x[t] + U h[t-1] + b,    i, f, o = sigmoid(z),  g = tanh(z),
    c[t] = f * c[t-1] + i * g,       h[t] = o * tanh(c[t]).

Backwards by the chain rule, from the last step to the first (backpropagation through time: Werbos, Proc. IEEE 1990).
Arrays are [T, B, ...]: steps first, so that each step's part lies together. They keep the dtype of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Float32 in training; float64 where a test wants the exact gradient."""


@dataclass(frozen=True)
class Layer:
    """Weights of a layer: inputs [4H, F], recurrent [4H, H], bias [4H]."""

    inputs: Array
    recurrent: Array
    bias: Array


@dataclass(frozen=True, repr=False)
class Passed:
    """What a pass forwards leaves for the one backwards: the layer's inputs [T, B, F], activated gates [T, B, 4H],
    cells and hidden states [T + 1, B, H], from the zeros before the first step on, tanh of the cells [T, B, H]."""

    inputs: Array
    gates: Array
    cells: Array
    bounded_cells: Array
    hidden: Array


def forward(layer: Layer, inputs: Array) -> Passed:
    """Run the layer over inputs [T, B, F]; the hidden states are `.hidden[1:]`."""
    (steps, batch, _), size = inputs.shape, layer.recurrent.shape[1]
    half = _halved(layer)  # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: one function for all gates, and no overflow
    gates = inputs @ (layer.inputs * half[:, None]).T + layer.bias * half
    recurrent = np.ascontiguousarray((layer.recurrent * half[:, None]).T)
    cells, hidden = (np.zeros((steps + 1, batch, size), dtype=gates.dtype) for _ in range(2))
    bounded = np.empty((steps, batch, size), dtype=gates.dtype)
    rest = 1 - half
    for t in range(steps):
        z = gates[t]
        z += hidden[t] @ recurrent
        np.tanh(z, out=z)
        z *= half
        z += rest
        i, f, g, o = (z[:, k * size : (k + 1) * size] for k in range(4))
        np.multiply(f, cells[t], out=cells[t + 1])
        cells[t + 1] += i * g
        np.tanh(cells[t + 1], out=bounded[t])
        np.multiply(o, bounded[t], out=hidden[t + 1])
    return Passed(inputs, gates, cells, bounded, hidden)


def backward(layer: Layer, passed: Passed, of_hidden: Array, *, to_inputs: bool) -> tuple[Layer, Array | None]:
    """Gradients of the weights, and (`to_inputs`) of the inputs [T, B, F], by those of hidden states [T, B, H]."""
    steps, batch, size = of_hidden.shape
    gates = passed.gates.reshape(steps, batch, 4, size)
    i, f, g, o = (gates[:, :, k] for k in range(4))
    slope = gates * (1 - gates)
    slope[:, :, 2] = 1 - g * g
    # What a gate's pre-activation does to the cell (i, f, g) and to the hidden state (o); what the cell does to it.
    slope[:, :, 0] *= g
    slope[:, :, 1] *= passed.cells[:-1]
    slope[:, :, 2] *= i
    slope[:, :, 3] *= passed.bounded_cells
    through = o * (1 - passed.bounded_cells * passed.bounded_cells)
    of_gates = slope  # each step's slopes give way to its gradients
    later_hidden = np.zeros((batch, size), dtype=slope.dtype)
    of_cell = np.zeros_like(later_hidden)
    for t in reversed(range(steps)):
        own = of_hidden[t] + later_hidden
        of_cell += own * through[t]
        of_gates[t, :, :3] *= of_cell[:, None]
        of_gates[t, :, 3] *= own
        np.matmul(of_gates[t].reshape(batch, 4 * size), layer.recurrent, out=later_hidden)
        of_cell *= f[t]
    flat = of_gates.reshape(steps * batch, 4 * size)
    found = Layer(
        flat.T @ passed.inputs.reshape(steps * batch, -1),
        flat.T @ passed.hidden[:-1].reshape(steps * batch, size),
        flat.sum(axis=0),
    )
    return found, (flat @ layer.inputs).reshape(passed.inputs.shape) if to_inputs else None


def _halved(layer: Layer) -> Array:
    """[4H]: a half for the sigmoid gates, one for the candidate."""
    size = layer.recurrent.shape[1]
    half = np.full(4 * size, 0.5, dtype=layer.recurrent.dtype)
    half[2 * size : 3 * size] = 1
    return half
