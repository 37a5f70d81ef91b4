"""The closed-form heads from sums alone are scikit-learn's on all days in one place, whoever has which days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from fl.errors import StatisticsRefused
from fl.one_shot.gaussian_heads import linear_discriminant, naive_bayes, quadratic_discriminant
from fl.one_shot.heads import Head, decisions, probabilities
from fl.one_shot.moments import ClassMoments, class_moments
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.statistics import Statistics, class_statistics, none
from tests.fl.one_shot.partitions import BOUND, digits, dirichlet, summed, wine
from tests.support.laws import examples

EXACT = 1e-9
ORACLES = {
    naive_bayes: GaussianNB(var_smoothing=1e-3),
    linear_discriminant: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05),
    quadratic_discriminant: QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1, tol=0),
}


def largest_difference(head: Head, oracle: Any, values: np.ndarray[Any, Any]) -> float:
    return float(np.abs(probabilities(head, values) - oracle.predict_proba(values)).max())


@pytest.mark.parametrize("fit", ORACLES, ids=lambda fit: fit.__name__)
@pytest.mark.parametrize("data", [digits, wine], ids=lambda data: data.__name__)
@examples(6)
@given(alpha=st.sampled_from([0.05, 0.1, 0.5]), homes=st.integers(2, 30), seed=st.integers(0, 2**32 - 1))
def test_a_head_from_sums_is_the_one_from_everybodys_days(
    fit: Any, data: Any, alpha: float, homes: int, seed: int
) -> None:
    values, labels = data()
    moments = class_moments(summed(values, labels, dirichlet(labels, homes, alpha, seed)))
    oracle = ORACLES[fit].fit(values, labels)
    assert largest_difference(fit(moments), oracle, values) < EXACT


@pytest.mark.parametrize("fit", ORACLES, ids=lambda fit: fit.__name__)
def test_two_classes_of_unequal_size(fit: Any) -> None:
    values, labels = wine()
    chosen = (labels < 2) & (np.arange(len(labels)) % 4 != 0) | (labels == 1)
    values, labels = values[chosen], labels[chosen]
    moments = class_moments(class_statistics(values, labels, 2, BOUND))
    assert largest_difference(fit(moments), ORACLES[fit].fit(values, labels), values) < EXACT


@pytest.mark.parametrize("fit", [naive_bayes, linear_discriminant], ids=lambda fit: fit.__name__)
def test_a_pooled_scatter_is_enough_for_what_has_one_covariance(fit: Any) -> None:
    values, labels = digits()
    home = dirichlet(labels, 12, 0.1, 3)
    pooled = class_moments(summed(values, labels, home, scatter="pooled"))
    assert largest_difference(fit(pooled), ORACLES[fit].fit(values, labels), values) < EXACT


def test_quadratic_heads_need_each_classs_scatter() -> None:
    values, labels = wine()
    moments = class_moments(class_statistics(values, labels, 3, BOUND, "pooled"))
    with pytest.raises(StatisticsRefused, match='a scatter of "each" class'):
        quadratic_discriminant(moments)


def far_from_zero(offset: float) -> ClassMoments:
    values, labels = wine()
    return class_moments(class_statistics(values + offset, labels, 3, 1000.0))


def test_variances_do_not_cancel_far_from_zero() -> None:
    near, far = far_from_zero(0), far_from_zero(900)
    assert far.variances == pytest.approx(near.variances, abs=1e-6)  # E z^2 in float32 is exact to 0.03 here
    assert far.within == pytest.approx(near.within, abs=1e-6)


def test_decisions_are_the_most_probable_classes() -> None:
    values, labels = digits()
    head = quadratic_discriminant(class_moments(class_statistics(values, labels, 10, 1.0)))
    assert np.array_equal(decisions(head, values), probabilities(head, values).argmax(axis=1))
    assert (decisions(head, values) == labels).mean() > 0.98


def test_a_class_without_days_is_refused() -> None:
    with pytest.raises(StatisticsRefused, match="class 0 has no day"):
        class_moments(none(StatisticsShape(classes=3, features=2)))


def test_sums_that_no_days_can_have_are_refused() -> None:
    values, labels = wine()
    honest = class_statistics(values, labels, 3, BOUND)
    for part, place in (("sums", 0), ("scatter", 0)):
        vector = honest.vector.copy()
        start = next(k for k in range(len(vector)) if np.shares_memory(honest.part(part), honest.vector[k : k + 1]))
        vector[start + place] = -(10**15)
        with pytest.raises(StatisticsRefused, match="negative variance"):
            class_moments(Statistics(honest.shape, vector))


def test_what_can_not_be_inverted_is_refused() -> None:
    values, labels = digits()  # some pixels never change
    moments = class_moments(class_statistics(values, labels, 10, 1.0))
    with pytest.raises(StatisticsRefused, match="smooth, or leave the feature out"):
        naive_bayes(moments, smoothing=0)
    with pytest.raises(StatisticsRefused, match="raise the shrinkage"):
        quadratic_discriminant(moments, shrinkage=0)
    with pytest.raises(StatisticsRefused, match="raise the shrinkage"):
        linear_discriminant(moments, shrinkage=0)
