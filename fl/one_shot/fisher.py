"""The Fisher subspace: the directions in which class means differ most for the spread inside the classes."""

from __future__ import annotations

import numpy as np

from fl.one_shot.fixed_point import Floats
from fl.one_shot.gaussian_heads import LINEAR_SHRINKAGE, each_covariance, shrunk
from fl.one_shot.moments import ClassMoments

_NOTHING = 1e-10  # part of the largest ratio of scatters below which a direction tells classes apart no more


def fisher_basis(moments: ClassMoments, shrinkage: float = LINEAR_SHRINKAGE) -> Floats:
    """V [d, k], k <= C - 1, with V' S_W V = I: S_W^-1/2 times the eigenvectors of S_W^-1/2 S_B S_W^-1/2 (Fisher
    1936, Rao 1948), the most telling one first. S_W is shrunk by `shrinkage`, S_B weighted by the classes' shares.
    """
    values, vectors = np.linalg.eigh(shrunk(moments.within, shrinkage))
    whitener = vectors / np.sqrt(np.maximum(values, np.finfo(np.float64).tiny)) @ vectors.T
    deviations = moments.means - moments.priors @ moments.means
    between = deviations.T @ (moments.priors[:, None] * deviations)
    ratios, directions = np.linalg.eigh(whitener @ between @ whitener)
    order = np.argsort(ratios)[::-1][: len(moments.counts) - 1]
    telling = [k for k in order if ratios[k] > _NOTHING * ratios[order[0]]]
    return np.asarray(whitener @ directions[:, telling])


def projected(moments: ClassMoments, basis: Floats, shrinkage: float) -> ClassMoments:
    """The moments of z V, each class's covariance shrunk first. Raises StatisticsRefused without them."""
    covariances = np.stack([basis.T @ shrunk(each, shrinkage) @ basis for each in each_covariance(moments)])
    means = moments.means @ basis
    within = np.einsum("c,cij->ij", moments.priors, covariances)
    between = np.einsum("c,ci->i", moments.priors, (means - moments.priors @ means) ** 2)
    return ClassMoments(
        counts=moments.counts,
        means=means,
        variances=np.stack([np.diagonal(each) for each in covariances]),
        covariances=covariances,
        within=within,
        spread=np.diagonal(within) + between,
    )
