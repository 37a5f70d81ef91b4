"""What holds on each row of the grid: gates, and lookups into the tables of activations and ranges.

A limb u of 11 bits stands as u - 2^10 and a limb v of 8 bits as v - 2^7, so that zero is in their tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np

from zkp.argument.relation import Gate
from zkp.argument.tables import Lookup, LookupGroup, SubTable, Table
from zkp.lstm import integer_model as model
from zkp.lstm.grid import FORECAST_ROW, MEDIAN, SCALE_ROW, Grid, personal_columns

LOOKUPS_TOGETHER = 3
"""Lookups that share a helper column. More of them make fewer helpers, and gates of a higher degree."""

Columns = Mapping[str, Any]
_SIGMOID, _CELL, _WIDE, _NARROW, _CLIP = range(1, 6)
_U, _V = 1 << model.WIDE_BITS, 1 << model.NARROW_BITS
LIMBS = _U // 2 * (1 + _U) + _U**2 * _V // 2
"""What (u, u', v) lack of the number u + 2^11 u' + 2^22 v that they are limbs of."""


@cache
def table() -> Table:
    """The sub-tables, in the order of their tags."""
    cell, tanh = model.cell_table()
    whole = np.arange(model.WHOLE_LOADS)
    clip = (np.minimum(whole, model.LOAD_LIMIT), (whole >= model.LOAD_LIMIT).astype(np.int64))
    return Table(
        (
            SubTable(-model.INDEX_OFFSET, 2 * model.INDEX_OFFSET, (model.sigmoid_table() - model.HALF,)),
            SubTable(-model.CELL_OFFSET, 2 * model.CELL_OFFSET, (cell, tanh)),
            SubTable(-_U // 2, _U),
            SubTable(-_V // 2, _V),
            SubTable(0, model.WHOLE_LOADS, clip),
        )
    )


@lru_cache(maxsize=64)
def lookup_groups(grid: Grid) -> tuple[LookupGroup, ...]:
    out = []
    for k in range(grid.shape.layers):
        looks = [Lookup(_SIGMOID, (f"{k}.index{g}", f"{k}.gate{g}")) for g in range(4)]
        looks += [Lookup(_WIDE, (f"{k}.rest{g}",)) for g in range(4)]
        looks.append(Lookup(_CELL, (f"{k}.sum", f"{k}.cell", f"{k}.tanh")))
        looks += [Lookup(_NARROW, (f"{k}.cell rest",)), Lookup(_NARROW, (f"{k}.hidden rest",))]
        looks.append(Lookup(_WIDE, (f"{k}.hidden",)))
        out += _grouped(f"{k}.helper", looks)
    looks = [Lookup(_WIDE, (f"u{k}",)) for k in range(4)] + [Lookup(_NARROW, (f"v{k}",)) for k in range(2)]
    out += _grouped("helper", [*looks, Lookup(_CLIP, ("whole", "seen", "over"))])
    if grid.personal:
        out += _grouped("personal helper", [Lookup(_WIDE, (c.name,)) for c in personal_columns(grid)])
    return tuple(out)


def _grouped(name: str, lookups: list[Lookup]) -> list[LookupGroup]:
    parts = range(0, len(lookups), LOOKUPS_TOGETHER)
    return [LookupGroup(f"{name} {k}", tuple(lookups[k : k + LOOKUPS_TOGETHER])) for k in parts]


@lru_cache(maxsize=64)
def gates(grid: Grid) -> tuple[Gate, ...]:
    hours, forecasts = grid.aux_rows(0, model.HISTORY), grid.aux_rows(FORECAST_ROW, model.OUTPUTS)
    return (
        *(gate for k in range(grid.shape.layers) for gate in _layer_gates(k)),
        Gate(2, _load, hours),
        Gate(2, _kept, hours),
        Gate(2, _forecast, forecasts),
        Gate(2, _scale, grid.aux_rows(SCALE_ROW, 1)),
        *((Gate(2, _distance, hours), Gate(3, _side, hours)) if grid.shape.median else ()),
    )


def _layer_gates(layer: int) -> list[Gate]:
    name = f"{layer}.".__add__

    def cell(c: Columns) -> Any:
        """256 q + rest = f c + i (2 a - 256), with the candidate's a; see `zkp.lstm.integer_model`."""
        kept = (c[name("gate1")] + model.HALF) * c[name("before")]
        new = (c[name("gate0")] + model.HALF) * c[name("gate2")] * 2
        return c[name("sum")] * model.ONE + c[name("cell rest")] - kept - new

    def hidden(c: Columns) -> Any:
        """256 h + rest = o tanh(c)"""
        product = (c[name("gate3")] + model.HALF) * c[name("tanh")]
        return c[name("hidden")] * model.ONE + c[name("hidden rest")] - product

    return [Gate(2, cell), Gate(2, hidden)]


def _u(c: Columns, name: str) -> Any:
    return c[name] + _U // 2


def _v(c: Columns, name: str) -> Any:
    return c[name] + _V // 2


def _number(c: Columns, low: str, middle: str, high: str) -> Any:
    return c[low] + c[middle] * _U + c[high] * _U**2 + LIMBS


def _relative(c: Columns) -> Any:
    """The load x."""
    return _u(c, "u0") + c["whole"] * _U


def _load(c: Columns) -> Any:
    """d m + 2^18 = 2^19 x + rest"""
    load = _relative(c)
    rest = _u(c, "u1") + _v(c, "v0") * _U
    return c["p"] * c["q"] + (1 << model.SCALE_SHIFT - 1) - load * (1 << model.SCALE_SHIFT) - rest


def _kept(c: Columns) -> Any:
    return c["kept"] - (1 - c["over"]) * _u(c, "u0")


def _forecast(c: Columns) -> Any:
    """o S + 2^29 = 2^30 y + rest"""
    forecast = _number(c, "u0", "u2", "v1") - model.FORECAST_LIMIT
    rest = _number(c, "u1", "u3", "v0")
    return c["p"] * c["q"] + (1 << model.OUTPUT_SHIFT - 1) - forecast * (1 << model.OUTPUT_SHIFT) - rest


def _scale(c: Columns) -> Any:
    """m S + rest = 2^37"""
    return c["p"] * c["q"] + _number(c, "u0", "u1", "v0") - (1 << model.MULTIPLIER_BITS)


def _distance(c: Columns) -> Any:
    """x - median = side * distance, 0 <= distance < 2^19. See `zkp.lstm.constraints` for what makes it the median."""
    return _relative(c) - c[MEDIAN] - c["u3"] * (_u(c, "u2") + _v(c, "v1") * _U)


def _side(c: Columns) -> Any:
    """-1, 0 or 1"""
    return c["u3"] * c["u3"] * c["u3"] - c["u3"]
