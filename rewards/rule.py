"""The rule of payment, in whole numbers: what the contracts do, for simulations, tests and forecasts of a reward.

A day is paid for error avoided: by how much the forecast was nearer to the readings than the best of eight
benchmarks, the same hours of each of seven days, a week to thirteen days before, and the mean of those seven. A load
that repeats itself after 2 to 13 days is forecast exactly by one of them, so it earns nothing whatever its shape. The
pay is at most a share of the day's energy, in buckets of 100 Wh, rounded down: who uses nothing earns nothing, and to
use energy for the reward alone costs far more than it pays. All of it is linear in energy, so splitting a home gains
nothing. The skill proof shows the bucket (`zkp.statements.skill`).

Every bucket of a day has the same rate: the day's budget shared out, at most `Terms.rate`. `python -m bench.rewards`
shows what that does on real homes. References: Lambert et al., Self-financed wagering mechanisms for forecasting, EC
2008; Muthirayan et al., Mechanism design for demand response programs, IEEE TSG 2020 (baselines made bad on purpose).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkp.statements.buckets import BENCHMARK_DAYS, BUCKET_WH, ENERGY_PER_BUCKET_WH

Ints = NDArray[np.int64]

CLAIM_DAYS = 14
"""Claims of a day are taken for so long after its end."""


@dataclass(frozen=True)
class Terms:
    """Amounts in the token's smallest unit (10^-18), caps in buckets."""

    day_budget: int
    rate: int
    day_cap: int
    year_cap: int

    def rate_of(self, total: int) -> int:
        """What a bucket of a day pays on which `total` buckets were claimed."""
        return min(self.rate, self.day_budget // total) if total else 0


def avoided(forecast: Ints, actual: Ints, benchmarks: Ints) -> Ints:
    """Buckets of days: forecast and actual [n, 24], benchmarks [n, 7, 24], all Wh -> int64 [n]."""
    error = np.abs(forecast - actual).sum(axis=1)
    single = np.abs(benchmarks - actual[:, None]).sum(axis=2).min(axis=1)
    mean = np.abs(benchmarks.sum(axis=1) - len(BENCHMARK_DAYS) * actual).sum(axis=1)
    # in sevenths of a Wh, as the mean is
    gain = np.minimum(len(BENCHMARK_DAYS) * single, mean) - len(BENCHMARK_DAYS) * error
    by_error = np.maximum(0, gain) // (len(BENCHMARK_DAYS) * BUCKET_WH)
    buckets: Ints = np.minimum(by_error, actual.sum(axis=1) // ENERGY_PER_BUCKET_WH)
    return buckets


def paid(buckets: Ints, terms: Terms) -> list[list[int]]:
    """Amounts of a year in which `buckets` [homes, days] are claimed; in the token's smallest unit."""
    capped = np.minimum(buckets, terms.day_cap)
    left = [terms.year_cap] * len(buckets)
    out: list[list[int]] = [[] for _ in buckets]
    for day in capped.T:
        granted = [min(int(claimed), room) for claimed, room in zip(day, left, strict=True)]
        rate = terms.rate_of(sum(granted))
        for home, count in enumerate(granted):
            left[home] -= count
            out[home].append(count * rate)
    return out
