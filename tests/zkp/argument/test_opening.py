"""The opening of a row at a point: complete, and refused for any other value or message."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zkp.conftest import Given, seeded
from zkp.algebra.field import MODULUS, eq_index, inverse
from zkp.algebra.group import Combination
from zkp.algebra.srs import ROW, ROW_BITS, Setup
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import opening
from zkp.errors import InvalidProof

scalars = st.integers(0, MODULUS - 1)
CHALLENGES = [12345, 678, 91011]  # r, q, z


class Opened:
    """A row, its value at a point, and the messages that prove it."""

    def __init__(self, setup: Setup, row: list[int], point: list[int]) -> None:
        self.setup, self.row, self.point = setup, row, point
        self.value = sum(v * eq_index(k, point) for k, v in enumerate(row)) % MODULUS
        self.channel = Given(CHALLENGES)
        opening.prove(self.channel, setup, Vector.from_ints(row), point)  # type: ignore[arg-type]

    def holds(
        self, *, value: int | None = None, row: list[int] | None = None, challenges: list[int] = CHALLENGES,
        forge: Callable[[list[tuple[str, list[int]]]], None] = lambda sent: None,
    ) -> bool:  # fmt: skip
        channel, commitment = Given(challenges), Combination()
        channel.sent = [(label, list(values)) for label, values in self.channel.sent]
        forge(channel.sent)
        commitment.add_powers(row or self.row)
        claimed = self.value if value is None else value
        return opening.verify(channel, commitment, self.point, claimed).holds(self.setup)  # type: ignore[arg-type]


@pytest.fixture
def opened(setup: Setup, scalars: RandomScalars) -> Opened:
    return Opened(setup, scalars(16), scalars(4))


def test_an_honest_opening_holds(opened: Opened) -> None:
    assert opened.holds()


def test_a_whole_row_is_opened_by_three_points_and_three_scalars(setup: Setup, scalars: RandomScalars) -> None:
    opened = Opened(setup, scalars(ROW), scalars(ROW_BITS))
    assert opened.holds()
    sizes = {label: len(values) for label, values in opened.channel.sent}
    assert sizes == {"opening/symmetric": 1, "opening/values": 3, "opening/quotient": 1, "opening/witness": 1}


@pytest.mark.parametrize("index", [0, 1, 9, 15])
def test_at_a_corner_the_value_is_an_entry(setup: Setup, scalars: RandomScalars, index: int) -> None:
    row = scalars(16)
    opened = Opened(setup, row, [index >> k & 1 for k in range(4)])
    assert opened.value == row[index] and opened.holds()


@pytest.mark.parametrize("step", [1, -1])
def test_another_value_is_refused(opened: Opened, step: int) -> None:
    assert not opened.holds(value=(opened.value + step) % MODULUS)


@pytest.mark.parametrize("entry", [0, 7, 15])
def test_another_row_than_the_committed_one_is_refused(opened: Opened, entry: int) -> None:
    row = opened.row.copy()
    row[entry] += 1
    assert not opened.holds(row=row)


def test_every_message_counts(opened: Opened, setup: Setup) -> None:
    places = [(k, i) for k, (_, values) in enumerate(opened.channel.sent) for i in range(len(values))]
    assert len(places) == 6
    for k, i in places:

        def change(sent: list[tuple[str, list[int]]], k: int = k, i: int = i) -> None:
            label, values = sent[k]
            values[i] = values[i] + 1 if label == "opening/values" else setup.powers(6)[5]

        assert not opened.holds(forge=change)


@pytest.mark.parametrize("which", range(3))
def test_every_challenge_counts(opened: Opened, which: int) -> None:
    others = [c + (k == which) for k, c in enumerate(CHALLENGES)]
    assert not opened.holds(challenges=others)


@pytest.mark.parametrize("r", [0, 1, MODULUS - 1])
def test_a_challenge_that_is_its_own_inverse_is_refused(opened: Opened, r: int) -> None:
    with pytest.raises(InvalidProof, match="challenge"):
        opened.holds(challenges=[r, *CHALLENGES[1:]])


# -- the identity that it rests on -----------------------------------------------------------------------------------


@given(st.lists(scalars, min_size=8, max_size=8), st.lists(scalars, min_size=3, max_size=3), scalars.filter(bool))
def test_the_symmetric_part_is_all_but_twice_the_value(row: list[int], point: list[int], x: int) -> None:
    """f(X) g(1/X) + f(1/X) g(X) = 2 v + X S(X) + S(1/X) / X, at any X."""

    def at(coefficients: list[int], x: int) -> int:
        return sum(c * pow(x, k, MODULUS) for k, c in enumerate(coefficients))

    weights = [eq_index(k, point) for k in range(8)]
    back, value = inverse(x), sum(w * v for w, v in zip(weights, row, strict=True))
    symmetric = opening._symmetric_part(Vector.from_ints(row), point).to_ints()
    left = at(row, x) * at(weights, back) + at(row, back) * at(weights, x)
    right = 2 * value + x * at(symmetric, x) + back * at(symmetric, back)
    assert (left - right) % MODULUS == 0
    assert opening._weights_at(point, x) == at(weights, x) % MODULUS


def test_a_false_value_has_no_symmetric_part(setup: Setup) -> None:
    """The prover's freedom is S: whatever it adds to S, the constant term stays twice the value."""
    opened = Opened(setup, seeded(1)(8), seeded(2)(3))
    error = 2  # claimed value - true value

    def absorb(sent: list[tuple[str, list[int]]]) -> None:
        """The value of S at r that makes S(1/r), as the verifier derives it, the committed one."""
        sent[1][1][2] -= 2 * error * inverse(CHALLENGES[0])

    assert not opened.holds(value=opened.value + error, forge=absorb)
