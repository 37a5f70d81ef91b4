"""The regression twin: ridge regression (Hoerl and Kennard 1970) from the sums alone.

Equal to scikit-learn's Ridge on everybody's days in one place. Fits of this kind, in one round, are Fani et al.,
"Accelerating Heterogeneous Federated Learning with Closed-form Classifiers" (Fed3R, ICML 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats
from fl.one_shot.moments import RegressionMoments

_GOLDEN = (5**0.5 - 1) / 2
_EXACT_ENOUGH = 1e-6  # of the logarithm of a penalty


@dataclass(frozen=True)
class RidgeModel:
    """y = x W + b; `weight` [p, q], `intercept` [q], and the penalty it was fitted with."""

    weight: Floats
    intercept: Floats
    penalty: float

    def predict(self, inputs: Floats) -> Floats:
        """[n, q] of inputs [n, p]."""
        return np.asarray(inputs @ self.weight + self.intercept)


def ridge(moments: RegressionMoments, penalty: float) -> RidgeModel:
    """W = (sum x x' + penalty I)^-1 sum x y' about the means; the intercept is not penalised.

    Raises StatisticsRefused for a penalty that is negative, or too small for inputs that depend on each other.
    """
    if penalty < 0:
        raise StatisticsRefused(f"a penalty is not negative, and this is {penalty}")
    try:
        solved = np.linalg.solve(moments.gram + penalty * np.eye(len(moments.gram)), moments.cross)
    except np.linalg.LinAlgError as problem:
        raise StatisticsRefused("the inputs depend on each other: raise the penalty") from problem
    weight = np.asarray(solved, dtype=np.float64)
    return RidgeModel(weight, moments.target_means - moments.input_means @ weight, penalty)


def evidence_penalty(moments: RegressionMoments) -> float:
    """The penalty that makes the targets most probable (MacKay 1992, "Bayesian interpolation"), from the sums alone.

    Weights are N(0, s^2 / penalty), noise N(0, s^2) with one s^2 for all targets, integrated out at its best value.
    """
    values, vectors = np.linalg.eigh(moments.gram)
    values = np.maximum(values, 0)
    explained = ((vectors.T @ moments.cross) ** 2).sum(axis=1)
    squares, targets = float(moments.target_squares.sum()), len(moments.target_squares)
    largest = max(float(values[-1]), np.finfo(np.float64).tiny)
    if squares <= 0:  # there is nothing to explain
        return largest

    def cost(log_penalty: float) -> float:
        """Minus the log evidence, up to a constant."""
        penalty = np.exp(log_penalty)
        residual = max(squares - float((explained / (values + penalty)).sum()), 1e-15 * squares)
        return float(targets * (moments.days * np.log(residual) + np.log1p(values / penalty).sum()) / 2)

    grid = np.log(largest) + np.linspace(-30, 10, 81)
    best = int(np.argmin([cost(place) for place in grid]))
    return float(np.exp(_minimum(cost, grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])))


def _minimum(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where `cost` is least in an interval in which it falls, then rises (golden section)."""
    while high - low > _EXACT_ENOUGH:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return (low + high) / 2
