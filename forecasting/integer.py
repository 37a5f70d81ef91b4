"""The integer forecaster: quantises the float model and runs it, bit for bit what is proven.

The arithmetic (constants, tables, rounding) is written down once in `zkp.lstm.integer_model`. A model whose values
could leave their ranges for some input is refused when it is quantised, not when it is proven.
"""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.atomic import write_bytes
from forecasting.errors import ForecastError
from zkp.lstm import integer_model as arithmetic
from zkp.lstm.integer_model import IntegerWeights, Ints, LayerTrace, Shape, Trace, round_shift

_LSTM_BITS = arithmetic.SUM_BITS
_HEAD_BITS = arithmetic.HEAD_BITS
_GATE_LIMIT = arithmetic.INDEX_OFFSET << arithmetic.WIDE_BITS


_MOST_LAYERS = 16
DAMAGES = (
    ArithmeticError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy (it reads headers as Python), zipfile and zlib raise for files cut off, altered, or of another kind."""


class QuantisationError(ValueError):
    """The float model cannot be turned into an integer model that stays in range for every input."""


class ShapeLike(Protocol):
    """Any description of a model with these sizes, such as `forecasting.shape.ModelShape`."""

    @property
    def steps(self) -> int: ...
    @property
    def features(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def exogenous(self) -> int: ...
    @property
    def lags(self) -> int: ...
    @property
    def recent(self) -> int: ...
    @property
    def horizon(self) -> int: ...
    @property
    def median(self) -> int: ...


def _array(value: Any) -> NDArray[np.float64]:
    """A float64 array of a tensor or array."""
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value, dtype=np.float64)


def _fixed(values: NDArray[np.float64], bits: int) -> Ints:
    return np.rint(values * float(1 << bits)).astype(np.int64)


def _quantise_layer(state: Mapping[str, Any], layer: int, shape: Shape) -> Ints:
    """Weights of one layer, [4, H, inputs]: inputs and hidden state at their scales, the bias last."""
    inputs = _array(state[f"lstm.weight_ih_l{layer}"])
    hidden = _array(state[f"lstm.weight_hh_l{layer}"])
    bias = _array(state[f"lstm.bias_ih_l{layer}"]) + _array(state[f"lstm.bias_hh_l{layer}"])
    flat = np.concatenate([inputs, hidden, bias[:, None]], axis=1)
    if not np.isfinite(flat).all():
        raise QuantisationError(f"LSTM layer {layer} has a weight that is not a finite number")
    bits = np.full(flat.shape[1], _LSTM_BITS - arithmetic.ACTIVATION_BITS)
    if layer == 0:
        bits[: shape.loads] = _LSTM_BITS - arithmetic.LOAD_BITS
    bits[-1] = _LSTM_BITS
    scaled = (flat * np.exp2(bits)).reshape(4, shape.hidden, -1)
    scaled[2] *= 2  # the candidate: tanh(z) = 2 sigmoid(2z) - 1
    gates: Ints = np.rint(scaled).astype(np.int64)
    return gates


def _beside_median(shape: Shape) -> float:
    """The share of the typical hours that is not the median: it is in the integer model's weights."""
    return 1 - shape.median / (1 << arithmetic.MEDIAN_BITS)


def _quantise_head(state: Mapping[str, Any], shape: Shape) -> Ints:
    """Typical outputs, then means, [48, loads, hidden state, exogenous values, one]."""
    own, shared = np.split(_array(state["head.weight"]), [shape.hidden], axis=1)
    typical, mean = (np.split(part, [arithmetic.HISTORY], axis=1) for part in (shared, _array(state["mean.weight"])))
    biases = (_array(state[name])[:, None] for name in ("head.bias", "mean.bias"))
    parts = zip((own, np.zeros_like(own)), (typical, mean), biases, strict=True)
    flat = np.concatenate([np.concatenate([x, h, e, bias], axis=1) for h, (x, e), bias in parts])
    flat[: arithmetic.HOURS] *= _beside_median(shape)
    if not np.isfinite(flat).all():
        raise QuantisationError("the head has a weight that is not a finite number")
    bits = np.full(flat.shape[1], _HEAD_BITS - arithmetic.ACTIVATION_BITS)
    bits[: arithmetic.HISTORY] = _HEAD_BITS - arithmetic.LOAD_BITS
    bits[-1] = _HEAD_BITS
    head: Ints = np.rint(flat * np.exp2(bits)).astype(np.int64)
    return head


def _quantise_personal(personal: Mapping[str, Any], shape: Shape) -> Ints:
    """[48, loads and hidden state], clipped to the weights that can be proven."""
    typical, mean = _array(personal["typical"]) * _beside_median(shape), _array(personal["mean"])
    unread = np.zeros((len(mean), shape.hidden))
    flat = np.concatenate([typical, np.concatenate([mean, unread], axis=1)])
    if not np.isfinite(flat).all():
        raise QuantisationError("the personal head has a weight that is not a finite number")
    limit = arithmetic.PERSONAL_LIMIT
    head: Ints = np.clip(_fixed(flat, arithmetic.PERSONAL_BITS), -limit, limit - 1)
    return head


def _check_gates(weights: IntegerWeights) -> None:
    one = arithmetic.ONE
    for layer, gates in enumerate(weights.layers):
        bound = np.full(gates.shape[2], one)
        if layer == 0:
            bound[: weights.shape.features] = arithmetic.FEATURE_LIMIT * one
            bound[: weights.shape.loads] = arithmetic.LOAD_LIMIT << arithmetic.LOAD_BITS
        bound[-1] = 1
        worst = np.abs(gates) @ bound + (1 << (arithmetic.WIDE_BITS - 1))
        if worst.max() >= _GATE_LIMIT:
            gate, unit = np.unravel_index(int(worst.argmax()), worst.shape)
            raise QuantisationError(
                f"LSTM layer {layer}, gate {arithmetic.GATES[gate]!r}, unit {unit}: the pre-activation could reach "
                f"{worst.max() / _GATE_LIMIT:.2f} of its range. Train with LoadForecaster.project() after each step."
            )


def _check_head(shape: Shape, head: Ints) -> None:
    size, loads = np.abs(head), arithmetic.HISTORY
    # The loads of a window are shares of their sum: together at most 128 units (and a rounding each).
    worst = size[:, :loads].max(axis=1) * ((128 << arithmetic.LOAD_BITS) + loads) + size[:, -1]
    worst += size[:, loads : shape.personal_inputs].sum(axis=1) * arithmetic.ONE
    worst += size[:, shape.personal_inputs : -1].sum(axis=1) * arithmetic.FEATURE_LIMIT * arithmetic.ONE
    worst[: arithmetic.HOURS] += shape.median_weight * ((128 << arithmetic.LOAD_BITS) + loads)
    if worst.max() >= arithmetic.OUTPUT_LIMIT:
        raise QuantisationError(
            f"output {int(worst.argmax())} of the head could reach {worst.max() / arithmetic.OUTPUT_LIMIT:.2f} of "
            "its range; its weights are far too large, train again with a smaller learning rate or more weight decay"
        )


@dataclass(frozen=True, repr=False)
class IntegerModel:
    """A quantised forecaster, with an additive personal head (private to a home) or without."""

    weights: IntegerWeights
    personal_head: Ints | None = None

    def __post_init__(self) -> None:
        _check_gates(self.weights)
        _check_head(self.shape, self.weights.head)
        if self.personal_head is not None:
            size = (arithmetic.OUTPUTS, self.shape.personal_inputs)
            if self.personal_head.shape != size:
                raise QuantisationError(f"the personal head has the shape {self.personal_head.shape}, not {size}")
            _check_head(self.shape, self.head)

    @property
    def shape(self) -> Shape:
        return self.weights.shape

    @property
    def head(self) -> Ints:
        """The head that forecasts, [48, head inputs]: the community's, with the personal one where there is one."""
        own = self.personal_head
        return self.weights.head if own is None else arithmetic.personalised(self.shape, self.weights.head, own)

    def run(self, history: ArrayLike, steps: ArrayLike, exogenous: ArrayLike) -> Trace:
        """Forecast B days.

        history int [B, 168] Wh, oldest first; steps [B, T, public] and exogenous [B, E] are public features, floats
        in [-2, 2] or int64 already in fixed point. Returns every intermediate value; `.forecast` is [B, 48] Wh:
        typical hours, then means. Raises ValueError for a reading or a feature out of range.
        """
        readings = np.asarray(history, dtype=np.int64)
        if readings.ndim != 2 or readings.shape[1] != arithmetic.HISTORY:
            raise ForecastError(f"history must be [B, {arithmetic.HISTORY}], not {readings.shape}")
        if readings.min(initial=0) < 0 or readings.max(initial=0) > arithmetic.MAX_READING_WH:
            raise ForecastError(f"a reading is not between 0 and {arithmetic.MAX_READING_WH} Wh")
        batch = len(readings)
        features = quantise_features(steps, (batch, self.shape.steps, self.shape.public))
        exo = quantise_features(exogenous, (batch, self.shape.exogenous))
        scale = arithmetic.SCALE_FLOOR_WH + readings.sum(axis=1)
        multiplier = (1 << arithmetic.MULTIPLIER_BITS) // scale
        load, load_remainder = round_shift(readings * multiplier[:, None], arithmetic.SCALE_SHIFT)
        inputs = np.concatenate([arithmetic.step_loads(load, self.shape), features], axis=2)
        layers = []
        for gates in self.weights.layers:
            layers.append(_run_layer(gates, inputs))
            inputs = layers[-1].hidden
        ones = np.ones((batch, 1), dtype=np.int64)
        head, hours = self.head, slice(arithmetic.HISTORY, self.shape.personal_inputs)
        read = inputs[:, self.shape.hour_step(0) :]  # [B, 24, H]
        output = np.concatenate([load, np.zeros_like(read[:, 0]), exo, ones], axis=1) @ head.T
        output[:, : arithmetic.HOURS] += (read * head[: arithmetic.HOURS, hours]).sum(axis=2)
        output[:, : arithmetic.HOURS] += self.shape.median_weight * arithmetic.median_of_days(load)
        forecast, forecast_remainder = round_shift(output * scale[:, None], arithmetic.OUTPUT_SHIFT)
        return Trace(
            readings, features, exo, scale, multiplier, load, load_remainder, tuple(layers),
            output, forecast, forecast_remainder,
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write as .npz, whole or not at all. A personal head is private: it is not part of the file."""
        arrays = {f"layer{k}": w for k, w in enumerate(self.weights.layers)}
        arrays["shape"] = np.array(self.shape.sizes, dtype=np.int64)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, head=self.weights.head, **arrays)  # type: ignore[arg-type]
        write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> IntegerModel:
        """Read what `save` wrote. Raises QuantisationError for a file that is not a model in range."""
        try:
            with path.open("rb") as file:
                return cls.read(file, str(path))
        except OSError as error:
            raise QuantisationError(f"{path} is not a quantised model: {error.strerror}") from error

    @classmethod
    def read(cls, file: IO[bytes], name: str) -> IntegerModel:
        """`load` from an open file, called `name` in messages. Any damage raises QuantisationError."""
        try:
            with np.load(file, allow_pickle=False) as content:
                shape = Shape.of_sizes([int(v) for v in content["shape"]])
                if shape.layers > _MOST_LAYERS:
                    raise QuantisationError(f"it says that it has {shape.layers} layers")
                layers = tuple(content[f"layer{k}"].astype(np.int64) for k in range(shape.layers))
                return cls(IntegerWeights(shape, layers, content["head"].astype(np.int64)))
        except QuantisationError as error:
            raise QuantisationError(f"{name} is not a quantised model: {error}") from None
        except DAMAGES as error:  # NumPy's message for a damaged file advises loading it unsafely
            kind = type(error).__name__
            raise QuantisationError(f"{name} is damaged, or not a quantised model ({kind})") from None


def quantise_features(values: ArrayLike, shape: tuple[int, ...]) -> Ints:
    """Public features in fixed point, int64; floats are rounded, integers taken as they are.

    Raises ValueError for another shape or a value outside [-2, 2].
    """
    raw = np.asarray(values)
    fixed = raw.astype(np.int64) if raw.dtype.kind in "iu" else None
    if fixed is None:
        if not np.isfinite(raw).all():
            raise ForecastError("a public feature is not a finite number")
        fixed = _fixed(raw.astype(np.float64), arithmetic.ACTIVATION_BITS)
    if fixed.shape != shape:
        raise ForecastError(f"public features have shape {fixed.shape}, the model wants {shape}")
    limit = arithmetic.FEATURE_LIMIT * arithmetic.ONE
    if fixed.max(initial=0) > limit or fixed.min(initial=0) < -limit:  # abs of the smallest int64 is negative
        raise ForecastError(
            f"a public feature lies outside [-{arithmetic.FEATURE_LIMIT}, {arithmetic.FEATURE_LIMIT}]"
        )
    return fixed


def _run_layer(weights: Ints, inputs: Ints) -> LayerTrace:
    """One LSTM layer; weights [4, H, M], inputs [B, T, M - H - 1]."""
    batch, steps, _ = inputs.shape
    units = weights.shape[1]
    flat = weights.reshape(4 * units, -1).T
    cell_of, tanh_of = arithmetic.cell_table()
    hidden = cell = np.zeros((batch, units), dtype=np.int64)
    ones = np.ones((batch, 1), dtype=np.int64)
    rows = []
    for t in range(steps):
        summed = np.concatenate([inputs[:, t], hidden, ones], axis=1) @ flat
        index, gate_remainder = round_shift(summed.reshape(batch, 4, units).swapaxes(0, 1), arithmetic.WIDE_BITS)
        gates = arithmetic.sigmoid_table()[index + arithmetic.INDEX_OFFSET]
        candidate = 2 * gates[2] - arithmetic.ONE
        cell_sum, cell_remainder = round_shift(gates[1] * cell + gates[0] * candidate, arithmetic.NARROW_BITS)
        place = cell_sum + arithmetic.CELL_OFFSET
        cell, cell_tanh = cell_of[place], tanh_of[place]
        hidden, hidden_remainder = round_shift(gates[3] * cell_tanh, arithmetic.NARROW_BITS)
        rows.append(
            (index, gates, gate_remainder, cell_sum, cell, cell_tanh, cell_remainder, hidden, hidden_remainder)
        )
    gated = [np.stack(part, axis=2) for part in list(zip(*rows, strict=True))[:3]]
    plain = [np.stack(part, axis=1) for part in list(zip(*rows, strict=True))[3:]]
    return LayerTrace(*gated, *plain)


def quantise(state: Mapping[str, Any], shape: ShapeLike, personal: Mapping[str, Any] | None = None) -> IntegerModel:
    """Quantise a float model (`lstm.*`, `head.*`, `mean.*`), with a home's personal head if given.

    `personal` holds the additive weights of the typical outputs [24, loads and hidden state] and of the means
    [24, loads]: "typical" and "mean". Raises QuantisationError where a value could leave its range, naming where and
    what to do, and for a model without these parameters or with others.
    """
    size = Shape(
        shape.steps, shape.features, shape.hidden, shape.layers, shape.exogenous, shape.lags, shape.recent,
        shape.horizon, shape.median,
    )  # fmt: skip
    known = {f"{part}.{kind}" for part in ("head", "mean") for kind in ("weight", "bias")}
    odd = sorted(known ^ {name for name in state if not name.startswith("lstm.")})
    if odd:
        raise QuantisationError(
            f"the model's parts do not fit ({', '.join(odd)}): it is of another version; train again"
        )
    layers = tuple(_quantise_layer(state, k, size) for k in range(size.layers))
    own = None if personal is None else _quantise_personal(personal, size)
    return IntegerModel(IntegerWeights(size, layers, _quantise_head(state, size)), own)
