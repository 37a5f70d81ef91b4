"""Linear constraints between cells: cell states handed on, readings and forecasts in their commitments, limbs.

Each family of equations is weighted by consecutive powers of a challenge, so that its weights are geometric series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.commitment import DAY_HOURS, RING_DAYS
from zkp.algebra.field import geometric, power
from zkp.algebra.srs import ROW
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import Form, PowerAxis, TensorForm, run_of
from zkp.argument.relation import Draw
from zkp.lstm import integer_model as model
from zkp.lstm.gates import LIMBS
from zkp.lstm.grid import FORECAST_ROW, MEDIAN, MULTIPLIER_ROW, SCALE_ROW, STRIDE, Grid

_U = 1 << model.WIDE_BITS
HISTORY, HOURS, OUTPUTS, DAYS = model.HISTORY, model.HOURS, model.OUTPUTS, model.DAYS
_PER_WINDOW = 2 * HISTORY + 2 * OUTPUTS + 3
"""Equations of a window: readings, multipliers, scales, forecasts; scale, its range, multiplier."""


def constraints(grid: Grid, rotations: Sequence[Sequence[int]], draw: Draw) -> list[Linear]:
    """All of them, each zero. `rotations`: for each window the place of its first day in the ring, one-hot."""
    return [
        *(_hand_over(grid, k, draw()) for k in range(grid.shape.layers)),
        _windows(grid, rotations, draw()),
        _nothing_beyond(grid, draw()),
        *([_medians(grid, draw())] if grid.shape.median else []),
    ]


def _hand_over(grid: Grid, layer: int, base: int) -> Linear:
    """before[t] = cell[t - 1], and zero at the start of a window."""
    width, steps = grid.units, grid.shape.steps
    of_window = power(base, width * steps)
    cells = (
        PowerAxis(width * steps, grid.windows, of_window),
        PowerAxis(width, steps - 1, power(base, width)),
        PowerAxis(1, width, base),
    )
    return Linear(
        (
            Term(f"{layer}.before", 1, run_of(0, grid.lstm_used, base)),
            Term(f"{layer}.cell", -1, TensorForm(cells, 0, power(base, width))),
        )
    )


@dataclass(frozen=True)
class _Family:
    """Equations k = 0, 1, ... of every window, weighted by base^(first + k), and for each window by `next_window`."""

    grid: Grid
    base: int
    next_window: int
    first: int

    def run(self, start: int, count: int) -> Form:
        """Equation k is about the cell start + k of the window's rows."""
        axes = (PowerAxis(STRIDE, self.grid.windows, self.next_window), PowerAxis(1, count, self.base))
        return TensorForm(axes, start, power(self.base, self.first))

    def same(self, place: int, count: int) -> Form:
        """All `count` equations are about one cell of the window's rows."""
        axes = (PowerAxis(STRIDE, self.grid.windows, self.next_window),)
        return TensorForm(axes, place, power(self.base, self.first) * geometric(self.base, count))

    def scale(self, window: int) -> int:
        """What a window's first equation is weighted by."""
        return power(self.base, self.first) * power(self.next_window, window)


def _windows(grid: Grid, rotations: Sequence[Sequence[int]], base: int) -> Linear:
    """Readings, multiplier, scale, outputs and forecasts of every window, tied to each other and to their rows."""
    firsts = [0, HISTORY, 2 * HISTORY, 2 * HISTORY + OUTPUTS, _PER_WINDOW - 3, _PER_WINDOW - 2, _PER_WINDOW - 1]
    next_window = power(base, _PER_WINDOW)
    readings, multipliers, scales, forecasts, scale, ranges, multiplier = (
        _Family(grid, base, next_window, first) for first in firsts
    )
    summed = TensorForm(
        (PowerAxis(STRIDE, grid.windows, next_window), PowerAxis(1, HISTORY)), 0, power(base, scale.first)
    )
    terms = [
        # p = reading, q = multiplier in the rows of hours; q = scale in those of forecasts
        Term("p", 1, readings.run(0, HISTORY)),
        Term("q", 1, multipliers.run(0, HISTORY)),
        Term("p", -1, multipliers.same(SCALE_ROW, HISTORY)),
        Term("q", 1, scales.run(FORECAST_ROW, OUTPUTS)),
        Term("q", -1, scales.same(SCALE_ROW, OUTPUTS)),
        # forecast = its limbs
        *_limbs(-1, ("u0", "u2", "v1"), forecasts.run(FORECAST_ROW, OUTPUTS)),
        # scale = 2048 + sum of readings
        Term("q", 1, scale.same(SCALE_ROW, 1)),
        Term("p", -1, summed),
        # scale - 1 - rest is not negative, for it has limbs
        Term("q", 1, ranges.same(SCALE_ROW, 1)),
        *_limbs(-1, ("u0", "u1", "v0"), ranges.same(SCALE_ROW, 1)),
        *_limbs(-1, ("u2", "u3", "v1"), ranges.same(SCALE_ROW, 1)),
        # multiplier = its limbs
        Term("p", 1, multiplier.same(SCALE_ROW, 1)),
        *_limbs(-1, ("u0", "u1", "v0"), multiplier.same(MULTIPLIER_ROW, 1)),
    ]
    for b, rotation in enumerate(rotations):
        terms += _rotated(f"window {b}", rotation, base, -readings.scale(b))
        terms.append(Term(f"forecast {b}", 1, run_of(0, OUTPUTS, base, forecasts.scale(b))))
    constant = (
        -(LIMBS - model.FORECAST_LIMIT) * power(base, forecasts.first) * geometric(base, OUTPUTS)
        - model.SCALE_FLOOR_WH * power(base, scale.first)
        - (1 + 2 * LIMBS) * power(base, ranges.first)
        - LIMBS * power(base, multiplier.first)
    )
    return Linear(tuple(terms), constant * geometric(next_window, grid.windows))


def _limbs(coefficient: int, names: tuple[str, str, str], form: Form) -> list[Term]:
    return [Term(name, coefficient * _U**k, form) for k, name in enumerate(names)]


def _rotated(block: str, rotation: Sequence[int], base: int, scale: int) -> list[Term]:
    """scale * base^i for the slot of hour i of the window, oldest first, whatever day it ends before: the ring's
    slots from 24 * (day modulo 7) on, then those from zero on (`zkp.algebra.commitment.window_slots`)."""
    terms = []
    for day in range(RING_DAYS):
        split = DAY_HOURS * day
        chosen = rotation[day] * scale
        terms.append(Term(block, chosen, run_of(split, HISTORY - split, base)))
        if day:
            terms.append(Term(block, chosen * power(base, HISTORY - split), run_of(0, split, base)))
    return terms


def _nothing_beyond(grid: Grid, base: int) -> Linear:
    """A forecast's commitment holds nothing beyond its 48 values: the community's total would not open."""
    form = run_of(OUTPUTS, ROW - OUTPUTS, base)
    return Linear(tuple(Term(f"forecast {b}", power(base, b * ROW), form) for b in range(grid.windows)))


def _medians(grid: Grid, base: int) -> Linear:
    """Seven loads of an hour have one median, and their sides of it add up to zero.

    Each load is side * distance above the median, with a side of -1, 0 or 1 and a distance that is not negative
    (`zkp.lstm.gates`). As many sides are 1 as are -1, so of seven at least one is 0: that load is the median, and no
    more than three loads are above it, no more than three below. That is the median, and there is but one.
    """
    next_window = power(base, HISTORY)
    windows = PowerAxis(STRIDE, grid.windows, next_window)
    others = HISTORY - HOURS
    hours = PowerAxis(1, HOURS, base)
    sides = TensorForm((windows, PowerAxis(HOURS, DAYS), hours), 0, power(base, others))
    return Linear(
        (
            # equation k is about the hour 24 + k of the window, and that hour of its first day
            Term(MEDIAN, 1, TensorForm((windows, PowerAxis(1, others, base)), HOURS)),
            Term(MEDIAN, -1, TensorForm((windows, hours), 0, geometric(power(base, HOURS), DAYS - 1))),
            Term("u3", 1, sides),
        )
    )
