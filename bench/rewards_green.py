"""Green shares of the simulated year: the sun of the weather feed says how green each hour is, a day before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.rewards_households import Scored, Year
from data.citylearn import DAY_START_UTC, load
from data.day import DayClock
from data.green_hours import hours_of_sun
from rewards.green_rule import base_of, highest_tier, is_wide
from rewards.rule import avoided
from rewards.settings import RewardSettings

Ints = NDArray[np.int64]
_TOKEN = 10**18


@dataclass(frozen=True)
class GreenDays:
    """Weights of the scored days' hours; None for a day without enough sun."""

    weights: tuple[tuple[int, ...] | None, ...]

    @classmethod
    def of(cls, year: Year, cache: Path) -> GreenDays:
        weather, clock = load(cache).weather, DayClock(DAY_START_UTC)
        any_home = next(iter(year.homes.values()))
        days = np.concatenate([any_home.between(term.first, term.end).day for term in year.terms])
        found = (hours_of_sun(weather, clock, int(day)) for day in days)
        return cls(tuple(w if w is not None and is_wide(w) else None for w in found))

    def above_base(self, loads: Ints) -> Ints:
        """Percent of each day's load above that of a constant one; loads [n, 24] Wh -> [n]."""
        return np.array([
            0 if weights is None else max(0, highest_tier(weights, [int(v) for v in load]) - base_of(weights))
            for weights, load in zip(self.weights, loads, strict=True)
        ])  # fmt: skip

    @property
    def most(self) -> Ints:
        """The same of a load that lies in the greenest hour alone."""
        return np.array([0 if weights is None else 100 - base_of(weights) for weights in self.weights])


def simulate_green(
    days: GreenDays, honest: Mapping[str, Scored], players: Mapping[str, Sequence[Scored]], settings: RewardSettings
) -> dict[str, Any]:
    """Green pay of a year: of honest homes, in tokens; of those that want nothing but pay, over an honest home's of
    the same energy."""
    scale = 365 / len(days.weights)
    buckets = np.stack([_granted(scored, settings) for scored in honest.values()])
    above = np.stack([days.above_base(scored.actual) for scored in honest.values()])
    points = buckets * above
    usual = _tokens(points, settings)
    energy = float(np.mean([scored.actual.sum(axis=1).mean() for scored in honest.values()]))

    def share(scored: Scored) -> float:
        own = _granted(scored, settings) * days.above_base(scored.actual)
        used = float(scored.actual.sum(axis=1).mean())
        return float(_tokens(np.vstack([points, own]), settings)[-1] / usual.mean() * energy / used) if used else 0.0

    return {
        "paid_honest": float(usual.mean() * scale),
        "paid_honest_range": [float(usual.min() * scale), float(usual.max() * scale)],
        "days_green_share": float((above > 0).mean()),
        "days_paid_share": float((points > 0).mean()),
        "budget_share": float(usual.sum() / len(days.weights) / (settings.green_budget / _TOKEN)),
        "shares": {name: max(share(scored) for scored in played) for name, played in players.items()},
        "all_at_noon": float(_tokens(buckets * days.most, settings).mean() / usual.mean()),
    }


def _granted(scored: Scored, settings: RewardSettings) -> Ints:
    return np.minimum(avoided(scored.forecast, scored.actual, scored.benchmarks), settings.day_cap)


def _tokens(points: Ints, settings: RewardSettings) -> NDArray[np.float64]:
    """Tokens of each household, [homes, days] points -> [homes]."""
    rates = [
        min(settings.green_amount, settings.green_budget // int(total)) if total else 0 for total in points.sum(0)
    ]
    return np.array([sum(int(p) * r for p, r in zip(own, rates, strict=True)) for own in points]) / _TOKEN
