"""The regression twin under differential privacy: AdaSSP, for whole homes.

AdaSSP (Wang, "Revisiting differentially private linear regression", UAI 2018, algorithm 2) adds noise to the sums and
makes the penalty as large as the noise asks for, no larger. There the unit is a row; here it is a home with all its
days: a home's sums are divided by its days, so that each home counts the same, and its vector is clipped to an L2
norm C before Gaussian noise of z C is added (as to a model update, `fl.dp.noise`). So one release spends what one of
a training does, and stands in the same ledger.

AdaSSP spends a part of its budget on the smallest eigenvalue. Here it is bounded from the noisy sums, which costs
nothing: by Weyl's inequality noise of spectral norm b moves no eigenvalue by more than b.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fl.dp.noise import clip, gaussian
from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import ONE, Floats, fixed
from fl.one_shot.ridge import RidgeModel
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.statistics import Statistics
from fl.protection_settings import LARGEST_NOISY_ENTRY

_FAILURE = 0.05  # rho: how likely the noise is larger than its bound
Noise = Callable[[int], Floats]
_RELEASED = ("input_sums", "target_sums", "gram", "cross")


def private_statistics(own: Statistics, clip_norm: float, stddev: float) -> Statistics:
    """A home's statistics of a day in the mean, clipped to `clip_norm`, with noise of `stddev` on every entry.

    `days` becomes 1, for a home, and the targets' squares, which are not needed, 0. Raises StatisticsRefused for
    statistics of classes, for a home without days, and for noise that a masked sum would cut.
    """
    days = _regression_alone(own)
    step, _ = clip(np.concatenate([own.part(name).ravel() for name in _RELEASED]) / (days * ONE), clip_norm)
    step = step + stddev * gaussian(len(step)) if stddev else step
    if np.abs(step).max() > LARGEST_NOISY_ENTRY:
        raise StatisticsRefused(
            f"an entry of noisy sums is beyond {LARGEST_NOISY_ENTRY:,.0f}, and those of many homes could overflow; "
            "lower privacy.noise_multiplier or one_shot.clip_norm"
        )
    noisy = fixed(step)
    targets = own.shape.targets
    return Statistics(own.shape, np.concatenate([[1], noisy, np.zeros(targets, dtype=np.int64)]).astype(np.int64))


def with_noise(total: Statistics, stddev: float, noise: Noise = gaussian) -> Statistics:
    """A sum of `private_statistics` without noise, and the noise: what a trusted coordinator does (`central`).

    `noise`: standard normal numbers; from the operating system's randomness unless a bench says otherwise.
    """
    _regression_alone(total)
    added = fixed(stddev * noise(total.shape.length))
    added[0] = 0
    added[total.shape.length - total.shape.targets :] = 0
    return Statistics(total.shape, total.vector + added)


def adassp(total: Statistics, stddev: float, least_penalty: float = 0) -> RidgeModel:
    """Ridge from summed `private_statistics` whose noise, in the sum, has the standard deviation `stddev`.

    The penalty is max(0, b - lower bound of the smallest eigenvalue), b = stddev * sqrt(d log(2 d^2 / rho)), or
    `least_penalty` if that is larger; the intercept is penalised like the rest, the targets being centred by a public
    constant.
    """
    homes = _regression_alone(total)
    gram, cross = _with_ones(total, homes)
    size = len(gram)
    bound = stddev * float(np.sqrt(size * np.log(2 * size**2 / _FAILURE)))
    values, vectors = np.linalg.eigh(gram)
    penalty = max(bound - max(float(values[0]) - bound, 0.0), least_penalty)
    kept = np.maximum(values, 0) + penalty  # noise beyond its bound leaves values below zero, which no sum has
    if kept[0] <= 0:
        raise StatisticsRefused("the inputs depend on each other, and without noise there is no penalty either")
    weight = np.asarray((vectors / kept) @ (vectors.T @ cross), dtype=np.float64)
    return RidgeModel(weight[1:], weight[0], penalty)


def _regression_alone(statistics: Statistics) -> int:
    """The days (of private statistics: homes) that the statistics are of."""
    if statistics.shape.classes:
        raise StatisticsRefused("under differential privacy only the regression's statistics are sent")
    days = int(statistics.part("days")[0])
    if days < 1:
        raise StatisticsRefused("there is no day to learn from")
    return days


def _with_ones(total: Statistics, homes: int) -> tuple[Floats, Floats]:
    """sum (1, x)(1, x)' [p + 1, p + 1] and sum (1, x) y' [p + 1, q]."""
    shape: StatisticsShape = total.shape
    sums = total.part("input_sums") / ONE
    gram = np.zeros((shape.inputs + 1, shape.inputs + 1))
    gram[0, 0], gram[0, 1:], gram[1:, 0] = homes, sums, sums
    rows, columns = np.triu_indices(shape.inputs)
    gram[rows + 1, columns + 1] = gram[columns + 1, rows + 1] = total.part("gram") / ONE
    cross = np.concatenate([total.part("target_sums")[None] / ONE, total.part("cross") / ONE])
    return gram, cross
