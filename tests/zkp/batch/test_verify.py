"""Many proofs checked at once: the good ones pass, each bad one is named with its reason."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from tests.zkp.cases import Honest, inference_case
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup
from zkp.batch.verify import Pair, verify_batch
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.statements.inference import verify
from zkp.view import Message

pytestmark = pytest.mark.slow

PROOFS = 3


@pytest.fixture(scope="module")
def case() -> Honest:
    return inference_case()


@pytest.fixture(scope="module")
def proofs(case: Honest) -> list[bytes]:
    return [case.prove(seed) for seed in range(PROOFS)]


def shifted(proof: bytes, setup: Setup, scalar: int) -> bytes:
    """The last point plus a multiple of G."""
    point = proof[-80:-32]  # a scalar follows it
    moved = setup.curve.msm([setup.curve.decode(point), setup.powers(1)[0]], [1, scalar])
    return proof[:-80] + setup.curve.encode(moved) + proof[-32:]


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
    scalar = case.messages[-1].offset  # the opening's blinding
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
    for k, why in enumerate(("ends inside", "of an older format", "do not open", "", "rows, here are")):
        assert why in found[k]


def test_the_same_bad_proof_twice_is_named_twice(case: Honest, proofs: list[bytes], setup: Setup) -> None:
    bad = shifted(proofs[0], setup, 5)
    assert set(verify_batch([(case.statement, bad)] * 2)) == {0, 1}


def single_verdicts(pairs: list[Pair]) -> dict[int, str]:
    """What `verify` says of each pair that it refuses."""
    bad = {}
    for k, (statement, proof) in enumerate(pairs):
        try:
            verify(statement, proof)
        except (MalformedProof, InvalidProof, InvalidStatement) as error:
            bad[k] = str(error)
    return bad


@st.composite
def spoilt(draw: st.DrawFn, messages: list[Message], proof: bytes, other: bytes) -> bytes:
    """A proof with one value changed: a bit, another value of its kind, a scalar too large; or its length."""
    message = draw(st.sampled_from(messages))
    size = len(message.values[0])
    at = message.offset + size * draw(st.integers(0, len(message.values) - 1))
    old = proof[at : at + size]
    way = draw(st.sampled_from(["bit", "zero", "other", "wrapped", "longer", "shorter", "not at all"]))
    if way in ("longer", "shorter", "not at all"):
        return {"longer": proof + b"\0", "shorter": proof[:-1], "not at all": proof}[way]
    if way == "bit":
        new = (int.from_bytes(old, "big") ^ 1 << draw(st.integers(0, 8 * size - 1))).to_bytes(size, "big")
    elif way == "wrapped" and message.kind == "scalars":
        new = (int.from_bytes(old, "big") + MODULUS).to_bytes(size, "big")
    else:
        new = bytes(size) if way == "zero" else other[at : at + size]
    return proof[:at] + new + proof[at + size :]


@examples(25)
@given(data=st.data())
def test_a_batch_judges_as_single_checks_do(case: Honest, proofs: list[bytes], data: st.DataObject) -> None:
    changed = [data.draw(spoilt(case.messages, proofs[k], proofs[k - 1])) for k in range(2)]
    pairs = [(case.statement, p) for p in (*changed, proofs[2])]
    assert verify_batch(pairs) == single_verdicts(pairs)


def test_a_batch_of_statements_of_all_kinds_is_judged_as_one_by_one(case: Honest, proofs: list[bytes]) -> None:
    """Other shapes, days, homes, weights: of each kind a proof that is right and one of another statement."""
    plain, two_days = inference_case(personal=False), inference_case(layers=2, windows=2)
    pairs = [(case.statement, p) for p in proofs]
    pairs += [(c.statement, c.proof) for c in (plain, two_days, plain)]
    assert verify_batch(pairs) == {}
    pairs += [(other, proofs[0]) for other in case.others.values()]
    found = verify_batch(pairs)
    assert found == single_verdicts(pairs)
    assert set(found) == set(range(6, len(pairs)))


@pytest.mark.process
def test_processes_share_a_batch_and_agree(case: Honest, proofs: list[bytes], setup: Setup) -> None:
    pairs = [(case.statement, p) for p in (*proofs, shifted(proofs[0], setup, 2), proofs[1][:-7])]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert verify_batch(pairs, pool=pool) == single_verdicts(pairs)
