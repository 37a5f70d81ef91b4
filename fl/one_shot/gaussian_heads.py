"""The closed-form heads of GH-OFL: Gaussian naive Bayes, linear and quadratic discriminant analysis.

They equal scikit-learn's GaussianNB, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...) and
QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=...) on everybody's days in one place, whatever home has which
days. Shrinkage (1 - a) S + a tr(S)/d I is that of Ledoit and Wolf, "A well-conditioned estimator" (2004), with a
fixed a.
"""

from __future__ import annotations

import numpy as np

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats
from fl.one_shot.heads import DiagonalHead, LinearHead, QuadraticHead
from fl.one_shot.moments import ClassMoments

LINEAR_SHRINKAGE, QUADRATIC_SHRINKAGE = 0.05, 0.1
SMOOTHING = 1e-3


def naive_bayes(moments: ClassMoments, smoothing: float = SMOOTHING) -> DiagonalHead:
    """Gaussian naive Bayes; `smoothing` times the largest variance of any feature is added to each variance."""
    variances = moments.variances + smoothing * moments.spread.max()
    if not (variances > 0).all():
        raise StatisticsRefused(
            "a feature is constant in a class and smoothing is 0: smooth, or leave the feature out"
        )
    bias = np.log(moments.priors) - np.log(2 * np.pi * variances).sum(axis=1) / 2
    return DiagonalHead(moments.means, variances, bias)


def linear_discriminant(moments: ClassMoments, shrinkage: float = LINEAR_SHRINKAGE) -> LinearHead:
    """Linear discriminant analysis, with the pooled covariance. Raises StatisticsRefused where it is singular."""
    try:
        solved = np.linalg.solve(shrunk(moments.within, shrinkage), moments.means.T)
    except np.linalg.LinAlgError as problem:
        raise StatisticsRefused("the pooled covariance is singular: raise the shrinkage") from problem
    weight = np.asarray(solved.T, dtype=np.float64)
    bias = np.log(moments.priors) - (moments.means * weight).sum(axis=1) / 2
    return LinearHead(weight, bias)


def quadratic_discriminant(moments: ClassMoments, shrinkage: float = QUADRATIC_SHRINKAGE) -> QuadraticHead:
    """Quadratic discriminant analysis, with each class's covariance.

    Raises StatisticsRefused where the scatter was pooled, or a covariance is singular.
    """
    whiteners, halves = [], []
    for covariance in each_covariance(moments):
        values, vectors = np.linalg.eigh(shrunk(covariance, shrinkage))
        if values[0] <= 0:
            raise StatisticsRefused("the covariance of a class is singular: raise the shrinkage")
        whiteners.append((vectors / np.sqrt(values)).T)
        halves.append(np.log(values).sum() / 2)
    return QuadraticHead(moments.means, np.stack(whiteners), np.log(moments.priors) - np.array(halves))


def shrunk(covariance: Floats, shrinkage: float) -> Floats:
    """(1 - a) S + a tr(S)/d I."""
    size = len(covariance)
    return np.asarray((1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / size * np.eye(size))


def each_covariance(moments: ClassMoments) -> Floats:
    """[C, d, d]. Raises StatisticsRefused where homes sent a pooled scatter only."""
    if moments.covariances is None:
        raise StatisticsRefused('this head needs each class\'s covariance: let homes send a scatter of "each" class')
    return moments.covariances
