"""The forecaster's parameters as arrays: how they begin, and the bounds within which they can be proven.

Names and shapes are those of `ModelShape.parameters`. Loads no PyTorch: gateways and coordinator have no need of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.generator import Generator
from forecasting.shape import HISTORY, HOURS, ModelShape

Parameters = dict[str, NDArray[np.float32]]
"""Parameter name -> float32 array, in the order of `ModelShape.parameters`."""

SCALE_FLOOR_WH = 2048.0
SCALE_UNIT = 128.0
LOAD_LIMIT = 8.0
FEATURE_LIMIT = 2.0
_FORGET_BIAS = 3.0
_GATE_BOUND, _CANDIDATE_BOUND = 15.6, 7.8
"""Under 16 and 8 by what rounding the weights can add: at most 8 / 256 for each of 10 loads, 2 / 2,048 for each of 6
public features and 1 / 2,048 for each of 64 hidden units, 0.35 together (twice the weights of the candidate)."""


def initial(shape: ModelShape, seed: int) -> Parameters:
    """The parameters before any training, the same from the same seed: those that PyTorch would draw for the LSTM,
    and the mean of the last seven days for the outputs.

    The forget gates' biases go from 0.9 to 3, unit by unit, so that memories of different lengths start out open
    (Jozefowicz, Zaremba and Sutskever, ICML 2015: with a bias of zero an LSTM forgets within a few hours).
    """
    hidden, generator = shape.hidden, Generator(seed)
    sizes = shape.parameters()
    out: Parameters = {name: np.zeros(size, dtype=np.float32) for name, size in sizes.items()}
    for name, size in sizes.items():
        if name.startswith("lstm."):
            out[name] = generator.uniform(size, hidden**-0.5)
    forget = slice(hidden, 2 * hidden)
    for layer in range(shape.layers):
        out[f"lstm.bias_ih_l{layer}"][forget] = _FORGET_BIAS * np.linspace(0.3, 1, hidden)
        out[f"lstm.bias_hh_l{layer}"][forget] = 0
    every_hour = 3 * generator.uniform((shape.head_inputs,), shape.head_inputs**-0.5)[:hidden]
    out["head.weight"][:, :hidden] = every_hour
    out["head.weight"][:, hidden:] = mean_of_days(shape)
    out["mean.weight"][:] = mean_of_days(shape)
    project(out, shape)
    return out


def mean_of_days(shape: ModelShape) -> NDArray[np.float32]:
    """The linear path [24, 168 + E] that forecasts each hour as its mean over the last seven days."""
    out = np.zeros((HOURS, HISTORY + shape.exogenous), dtype=np.float32)
    for hour in range(HOURS):
        out[hour, hour:HISTORY:HOURS] = HOURS / HISTORY
    return out


def project(parameters: Mapping[str, NDArray[Any]], shape: ModelShape) -> None:
    """Scale down, in place, each gate row whose worst-case pre-activation exceeds its bound (L1, radially)."""
    hidden, loads = shape.hidden, shape.lags + shape.recent
    bound = np.full(4 * hidden, _GATE_BOUND, dtype=np.float32)
    bound[2 * hidden : 3 * hidden] = _CANDIDATE_BOUND
    for layer in range(shape.layers):
        inputs, recurrent, *biases = (
            parameters[f"lstm.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        reach = np.ones(inputs.shape[1], dtype=np.float32)
        if layer == 0:
            reach[:loads], reach[loads:] = LOAD_LIMIT, FEATURE_LIMIT
        worst = np.abs(inputs) @ reach + np.abs(recurrent).sum(axis=1) + np.abs(biases[0] + biases[1])
        shrink = np.minimum(1, bound / np.maximum(worst, np.float32(1e-30)))
        for part in (inputs.T, recurrent.T, *biases):
            np.multiply(part, shrink, out=part)
