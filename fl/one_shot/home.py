"""What a home enters into the sums of a one-shot training, from its own days."""

from __future__ import annotations

import numpy as np

from data.windows import Windows
from fl.errors import StatisticsRefused
from fl.one_shot.counts import check_own_days, of_kept_classes, own_counts
from fl.one_shot.fixed_point import Floats, Ints
from fl.one_shot.hour_inputs import hour_inputs, hour_targets
from fl.one_shot.load_inputs import load_inputs, load_targets
from fl.one_shot.peak_class import CLASSES, DailyLoads, Terciles, peak_features
from fl.one_shot.plan import COUNTS, OneShotPlan
from fl.one_shot.sizes import LOAD_BOUND, PEAK_BOUND
from fl.one_shot.statistics import Statistics, class_statistics, joined, regression_statistics


def own_sums(windows: Windows, plan: OneShotPlan) -> Ints:
    """The vector [plan.length] that one home enters, from its windows (those that start early or late as well).

    Raises StatisticsRefused where it has too few days, of all or of a kept class.
    """
    if plan.kind == COUNTS:
        _, labels, _ = labelled_days(windows)
        return own_counts(labels, len(CLASSES), plan.fewest_days)
    return own_statistics(windows, plan).vector


def own_statistics(windows: Windows, plan: OneShotPlan) -> Statistics:
    """See `own_sums`."""
    regression = _regression(_latest(windows, plan.most_windows), plan)
    if not plan.kept:
        return regression
    features, labels, _ = labelled_days(windows)
    kept = list(plan.kept)
    check_own_days(labels, kept, plan.fewest_days)
    classes = class_statistics(*of_kept_classes(features, labels, kept), len(kept), PEAK_BOUND)
    return joined(classes, regression)


def labelled_days(windows: Windows) -> tuple[Floats, Ints, Terciles]:
    """Peak features [n, 13] and classes [n] of a home's whole days, and the terciles, which stay at home."""
    days = windows.at_day_start()
    peaks = days.target.max(axis=1, initial=0)
    terciles = Terciles.of(peaks)
    return peak_features(days, DailyLoads.of(days), terciles), terciles.classes(peaks), terciles


def _regression(windows: Windows, plan: OneShotPlan) -> Statistics:
    if len(windows) == 0:
        raise StatisticsRefused("this home has no complete window to learn from")
    if plan.private:
        return regression_statistics(hour_inputs(windows), hour_targets(windows), LOAD_BOUND)
    return regression_statistics(load_inputs(windows), load_targets(windows), LOAD_BOUND)


def _latest(windows: Windows, most: int) -> Windows:
    """The latest windows, at most so many."""
    order = np.argsort(windows.day, kind="stable")[-most:]
    chosen = np.zeros(len(windows), dtype=np.bool_)
    chosen[order] = True
    return windows.where(chosen)
