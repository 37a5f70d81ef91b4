"""What a green share is worth, in whole numbers: a percentage above that of a load that is the same in every hour.

Such a load is public, so nobody can make it bad on purpose, as one can a baseline of one's own past (Muthirayan et
al., Mechanism design for demand response programs, IEEE TSG 2020). Whoever uses most at noon anyway is paid for that,
as by a tariff. `contracts/green_share.vy` keeps this rule. Loads no proof system.
"""

from __future__ import annotations

from collections.abc import Sequence

HOURS, MAX_WEIGHT = 24, 255
LEAST_HOURS, LEAST_WEIGHT = 6, 64
"""So many hours of a day weigh so much at least: else a percentage would tell of the load in one hour."""


def base_of(weights: Sequence[int]) -> int:
    """The percentage of a load that is the same in every hour, rounded up."""
    whole = HOURS * MAX_WEIGHT
    return (100 * sum(weights) + whole - 1) // whole


def is_wide(weights: Sequence[int]) -> bool:
    """Whether a day can have these weights."""
    return sum(weight >= LEAST_WEIGHT for weight in weights) >= LEAST_HOURS


def highest_tier(weights: Sequence[int], readings: Sequence[int]) -> int:
    """The highest percentage of a day's load, 24 hours in Wh, that can be proven to be green."""
    total = sum(readings)
    return 100 * sum(w * v for w, v in zip(weights, readings, strict=True)) // (MAX_WEIGHT * total) if total else 100


def points(weights: Sequence[int], tier: int, buckets: int) -> int:
    """What counts of a claim, beside so many buckets that the rewards contract has granted."""
    return max(0, tier - base_of(weights)) * buckets
