"""Why a proof fails where it does: each check of the verifier has words of its own."""

import pytest

from tests.zkp.cases import CASES, Honest
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof
from zkp.view import wire_format

GATES = "a row of the trace does not satisfy the gates"
PRODUCTS = "a matrix product is wrong"
CELLS = "the committed cells do not satisfy the linear relations"
MASKS = "the value of a sumcheck's mask is not the committed one"
OPENING = "the commitments do not open to the values of the proof"

REASONS = {
    "rows/trace": GATES,  # every later challenge is another one
    "masks": GATES,
    "rows/multiplicities": GATES,
    "rows/helpers": GATES,
    "gates/mask total": GATES,
    "gates/round": GATES,
    "gates/mask value": GATES,
    "gates/values": GATES,
    "products/totals": PRODUCTS,
    "products/mask total": PRODUCTS,
    "products/round": PRODUCTS,
    "products/mask value": PRODUCTS,
    "products/values": PRODUCTS,
    "matrix/mask total": CELLS,
    "matrix/round": CELLS,
    "matrix/mask value": CELLS,
    "matrix/value": CELLS,
    "masks/nonce": MASKS,
    "masks/nonce values": MASKS,
    "masks/response": MASKS,
    "opening/random value": OPENING,
    "opening/blinding": OPENING,
    "opening/symmetric": OPENING,
    "opening/values": OPENING,
    "opening/quotient": OPENING,
    "opening/witness": OPENING,
}


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Honest:
    return CASES[request.param]()


def test_every_message_has_a_reason(case: Honest) -> None:
    assert {s.label for s in wire_format(case.relation())} <= set(REASONS)


def test_a_changed_message_fails_at_the_first_check_that_reads_it(case: Honest) -> None:
    points = [v for m in case.messages if m.kind == "points" for v in m.values]
    for message in case.messages:
        value = message.values[0]
        if message.kind == "points":
            other = next(p for p in points if p != value)
        else:
            other = ((int.from_bytes(value, "big") + 1) % MODULUS).to_bytes(32, "big")
        forged = case.proof[: message.offset] + other + case.proof[message.offset + len(value) :]
        with pytest.raises(InvalidProof) as refusal:
            case.verify(forged)
        assert str(refusal.value) == REASONS[message.label], message.label
