"""Which classes are kept: the counts of days and homes are summed and opened first, the statistics after that.

The sums of a class with one day are that day, and those of a class that one home has are that home's. So a class is
kept only if enough homes have enough days of it. The days of the others are left out of everything: a pooled scatter
that held them would give them away by subtraction.

The coordinator opens the counts, and may lie about them. What a home can check without it is its own part: it enters
no statistics with a class of which it has fewer than `fewest_days` days itself (`check_own_days`). So every class has
days of all the homes in the sum, whose number secure aggregation guarantees to each of them.
"""

from __future__ import annotations

import numpy as np

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats, Ints


def own_counts(labels: Ints, classes: int, fewest_days: int) -> Ints:
    """What a home enters first, int64 [2C]: its days of each class, then 1 for each class it has enough days of."""
    days = np.bincount(labels, minlength=classes).astype(np.int64)
    return np.concatenate([days, (days >= fewest_days).astype(np.int64)])


def kept_classes(total: Ints, fewest_homes: int, fewest_days: int) -> list[int]:
    """The classes that at least `fewest_homes` homes have at least `fewest_days` days of, by the summed counts [2C].

    Raises StatisticsRefused if fewer than two classes are left.
    """
    days, homes = np.split(total, 2)
    kept = [int(c) for c in np.flatnonzero((homes >= fewest_homes) & (days >= fewest_homes * fewest_days))]
    if len(kept) < 2:
        raise StatisticsRefused(
            f"{len(kept)} of {len(days)} classes have {fewest_days} days at each of {fewest_homes} homes, and it "
            "takes two to tell apart: wait for more days, or let more homes take part"
        )
    return kept


def check_own_days(labels: Ints, kept: list[int], fewest_days: int) -> None:
    """Raises StatisticsRefused if this home has fewer than `fewest_days` days of a class that the sum is to keep."""
    for c in kept:
        if (days := int((labels == c).sum())) < fewest_days:
            raise StatisticsRefused(
                f"this home has {days} days of class {c}, and enters no sum with fewer than {fewest_days} of each"
            )


def of_kept_classes(features: Floats, labels: Ints, kept: list[int]) -> tuple[Floats, Ints]:
    """The days of the kept classes, which are numbered anew from 0: features [m, d], labels [m]."""
    chosen = np.isin(labels, kept)
    return features[chosen], np.searchsorted(np.array(kept), labels[chosen]).astype(np.int64)
