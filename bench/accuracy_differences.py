"""How far ours is ahead of or behind each other method, and how far chance alone would move that.

Intervals of 90 % by the bootstrap: for the total, weeks of scored days are drawn with replacement, as the days of a
week depend on each other (moving blocks: Künsch, Annals of Statistics 1989); for homes, homes are. Both methods are
judged on the same draw. An interval on both sides of zero says that these days, or homes, can't tell the two apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.accuracy_scores import Array, Totals

WEEK, DRAWS, SEED = 7, 4000, 0


def differences(scores: dict[str, Any], sums: Totals, ours: str) -> dict[str, dict[str, list[float] | None]]:
    """By other method: `total` and `homes`, each [ours minus the other, the interval's low and high end], relative to
    the other's error: below zero ours is better. None where there is nothing to compare.

    Args:
        scores: of `bench.accuracy_scores.score`.
    """
    return {
        name: {"total": _of_total(sums, ours, name), "homes": _of_homes(scores, ours, name)}
        for name in sums.forecast
        if name != ours
    }


def _of_total(sums: Totals, ours: str, other: str) -> list[float] | None:
    """Of the total's absolute error over all hours."""
    both = [np.abs(sums.forecast[name] - sums.measured).sum(axis=1)[sums.scored] for name in (ours, other)]
    known = ~np.isnan(both).any(axis=0)
    own, others = (errors[known] for errors in both)
    if len(own) < 2 * WEEK or not others.sum():
        return None
    generator = np.random.default_rng(SEED)
    begin = generator.integers(0, len(own) - WEEK + 1, (DRAWS, -(-len(own) // WEEK)))
    days = (begin[:, :, None] + np.arange(WEEK)).reshape(DRAWS, -1)[:, : len(own)]
    return _with_interval(own.sum() / others.sum(), own[days].sum(axis=1) / others[days].sum(axis=1))


def _of_homes(scores: dict[str, Any], ours: str, other: str) -> list[float] | None:
    """Of the median home's nMAE."""
    found = [scores[name]["homes"] for name in (ours, other)]
    if None in found:
        return None
    names = sorted(found[0])
    own, others = (np.array([errors[name] for name in names]) for errors in found)
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    ratios = np.median(own[drawn], axis=1) / np.median(others[drawn], axis=1)
    return _with_interval(np.median(own) / np.median(others), ratios)


def _with_interval(ratio: float, ratios: Array) -> list[float]:
    return [round(float(value) - 1, 4) for value in (ratio, *np.quantile(ratios, [0.05, 0.95]))]
