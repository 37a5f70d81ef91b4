"""FisherMix of GH-OFL: a linear head in the Fisher subspace, trained on draws from the class Gaussians."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fl.one_shot.draws import DrawSettings, draw, train
from fl.one_shot.gaussian_heads import linear_discriminant
from fl.one_shot.heads import LinearHead
from fl.one_shot.moments import ClassMoments

_LEARNING_RATE = 8e-4


def fisher_mix(moments: ClassMoments, settings: DrawSettings | None = None) -> LinearHead:
    """The head, as a linear one on the features themselves: the subspace is multiplied in. Same seed, same head.

    It starts as linear discriminant analysis, which is what it would be if all classes had the same covariance. It is
    trained on as many draws of each class, so the classes' shares are added afterwards.
    Raises StatisticsRefused where the scatter was pooled.
    """
    settings = settings or DrawSettings()
    drawn = draw(moments, settings)
    start = linear_discriminant(drawn.inside, shrinkage=0)
    weight = torch.from_numpy(start.weight * drawn.scale).requires_grad_()
    bias = torch.from_numpy(start.bias + start.weight @ drawn.centre - np.log(moments.priors)).requires_grad_()

    def loss(chosen: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(drawn.points[chosen] @ weight.T + bias, drawn.labels[chosen])

    train([weight, bias], loss, len(drawn.points), _LEARNING_RATE, settings)
    inside = weight.detach().numpy() / drawn.scale
    offset = bias.detach().numpy() - inside @ drawn.centre + np.log(moments.priors)
    return LinearHead(inside @ drawn.basis.T, offset)
