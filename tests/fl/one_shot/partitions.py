"""Data sets as homes have them: each class's days dealt out to homes by a Dirichlet draw."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from fl.one_shot.fixed_point import Floats, Ints
from fl.one_shot.statistics import Statistics, class_statistics

BOUND = 8.0


def digits() -> tuple[Floats, Ints]:
    """1,797 images of 64 pixels, centred and scaled by public constants: multiples of 1/8, whose sums are exact."""
    pixels, labels = datasets.load_digits(return_X_y=True)
    return (pixels - 8) / 8, labels.astype(np.int64)


def wine() -> tuple[Floats, Ints]:
    """178 wines of 13 measurements, standardised, within +-8 (the constants are public here)."""
    values, labels = datasets.load_wine(return_X_y=True)
    return (values - values.mean(axis=0)) / values.std(axis=0), labels.astype(np.int64)


def dirichlet(labels: Ints, homes: int, alpha: float, seed: int) -> Ints:
    """The home [n] of each day: each class's days are dealt out in shares of a Dirichlet(alpha) draw."""
    generator = np.random.default_rng(seed)
    out = np.zeros(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        out[labels == c] = generator.choice(homes, (labels == c).sum(), p=generator.dirichlet(np.full(homes, alpha)))
    return out


def by_home(values: Floats, labels: Ints, home: Ints) -> Iterator[tuple[Floats, Ints]]:
    for name in np.unique(home):
        yield values[home == name], labels[home == name]


def summed(values: Floats, labels: Ints, home: NDArray[np.int64], **how: object) -> Statistics:
    """The statistics of all homes, each made from its own days alone."""
    classes = int(labels.max()) + 1
    each = [class_statistics(z, c, classes, BOUND, **how) for z, c in by_home(values, labels, home)]  # type: ignore[arg-type]
    return reduce(Statistics.__add__, each)
