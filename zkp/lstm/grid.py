"""The integer LSTM as a relation: which cells there are, and what ties them together.

Grid of the LSTM, for each layer: row tau * Hp + j for step tau = b * T + t of window b and hidden unit j (Hp = H
rounded up to a power of two). Grid of the rest, in columns of their own: 218 rows for each window,

    0..167    hours of the window    p * q -> load:      p = reading, q = multiplier
    168..191  outputs                output = u0 + 2^11 u2 - offset, remainder u1
    192..215  forecasts              p * q -> forecast:  p = output, q = scale
    216       scale                  p * q + (u0, u1, v0) = 2^37, (u2, u3, v1) = q - 1 - (u0, u1, v0)
    217       multiplier             p = (u0, u1, v0)

u0..u3 are in [0, 2^11), v0 and v1 in [0, 2^8), by lookup in every row. (whole, seen, live) is the clipping table:
whole part of the load, the same clipped, one below the limit; `kept` = live * u0 is the fraction that the LSTM sees.
All columns hold integers from zero up: signed values are shifted by the offsets of `zkp.lstm.integer_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from zkp.algebra.commitment import window_slots
from zkp.algebra.field import MODULUS, eq_index, powers, squares
from zkp.algebra.srs import ROW, ROW_BITS
from zkp.algebra.vector import Vector, concatenate, eq_table, scalars
from zkp.argument.cells import DenseForm, EqForm, Linear, OuterForm, Term
from zkp.argument.constraints import Relations
from zkp.argument.lookup import Lookup, LookupGroup, Selector, SubTable, Table
from zkp.argument.relation import Column, Draw, Gate, Product
from zkp.lstm import integer_model as model
from zkp.lstm.integer_model import Ints, LayerTrace, Shape, Trace, Weights

STRIDE = 218
OUTPUT_ROW, FORECAST_ROW, SCALE_ROW, MULTIPLIER_ROW = 168, 192, 216, 217
HEAD_ROWS = 32
_HOUR_BITS = 5
_SIGMOID, _CELL, _WIDE, _NARROW, _CLIP = range(1, 6)
_AUX = ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1", "whole", "seen", "live", "kept")
_WIDE_SCALE = 1 << model.WIDE_BITS
_ACTIVE_PADS = 3


@cache
def table() -> Table:
    """The sub-tables, in the order of their tags."""
    cell, tanh = model.cell_table()
    whole = np.arange(model.WHOLE_LOADS)
    clip = (np.minimum(whole, model.LOAD_LIMIT), (whole < model.LOAD_LIMIT).astype(np.int64))
    return Table(
        (
            SubTable(2 * model.INDEX_OFFSET, (model.sigmoid_table(),)),
            SubTable(2 * model.CELL_OFFSET, (cell + model.CELL_OFFSET, tanh + model.ONE)),
            SubTable(1 << model.WIDE_BITS),
            SubTable(1 << model.NARROW_BITS),
            SubTable(model.WHOLE_LOADS, clip),
        )
    )


def _bits(count: int) -> int:
    """Bits that number `count` things."""
    return (count - 1).bit_length()


@dataclass(frozen=True)
class Grid:
    """Addresses for a model's shape and a number of windows."""

    shape: Shape
    windows: int

    @property
    def unit_bits(self) -> int:
        return _bits(self.shape.hidden)

    @property
    def units(self) -> int:
        return 1 << self.unit_bits

    @property
    def steps(self) -> int:
        return self.windows * self.shape.steps

    @property
    def step_bits(self) -> int:
        """Room for one step more than there is: its first row is each column's random cell."""
        rows = max((self.steps + 1) * self.units, self.windows * STRIDE + 1)
        return _bits(rows) - self.unit_bits

    @property
    def bits(self) -> int:
        return self.step_bits + self.unit_bits

    @property
    def lstm_rows(self) -> Selector:
        return Selector(0, self.steps * self.units, self.units, self.shape.hidden)

    def aux_rows(self, first: int, count: int) -> Selector:
        """Rows first .. first + count - 1 of every window."""
        return Selector(first, (self.windows - 1) * STRIDE + first + count, STRIDE, count)

    def layer_bits(self, layer: int) -> int:
        return _bits(self.shape.inputs(layer) + _ACTIVE_PADS)

    @property
    def head_bits(self) -> int:
        return max(_bits(self.shape.head_inputs + _ACTIVE_PADS), ROW_BITS - 5)

    @property
    def head_product_bits(self) -> int:
        """The head's product: inputs that all hours share in the first half, hour and unit in the second."""
        return 1 + max(self.head_bits, _HOUR_BITS + self.unit_bits)

    @property
    def product_bits(self) -> int:
        return max([self.head_product_bits] + [self.layer_bits(k) for k in range(self.shape.layers)])

    def layer_block(self, layer: int) -> int:
        """Cells of a layer's weights: gate, unit, input."""
        return max(ROW, 4 * self.units << self.layer_bits(layer))

    @property
    def head_block(self) -> int:
        return HEAD_ROWS << self.head_bits


# -- cells: names, and values from a trace ---------------------------------------------------------------------------


def _layer_names(layer: int) -> list[str]:
    gated = [f"{layer}.{kind}{k}" for kind in ("index", "gate", "rest") for k in range(4)]
    return gated + [f"{layer}.{n}" for n in ("before", "sum", "cell", "tanh", "cell rest", "hidden", "hidden rest")]


@lru_cache(maxsize=16)
def columns(grid: Grid) -> tuple[Column, ...]:
    lstm = [Column(n, grid.steps * grid.units) for k in range(grid.shape.layers) for n in _layer_names(k)]
    return (*lstm, *(Column(n, grid.windows * STRIDE) for n in _AUX))


def column_values(grid: Grid, trace: Trace) -> dict[str, Ints]:
    """The witness's columns, by name."""
    out: dict[str, Ints] = {}
    for k, layer in enumerate(trace.layers):
        arrays = _layer_arrays(layer)
        out.update({n: _spread(grid, a) for n, a in zip(_layer_names(k), arrays, strict=True)})
    out.update(_aux_values(grid, trace))
    return out


def _layer_arrays(layer: LayerTrace) -> list[Ints]:
    before = np.zeros_like(layer.cell)
    before[:, 1:] = layer.cell[:, :-1]
    return [
        *(layer.index + model.INDEX_OFFSET),
        *layer.gates,
        *layer.gate_remainder,
        before + model.CELL_OFFSET,
        layer.cell_sum + model.CELL_OFFSET,
        layer.cell + model.CELL_OFFSET,
        layer.cell_tanh + model.ONE,
        layer.cell_remainder,
        layer.hidden + model.ONE,
        layer.hidden_remainder,
    ]


def _spread(grid: Grid, values: Ints) -> Ints:
    """[B, T, H] to the grid's rows."""
    padded = np.zeros((grid.steps, grid.units), dtype=np.int64)
    padded[:, : grid.shape.hidden] = values.reshape(grid.steps, -1)
    return padded.ravel()


def _limbs(values: Ints, *widths: int) -> list[Ints]:
    out, rest = [], values
    for width in widths:
        out.append(rest & ((1 << width) - 1))
        rest = rest >> width
    return out


def _aux_values(grid: Grid, trace: Trace) -> dict[str, Ints]:
    wide, narrow = model.WIDE_BITS, model.NARROW_BITS
    out = {n: np.zeros((grid.windows, STRIDE), dtype=np.int64) for n in _AUX}
    hours, outputs = slice(0, OUTPUT_ROW), slice(OUTPUT_ROW, FORECAST_ROW)
    forecasts = slice(FORECAST_ROW, SCALE_ROW)
    out["p"][:, hours], out["q"][:, hours] = trace.history, trace.multiplier[:, None]
    out["u0"][:, hours], out["whole"][:, hours] = _limbs(trace.load, wide, 16)
    out["u1"][:, hours], out["v0"][:, hours] = _limbs(trace.load_remainder, wide, narrow)
    shifted = trace.output + model.OUTPUT_OFFSET
    out["u0"][:, outputs], out["u2"][:, outputs] = _limbs(shifted, wide, wide)
    out["u1"][:, outputs] = trace.output_remainder
    out["p"][:, forecasts], out["q"][:, forecasts] = shifted, trace.scale[:, None]
    limbs = _limbs(trace.forecast + model.FORECAST_OFFSET, wide, wide, narrow)
    out["u0"][:, forecasts], out["u2"][:, forecasts], out["v1"][:, forecasts] = limbs
    out["u1"][:, forecasts], out["v0"][:, forecasts] = _limbs(trace.forecast_remainder, wide, narrow)
    rest = (1 << model.MULTIPLIER_BITS) - trace.multiplier * trace.scale
    out["p"][:, SCALE_ROW], out["q"][:, SCALE_ROW] = trace.multiplier, trace.scale
    limbs = _limbs(rest, wide, wide, narrow)
    out["u0"][:, SCALE_ROW], out["u1"][:, SCALE_ROW], out["v0"][:, SCALE_ROW] = limbs
    limbs = _limbs(trace.scale - 1 - rest, wide, wide, narrow)
    out["u2"][:, SCALE_ROW], out["u3"][:, SCALE_ROW], out["v1"][:, SCALE_ROW] = limbs
    out["p"][:, MULTIPLIER_ROW] = trace.multiplier
    limbs = _limbs(trace.multiplier, wide, wide, narrow)
    out["u0"][:, MULTIPLIER_ROW], out["u1"][:, MULTIPLIER_ROW], out["v0"][:, MULTIPLIER_ROW] = limbs
    out["seen"][:] = np.minimum(out["whole"], model.LOAD_LIMIT)
    out["live"][:] = out["whole"] < model.LOAD_LIMIT
    out["kept"][:] = out["live"] * out["u0"]
    return {n: v.ravel() for n, v in out.items()}


# -- gates and lookups -----------------------------------------------------------------------------------------------

Columns = Mapping[str, Any]


@lru_cache(maxsize=16)
def gates(grid: Grid) -> tuple[Gate, ...]:
    out = [gate for k in range(grid.shape.layers) for gate in _layer_gates(grid, k)]
    everywhere = Selector(0, grid.windows * STRIDE)
    out.append(Gate(everywhere, 2, lambda c: c["kept"] - c["live"] * c["u0"]))
    kinds: list[tuple[int, int, int, Callable[[Columns], Any]]] = [
        (0, model.HISTORY, 2, _load_gate),
        (FORECAST_ROW, model.HOURS, 2, _forecast_gate),
        (SCALE_ROW, 1, 2, _scale_gate),
        (SCALE_ROW, 1, 1, _scale_range_gate),
        (MULTIPLIER_ROW, 1, 1, _multiplier_gate),
    ]
    out += [Gate(grid.aux_rows(first, count), degree, value) for first, count, degree, value in kinds]
    return tuple(out)


def _layer_gates(grid: Grid, layer: int) -> list[Gate]:
    half = 1 << (model.NARROW_BITS - 1)
    name = f"{layer}.".__add__

    def cell(c: Columns) -> Any:
        rounded = c[name("sum")] * model.ONE + c[name("cell rest")] - (model.CELL_OFFSET * model.ONE + half)
        kept = c[name("gate1")] * (c[name("before")] - model.CELL_OFFSET)
        return rounded - kept - c[name("gate0")] * (c[name("gate2")] * 2 - model.ONE)

    def hidden(c: Columns) -> Any:
        rounded = c[name("hidden")] * model.ONE + c[name("hidden rest")] - (model.ONE * model.ONE + half)
        return rounded - c[name("gate3")] * (c[name("tanh")] - model.ONE)

    return [Gate(grid.lstm_rows, 2, cell), Gate(grid.lstm_rows, 2, hidden)]


_HALF_SCALE = 1 << (model.SCALE_SHIFT - 1)


def _remainder(c: Columns) -> Any:
    return c["u1"] + c["v0"] * _WIDE_SCALE


def _triple(c: Columns, low: str, middle: str, high: str) -> Any:
    return c[low] + c[middle] * _WIDE_SCALE + c[high] * _WIDE_SCALE**2


def _load_gate(c: Columns) -> Any:
    load = c["u0"] + c["whole"] * _WIDE_SCALE
    return c["p"] * c["q"] + _HALF_SCALE - load * (1 << model.SCALE_SHIFT) - _remainder(c)


def _forecast_gate(c: Columns) -> Any:
    forecast = _triple(c, "u0", "u2", "v1") - model.FORECAST_OFFSET
    product = (c["p"] - model.OUTPUT_OFFSET) * c["q"]
    return product + _HALF_SCALE - forecast * (1 << model.SCALE_SHIFT) - _remainder(c)


def _scale_gate(c: Columns) -> Any:
    return c["p"] * c["q"] + _triple(c, "u0", "u1", "v0") - (1 << model.MULTIPLIER_BITS)


def _scale_range_gate(c: Columns) -> Any:
    return c["q"] - 1 - _triple(c, "u0", "u1", "v0") - _triple(c, "u2", "u3", "v1")


def _multiplier_gate(c: Columns) -> Any:
    return c["p"] - _triple(c, "u0", "u1", "v0")


@lru_cache(maxsize=16)
def lookup_groups(grid: Grid) -> tuple[LookupGroup, ...]:
    out = []
    rows = grid.lstm_rows
    for k in range(grid.shape.layers):
        sigmoids = tuple(Lookup(_SIGMOID, (f"{k}.index{g}", f"{k}.gate{g}")) for g in range(4))
        rests = tuple(Lookup(_WIDE, (f"{k}.rest{g}",)) for g in range(4))
        cell = (
            Lookup(_CELL, (f"{k}.sum", f"{k}.cell", f"{k}.tanh")),
            Lookup(_NARROW, (f"{k}.cell rest",)),
            Lookup(_NARROW, (f"{k}.hidden rest",)),
            Lookup(_WIDE, (f"{k}.hidden",)),
        )
        kinds = zip(("gates", "rests", "cell"), (sigmoids, rests, cell), strict=True)
        out += [LookupGroup(f"{k}.helper {n}", rows, lookups) for n, lookups in kinds]
    everywhere = Selector(0, grid.windows * STRIDE)
    wide = tuple(Lookup(_WIDE, (f"u{k}",)) for k in range(4))
    narrow = (Lookup(_NARROW, ("v0",)), Lookup(_NARROW, ("v1",)), Lookup(_CLIP, ("whole", "seen", "live")))
    out += [LookupGroup("helper wide", everywhere, wide), LookupGroup("helper narrow", everywhere, narrow)]
    return tuple(out)


# -- matrix products -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """Public features of the windows, flattened: steps [B, T, public], exogenous [B, E]."""

    steps: Vector
    exogenous: Vector


@dataclass(frozen=True)
class _LayerPoint:
    """Where a layer's pre-activations are checked: weights over steps, units and gates."""

    steps: Vector  # [B * T]
    units: Vector  # [Hp], zero from H on
    unit_point: tuple[int, ...]
    gates: list[int]  # [4]

    @classmethod
    def draw(cls, grid: Grid, draw: Draw) -> _LayerPoint:
        steps = eq_table(squares(draw(), grid.step_bits))[: grid.steps]
        unit_point = tuple(squares(draw(), grid.unit_bits))
        units = eq_table(unit_point)
        units[grid.shape.hidden :] = units.zeros(grid.units - grid.shape.hidden)
        return cls(steps, units, unit_point, powers(draw(), 4))

    def next_steps(self, per_window: int) -> Vector:
        """Weight of step tau + 1 at step tau, zero where tau is the last of its window."""
        out = self.steps.zeros(len(self.steps))
        out[:-1] = self.steps[1:]
        out[per_window - 1 :: per_window] = out.zeros(len(out) // per_window)
        return out


def products(grid: Grid, inputs: Inputs, head_blocks: Sequence[str], draw: Draw) -> list[Product]:
    """One product for each layer and one for the head, in public terms."""
    out = [_layer_product(grid, k, inputs, _LayerPoint.draw(grid, draw)) for k in range(grid.shape.layers)]
    return [*out, _head_product(grid, inputs, head_blocks, *_head_point(grid, draw))]


def _head_point(grid: Grid, draw: Draw) -> tuple[list[int], list[int]]:
    """Where the outputs are checked: weights of the windows, and a point for the hours.

    No window has weight one: what a private head's padding makes of the product's random slots has that weight, and
    must not pass for a part of an output.
    """
    return powers(draw(), grid.windows + 1)[1:], squares(draw(), _HOUR_BITS)


def _layer_product(grid: Grid, layer: int, inputs: Inputs, at: _LayerPoint) -> Product:
    bits = grid.layer_bits(layer)

    def left(point: list[int]) -> Linear:
        slots = eq_table(point)
        below, first = _layer_inputs(grid, layer, inputs, at, slots)
        own = _hidden_form(grid, layer, at.next_steps(grid.shape.steps), slots, first)
        one = first + grid.shape.hidden
        return below.plus(own).plus(Linear((), slots[one : one + 1].total() * at.steps.total()))

    def right(point: list[int]) -> Linear:
        high = scalars(at.gates).outer(eq_table(at.unit_point))
        return Linear((Term(f"weights {layer}", 1, OuterForm(high, eq_table(point))),))

    return Product(bits, _preactivations(layer, at), left, right)


def _preactivations(layer: int, at: _LayerPoint) -> Linear:
    """Weighted sum of all pre-activations: 2^11 (index - offset) + remainder - half."""
    form = OuterForm(at.steps, at.units)
    terms = []
    for k, g in enumerate(at.gates):
        terms += [Term(f"{layer}.index{k}", g * _WIDE_SCALE, form), Term(f"{layer}.rest{k}", g, form)]
    shift = model.INDEX_OFFSET * _WIDE_SCALE + _WIDE_SCALE // 2
    return Linear(tuple(terms), -shift * sum(at.gates) * at.steps.total() * at.units.total() % MODULUS)


def _hidden_form(grid: Grid, layer: int, steps: Vector, slots: Vector, first: int) -> Linear:
    """sum over steps and units of steps[tau] * slots[first + j] * h[tau, j]."""
    units = slots.zeros(grid.units)
    units[: grid.shape.hidden] = slots[first : first + grid.shape.hidden]
    constant = -model.ONE * steps.total() * units.total()
    return Linear((Term(f"{layer}.hidden", 1, OuterForm(steps, units)),), constant % MODULUS)


def _layer_inputs(grid: Grid, layer: int, inputs: Inputs, at: _LayerPoint, slots: Vector) -> tuple[Linear, int]:
    """What comes from below: the layer underneath, or loads and public features; and the slot that follows."""
    shape = grid.shape
    if layer > 0:
        return _hidden_form(grid, layer - 1, at.steps, slots, 0), shape.hidden
    hours = at.steps.zeros(grid.windows * STRIDE)
    for b in range(grid.windows):
        steps = at.steps[b * shape.steps : (b + 1) * shape.steps]
        for lag, slot in enumerate(slots[: shape.lags].to_ints()):
            known = min(max(0, -shape.lag_hour(0, lag)), shape.steps)  # the first step whose hour is in the window
            first = b * STRIDE + shape.lag_hour(known, lag)
            part = slice(first, first + shape.steps - known)
            hours[part] = hours[part] + steps[known:] * slot
        for k, slot in enumerate(slots[shape.lags : shape.loads].to_ints()):
            last = b * STRIDE + model.HISTORY - 1 - k
            hours[last : last + 1] = hours[last : last + 1] + steps.total() * slot % MODULUS
    form = DenseForm(hours)
    seen = Linear((Term("kept", 1, form), Term("seen", _WIDE_SCALE, form)))
    public = at.steps.outer(slots[shape.loads : shape.features]).inner(inputs.steps)
    return seen.plus(Linear((), public)), shape.features


def _head_product(
    grid: Grid, inputs: Inputs, blocks: Sequence[str], windows: list[int], hour_point: list[int]
) -> Product:
    shape = grid.shape
    hours = eq_table(hour_point)[: model.HOURS]
    outputs = _aux_weights(grid, windows, OUTPUT_ROW, hours)
    scale = sum(windows) * hours.total()
    shift = model.OUTPUT_OFFSET * _WIDE_SCALE + _WIDE_SCALE // 2
    total = Linear(
        (Term("u0", _WIDE_SCALE, outputs), Term("u2", _WIDE_SCALE**2, outputs), Term("u1", 1, outputs)),
        -shift * scale % MODULUS,
    )

    bits, shared, own = grid.head_product_bits, grid.head_bits, _HOUR_BITS + grid.unit_bits

    def shared_left(point: list[int]) -> Linear:
        slots = eq_table(point)
        first = shape.hidden
        load = _aux_weights(grid, windows, 0, slots[first : first + model.HISTORY])
        first += model.HISTORY
        constant = scalars(windows).outer(slots[first : first + shape.exogenous]).inner(inputs.exogenous)
        one = slots[shape.head_inputs - 1 : shape.head_inputs].total() * sum(windows)
        return Linear((Term("u0", 1, load), Term("whole", _WIDE_SCALE, load)), (constant + one) % MODULUS)

    def own_left(point: list[int]) -> Linear:
        at_hours = hours * eq_table(point[grid.unit_bits :])[: model.HOURS]
        units = eq_table(point[: grid.unit_bits])
        return _hidden_form(grid, shape.layers - 1, _hour_steps(grid, windows, at_hours), units, 0)

    def halves(point: list[int]) -> tuple[int, int]:
        """Factors of the first half and of the second."""
        first, second = eq_index(0, point[shared:]), eq_index(0, point[own:-1]) * point[-1]
        return first, second % MODULUS

    def left(point: list[int]) -> Linear:
        first, second = halves(point)
        return shared_left(point[:shared]).times(first).plus(own_left(point[:own]).times(second))

    def right(point: list[int]) -> Linear:
        first, second = halves(point)
        units = (*point[: grid.unit_bits], *[0] * (shared - grid.unit_bits))
        both = EqForm((*point[:shared], *hour_point)), EqForm((*units, *point[grid.unit_bits : own]))
        return Linear(tuple(Term(n, s, f) for n in blocks for s, f in zip((first, second), both, strict=True)))

    return Product(bits, total, left, right)


def _hour_steps(grid: Grid, windows: list[int], hours: Vector) -> Vector:
    """Weight of each step's hidden state when hour k of window b has the weight windows[b] * hours[k]; [B * T]."""
    places = np.array([grid.shape.hour_step(k) for k in range(model.HOURS)], dtype=np.int64)
    steps = hours.scattered(places)
    out = hours.zeros(grid.steps)
    for b, w in enumerate(windows):
        start = b * grid.shape.steps
        out[start : start + len(steps)] = steps * w
    return out


def _aux_weights(grid: Grid, windows: list[int], first: int, weights: Vector) -> DenseForm:
    """weights * windows[b] from row `first` of every window on."""
    out = weights.zeros(grid.windows * STRIDE)
    for b, w in enumerate(windows):
        out[b * STRIDE + first : b * STRIDE + first + len(weights)] = weights * w
    return DenseForm(out)


def combine_rows(weights: Vector, rows: Ints) -> Vector:
    """sum_r weights[r] * rows[r]; rows int64 [R, M]."""
    count, width = rows.shape
    if width == 0:
        return Vector.zeros(0)
    flat = Vector.from_array(rows.T) * Vector(np.tile(weights.data, (width, 1)))
    return concatenate([_sum(flat[k * count : (k + 1) * count]) for k in range(width)])


def _sum(values: Vector) -> Vector:
    return Vector.from_ints([values.total()])


def product_vectors(
    grid: Grid, trace: Trace, weights: Weights, head: Ints, draw: Draw
) -> list[tuple[Vector, Vector]]:
    """Left and right vectors of `products`, from the witness, for the same challenges."""
    shape = grid.shape
    out = []
    below = np.concatenate([model.step_loads(trace.load, shape), trace.steps], axis=2)
    ones = np.ones((grid.windows, shape.steps, 1), dtype=np.int64)
    for layer, w in zip(trace.layers, weights.layers, strict=True):
        at = _LayerPoint.draw(grid, draw)
        before = np.zeros_like(layer.hidden)
        before[:, 1:] = layer.hidden[:, :-1]
        inputs = np.concatenate([below, before, ones], axis=2).reshape(grid.steps, -1)
        over_units = concatenate([at.units[: shape.hidden] * g for g in at.gates])
        out.append((combine_rows(at.steps, inputs), combine_rows(over_units, w.reshape(4 * shape.hidden, -1))))
        below = layer.hidden
    windows, hour_point = _head_point(grid, draw)
    hours = Vector.eq_table(hour_point)[: model.HOURS]
    shared = np.concatenate([0 * below[:, -1], trace.load, trace.exogenous, ones[:, 0]], axis=1)
    out.append(
        (
            concatenate([*_first_half(grid, combine_rows(Vector.from_ints(windows), shared)),
                         _own_states(grid, below, windows, hours)]),
            concatenate([*_first_half(grid, combine_rows(hours, head)), _own_weights(grid, head)]),
        )
    )  # fmt: skip
    return out


def _first_half(grid: Grid, values: Vector) -> tuple[Vector, Vector]:
    """The first half of the head's product: values, and zeros to fill it."""
    return values, Vector.zeros((1 << (grid.head_product_bits - 1)) - len(values))


def _own_states(grid: Grid, hidden: Ints, windows: list[int], hours: Vector) -> Vector:
    """Hidden states [B, T, H] as each hour's output reads them, weighted: hour after hour, unit after unit."""
    out = []
    for k in range(model.HOURS):
        states = combine_rows(Vector.from_ints(windows), hidden[:, grid.shape.hour_step(k)])
        out += [states * hours[k : k + 1].total(), Vector.zeros(grid.units - grid.shape.hidden)]
    return concatenate(out)


def _own_weights(grid: Grid, head: Ints) -> Vector:
    """The head's weights that go with them (beyond the hidden units any: the states are zero there)."""
    return Vector.from_array(head[:, : grid.units])


# -- links between cells ---------------------------------------------------------------------------------------------


def links(grid: Grid, days: Sequence[int], draw: Draw) -> list[Linear]:
    """Linear relations that must be zero: cell states handed on, readings and forecasts in their commitments."""
    out = [_cell_link(grid, k, draw) for k in range(grid.shape.layers)]
    out.append(_aux_relations(tuple(days)).combine(draw()))
    point = tuple(squares(draw(), ROW_BITS))
    whole, first = EqForm(point), DenseForm(_eq_start(point, model.HOURS))
    for b in range(grid.windows):
        name = f"forecast {b}"
        out.append(Linear((Term(name, 1, whole), Term(name, MODULUS - 1, first))))  # nothing beyond 24 hours
    return out


def _eq_start(point: Sequence[int], count: int) -> Vector:
    """eq(i, point) for i below `count`."""
    bits = _bits(count)
    return eq_table(point[:bits], eq_index(0, point[bits:]))[:count]


def _cell_link(grid: Grid, layer: int, draw: Draw) -> Linear:
    """before[tau] = cell[tau - 1], zero at the start of a window."""
    at = _LayerPoint.draw(grid, draw)
    following = at.next_steps(grid.shape.steps)
    constant = model.CELL_OFFSET * at.units.total() * (following.total() - at.steps.total())
    terms = (
        Term(f"{layer}.before", 1, OuterForm(at.steps, at.units)),
        Term(f"{layer}.cell", MODULUS - 1, OuterForm(following, at.units)),
    )
    return Linear(terms, constant % MODULUS)


@lru_cache(maxsize=64)
def _aux_relations(days: tuple[int, ...]) -> Relations:
    """Readings, multiplier, scale, outputs and forecasts of every window, tied to each other and to their rows."""
    relations = Relations()
    for b, day in enumerate(days):
        row = b * STRIDE
        scale, multiplier = row + SCALE_ROW, row + MULTIPLIER_ROW
        for i, slot in enumerate(window_slots(day)):
            relations.add([("p", row + i, 1), (f"window {b}", slot, -1)])
            relations.add([("q", row + i, 1), ("p", scale, -1)])
        relations.add([("p", multiplier, 1), ("p", scale, -1)])
        readings = [("p", row + i, -1) for i in range(model.HISTORY)]
        relations.add([("q", scale, 1), *readings], -model.SCALE_FLOOR_WH)
        for k in range(model.HOURS):
            here, output = row + FORECAST_ROW + k, row + OUTPUT_ROW + k
            relations.add([("q", here, 1), ("q", scale, -1)])
            relations.add([("p", here, 1), ("u0", output, -1), ("u2", output, -_WIDE_SCALE)])
            limbs = [("u0", here, -1), ("u2", here, -_WIDE_SCALE), ("v1", here, -(_WIDE_SCALE**2))]
            relations.add([(f"forecast {b}", k, 1), *limbs], model.FORECAST_OFFSET)
    return relations
