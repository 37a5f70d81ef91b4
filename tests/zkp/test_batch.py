"""Many proofs checked at once: the good ones pass, each bad one is named with its reason."""

from dataclasses import replace

import pytest

from tests.zkp.cases import Honest, inference_case
from zkp.setup import Setup
from zkp.statements.inference import verify_batch

PROOFS = 3


@pytest.fixture(scope="module")
def case() -> Honest:
    return inference_case()


@pytest.fixture(scope="module")
def proofs(case: Honest) -> list[bytes]:
    return [case.prove(seed) for seed in range(PROOFS)]


def shifted(proof: bytes, setup: Setup, scalar: int) -> bytes:
    """The last point, which only the pairing judges, plus a multiple of G."""
    moved = setup.curve.msm([setup.curve.decode(proof[-48:]), setup.powers(1)[0]], [1, scalar])
    return proof[:-48] + setup.curve.encode(moved)


def test_good_proofs_pass(case: Honest, proofs: list[bytes]) -> None:
    assert verify_batch([(case.statement, p) for p in proofs]) == {}
    assert verify_batch([]) == {}


@pytest.mark.parametrize("bad", range(PROOFS))
def test_the_one_that_only_the_pairing_tells_is_named(
    case: Honest, proofs: list[bytes], setup: Setup, bad: int
) -> None:
    forged = [shifted(p, setup, 1) if k == bad else p for k, p in enumerate(proofs)]
    found = verify_batch([(case.statement, p) for p in forged])
    assert set(found) == {bad} and "commitments do not open" in found[bad]


def test_two_errors_that_would_cancel_are_both_named(case: Honest, proofs: list[bytes], setup: Setup) -> None:
    """Their sum is right; each is weighted by a challenge of its own."""
    forged = [shifted(proofs[0], setup, 1), shifted(proofs[1], setup, -1), proofs[2]]
    assert set(verify_batch([(case.statement, p) for p in forged])) == {0, 1}


def test_each_kind_of_bad_proof_has_its_reason(case: Honest, proofs: list[bytes]) -> None:
    first = proofs[0]
    scalar = case.messages[-3].offset  # in the opening's values
    pairs = [
        (case.statement, first[:-1]),
        (case.statement, b"WPI\x00" + first[4:]),
        (case.statement, first[:scalar] + bytes(32) + first[scalar + 32 :]),
        (replace(case.statement, personal=None), first),
        (replace(case.statement, personal=()), first),
        (case.statement, first),
    ]
    found = verify_batch(pairs)
    assert set(found) == set(range(5))
    for k, why in enumerate(("ends inside", "known version", "do not open", "", "rows, here are")):
        assert why in found[k]


def test_the_same_bad_proof_twice_is_named_twice(case: Honest, proofs: list[bytes], setup: Setup) -> None:
    bad = shifted(proofs[0], setup, 5)
    assert set(verify_batch([(case.statement, bad)] * 2)) == {0, 1}
