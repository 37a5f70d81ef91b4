"""The columns' values, from a run of the integer model (`zkp.lstm.integer_model.Trace`)."""

from __future__ import annotations

import numpy as np

from zkp.algebra.vector import Ints
from zkp.lstm import integer_model as model
from zkp.lstm.grid import (
    AUX,
    FORECAST_ROW,
    MEDIAN,
    MULTIPLIER_ROW,
    SCALE_ROW,
    STRIDE,
    Grid,
    layer_names,
    personal_columns,
)
from zkp.lstm.integer_model import LayerTrace, Trace

_WIDE, _NARROW = model.WIDE_BITS, model.NARROW_BITS


def column_values(grid: Grid, trace: Trace, personal: Ints | None = None) -> dict[str, Ints]:
    """By name; `personal`: the cells of the personal head, where there is one."""
    out: dict[str, Ints] = {}
    for k, layer in enumerate(trace.layers):
        arrays = _layer_arrays(layer)
        out.update({n: _spread(grid, a) for n, a in zip(layer_names(k), arrays, strict=True)})
    out.update(_aux_values(grid, trace))
    if personal is not None:
        out.update({c.name: personal[c.first : c.first + c.used] for c in personal_columns(grid)})
    return out


def _layer_arrays(layer: LayerTrace) -> list[Ints]:
    before = np.zeros_like(layer.cell)
    before[:, 1:] = layer.cell[:, :-1]
    return [
        *layer.index,
        *(layer.gates - model.HALF),
        *(layer.gate_remainder - (1 << _WIDE - 1)),
        before,
        layer.cell_sum,
        layer.cell,
        layer.cell_tanh,
        layer.cell_remainder - (1 << _NARROW - 1),
        layer.hidden,
        layer.hidden_remainder - (1 << _NARROW - 1),
    ]


def _spread(grid: Grid, values: Ints) -> Ints:
    """[B, T, H] to the grid's rows."""
    padded = np.zeros((grid.steps, grid.units), dtype=np.int64)
    padded[:, : grid.shape.hidden] = values.reshape(grid.steps, -1)
    return padded.ravel()


def _limbs(values: Ints, *widths: int) -> list[Ints]:
    """Limbs of these widths, lowest first, each less half its range."""
    out, rest = [], values
    for width in widths:
        out.append((rest & ((1 << width) - 1)) - (1 << width - 1))
        rest = rest >> width
    return out


def _aux_values(grid: Grid, trace: Trace) -> dict[str, Ints]:
    out = {n: np.zeros((grid.windows, STRIDE), dtype=np.int64) for n in AUX}
    hours, forecasts = slice(0, FORECAST_ROW), slice(FORECAST_ROW, SCALE_ROW)
    triple = (_WIDE, _WIDE, _NARROW)

    out["p"][:, hours], out["q"][:, hours] = trace.history, trace.multiplier[:, None]
    (out["u0"][:, hours],) = _limbs(trace.load, _WIDE)
    whole = out["whole"][:, hours] = trace.load >> _WIDE
    out["u1"][:, hours], out["v0"][:, hours] = _limbs(trace.load_remainder, _WIDE, _NARROW)
    out["seen"][:, hours] = np.minimum(whole, model.LOAD_LIMIT)
    out["over"][:, hours] = whole >= model.LOAD_LIMIT
    out["kept"][:, hours] = np.where(whole >= model.LOAD_LIMIT, 0, trace.load & ((1 << _WIDE) - 1))

    out["p"][:, forecasts], out["q"][:, forecasts] = trace.output, trace.scale[:, None]
    limbs = _limbs(trace.forecast + model.FORECAST_LIMIT, *triple)
    out["u0"][:, forecasts], out["u2"][:, forecasts], out["v1"][:, forecasts] = limbs
    limbs = _limbs(trace.forecast_remainder, *triple)
    out["u1"][:, forecasts], out["u3"][:, forecasts], out["v0"][:, forecasts] = limbs

    rest = (1 << model.MULTIPLIER_BITS) - trace.multiplier * trace.scale
    out["p"][:, SCALE_ROW], out["q"][:, SCALE_ROW] = trace.multiplier, trace.scale
    out["u0"][:, SCALE_ROW], out["u1"][:, SCALE_ROW], out["v0"][:, SCALE_ROW] = _limbs(rest, *triple)
    limbs = _limbs(trace.scale - 1 - rest, *triple)
    out["u2"][:, SCALE_ROW], out["u3"][:, SCALE_ROW], out["v1"][:, SCALE_ROW] = limbs
    limbs = _limbs(trace.multiplier, *triple)
    out["u0"][:, MULTIPLIER_ROW], out["u1"][:, MULTIPLIER_ROW], out["v0"][:, MULTIPLIER_ROW] = limbs
    median = _place_median(out, trace.load)[: grid.median_used] if grid.shape.median else None
    made = {n: v.ravel()[: grid.aux_used] for n, v in out.items()}
    return made if median is None else made | {MEDIAN: median}


def _place_median(out: dict[str, Ints], load: Ints) -> Ints:
    """Fill in the side and the distance of each load; the column of medians."""
    hours = slice(0, FORECAST_ROW)
    median = np.zeros_like(out["p"])
    median[:, hours] = np.tile(model.median_of_days(load), model.DAYS)
    out["u3"][:, hours] = model.sides_of_median(load)
    out["u2"][:, hours], out["v1"][:, hours] = _limbs(np.abs(load - median[:, hours]), _WIDE, _NARROW)
    return median.ravel()
