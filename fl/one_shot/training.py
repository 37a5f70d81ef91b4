"""A one-shot training: two sums over homes, and the models that follow. How the sums travel is not known here."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from data.features import DAY_FEATURES
from fl.errors import StatisticsRefused
from fl.one_shot import gaussian_heads, plan
from fl.one_shot.counts import kept_classes
from fl.one_shot.fixed_point import Ints
from fl.one_shot.heads import Head
from fl.one_shot.hour_inputs import of_all_hours
from fl.one_shot.model import provable_twin
from fl.one_shot.moments import ClassMoments, class_moments, regression_moments
from fl.one_shot.peak_head import PeakHead
from fl.one_shot.plan import OneShotPlan
from fl.one_shot.private_ridge import adassp, with_noise
from fl.one_shot.ridge import RidgeModel, evidence_penalty, ridge
from fl.one_shot.settings import HeadName, OneShotSettings
from fl.one_shot.statistics import Statistics
from fl.one_shot.total import Total
from fl.protection_settings import PrivacySettings
from fl.weights import Weights
from forecasting.shape import ModelShape

_log = logging.getLogger(__name__)
_LEAST_PENALTY = 1e-6  # of the private twin, whose own is what its noise asks for

SumOf = Callable[[OneShotPlan], tuple[Ints, tuple[str, ...]]]
"""Has homes sum what a plan asks for: the total int64 [plan.length], and the homes in it."""


@dataclass(frozen=True)
class OneShotModels:
    """What follows from a total: the forecaster, the head of the peak classes, and figures for the report."""

    weights: Weights
    peaks: PeakHead | None
    figures: dict[str, float]


@dataclass(frozen=True)
class OneShot:
    """A one-shot training by these settings.

    Args:
        settings, privacy: of the federation.
        fewest_homes: that are in any sum; a peak class that fewer have is left out.
    """

    settings: OneShotSettings
    privacy: PrivacySettings
    fewest_homes: int

    @property
    def private(self) -> bool:
        return self.privacy.mode != "off"

    def total(self, sum_of: SumOf, homes: int) -> Total:
        """Have `homes` homes sum: counts, then statistics. Raises StatisticsRefused, and what `sum_of` raises."""
        kept: tuple[int, ...] = ()
        if self.settings.peak_classes and not self.private:
            counts, _ = sum_of(self._plan(plan.COUNTS, (), homes))
            kept = self._kept_classes(counts)
        return self._summed(sum_of, self._plan(plan.STATISTICS, kept, homes))

    def joined(self, before: Total, sum_of: SumOf, homes: int) -> Total:
        """`before` and `homes` newcomers, who sum among themselves. Raises as `total` does."""
        room = len(before.homes) + homes
        return before.joined_by(self._summed(sum_of, self._plan(plan.STATISTICS, before.kept, room)))

    def left(self, before: Total, sum_of: SumOf) -> Total:
        """`before` without homes that want to leave, who sum what they had entered. Raises as `total` does."""
        return before.left_by(self._summed(sum_of, self._plan(plan.LEAVE, before.kept, len(before.homes))))

    def _plan(self, kind: str, kept: tuple[int, ...], homes: int) -> OneShotPlan:
        most = plan.most_windows(homes, self.private)
        return OneShotPlan(kind, kept, self.settings.fewest_days, self.private, most)

    def _summed(self, sum_of: SumOf, asked: OneShotPlan) -> Total:
        vector, inside = sum_of(asked)
        statistics, homes = Statistics(asked.shape, vector), len(inside)
        self._check(statistics, homes, asked.most_windows)
        part = self.privacy.part_multiplier(self.fewest_homes) if self.private else 0.0
        variance = homes * (part * self.settings.clip_norm) ** 2
        if self.privacy.mode == "central" and asked.kind == plan.STATISTICS:
            stddev = self.privacy.noise_multiplier * self.settings.clip_norm
            statistics, variance = with_noise(statistics, stddev), stddev**2
        return Total(statistics, asked.kept, inside, variance)

    def _check(self, statistics: Statistics, homes: int, most: int) -> None:
        """Raises StatisticsRefused for counts that so many homes can't have."""
        days = int(statistics.part("days")[0])
        least, largest = (homes, homes) if self.private else (homes, homes * most)
        few = self.settings.fewest_days * homes
        if not least <= days <= largest or (statistics.shape.classes and statistics.part("counts").min() < few):
            raise StatisticsRefused(
                f"the sums say that {homes} homes have {days} windows: some home's were not what they should be; sum "
                "again, without homes that can't be trusted"
            )

    def _kept_classes(self, counts: Ints) -> tuple[int, ...]:
        try:
            return tuple(kept_classes(counts, self.fewest_homes, self.settings.fewest_days))
        except StatisticsRefused as refused:
            _log.warning("no peak classes", extra={"reason": str(refused)})
            return ()

    def models(self, total: Total, start: Weights, shape: ModelShape, *, trained: bool) -> OneShotModels:
        """The models of a total; `start`: the forecaster whose mean output is replaced (`model.with_twin`).

        Raises StatisticsRefused for sums that no days can have.
        """
        fit, penalty = self._regression(total)
        weights, twin = provable_twin(start, fit, penalty, shape, trained=trained)
        days = int(total.statistics.part("days")[0])
        figures = {"one_shot_penalty": twin.penalty, "one_shot_windows": days}
        if not total.kept:
            return OneShotModels(weights, None, figures)
        head = head_of(self.settings.head)(class_moments(total.statistics))
        return OneShotModels(weights, PeakHead(total.kept, head), figures)

    def _regression(self, total: Total) -> tuple[Callable[[float], RidgeModel], float]:
        """How the twin is fitted with a penalty, and the penalty to begin with."""
        if not self.private:
            moments = regression_moments(total.statistics)
            return partial(ridge, moments), evidence_penalty(moments)
        stddev = math.sqrt(total.variance)
        return lambda penalty: of_all_hours(adassp(total.statistics, stddev, penalty), DAY_FEATURES), _LEAST_PENALTY


def head_of(name: HeadName) -> Callable[[ClassMoments], Head]:
    """What fits a head of that name. The trained ones load PyTorch, which a coordinator has no other use for."""
    if name == "fisher_mix":
        from fl.one_shot.fisher_mix import fisher_mix

        return fisher_mix
    if name == "proto_hyper":
        from fl.one_shot.proto_hyper import proto_hyper

        return proto_hyper
    closed: dict[str, Callable[[ClassMoments], Head]] = {
        "naive_bayes": gaussian_heads.naive_bayes,
        "linear_discriminant": gaussian_heads.linear_discriminant,
        "quadratic_discriminant": gaussian_heads.quadratic_discriminant,
    }
    return closed[name]
