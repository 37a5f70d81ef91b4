"""Rows among the readings that are sums of others: of a day, of a month, of the rows below or above them.

A sum is known by what it adds up to, never by its words alone: a row that adds up to nothing is no sum.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.importing.cells import Floats

Mask = NDArray[np.bool_]
_MOST_DECIMALS = 6
_ROUNDING = 0.01  # of a sum of rounded numbers; never more than this share of it
_EXACT = 1e-9


def are_sums(columns: Sequence[Floats], candidates: Mask) -> Mask:
    """Which candidates are sums, of [n] rows: all their numbers are those of the readings between them and another
    candidate, or the table's beginning or end. They have at least one number."""
    found = candidates.copy()
    for column in columns:
        found &= np.isnan(column) | _adds_up(column, candidates)
    for_all: Mask = np.all([np.isnan(column) for column in columns], axis=0)
    return found & ~for_all


def _adds_up(column: Floats, candidates: Mask) -> Mask:
    readings = np.where(candidates | ~np.isfinite(column), 0.0, column)
    running = np.concatenate([[0.0], np.cumsum(readings)])
    counted = np.concatenate([[0], np.cumsum(~candidates)])
    at = np.flatnonzero(candidates)
    bounds = np.unique([0, len(column), *at.tolist()])
    half, half_of_sum = (0.5 * 10.0 ** -_decimals(column[which]) for which in (~candidates, candidates))
    true = np.zeros(len(column), dtype=bool)
    for row in at:
        sums = np.abs(running[bounds] - running[row])
        rows = np.abs(counted[bounds] - counted[row])
        allowed = np.minimum(rows * half + half_of_sum, _ROUNDING * np.abs(column[row])) + _EXACT * sums
        true[row] = bool(((rows > 1) & (np.abs(sums - column[row]) <= allowed)).any())
    return true


def _decimals(column: Floats) -> int:
    """To how many decimals numbers are rounded."""
    finite = column[np.isfinite(column)]
    for decimals in range(_MOST_DECIMALS):
        if np.allclose(finite, np.round(finite, decimals), rtol=0, atol=1e-9):
            return decimals
    return _MOST_DECIMALS
