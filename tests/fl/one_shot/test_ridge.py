"""The regression twin is scikit-learn's Ridge on everybody's days; its penalty is the one of most evidence."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge, Ridge

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats
from fl.one_shot.moments import RegressionMoments, regression_moments
from fl.one_shot.ridge import evidence_penalty, ridge
from fl.one_shot.shape import StatisticsShape
from fl.one_shot.statistics import Statistics, none, regression_statistics
from tests.support.laws import examples

BOUND = 8.0


def diabetes() -> tuple[Floats, Floats]:
    """442 patients of 10 measurements, standardised, and two targets."""
    inputs, target = load_diabetes(return_X_y=True)
    inputs = inputs / inputs.std(axis=0)
    target = (target - 150) / 75
    return inputs, np.stack([target, target + inputs[:, 2]], axis=1)


def moments_of(
    inputs: Floats, targets: Floats, home: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> RegressionMoments:
    each = [regression_statistics(inputs[home == h], targets[home == h], BOUND) for h in np.unique(home)]
    return regression_moments(reduce(Statistics.__add__, each))


@examples(20)
@given(homes=st.integers(1, 40), penalty=st.sampled_from([0.0, 0.1, 10.0, 1000.0]), seed=st.integers(0, 2**32 - 1))
def test_ridge_from_sums_is_ridge_on_everybodys_days(homes: int, penalty: float, seed: int) -> None:
    inputs, targets = diabetes()
    home = np.random.default_rng(seed).integers(0, homes, len(inputs)).astype(np.int64)
    model = ridge(moments_of(inputs, targets, home), penalty)
    oracle = Ridge(alpha=penalty).fit(inputs, targets)
    assert np.abs(model.predict(inputs) - oracle.predict(inputs)).max() < 1e-9
    assert np.abs(model.weight.T - oracle.coef_).max() < 1e-8


def test_the_penalty_is_that_of_bayesian_ridge() -> None:
    inputs, targets = diabetes()
    moments = moments_of(inputs, targets[:, :1], np.zeros(len(inputs), dtype=np.int64))
    none_of_its_priors = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    oracle = BayesianRidge(max_iter=5000, tol=1e-10, **none_of_its_priors).fit(inputs, targets[:, 0])
    assert evidence_penalty(moments) == pytest.approx(oracle.lambda_ / oracle.alpha_, rel=0.02)


def test_no_other_penalty_makes_the_targets_more_probable() -> None:
    inputs, targets = diabetes()
    inputs, targets = inputs[:60], targets[:60]
    inputs, targets = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)

    def log_evidence(penalty: float) -> float:
        """The density of the targets themselves, with the noise of most evidence."""
        shape = np.eye(len(inputs)) + inputs @ inputs.T / penalty
        noise = np.einsum("nq,nm,mq->", targets, np.linalg.inv(shape), targets) / targets.size
        return float(multivariate_normal(cov=noise * shape).logpdf(targets.T).sum())

    best = evidence_penalty(moments_of(inputs, targets, np.zeros(len(inputs), dtype=np.int64)))
    around = [log_evidence(best * factor) for factor in (1e-3, 0.1, 0.8, 0.97, 1.03, 1.25, 10, 1e3)]
    assert log_evidence(best) > max(around)


def test_targets_that_never_change_have_nothing_to_explain() -> None:
    inputs, _ = diabetes()
    moments = regression_moments(regression_statistics(inputs, np.ones((len(inputs), 2)), BOUND))
    model = ridge(moments, evidence_penalty(moments))
    assert model.predict(inputs) == pytest.approx(np.ones((len(inputs), 2)))


def test_nothing_to_learn_from_and_nothing_to_solve_is_refused() -> None:
    with pytest.raises(StatisticsRefused, match="no day to learn from"):
        regression_moments(none(StatisticsShape(inputs=2, targets=1)))
    inputs, targets = diabetes()
    twice = np.concatenate([inputs, inputs[:, :1] * 0], axis=1)
    moments = regression_moments(regression_statistics(twice, targets, BOUND))
    with pytest.raises(StatisticsRefused, match="raise the penalty"):
        ridge(moments, 0)
    with pytest.raises(StatisticsRefused, match="not negative"):
        ridge(moments, -1)


def test_sums_that_no_days_can_have_are_refused() -> None:
    inputs, targets = diabetes()
    honest = regression_statistics(inputs, targets, BOUND)
    vector = honest.vector.copy()
    vector[-1] = 0  # the squares of the last target
    with pytest.raises(StatisticsRefused, match="negative variance"):
        regression_moments(Statistics(honest.shape, vector))
