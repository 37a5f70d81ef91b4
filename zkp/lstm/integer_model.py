"""The integer LSTM whose arithmetic is proven: shapes, fixed-point constants, tables, and the arrays that join the
forecaster (which fills them, `forecasting.integer`) and the proof (which constrains them, `zkp.lstm.grid`).

Fixed point: a value v stands as round(v * 2^bits). Every rounding is round_shift(z, k) = (z + 2^(k-1)) >> k.

    scale        S = 2048 + sum(history)                                  Wh
    multiplier   m = floor(2^37 / S)
    load         x = round_shift(history * m, 19)          history * 128 / S, 11 bits
    input        min(x >> 11, 8) keeps its whole part up to 8; at 8 the fraction is dropped. The step of an hour takes
                 that hour's load, the loads 24, 48, ... hours before it (zero before the window), and the last hours'
    gates        z = inputs . weights (18 bits), p = round_shift(z, 11), 7 bits, |p| < 2048
                 a = sigmoid table[p], 8 bits; the candidate's weights are doubled, tanh(z) = 2 sigmoid(2z) - 1
    cell         q = round_shift(f c + i g, 8), c = clip(q), |c| < 7 (cell clipping as in Sak et al. 2014)
    hidden       h = round_shift(o tanh table[c], 8)
    output       o = head . (h, x, exogenous, 1), 23 bits; the first 24 of the 48 are the typical hours, and read the
                 hidden state h of the step 24 hours before the output; the others are the mean, and do not
    median       of the loads x of an hour on the seven days, times median / 16 of the shape, is added to the typical
                 output of that hour; the head's other weights for it are published as they are (1 - median / 16)
    forecast     y = round_shift(o * S, 30)                                Wh
    personal     a home's own head is added to it: 12 bits, and only for loads and hidden state
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HISTORY = 168
HOURS = 24
DAYS = HISTORY // HOURS
OUTPUTS = 2 * HOURS  # typical hours, then means
ACTIVATION_BITS = 8  # gates, cell, hidden state, public features
INDEX_BITS = 7  # pre-activations, as keys of the sigmoid table
LOAD_BITS = 11  # the load relative to the home's scale
SUM_BITS = 18  # a row of LSTM weights times its inputs
HEAD_BITS = 23  # a row of the head times its inputs
PERSONAL_BITS = 12  # weights of a personal head
WIDE_BITS = 11  # remainders of gates, limbs of longer numbers
NARROW_BITS = 8  # remainders of cell and hidden state
SCALE_UNIT_BITS = 7  # loads are relative to S / 128
SCALE_SHIFT = WIDE_BITS + NARROW_BITS
MULTIPLIER_BITS = SCALE_SHIFT + SCALE_UNIT_BITS + LOAD_BITS
MEDIAN_BITS = 4  # the share of the median in the typical hours
SCALE_FLOOR_WH = 2048
MAX_READING_WH = (1 << 17) - 1

ONE = 1 << ACTIVATION_BITS
HALF = ONE // 2
INDEX_OFFSET = 1 << (INDEX_BITS + 4)  # pre-activations lie in (-16, 16)
CELL_OFFSET = 8 << ACTIVATION_BITS  # cell sums lie in [-8, 8)
CELL_LIMIT = (7 << ACTIVATION_BITS) - 1
LOAD_LIMIT = 8  # the LSTM sees the load clipped to this many units
FEATURE_LIMIT = 2
WHOLE_LOADS = 256  # whole parts of a relative load: at most 128, for it is a share of its own sum
OUTPUT_SHIFT = HEAD_BITS + SCALE_UNIT_BITS
OUTPUT_LIMIT = 1 << 32  # outputs stay below it: then products with the scale fit 63 bits
FORECAST_LIMIT = 1 << 29
PERSONAL_LIMIT = 1 << (WIDE_BITS - 1)  # personal weights lie in [-limit, limit): a quarter
PERSONAL_LOAD_SCALE = 1 << (HEAD_BITS - LOAD_BITS - PERSONAL_BITS)  # of a personal weight among the head's
PERSONAL_HIDDEN_SCALE = 1 << (HEAD_BITS - ACTIVATION_BITS - PERSONAL_BITS)

GATES = ("i", "f", "g", "o")  # PyTorch's order


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: LSTM steps T, input features F, hidden units, layers, exogenous values.

    The first of the features are loads: `lags` of the step's hour (that day and the days before), `recent` of the
    window's last hours; the others are public. `horizon`: how many days before the forecast day the window's last day
    is. No arithmetic depends on it; it is one of the sizes so that whatever names a model names its horizon.
    `median`: sixteenths of the typical hours that are the median of the same hour on the window's seven days.
    """

    steps: int
    features: int
    hidden: int
    layers: int
    exogenous: int
    lags: int = 1
    recent: int = 0
    horizon: int = 1
    median: int = 0

    def __post_init__(self) -> None:
        limits = {
            "steps": (HOURS, HISTORY), "features": (1, 64), "hidden": (1, 256), "layers": (1, 4),
            "horizon": (1, DAYS), "median": (0, 1 << MEDIAN_BITS),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between {low} and {high}")
        if not 0 <= self.exogenous <= 1024:
            raise ValueError(f"exogenous is {self.exogenous}; it must lie between 0 and 1024")
        if not (1 <= self.lags <= DAYS and 0 <= self.recent <= HOURS and self.public >= 0):
            raise ValueError(
                f"{self.lags} lags and {self.recent} recent hours among {self.features} features: there are 1 to "
                f"{HISTORY // HOURS} lags and 0 to {HOURS} recent hours, together at most as many as features"
            )

    @classmethod
    def of_sizes(cls, sizes: Sequence[int]) -> Shape:
        """What `sizes` gives. Raises ValueError for any other row of numbers: a shape has one form."""
        count, most = len(fields(cls)) - 2, len(fields(cls))
        shape = cls(*sizes) if count <= len(sizes) <= most else None
        if shape is None or shape.sizes != tuple(sizes):
            raise ValueError(
                f"a model has {count} sizes, its horizon where that is not 1, and horizon and median where it has a "
                f"median; here are {len(sizes)}"
            )
        return shape

    @property
    def sizes(self) -> tuple[int, ...]:
        """All numbers, in order; horizon and median only where there is a median, the horizon where it is not 1."""
        every: tuple[int, ...] = astuple(self)
        if self.median:
            return every
        return every[:-2] if self.horizon == 1 else every[:-1]

    @property
    def loads(self) -> int:
        """How many of a step's features are loads."""
        return self.lags + self.recent

    @property
    def public(self) -> int:
        """How many of a step's features are public."""
        return self.features - self.loads

    @property
    def median_weight(self) -> int:
        """What the median is weighted by in a typical output, as a load among the head's weights."""
        return self.median << HEAD_BITS - LOAD_BITS - MEDIAN_BITS

    def hour_step(self, hour: int) -> int:
        """The step whose hidden state the output of `hour` reads: that of the same hour of the last day."""
        return self.steps - HOURS + hour

    def lag_hour(self, step: int, lag: int) -> int:
        """The hour of the window that a step takes as its lag 0, 1, ...; negative: before the window, a load of 0."""
        return HISTORY - self.steps + step - HOURS * lag

    def inputs(self, layer: int) -> int:
        """Inputs of a layer's gates: features (or the layer below), own hidden state, one."""
        return (self.features if layer == 0 else self.hidden) + self.hidden + 1

    @property
    def head_inputs(self) -> int:
        """Inputs of the head: loads, hidden state, exogenous values, one."""
        return self.personal_inputs + self.exogenous + 1

    @property
    def personal_inputs(self) -> int:
        """Inputs of a personal head: loads and hidden state. They come first among the head's."""
        return HISTORY + self.hidden


@dataclass(frozen=True)
class IntegerWeights:
    """Quantised weights: `layers[l]` int64 [4, H, inputs(l)], `head` int64 [48, head_inputs]; the bias comes last.

    The head's inputs are loads, hidden state, exogenous values, one. Its second half, the mean, has no weights for
    the hidden state.
    """

    shape: Shape
    layers: tuple[Ints, ...]
    head: Ints

    def __post_init__(self) -> None:
        want = [(4, self.shape.hidden, self.shape.inputs(k)) for k in range(self.shape.layers)]
        if [w.shape for w in self.layers] != want or self.head.shape != (OUTPUTS, self.shape.head_inputs):
            raise ValueError("weights do not have the model's shape")
        if self.head[HOURS:, HISTORY : self.shape.personal_inputs].any():
            raise ValueError("the mean outputs read the hidden state; they have no such inputs")


@dataclass(frozen=True, repr=False)
class LayerTrace:
    """One LSTM layer over all steps; int64, gates [4, B, T, H], the rest [B, T, H]. True values, no offsets."""

    index: Ints
    gates: Ints
    gate_remainder: Ints
    cell_sum: Ints
    cell: Ints
    cell_tanh: Ints
    cell_remainder: Ints
    hidden: Ints
    hidden_remainder: Ints


@dataclass(frozen=True, repr=False)
class Trace:
    """Every intermediate value of B forecasts; int64."""

    history: Ints  # [B, 168] Wh
    steps: Ints  # [B, T, public features]
    exogenous: Ints  # [B, E]
    scale: Ints  # [B] Wh
    multiplier: Ints  # [B]
    load: Ints  # [B, 168]
    load_remainder: Ints  # [B, 168]
    layers: tuple[LayerTrace, ...]
    output: Ints  # [B, 48]
    forecast: Ints  # [B, 48] Wh: typical hours, means
    forecast_remainder: Ints  # [B, 48]

    def select(self, rows: slice) -> Trace:
        """The trace of some of the forecasts."""
        parts: dict[str, Any] = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "layers"}
        return Trace(**parts, layers=tuple(_select_layer(layer, rows) for layer in self.layers))


def _select_layer(layer: LayerTrace, rows: slice) -> LayerTrace:
    gated = ("index", "gates", "gate_remainder")
    parts = {
        f.name: getattr(layer, f.name)[:, rows] if f.name in gated else getattr(layer, f.name)[rows]
        for f in fields(layer)
    }
    return LayerTrace(**parts)


def round_shift(value: Ints, bits: int) -> tuple[Ints, Ints]:
    """Rounded quotient and remainder by 2^bits: value + 2^(bits-1) = quotient * 2^bits + remainder."""
    shifted = value + (1 << (bits - 1))
    return shifted >> bits, shifted & ((1 << bits) - 1)


@cache
def sigmoid_table() -> Ints:
    """sigmoid at (k - INDEX_OFFSET) / 2^INDEX_BITS, with ACTIVATION_BITS; [2 * INDEX_OFFSET]."""
    z = (np.arange(2 * INDEX_OFFSET) - INDEX_OFFSET) / (1 << INDEX_BITS)
    return np.rint(ONE / (1 + np.exp(-z))).astype(np.int64)


@cache
def cell_table() -> tuple[Ints, Ints]:
    """Clipped cell and its tanh for cell sums k - CELL_OFFSET; each [2 * CELL_OFFSET]."""
    cell = np.clip(np.arange(2 * CELL_OFFSET) - CELL_OFFSET, -CELL_LIMIT, CELL_LIMIT).astype(np.int64)
    return cell, np.rint(ONE * np.tanh(cell / ONE)).astype(np.int64)


def personalised(shape: Shape, head: Ints, personal: Ints) -> Ints:
    """The head that forecasts, [48, head inputs]: the community's and, added to it, a personal one [48, loads and
    hidden state]."""
    scales = np.full(shape.personal_inputs, PERSONAL_LOAD_SCALE)
    scales[HISTORY:] = PERSONAL_HIDDEN_SCALE
    out = head.copy()
    out[:, : shape.personal_inputs] += personal * scales
    return out


def median_of_days(load: Ints) -> Ints:
    """The median of the same hour on the seven days, [B, 24], of loads [B, 168]."""
    middle: Ints = np.sort(load.reshape(-1, DAYS, HOURS), axis=1)[:, DAYS // 2]
    return middle


def sides_of_median(load: Ints) -> Ints:
    """For each load [B, 168] the side of its hour's median: of seven days three are below (-1), one is at it (0),
    three are above (1); equal ones as they come."""
    ranks = load.reshape(-1, DAYS, HOURS).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.sign(ranks - DAYS // 2).reshape(load.shape)


def clipped_load(load: Ints) -> Ints:
    """The load as the LSTM sees it: fraction kept below LOAD_LIMIT, dropped at the limit."""
    whole, fraction = load >> LOAD_BITS, load & ((1 << LOAD_BITS) - 1)
    live = whole < LOAD_LIMIT
    return np.where(live, (whole << LOAD_BITS) + fraction, LOAD_LIMIT << LOAD_BITS)


def step_loads(load: Ints, shape: Shape) -> Ints:
    """The loads that the LSTM takes at each step, [B, T, lags + recent], of loads [B, 168]."""
    seen = clipped_load(load)
    out = np.zeros((len(load), shape.steps, shape.loads), dtype=np.int64)
    for lag in range(shape.lags):
        hours = [shape.lag_hour(step, lag) for step in range(shape.steps)]
        known = [step for step, hour in enumerate(hours) if hour >= 0]
        out[:, known, lag] = seen[:, [hours[step] for step in known]]
    for k in range(shape.recent):
        out[:, :, shape.lags + k] = seen[:, [HISTORY - 1 - k]]
    return out
