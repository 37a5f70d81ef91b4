"""The sum over homes, and how it grows and shrinks: joining is adding, leaving is subtracting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl.errors import StatisticsRefused
from fl.one_shot.plan import STATISTICS, OneShotPlan
from fl.one_shot.statistics import Statistics


@dataclass(frozen=True)
class Total:
    """The sum over homes: `statistics` of the peak classes `kept`; `variance`: of the noise on each entry."""

    statistics: Statistics
    kept: tuple[int, ...]
    homes: tuple[str, ...]
    variance: float = 0.0

    def joined_by(self, others: Total) -> Total:
        """With the homes of `others`, none of which is in it. Raises StatisticsRefused if they don't go together."""
        if twice := set(self.homes) & set(others.homes):
            raise StatisticsRefused(f"already in the total: {', '.join(sorted(twice))}")
        self._check(others)
        homes = tuple(sorted((*self.homes, *others.homes)))
        return Total(self.statistics + others.statistics, self.kept, homes, self.variance + others.variance)

    def left_by(self, others: Total) -> Total:
        """Without the homes of `others`, which are in it. Raises StatisticsRefused where they don't go together."""
        if strangers := set(others.homes) - set(self.homes):
            raise StatisticsRefused(f"not in the total: {', '.join(sorted(strangers))}")
        self._check(others)
        homes = tuple(home for home in self.homes if home not in others.homes)
        return Total(self.statistics - others.statistics, self.kept, homes, self.variance - others.variance)

    def _check(self, others: Total) -> None:
        if self.kept != others.kept:
            raise StatisticsRefused("the totals keep other peak classes, and can't be put together")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "vector": self.statistics.vector,
            "kept": np.array(self.kept, dtype=np.int64),
            "homes": np.array(self.homes),
            "variance": np.array(self.variance),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]], private: bool) -> Total:
        """What `to_arrays` gave; `private`: by settings of differential privacy. Raises StatisticsRefused."""
        try:
            kept = tuple(int(c) for c in arrays["kept"])
            shape = OneShotPlan(STATISTICS, kept, 2, private, 1).shape
            statistics = Statistics(shape, arrays["vector"])
            return Total(statistics, kept, tuple(str(h) for h in arrays["homes"]), float(arrays["variance"]))
        except (KeyError, ValueError, TypeError) as problem:
            raise StatisticsRefused(f"this is no total of a one-shot training ({type(problem).__name__})") from None
