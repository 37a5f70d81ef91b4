"""The Fisher subspace, and the two heads that are trained on draws from the class Gaussians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fl.errors import StatisticsRefused
from fl.one_shot.draws import DrawSettings, draw
from fl.one_shot.fisher import fisher_basis, projected
from fl.one_shot.fisher_mix import fisher_mix
from fl.one_shot.gaussian_heads import linear_discriminant, naive_bayes, quadratic_discriminant
from fl.one_shot.heads import decisions, probabilities
from fl.one_shot.moments import ClassMoments, class_moments
from fl.one_shot.proto_hyper import proto_hyper
from fl.one_shot.statistics import class_statistics
from tests.fl.one_shot.partitions import BOUND, digits, wine

QUICK = DrawSettings(per_class=1000, epochs=15)


def moments_of(data: Any) -> ClassMoments:
    values, labels = data()
    return class_moments(class_statistics(values, labels, int(labels.max()) + 1, BOUND))


@pytest.mark.parametrize("data", [digits, wine], ids=lambda data: data.__name__)
def test_the_spread_in_the_classes_is_one_in_the_subspace(data: Any) -> None:
    moments = moments_of(data)
    basis = fisher_basis(moments)
    inside = projected(moments, basis, 0.05)
    assert basis.shape[1] == len(moments.counts) - 1
    assert inside.within == pytest.approx(np.eye(basis.shape[1]), abs=1e-9)


def test_linear_discriminant_analysis_is_naive_bayes_there() -> None:
    """With one covariance, which is the identity; so it would be no teacher, and each class's own is one."""
    values, _ = wine()
    moments = moments_of(wine)
    basis = fisher_basis(moments)
    inside = projected(moments, basis, 0.05)
    same = ClassMoments(
        inside.counts, inside.means, np.ones_like(inside.variances), None, inside.within, inside.spread
    )
    linear = probabilities(linear_discriminant(inside, shrinkage=0), values @ basis)
    assert probabilities(naive_bayes(same, smoothing=0), values @ basis) == pytest.approx(linear, abs=1e-9)
    quadratic = probabilities(quadratic_discriminant(inside, shrinkage=0), values @ basis)
    assert np.abs(quadratic - linear).max() > 0.01


def test_all_of_what_linear_discriminant_analysis_sees_lies_in_the_subspace() -> None:
    values, _ = digits()
    moments = moments_of(digits)
    basis = fisher_basis(moments)
    inside = projected(moments, basis, 0.05)
    linear = probabilities(linear_discriminant(moments, shrinkage=0.05), values)
    assert probabilities(linear_discriminant(inside, shrinkage=0), values @ basis) == pytest.approx(linear, abs=1e-9)


def test_draws_are_the_class_gaussians() -> None:
    moments = moments_of(wine)
    drawn = draw(moments, DrawSettings(per_class=40_000, temperature=0.9))
    points = drawn.points.numpy() * drawn.scale + drawn.centre
    assert drawn.inside.covariances is not None
    for c in range(3):
        mine = points[drawn.labels.numpy() == c]
        assert mine.mean(axis=0) == pytest.approx(drawn.inside.means[c], abs=0.03)
        assert np.cov(mine.T) == pytest.approx(0.81 * drawn.inside.covariances[c], abs=0.05)


@pytest.mark.parametrize("fit", [fisher_mix, proto_hyper], ids=lambda fit: fit.__name__)
def test_a_trained_head_tells_wines_apart_and_is_the_same_each_time(fit: Any) -> None:
    values, labels = wine()
    home = np.arange(len(labels)) % 3
    learn, judge = home != 0, home == 0
    moments = class_moments(class_statistics(values[learn], labels[learn], 3, BOUND))
    head = fit(moments, QUICK)
    assert (decisions(head, values[judge]) == labels[judge]).mean() > 0.95
    assert np.array_equal(fit(moments, QUICK).scores(values), head.scores(values))


def test_the_correction_takes_naive_bayes_nearer_to_its_teacher() -> None:
    values, _ = wine()
    moments = moments_of(wine)
    head = proto_hyper(moments, QUICK)
    inside = projected(moments, head.basis, 0.05)
    teacher = quadratic_discriminant(inside, shrinkage=0).scores(values @ head.basis)
    base = naive_bayes(inside, smoothing=0).scores(values @ head.basis)
    centred = [s - s.mean(axis=1, keepdims=True) for s in (teacher, base, head.scores(values))]
    assert np.abs(centred[2] - centred[0]).mean() < np.abs(centred[1] - centred[0]).mean()


def test_a_rare_class_is_chosen_less_often() -> None:
    """Heads learn from as many draws of each class; what they are handed out with knows the classes' shares."""
    values, labels = wine()
    values = values[:, :2]  # the classes overlap
    rare = (labels != 0) | (np.arange(len(labels)) % 6 == 0)
    often = class_moments(class_statistics(values, labels, 3, BOUND))
    seldom = class_moments(class_statistics(values[rare], labels[rare], 3, BOUND))
    chosen = [(decisions(fisher_mix(m, QUICK), values) == 0).sum() for m in (often, seldom)]
    assert chosen[1] < chosen[0]


@pytest.mark.parametrize("fit", [fisher_mix, proto_hyper], ids=lambda fit: fit.__name__)
def test_draws_need_each_classs_scatter(fit: Any) -> None:
    values, labels = wine()
    with pytest.raises(StatisticsRefused, match='a scatter of "each" class'):
        fit(class_moments(class_statistics(values, labels, 3, BOUND, "pooled")), QUICK)
