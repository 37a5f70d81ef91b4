"""All matrix products of the model as one inner product, at points drawn at random.

The pre-activations z of a layer are products of its weights W with its inputs, the outputs o products of the head
with what they read:

    sum s^tau g^gate u^j z[tau, gate, j] = <sum_tau s^tau inputs[tau], sum g^gate u^j W[gate, j]>,
    sum w^b c^k o[b, k] = <sum_b w^b shared[b], sum_k c^k head[k]> + sum_{k, j} (c^k sum_b w^b h[b, k, j]) head[k, j],

with `shared` the loads, exogenous values and one, which all outputs of a window read, and h the hidden state of the
hour, which a typical output reads of its own. The sides stand one after the other in two vectors, the left ones
weighted by powers of eta (`Grid.slots`); what follows them belongs to the pads.

A personal head adds to the head where it reads loads and hidden state; its other cells are not read at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkp.algebra.field import eq_index, eq_range, geometric, power
from zkp.algebra.vector import Ints, Vector, bilinear, concatenate, powers, scalars
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import EqAxis, PowerAxis, TensorForm
from zkp.argument.relation import Draw, Product
from zkp.lstm import integer_model as model
from zkp.lstm.grid import FORECAST_ROW, MEDIAN, PERSONAL, STRIDE, Grid
from zkp.lstm.integer_model import HISTORY, HOURS, OUTPUTS, IntegerWeights, Trace

_U = 1 << model.WIDE_BITS


@dataclass(frozen=True)
class Inputs:
    """Public features of the windows, flattened: steps [B, T, public], exogenous [B, E]."""

    steps: Vector
    exogenous: Vector


@dataclass(frozen=True)
class _LayerPoint:
    """Weights of steps, units and gates are powers of these."""

    steps: int
    units: int
    gates: int


@dataclass(frozen=True)
class _Drawn:
    """The challenges of all products."""

    layers: tuple[_LayerPoint, ...]
    windows: int
    outputs: int
    eta: int

    @classmethod
    def of(cls, grid: Grid, draw: Draw) -> _Drawn:
        layers = tuple(_LayerPoint(draw(), draw(), draw()) for _ in range(grid.shape.layers))
        return cls(layers, draw(), draw(), draw())

    def scale(self, part: str) -> int:
        """The power of eta that weighs a part."""
        return power(self.eta, int(part) if part.isdigit() else len(self.layers))


def product(grid: Grid, inputs: Inputs, draw: Draw) -> Product:
    """In public terms."""
    at = _Drawn.of(grid, draw)
    lefts = {"own": _own_left, "shared": _shared_left}
    rights = {"own": _own_right, "shared": _shared_right}

    def low(part: str, point: list[int]) -> tuple[int, ...]:
        return tuple(point[: grid.slot_bits(part)])

    def outside(part: str, point: list[int]) -> int:
        """The share of the part's slots in the point's high coordinates."""
        bits = grid.slot_bits(part)
        return eq_index(grid.slots[part] >> bits, point[bits:])

    def left(point: list[int]) -> Linear:
        out = Linear(())
        for part in grid.parts:
            side = lefts.get(part, _layer_left)(grid, inputs, at, part, low(part, point))
            out = out.plus(side.times(at.scale(part) * outside(part, point)))
        return out

    def right(point: list[int]) -> Linear:
        out = Linear(())
        for part in grid.parts:
            side = rights.get(part, _layer_right)(grid, at, part, low(part, point))
            out = out.plus(side.times(outside(part, point)))
        return out

    total = _outputs(grid, at).times(at.scale("shared"))
    for layer in range(grid.shape.layers):
        total = total.plus(_preactivations(grid, layer, at.layers[layer]).times(at.scale(str(layer))))
    return Product(grid.product_bits, total, left, right)


# -- layers ----------------------------------------------------------------------------------------------------------


def _preactivations(grid: Grid, layer: int, at: _LayerPoint) -> Linear:
    """The weighted sum of all pre-activations, 2^11 index + rest."""
    form = TensorForm((PowerAxis(grid.units, grid.steps, at.steps), PowerAxis(1, grid.shape.hidden, at.units)))
    terms = []
    for k in range(4):
        weight = power(at.gates, k)
        terms += [Term(f"{layer}.index{k}", weight * _U, form), Term(f"{layer}.rest{k}", weight, form)]
    return Linear(tuple(terms))


def _layer_left(grid: Grid, inputs: Inputs, drawn: _Drawn, part: str, point: tuple[int, ...]) -> Linear:
    """Slots: hidden state of the step before (Hp), what comes from below, one."""
    layer, shape, units = int(part), grid.shape, grid.units
    at = drawn.layers[layer].steps
    inside, outside = point[: grid.unit_bits], eq_index(0, point[grid.unit_bits :])
    own = TensorForm(
        (
            PowerAxis(shape.steps * units, grid.windows, power(at, shape.steps)),
            PowerAxis(units, shape.steps - 1, at),
            EqAxis(1, inside, shape.hidden),
        ),
        0,
        at * outside,
    )
    if layer:
        from_below = TensorForm(
            (PowerAxis(units, grid.steps, at), EqAxis(1, inside, shape.hidden)),
            0,
            eq_index(1, point[grid.unit_bits :]),
        )
        below = Linear((Term(f"{layer - 1}.hidden", 1, from_below),))
    else:
        below = _loads(grid, at, point).plus(Linear((), _public(grid, inputs, at, point)))
    one = eq_index(units + grid.below(layer), point) * geometric(at, grid.steps)
    return below.plus(Linear((Term(f"{layer}.hidden", 1, own),), one))


def _loads(grid: Grid, at: int, point: tuple[int, ...]) -> Linear:
    """The loads of each step: of its hour on this day and the days before, and of the window's last hours."""
    shape, forms = grid.shape, []
    windows = PowerAxis(STRIDE, grid.windows, power(at, shape.steps))
    for lag in range(shape.lags):
        known = min(max(0, -shape.lag_hour(0, lag)), shape.steps)  # the first step whose hour is in the window
        weight = power(at, known) * eq_index(grid.units + lag, point)
        axes = (windows, PowerAxis(1, shape.steps - known, at))
        forms.append(TensorForm(axes, shape.lag_hour(known, lag), weight))
    every_step = geometric(at, shape.steps)
    for k in range(shape.recent):
        weight = every_step * eq_index(grid.units + shape.lags + k, point)
        forms.append(TensorForm((windows,), HISTORY - 1 - k, weight))
    return Linear(tuple(Term(name, scale, form) for form in forms for name, scale in (("kept", 1), ("seen", _U))))


def _public(grid: Grid, inputs: Inputs, at: int, point: tuple[int, ...]) -> int:
    shape, first = grid.shape, grid.units + grid.shape.loads
    slots = scalars(eq_range(first, shape.public, point))
    return bilinear(powers(at, grid.steps), slots, inputs.steps)


def _layer_right(grid: Grid, drawn: _Drawn, part: str, point: tuple[int, ...]) -> Linear:
    at, width = drawn.layers[int(part)], 1 << len(point)
    axes = (
        PowerAxis(grid.units * width, 4, at.gates),
        PowerAxis(width, grid.shape.hidden, at.units),
        EqAxis(1, point, width),
    )
    return Linear((Term(f"weights {part}", 1, TensorForm(axes)),))


# -- the head --------------------------------------------------------------------------------------------------------


def _outputs(grid: Grid, at: _Drawn) -> Linear:
    """What the head makes of its inputs: the outputs, less the share of the median in the typical ones."""
    windows = PowerAxis(STRIDE, grid.windows, at.windows)
    terms = [Term("p", 1, TensorForm((windows, PowerAxis(1, OUTPUTS, at.outputs)), FORECAST_ROW))]
    if grid.shape.median:
        form = TensorForm((windows, PowerAxis(1, HOURS, at.outputs)))
        terms.append(Term(MEDIAN, -grid.shape.median_weight, form))
    return Linear(tuple(terms))


def _shared_left(grid: Grid, inputs: Inputs, at: _Drawn, _: str, point: tuple[int, ...]) -> Linear:
    """Slots: loads, hidden state (zero here), exogenous values, one."""
    shape, first = grid.shape, grid.shape.personal_inputs
    loads = EqAxis(1, point, HISTORY)
    form = TensorForm((PowerAxis(STRIDE, grid.windows, at.windows), loads))
    windows = powers(at.windows, grid.windows)
    slots = scalars(eq_range(first, shape.exogenous, point))
    constant = bilinear(windows, slots, inputs.exogenous)
    every = loads.total() * (_U // 2) + eq_index(first + shape.exogenous, point)  # u0 lacks 2^10
    constant = constant + every * geometric(at.windows, grid.windows)
    return Linear((Term("u0", 1, form), Term("whole", _U, form)), constant)


def _shared_right(grid: Grid, at: _Drawn, _: str, point: tuple[int, ...]) -> Linear:
    width = 1 << len(point)
    outputs = PowerAxis(width, OUTPUTS, at.outputs)
    terms = [Term("head", 1, TensorForm((outputs, EqAxis(1, point, width))))]
    if grid.personal:
        form = TensorForm((outputs, EqAxis(1, point, HISTORY)))
        terms.append(Term(PERSONAL, model.PERSONAL_LOAD_SCALE, form))
    return Linear(tuple(terms))


def _own_left(grid: Grid, inputs: Inputs, at: _Drawn, _: str, point: tuple[int, ...]) -> Linear:
    """Slots: hour, unit."""
    shape, units = grid.shape, grid.units
    axes = (
        PowerAxis(shape.steps * units, grid.windows, at.windows),
        EqAxis(units, point[grid.unit_bits :], HOURS, ratio=at.outputs),
        EqAxis(1, point[: grid.unit_bits], shape.hidden),
    )
    return Linear((Term(f"{shape.layers - 1}.hidden", 1, TensorForm(axes, shape.hour_step(0) * units)),))


def _own_right(grid: Grid, at: _Drawn, _: str, point: tuple[int, ...]) -> Linear:
    hours = EqAxis(1 << grid.head_bits, point[grid.unit_bits :], HOURS)
    form = TensorForm((hours, EqAxis(1, point[: grid.unit_bits], grid.shape.hidden)), HISTORY)
    terms = [Term("head", 1, form)]
    if grid.personal:
        terms.append(Term(PERSONAL, model.PERSONAL_HIDDEN_SCALE, form))
    return Linear(tuple(terms))


# -- the prover's vectors --------------------------------------------------------------------------------------------


def sides(
    grid: Grid, trace: Trace, weights: IntegerWeights, personal: Ints | None, draw: Draw
) -> tuple[Vector, Vector]:
    """Left and right vector of `product` from the witness, for the same challenges. `personal`: [48, loads and hidden
    state], where there is a personal head."""
    at = _Drawn.of(grid, draw)
    left, right = Vector.zeros(1 << grid.product_bits), Vector.zeros(1 << grid.product_bits)

    def put(part: str, of_left: Vector, of_right: Vector) -> None:
        first = grid.slots[part]
        left[first : first + len(of_left)] = of_left * at.scale(part)
        right[first : first + len(of_right)] = of_right

    below = np.concatenate([model.step_loads(trace.load, grid.shape), trace.steps], axis=2)
    for k, (layer, w) in enumerate(zip(trace.layers, weights.layers, strict=True)):
        put(str(k), *_layer_sides(grid, at.layers[k], below, layer.hidden, w))
        below = layer.hidden

    windows, outputs = Vector.powers(at.windows, grid.windows), Vector.powers(at.outputs, OUTPUTS)
    unread = np.zeros((grid.windows, grid.shape.hidden), dtype=np.int64)
    ones = np.ones((grid.windows, 1), dtype=np.int64)
    shared = np.concatenate([trace.load, unread, trace.exogenous, ones], axis=1)
    shared_weights = outputs.combine(weights.head)
    own_weights = weights.head[:HOURS, HISTORY : grid.shape.personal_inputs]
    if personal is not None:
        extra = outputs.combine(personal[:, :HISTORY]) * model.PERSONAL_LOAD_SCALE
        shared_weights[:HISTORY] = shared_weights[:HISTORY] + extra
        own_weights = own_weights + personal[:HOURS, HISTORY:] * model.PERSONAL_HIDDEN_SCALE
    put("shared", windows.combine(shared), shared_weights)
    states = windows.combine(below[:, grid.shape.hour_step(0) :].reshape(grid.windows, -1))  # [24 H]
    states = states * outputs[:HOURS].outer(Vector.powers(1, grid.shape.hidden))
    put("own", _by_hour(grid, states), _by_hour(grid, Vector.from_array(own_weights)))
    return left, right


def _layer_sides(grid: Grid, at: _LayerPoint, below: Ints, hidden: Ints, weights: Ints) -> tuple[Vector, Vector]:
    before = np.zeros((grid.windows, grid.shape.steps, grid.units), dtype=np.int64)
    before[:, 1:, : grid.shape.hidden] = hidden[:, :-1]
    ones = np.ones((*below.shape[:2], 1), dtype=np.int64)
    inputs = np.concatenate([before, below, ones], axis=2).reshape(grid.steps, -1)
    units = Vector.powers(at.gates, 4).outer(Vector.powers(at.units, grid.shape.hidden))
    rows = padded_inputs(grid, weights).reshape(4 * grid.shape.hidden, -1)
    return Vector.powers(at.steps, grid.steps).combine(inputs), units.combine(rows)


def padded_inputs(grid: Grid, weights: Ints) -> Ints:
    """A layer's weights [4, H, below + H + 1] in the order of the slots: hidden state (Hp), below, one."""
    below, own, one = np.split(weights, [weights.shape[2] - grid.shape.hidden - 1, weights.shape[2] - 1], axis=2)
    padding = np.zeros((*own.shape[:2], grid.units - grid.shape.hidden), dtype=np.int64)
    return np.concatenate([own, padding, below, one], axis=2)


def _by_hour(grid: Grid, values: Vector) -> Vector:
    """[24 H] with each hour filled up to Hp."""
    hidden = grid.shape.hidden
    fill = Vector.zeros(grid.units - hidden)
    return concatenate([part for k in range(HOURS) for part in (values[k * hidden : (k + 1) * hidden], fill)])
