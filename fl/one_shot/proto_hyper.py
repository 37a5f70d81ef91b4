"""Proto-Hyper of GH-OFL: naive Bayes in the Fisher subspace and a low-rank correction, distilled from a teacher.

In that subspace the pooled covariance is the identity, so that linear discriminant analysis is naive Bayes there and
teaches it nothing; the teacher is quadratic discriminant analysis.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fl.one_shot.draws import Draws, DrawSettings, draw, train
from fl.one_shot.fixed_point import Floats
from fl.one_shot.gaussian_heads import naive_bayes, quadratic_discriminant
from fl.one_shot.heads import CorrectedHead, LinearHead
from fl.one_shot.moments import ClassMoments

_LEARNING_RATE = 1e-3
_RANK = 16
_TEACHER, _TEMPERATURE = 0.4, 4.0  # weight of the teacher against that of the labels; what softens both


def proto_hyper(moments: ClassMoments, settings: DrawSettings | None = None) -> CorrectedHead:
    """The head. The loss is 0.4 T^2 KL(teacher, student) + 0.6 cross-entropy at T = 4 (Hinton, Vinyals and Dean
    2015), the correction of rank 16 at most. Same seed, same head. Raises StatisticsRefused where the scatter was
    pooled.
    """
    settings = settings or DrawSettings()
    drawn = draw(moments, settings)
    base = naive_bayes(drawn.inside, smoothing=0)
    start = torch.from_numpy(base.scores(_points(drawn)) - np.log(moments.priors))  # draws are as many of each class
    taught = torch.from_numpy(
        quadratic_discriminant(drawn.inside, shrinkage=0).scores(_points(drawn)) - np.log(moments.priors)
    )
    targets = functional.softmax(taught / _TEMPERATURE, dim=1)
    width, classes = drawn.points.shape[1], len(moments.counts)
    rank = min(_RANK, width)
    generator = torch.Generator().manual_seed(settings.seed)
    inner = torch.randn(rank, width, dtype=torch.float64, generator=generator) / width**0.5
    outer, bias = torch.zeros(classes, rank, dtype=torch.float64), torch.zeros(classes, dtype=torch.float64)
    own = [part.requires_grad_() for part in (inner, outer, bias)]

    def loss(chosen: torch.Tensor) -> torch.Tensor:
        student = start[chosen] + drawn.points[chosen] @ inner.T @ outer.T + bias
        soft = functional.log_softmax(student / _TEMPERATURE, dim=1)
        distance = functional.kl_div(soft, targets[chosen], reduction="batchmean")
        return _TEACHER * _TEMPERATURE**2 * distance + (1 - _TEACHER) * functional.cross_entropy(
            student, drawn.labels[chosen]
        )

    train(own, loss, len(drawn.points), _LEARNING_RATE, settings)
    weight = (outer @ inner).detach().numpy() / drawn.scale
    return CorrectedHead(drawn.basis, base, LinearHead(weight, bias.detach().numpy() - weight @ drawn.centre))


def _points(drawn: Draws) -> Floats:
    """The draws as they were before standardising."""
    return np.asarray(drawn.points.numpy() * drawn.scale + drawn.centre)
