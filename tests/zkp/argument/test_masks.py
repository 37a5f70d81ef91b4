"""The masks' Schnorr proof: complete, knowledge can be extracted from it, and it can be simulated."""

from dataclasses import replace

import pytest

from tests.zkp.conftest import Given
from zkp.algebra.field import MODULUS
from zkp.algebra.group import GroupEquation
from zkp.algebra.srs import Setup
from zkp.algebra.vector import RandomScalars
from zkp.argument import masks
from zkp.argument.masks import CommittedMasks
from zkp.argument.sumcheck import MaskShape
from zkp.errors import InvalidProof

SHAPES = (MaskShape(2, 3), MaskShape(3, 2))


class Run:
    def __init__(self, setup: Setup, random: RandomScalars) -> None:
        self.setup = setup
        self.masks = CommittedMasks.draw(SHAPES, random)
        self.commitment = self.masks.commit(setup)
        self.points = [random(s.variables) for s in SHAPES]
        self.values = [
            sum(w * c for w, c in zip(shape.weights(p), self.masks.mask(k).coefficients, strict=True)) % MODULUS
            for k, (shape, p) in enumerate(zip(SHAPES, self.points, strict=True))
        ]

    def prove(self, challenge: int, random: RandomScalars) -> Given:
        channel = Given([challenge])
        masks.prove(channel, self.setup, self.masks, self.points, random)  # type: ignore[arg-type]
        return channel

    def verify(self, channel: Given, challenge: int, values: list[int] | None = None) -> GroupEquation:
        again = Given([challenge])
        again.sent = [(label, list(sent)) for label, sent in channel.sent]
        return masks.verify(again, SHAPES, self.commitment, self.points, values or self.values)  # type: ignore[arg-type]


@pytest.fixture
def run(setup: Setup, scalars: RandomScalars) -> Run:
    return Run(setup, scalars)


def test_an_honest_proof_holds(run: Run, setup: Setup, scalars: RandomScalars) -> None:
    assert run.verify(run.prove(77, scalars), 77).holds(setup)


@pytest.mark.parametrize("which", range(len(SHAPES)))
def test_a_value_that_is_not_the_committed_masks_is_refused(run: Run, scalars: RandomScalars, which: int) -> None:
    values = run.values.copy()
    values[which] += 1
    with pytest.raises(InvalidProof, match="not the committed one"):
        run.verify(run.prove(77, scalars), 77, values)


def test_every_message_counts(run: Run, setup: Setup, scalars: RandomScalars) -> None:
    honest = run.prove(77, scalars)
    for k, (label, values) in enumerate(honest.sent):
        for i in range(len(values)):
            forged = Given([])
            forged.sent = [(name, list(sent)) for name, sent in honest.sent]
            point = label == "masks/nonce"
            forged.sent[k][1][i] = setup.powers(2)[1] if point else values[i] + 1
            try:
                assert not run.verify(forged, 77).holds(setup)
            except InvalidProof:
                assert not point


def test_two_answers_to_one_nonce_give_the_masks_away(run: Run, source: object, scalars: RandomScalars) -> None:
    """Special soundness: who can answer two challenges knows the committed coefficients."""
    nonce = scalars(len(run.masks.coefficients) + 1)
    (first, second) = (run.prove(e, lambda count: nonce).sent[-1][1] for e in (5, 9))
    extracted = [(b - a) * pow(9 - 5, -1, MODULUS) % MODULUS for a, b in zip(first, second, strict=True)]
    assert extracted == [*run.masks.coefficients, run.masks.blinding]


def test_an_accepting_answer_can_be_made_without_the_masks(run: Run, setup: Setup, scalars: RandomScalars) -> None:
    """The simulator: response first, then the nonce that fits it, for the given challenge."""
    e, response = scalars(1)[0], scalars(len(run.masks.coefficients) + 1)
    *coefficients, blinding = response
    fitting = CommittedMasks(SHAPES, coefficients, blinding)
    back = setup.curve.msm([run.commitment], [-e])
    nonce_values = []
    for k, (shape, point, value) in enumerate(zip(SHAPES, run.points, run.values, strict=True)):
        part = fitting.mask(k).coefficients
        nonce_values.append(sum(w * c for w, c in zip(shape.weights(point), part, strict=True)) - e * value)
    simulated = Given([])
    simulated.send_points("masks/nonce", [setup.curve.add(fitting.commit(setup), back)])
    simulated.send_scalars("masks/nonce values", nonce_values)
    simulated.send_scalars("masks/response", response)
    assert run.verify(simulated, e).holds(setup)


def test_masks_are_cut_from_one_vector_without_overlap(run: Run) -> None:
    parts = [c for k in range(len(SHAPES)) for c in run.masks.mask(k).coefficients]
    assert parts == run.masks.coefficients
    assert replace(run.masks, blinding=run.masks.blinding + 1).commit(run.setup) != run.commitment
