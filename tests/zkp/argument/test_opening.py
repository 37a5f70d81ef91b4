"""The opening: complete for every length of rows, and refused for any other value, weights, row or message."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.conftest import Given
from tests.zkp.dishonest import look_away
from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import opening
from zkp.argument.forms import Powers
from zkp.errors import InvalidProof, WitnessError

POINT = 123456789


class Opened:
    """Three rows, weights, and the messages that prove the sum of their inner products."""

    def __init__(self, setup: Setup, random: RandomScalars, length: int, error: int = 0) -> None:
        self.setup, self.length = setup, length
        self.rows = [Vector.from_ints(random(length)) for _ in range(3)]
        self.weights = Vector.from_ints(random(3 * length))
        self.blindings = dict(enumerate(random(3)))
        each = [self.weights[k * length : (k + 1) * length] for k in range(3)]
        self.value = (sum(f.inner(w) for f, w in zip(self.rows, each, strict=True)) + error) % MODULUS
        self.channel = Given([POINT])
        channel: Any = self.channel
        opening.prove(channel, setup, self.rows, self.weights, self.blindings, self.value, random)

    def commitment(self, k: int, row: Vector | None = None) -> Point:
        bases = [*self.setup.powers(ROW)[: self.length], self.setup.blinder]
        return self.setup.curve.msm(bases, [*(row or self.rows[k]).to_ints(), self.blindings[k]])

    def holds(
        self, *, value: int | None = None, rows: dict[int, Vector] | None = None, weights: Vector | None = None,
        forge: Callable[[list[tuple[str, list[Any]]]], None] = lambda sent: None, point: int = POINT,
    ) -> bool:  # fmt: skip
        channel: Any = Given([point])
        channel.sent = [(label, list(values)) for label, values in self.channel.sent]
        forge(channel.sent)
        committed = {k: self.commitment(k, (rows or {}).get(k)) for k in range(3)}
        chosen = self.weights if weights is None else weights

        def at(rho: Powers) -> dict[int, int]:
            powers = Vector.powers(rho.rho, self.length)
            return {k: chosen[k * self.length : (k + 1) * self.length].inner(powers) for k in range(3)}

        claimed = self.value if value is None else value
        return opening.verify(channel, committed, at, claimed).holds(self.setup)


@pytest.fixture
def opened(setup: Setup, scalars: RandomScalars) -> Opened:
    return Opened(setup, scalars, 16)


@pytest.mark.parametrize("length", [2, 16, 256, ROW])
def test_an_honest_opening_holds(setup: Setup, scalars: RandomScalars, length: int) -> None:
    opened = Opened(setup, scalars, length)
    assert opened.holds()
    sizes = {label: len(values) for label, values in opened.channel.sent}
    assert sizes == {"opening/halves": 2, "opening/witness": 1, "opening/blinding": 1}


@examples(10)
@given(st.integers(0, 2), st.integers(0, 15), st.integers(1, MODULUS - 1))
def test_another_cell_weight_or_value_is_refused(row: int, cell: int, step: int) -> None:
    from tests.zkp.conftest import seeded

    opened = Opened(load_setup(), seeded(cell), 16)
    changed = opened.rows[row].copy()
    changed.data[cell] = Vector.from_ints([changed[cell : cell + 1].to_ints()[0] + step]).data[0]
    assert not opened.holds(rows={row: changed})
    weights = opened.weights.copy()
    place = row * 16 + cell
    weights.data[place] = Vector.from_ints([weights[place : place + 1].to_ints()[0] + step]).data[0]
    assert not opened.holds(weights=weights)
    assert not opened.holds(value=(opened.value + step) % MODULUS)


def test_every_message_and_the_challenge_count(opened: Opened, setup: Setup) -> None:
    places = [(k, i) for k, (_, values) in enumerate(opened.channel.sent) for i in range(len(values))]
    assert len(places) == 4
    for k, i in places:

        def change(sent: list[tuple[str, list[Any]]], k: int = k, i: int = i) -> None:
            label, values = sent[k]
            values[i] = values[i] + 1 if label == "opening/blinding" else setup.powers(6)[5]

        assert not opened.holds(forge=change)
    assert not opened.holds(point=POINT + 1)


def test_an_honest_prover_notices_a_false_value(setup: Setup, scalars: RandomScalars) -> None:
    with pytest.raises(WitnessError, match="linear constraints"):
        Opened(setup, scalars, 16, error=1)


def test_a_prover_without_checks_cannot_open_a_false_value(
    setup: Setup, scalars: RandomScalars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "require", look_away)
    assert not Opened(setup, scalars, 16, error=1).holds()


def test_a_value_cannot_hide_in_the_halves(
    setup: Setup, scalars: RandomScalars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product's middle coefficient stands at the first power of tau that there is not: what a false value lacks
    could only be made up for there. The nearest places, the top of the lower half and the bottom of the upper one,
    do not help."""
    monkeypatch.setattr(opening, "require", look_away)
    opened = Opened(setup, scalars, 16, error=1)
    curve, powers = setup.curve, setup.powers(ROW)
    for k, base in ((0, powers[ROW - 1]), (1, powers[0])):
        for sign in (1, -1):

            def shift(sent: list[tuple[str, list[Any]]], k: int = k, base: Point = base, sign: int = sign) -> None:
                halves = sent[0][1]
                halves[k] = curve.add(halves[k], curve.msm([base], [sign]))

            assert not opened.holds(forge=shift)


def test_a_challenge_without_an_inverse_is_refused(opened: Opened) -> None:
    with pytest.raises(InvalidProof, match="no inverse"):
        opened.holds(point=0)
