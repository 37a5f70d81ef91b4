"""Draws from the class Gaussians in the Fisher subspace, and training on them: no home's day is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fl.one_shot.fisher import fisher_basis, projected
from fl.one_shot.fixed_point import Floats
from fl.one_shot.gaussian_heads import LINEAR_SHRINKAGE, each_covariance
from fl.one_shot.moments import ClassMoments
from forecasting.adamw import AdamW


@dataclass(frozen=True)
class DrawSettings:
    """How much is drawn, and how a head is trained on it. `temperature` scales the standard deviations of draws."""

    per_class: int = 4000
    temperature: float = 0.9
    epochs: int = 40
    batch: int = 256
    seed: int = 7


@dataclass(frozen=True)
class Draws:
    """n points of the Fisher subspace `basis` [d, k], standardised: `points` float64 [n, k] and `labels` [n].

    `inside` are the moments there, `centre` and `scale` [k] those of standardising: points * scale + centre.
    """

    basis: Floats
    inside: ClassMoments
    points: Tensor
    labels: Tensor
    centre: Floats
    scale: Floats


def draw(moments: ClassMoments, settings: DrawSettings) -> Draws:
    """As many points of each class. Same seed, same draws. Raises StatisticsRefused where the scatter was pooled."""
    basis = fisher_basis(moments)
    inside = projected(moments, basis, LINEAR_SHRINKAGE)
    generator = np.random.default_rng(settings.seed)
    points = []
    for mean, covariance in zip(inside.means, each_covariance(inside), strict=True):
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0)) * settings.temperature
        points.append(mean + generator.standard_normal((settings.per_class, len(mean))) @ root.T)
    flat = np.concatenate(points)
    centre, scale = flat.mean(axis=0), flat.std(axis=0)
    labels = np.repeat(np.arange(len(points)), settings.per_class)
    return Draws(basis, inside, torch.from_numpy((flat - centre) / scale), torch.from_numpy(labels), centre, scale)


def train(
    parameters: list[Tensor],
    loss: Callable[[Tensor], Tensor],
    count: int,
    learning_rate: float,
    settings: DrawSettings,
) -> None:
    """Train in place by AdamW; `loss` of the draws with the given numbers."""
    optimiser = AdamW(parameters, learning_rate, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(settings.epochs):
        for chosen in torch.split(torch.randperm(count, generator=generator), settings.batch):
            optimiser.zero_grad()
            loss(chosen).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
