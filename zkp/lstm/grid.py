"""Where the integer LSTM's cells stand: columns over one grid of rows, weights, and the sizes of the product.

For each layer: row tau * Hp + j for step tau = b * T + t of window b and hidden unit j (Hp = H rounded up to a power
of two). Beside it in columns of their own, 256 rows for each window, of which 218 are used:

    0..167    hours of the window    p * q -> load:      p = reading, q = multiplier
    168..215  forecasts              p * q -> forecast:  p = output, q = scale
    216       scale                  p * q + (u0, u1, v0) = 2^37, (u2, u3, v1) = q - 1 - (u0, u1, v0)
    217       multiplier             (u0, u1, v0)

u0..u3 are limbs of 11 bits, v0 and v1 of 8, by lookup in every row: a limb u stands as u - 2^10, v as v - 2^7.
(whole, seen, over) is the clipping table: whole part of the load, the same clipped, one at the limit and beyond;
`kept` is the fraction that the LSTM sees. Everything is a signed integer around zero, and a row of zeros satisfies
every gate that has no selector, and every lookup.

A model with a median has one column more, `median`: in the rows of hours that of the hour's loads on the seven days.
There u3 is no limb but the side of it on which the load is (-1, 0, 1), and (u2, v1) the load's distance from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from zkp.argument.relation import Column, Selector
from zkp.lstm.integer_model import HISTORY, HOURS, OUTPUTS, Shape

STRIDE = 256
FORECAST_ROW, SCALE_ROW, MULTIPLIER_ROW = HISTORY, HISTORY + OUTPUTS, HISTORY + OUTPUTS + 1
USED = MULTIPLIER_ROW + 1
AUX = ("p", "q", "u0", "u1", "u2", "u3", "v0", "v1", "whole", "seen", "over", "kept")
MEDIAN = "median"
PERSONAL = "personal head"
_HOUR_BITS = 5
_PADS = 3


def bits_for(count: int) -> int:
    """Bits that number `count` things."""
    return (count - 1).bit_length()


@dataclass(frozen=True)
class Grid:
    """Sizes for a model's shape, a number of windows, with a personal head or without."""

    shape: Shape
    windows: int
    personal: bool = False

    # -- the grid of rows ----------------------------------------------------------------------------------------

    @property
    def unit_bits(self) -> int:
        return bits_for(self.shape.hidden)

    @property
    def units(self) -> int:
        return 1 << self.unit_bits

    @property
    def steps(self) -> int:
        return self.windows * self.shape.steps

    @property
    def lstm_used(self) -> int:
        return self.steps * self.units

    @property
    def aux_used(self) -> int:
        return (self.windows - 1) * STRIDE + USED

    @property
    def median_used(self) -> int:
        return (self.windows - 1) * STRIDE + HISTORY

    @property
    def bits(self) -> int:
        """Room for a last row that holds nothing but pads. A personal head's rows are no longer than the grid, so
        that the last row meets padding there."""
        return max(bits_for(max(self.lstm_used, self.aux_used) + 1), self.head_bits if self.personal else 0)

    def aux_rows(self, first: int, count: int) -> Selector:
        """Rows first .. first + count - 1 of every window."""
        return Selector(first, count, STRIDE, self.windows)

    # -- weights -------------------------------------------------------------------------------------------------

    def layer_bits(self, layer: int) -> int:
        """Inputs of a layer: hidden state (Hp), what comes from below, one."""
        return bits_for(self.units + self.below(layer) + 1)

    def below(self, layer: int) -> int:
        return self.shape.features if layer == 0 else self.shape.hidden

    def layer_cells(self, layer: int) -> int:
        """Gate, unit (Hp), input (padded)."""
        return 4 * self.units << self.layer_bits(layer)

    @property
    def head_bits(self) -> int:
        """Inputs of the head, and at least one more, which is padding."""
        return bits_for(self.shape.head_inputs + 1)

    @property
    def head_cells(self) -> int:
        """Output, input (padded)."""
        return OUTPUTS << self.head_bits

    # -- the product ---------------------------------------------------------------------------------------------

    @property
    def own_bits(self) -> int:
        """Hour and unit: what the typical outputs read of the hidden state."""
        return _HOUR_BITS + self.unit_bits

    @property
    def slots(self) -> dict[str, int]:
        """Where the parts of the product begin, longest first: each at a multiple of its length, which is a power of
        two, and before the pads."""
        return _slots(self)

    def slot_bits(self, part: str) -> int:
        if part == "own":
            return self.own_bits
        return self.head_bits if part == "shared" else self.layer_bits(int(part))

    @property
    def parts(self) -> list[str]:
        return ["own", "shared", *(str(layer) for layer in range(self.shape.layers))]

    @property
    def product_bits(self) -> int:
        return bits_for(sum(1 << self.slot_bits(part) for part in self.parts) + _PADS)


@lru_cache(maxsize=64)
def _slots(grid: Grid) -> dict[str, int]:
    out, first = {}, 0
    for part in sorted(grid.parts, key=lambda part: -grid.slot_bits(part)):
        out[part], first = first, first + (1 << grid.slot_bits(part))
    return out


def layer_names(layer: int) -> list[str]:
    gated = [f"{layer}.{kind}{k}" for kind in ("index", "gate", "rest") for k in range(4)]
    return gated + [f"{layer}.{n}" for n in ("before", "sum", "cell", "tanh", "cell rest", "hidden", "hidden rest")]


@lru_cache(maxsize=64)
def columns(grid: Grid) -> tuple[Column, ...]:
    lstm = [Column(n, grid.lstm_used) for k in range(grid.shape.layers) for n in layer_names(k)]
    aux = [Column(n, grid.aux_used) for n in AUX]
    median = [Column(MEDIAN, grid.median_used)] if grid.shape.median else []
    return (*lstm, *aux, *median, *(personal_columns(grid) if grid.personal else ()))


@lru_cache(maxsize=64)
def personal_columns(grid: Grid) -> tuple[Column, ...]:
    """The personal head's cells as columns, one after the other."""
    rows = 1 << grid.bits
    return tuple(
        Column(f"{PERSONAL} {first // rows}", min(rows, grid.head_cells - first), PERSONAL, first)
        for first in range(0, grid.head_cells, rows)
    )


def hour_stride(grid: Grid) -> int:
    """Cells from one step to the next."""
    return grid.units


def first_hour(grid: Grid) -> int:
    """The step that the first hour's output reads."""
    return grid.shape.steps - HOURS
