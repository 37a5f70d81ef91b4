"""What the summed statistics say: counts, means and covariances, without cancellation.

N S - A A' is formed in whole numbers of any size and divided once, so that a variance is right to the last digit
however far from zero the mean lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import ONE, Floats, Ints
from fl.one_shot.statistics import Statistics

_ROUNDING = 2.0**-28  # far above what products rounded at 2^-33 can do to a variance of bounded entries
_Exact = NDArray[Any]  # Python integers


@dataclass(frozen=True, repr=False)
class ClassMoments:
    """Of C classes of d features: `counts` [C], `means` [C, d], `variances` [C, d], `covariances` [C, d, d] (None
    where the scatter was pooled), `within` [d, d] the pooled covariance in the classes, `spread` [d] the variances
    over all days. Covariances are of maximum likelihood: divided by N, not by N - 1 or N - C."""

    counts: Ints
    means: Floats
    variances: Floats
    covariances: Floats | None
    within: Floats
    spread: Floats

    @property
    def priors(self) -> Floats:
        """Each class's share of the days [C]."""
        return np.asarray(self.counts / self.counts.sum())


@dataclass(frozen=True)
class RegressionMoments:
    """Of p inputs and q targets about their means: `days`, `input_means` [p], `target_means` [q], `gram` [p, p],
    `cross` [p, q], `target_squares` [q]: sums over the days, not divided."""

    days: int
    input_means: Floats
    target_means: Floats
    gram: Floats
    cross: Floats
    target_squares: Floats


def class_moments(total: Statistics) -> ClassMoments:
    """The moments of the classes of summed statistics.

    Raises StatisticsRefused for a class without a day, and for sums that no days can have.
    """
    counts = total.part("counts")
    if (counts < 1).any():
        raise StatisticsRefused(f"class {int(counts.argmin())} has no day: leave it out (fl.one_shot.counts)")
    sums = _exact(total.part("sums"))
    size = total.shape.features
    means = np.stack([_divided(sums[c], int(n) * ONE) for c, n in enumerate(counts)])
    outer = [sum_of[:, None] * sum_of[None, :] for sum_of in sums]
    if total.shape.scatter == "each":
        scatter = [_symmetric(packed, size) for packed in total.part("scatter")]
        covariances = np.stack([_covariance(s, o, int(n)) for s, o, n in zip(scatter, outer, counts, strict=True)])
        variances = np.stack([np.diagonal(c) for c in covariances])
        pooled = sum(scatter)
    else:
        squares = _exact(total.part("squares"))
        variances = np.stack([
            _covariance(q, a**2, int(n)) for q, a, n in zip(squares, sums, counts, strict=True)
        ])  # fmt: skip
        covariances, pooled = None, _symmetric(total.part("pooled"), size)
    days = int(counts.sum())
    # A A' / N is cut to whole numbers, at 2^-64.
    between = sum(o // int(n) for o, n in zip(outer, counts, strict=True))
    within = _divided(pooled * ONE - between, days * ONE**2)
    everything = sums.sum(axis=0)
    spread = _covariance(np.diagonal(pooled), everything**2, days)
    _check_variances(variances, spread, np.diagonal(within))
    return ClassMoments(counts, means, np.maximum(variances, 0), covariances, within, np.maximum(spread, 0))


def regression_moments(total: Statistics) -> RegressionMoments:
    """The moments of the regression of summed statistics.

    Raises StatisticsRefused where there is no day, and for sums that no days can have.
    """
    days = int(total.part("days")[0])
    if days < 1:
        raise StatisticsRefused("there is no day to learn from")
    inputs, targets = _exact(total.part("input_sums")), _exact(total.part("target_sums"))
    gram = _symmetric(total.part("gram"), len(inputs))
    cross, squares = _exact(total.part("cross")), _exact(total.part("target_squares"))
    out = RegressionMoments(
        days=days,
        input_means=_divided(inputs, days * ONE),
        target_means=_divided(targets, days * ONE),
        gram=_about_mean(gram, inputs[:, None] * inputs[None, :], days),
        cross=_about_mean(cross, inputs[:, None] * targets[None, :], days),
        target_squares=_about_mean(squares, targets**2, days),
    )
    _check_variances(np.diagonal(out.gram) / days, out.target_squares / days)
    return out


def _exact(values: Ints) -> _Exact:
    return values.astype(object)


def _divided(values: _Exact, by: int) -> Floats:
    """Python's division of whole numbers of any size rounds once."""
    return np.asarray(values / by, dtype=np.float64)


def _covariance(scatter: _Exact, outer: _Exact, count: int) -> Floats:
    """S / N - A A' / N^2, S in units of 2^-32, A A' in units of 2^-64."""
    return _divided(scatter * (count * ONE) - outer, (count * ONE) ** 2)


def _about_mean(products: _Exact, outer: _Exact, count: int) -> Floats:
    """sum (x - mean x)(y - mean y)': N times `_covariance`."""
    return _divided(products * (count * ONE) - outer, count * ONE**2)


def _symmetric(packed: Ints, size: int) -> _Exact:
    """A symmetric matrix [size, size] from its upper triangle."""
    out = np.zeros((size, size), dtype=object)
    rows, columns = np.triu_indices(size)
    out[rows, columns] = out[columns, rows] = packed
    return out


def _check_variances(*variances: Floats) -> None:
    if any(values.min(initial=0) < -_ROUNDING for values in variances):
        raise StatisticsRefused(
            "the sums give a negative variance, which no days can have: some home's statistics were not what they "
            "should be; sum again, without homes that can't be trusted"
        )
