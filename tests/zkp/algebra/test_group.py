"""Group equations: combined, they hold when each holds, and not when one does not."""

import pytest

from zkp.algebra.field import MODULUS
from zkp.algebra.group import Combination, GroupEquation, combine
from zkp.algebra.srs import Setup
from zkp.algebra.vector import RandomScalars


def true_equation(setup: Setup, k: int) -> GroupEquation:
    """e(tau k G, G2) = e(k G, tau G2)."""
    equation = GroupEquation()
    equation.left.add_powers([0, k])
    equation.right.add_point(setup.powers(1)[0], k)
    return equation


def false_equation(setup: Setup) -> GroupEquation:
    equation = true_equation(setup, 5)
    equation.left.blinder = 1
    return equation


def test_a_combination_is_the_sum_of_its_terms(setup: Setup) -> None:
    point = setup.powers(4)[3]
    made = Combination()
    made.add_powers([1, 2], 10)
    made.add_powers([0, 0, 3])
    made.add_point(point, -7)
    made.blinder = 4
    other = Combination()
    other.add_point(point, 1)
    other.blinder = 1
    made.add(other, 3)
    bases = [*setup.powers(4)[:4], setup.blinder]
    expected = setup.curve.msm(bases, [10, 20, 3, -4, 7])
    assert setup.curve.encode(made.evaluate(setup)) == setup.curve.encode(expected)


def test_an_empty_equation_holds(setup: Setup) -> None:
    assert GroupEquation().holds(setup)


def test_equations_hold_or_not(setup: Setup) -> None:
    assert true_equation(setup, 7).holds(setup)
    assert not false_equation(setup).holds(setup)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_combination_of_equations_fails_with_any_of_them(setup: Setup, scalars: RandomScalars, bad: int) -> None:
    weights = scalars(3)
    equations = [true_equation(setup, k + 1) for k in range(3)]
    assert combine(zip(equations, weights, strict=True)).holds(setup)
    equations[bad] = false_equation(setup)
    assert not combine(zip(equations, weights, strict=True)).holds(setup)


def test_an_equation_of_weight_zero_would_be_lost(setup: Setup) -> None:
    """Why the weights must be random: the combination itself cannot know."""
    assert combine([(false_equation(setup), MODULUS)]).holds(setup)
