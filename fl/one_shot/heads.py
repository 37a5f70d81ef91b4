"""Classifiers as they are handed to homes: a few arrays, and class probabilities of features [n, d].

Scores are log joint densities up to a constant of the day; their softmax is the posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fl.one_shot.fixed_point import Floats, Ints


class Head(Protocol):
    """A classifier over C classes."""

    def scores(self, features: Floats) -> Floats:
        """[n, C] of features [n, d]."""


@dataclass(frozen=True)
class LinearHead:
    """scores = z W' + b; `weight` [C, d], `bias` [C]."""

    weight: Floats
    bias: Floats

    def scores(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weight.T + self.bias)


@dataclass(frozen=True)
class DiagonalHead:
    """Gaussians without correlations: `means`, `variances` [C, d], `bias` [C]."""

    means: Floats
    variances: Floats
    bias: Floats

    def scores(self, features: Floats) -> Floats:
        squared = (features[:, None, :] - self.means) ** 2 / self.variances
        return np.asarray(-squared.sum(axis=2) / 2 + self.bias)


@dataclass(frozen=True)
class QuadraticHead:
    """Gaussians of any covariance: `means` [C, d], `whiteners` [C, d, d] (W'W = covariance^-1), `bias` [C]."""

    means: Floats
    whiteners: Floats
    bias: Floats

    def scores(self, features: Floats) -> Floats:
        whitened = np.einsum("cij,ncj->nci", self.whiteners, features[:, None, :] - self.means)
        return np.asarray(-(whitened**2).sum(axis=2) / 2 + self.bias)


@dataclass(frozen=True)
class CorrectedHead:
    """Naive Bayes on z V plus a linear correction: `basis` [d, k], `base` and `correction` of k features."""

    basis: Floats
    base: DiagonalHead
    correction: LinearHead

    def scores(self, features: Floats) -> Floats:
        inside = features @ self.basis
        return np.asarray(self.base.scores(inside) + self.correction.scores(inside))


def probabilities(head: Head, features: Floats) -> Floats:
    """Posterior of each class [n, C]."""
    scores = head.scores(features)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def decisions(head: Head, features: Floats) -> Ints:
    """The most probable class [n]."""
    return np.asarray(head.scores(features).argmax(axis=1), dtype=np.int64)
