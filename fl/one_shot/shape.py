"""Which sums make up the statistics, and where each stands in the one vector that is summed under masks.

For the classifiers, over the days of each class c of the C that are kept, of feature vectors z [d]:

    counts [C]          N_c
    sums [C, d]         A_c = sum z
    scatter             S_c = sum z z' of each class [C, d(d+1)/2], or, where that is too much to send,
    squares, pooled     Q_c = sum z^2 of each class [C, d] and B = sum z z' of all of them together [d(d+1)/2]

and for the regression twin, over all days, of inputs x [p] and targets y [q]:

    days [1], input_sums [p], target_sums [q], gram [p(p+1)/2] = sum x x', cross [p, q] = sum x y',
    target_squares [q] = sum y^2

Symmetric matrices travel as their upper triangles, row after row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fl.errors import StatisticsRefused

Scatter = Literal["each", "pooled"]


@dataclass(frozen=True)
class StatisticsShape:
    """Sizes: C classes of d features, p inputs and q targets of the regression; nothing of either where it is 0.

    `scatter`: of each class (quadratic heads need it), or pooled over all of them.
    """

    classes: int = 0
    features: int = 0
    inputs: int = 0
    targets: int = 0
    scatter: Scatter = "each"

    def __post_init__(self) -> None:
        if min(self.classes, self.features, self.inputs, self.targets) < 0:
            raise StatisticsRefused("the sizes of statistics are not negative")
        if bool(self.classes) != bool(self.features) or bool(self.inputs) != bool(self.targets):
            raise StatisticsRefused("classes need features, inputs need targets, and the other way round")

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each part, in the order of the vector."""
        c, d, p, q = self.classes, self.features, self.inputs, self.targets
        out: dict[str, tuple[int, ...]] = {}
        if c:
            out = {"counts": (c,), "sums": (c, d)}
            out |= (
                {"scatter": (c, triangle(d))}
                if self.scatter == "each"
                else {"squares": (c, d), "pooled": (triangle(d),)}
            )
        if p:
            out |= {"days": (1,), "input_sums": (p,), "target_sums": (q,)}
            out |= {"gram": (triangle(p),), "cross": (p, q), "target_squares": (q,)}
        return out

    @property
    def length(self) -> int:
        """Entries of the vector."""
        return sum(math.prod(shape) for shape in self.parts.values())


def triangle(size: int) -> int:
    """Entries of a symmetric matrix [size, size] that have to be sent."""
    return size * (size + 1) // 2
