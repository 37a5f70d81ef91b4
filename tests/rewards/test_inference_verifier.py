"""The inference verifier on the chain: it takes what `inference.verify` takes, and nothing else.

That its arithmetic is the verifier's, message by message, is held by tests/zkp/evm/test_stages.py; here is what the
entry adds to it: the statement's bytes, public numbers, points, and the pairing.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from eth_tester.exceptions import TransactionFailed

from forecasting.integer import IntegerModel
from rewards import inference_verifier
from rewards.bytecode_check import differences
from rewards.chain import Chain
from rewards.compile import Artefact
from rewards.deploy import INFERENCE, Contracts
from rewards.inference_verifier import call_data, deploy_inference_verifier, is_inference_verifier, parts
from tests.rewards.conftest import COMMUNITY as THEIRS
from tests.rewards.conftest import DAY_START, Town, account
from tests.zkp.cases import Honest, inference_case
from tests.zkp.conftest import honest, inputs, random_weights, small_shape, state
from zkp.algebra.curve import FIELD_MODULUS, IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.errors import InvalidStatement, ProofError
from zkp.evm.assembler import creation
from zkp.lstm.integer_model import Shape
from zkp.statements import inference
from zkp.statements.inference import Statement

pytestmark = pytest.mark.slow

COMMUNITY = honest().statement.context.community
POINT, GAS = 48, 16_000_000


@pytest.fixture(scope="module")
def chain() -> Chain:
    made = Chain.embedded(start_time=DAY_START)
    made.fund(account(1).address)
    return made


@pytest.fixture(scope="module")
def entries(chain: Chain) -> dict[bool, str]:
    """The verifiers for the small model, without a personal head and with one."""
    shape = honest().statement.shape
    return {
        personal: deploy_inference_verifier(chain, account(1), COMMUNITY, shape, personal=personal)
        for personal in (False, True)
    }


@pytest.fixture(scope="module")
def accepts(chain: Chain, entries: dict[bool, str]) -> Callable[[bytes], bool]:
    """Whether the verifier with a personal head takes this input."""
    return lambda data: ask(chain, entries[True], data)


def ask(chain: Chain, address: str, data: bytes) -> bool:
    try:
        out = chain.web3.eth.call({"to": chain.web3.to_checksum_address(address), "data": data, "gas": GAS})
    except TransactionFailed:
        return False
    assert int.from_bytes(out, "big") == 1
    return True


@cache
def case() -> Honest:
    return inference_case()


def data_of(statement: Statement | None = None, proof: bytes = b"") -> bytes:
    return call_data(statement or case().statement, proof or case().proof)


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


# -- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personal", [False, True])
def test_an_honest_proof_is_taken(personal: bool, chain: Chain, entries: dict[bool, str]) -> None:
    known = inference_case(personal=personal)
    assert ask(chain, entries[personal], call_data(known.statement, known.proof))


def test_a_model_with_a_row_of_zeros_is_taken(chain: Chain, entries: dict[bool, str]) -> None:
    weights = random_weights(small_shape(), 9)
    head = weights.head.copy()
    head[:16] = 0  # 16 outputs fill a row
    model = IntegerModel(replace(weights, head=head))
    history, steps, exogenous = inputs(small_shape(), 1, 9)
    home = state(model.run(history, steps, exogenous), model, history)
    assert IDENTITY in home.statement.weights.head
    proof = home.prove()
    inference.verify(home.statement, proof)
    assert ask(chain, entries[False], call_data(home.statement, proof))


def test_a_model_with_a_median_has_a_verifier_of_its_own(chain: Chain, entries: dict[bool, str]) -> None:
    home = honest(median=3)
    proof, shape = home.prove(), home.statement.shape
    entry = deploy_inference_verifier(chain, account(1), COMMUNITY, shape, personal=False)
    data = call_data(home.statement, proof)
    assert ask(chain, entry, data)
    assert inference_verifier.shape_at(chain, entry) == shape
    assert is_inference_verifier(chain, entry, COMMUNITY, personal=False)
    for place in (len(data) // 2, parts(shape, personal=False).layout.at_proof + 3000):
        assert not ask(chain, entry, put(data, place, bytes([data[place] ^ 1])))
    plain = replace(home.statement, weights=replace(home.statement.weights, shape=replace(shape, median=0)))
    with pytest.raises(ProofError):
        inference.verify(plain, proof)
    assert not ask(chain, entries[False], data)


# -- every public value ----------------------------------------------------------------------------------------------

NAMED_IN_THE_CODE = {"context.community", "quantity"}
SIZES = {name for name in case().others if name.startswith("weights.shape")} | {"personal"}


@pytest.mark.parametrize("name", sorted(set(case().others) - SIZES - NAMED_IN_THE_CODE))
def test_a_proof_of_another_statement_is_refused(name: str, accepts: Callable[[bytes], bool]) -> None:
    other = case().others[name]
    with pytest.raises(ProofError):
        case().verify(case().proof, other)
    assert not accepts(data_of(other))


def test_a_statement_of_another_form_is_refused(chain: Chain, entries: dict[bool, str]) -> None:
    """Of a model of another size, the input may be the very same bytes: the shape stands in the verifier."""
    larger = replace(case().statement.shape, hidden=4)
    other = deploy_inference_verifier(chain, account(1), COMMUNITY, larger, personal=True)
    assert call_data(case().others["weights.shape.hidden"], case().proof) == data_of()
    assert not ask(chain, other, data_of())
    assert not ask(chain, entries[False], data_of())
    plain = inference_case(personal=False)
    assert not ask(chain, entries[True], call_data(plain.statement, plain.proof))


def test_a_forecast_of_export_is_refused(accepts: Callable[[bytes], bool]) -> None:
    export = replace(case(), statement=case().others["quantity"])
    export.verify(export.proof)
    assert not accepts(data_of(export.statement, export.proof))


def test_a_proof_of_another_community_is_refused(chain: Chain) -> None:
    shape = case().statement.shape
    other = deploy_inference_verifier(chain, account(1), b"\x0d" * 32, shape, personal=True)
    assert not ask(chain, other, data_of())


@pytest.mark.parametrize("value", [513, -513, 1 << 40, -(1 << 63)])
def test_a_feature_out_of_range_is_refused_before_anything_is_computed(
    value: int, accepts: Callable[[bytes], bool]
) -> None:
    steps = case().statement.steps.copy()
    steps[0, -1, -1] = value
    with pytest.raises(InvalidStatement):
        replace(case().statement, steps=steps)
    at = parts(case().statement.shape, personal=True).layout.at_features + 8 * (steps.size - 1)
    assert not accepts(put(data_of(), at, value.to_bytes(8, "big", signed=True)))


@pytest.mark.parametrize("value", [512, -512])
def test_features_at_their_limits_are_read_as_they_are(value: int, chain: Chain, entries: dict[bool, str]) -> None:
    shape, weights = small_shape(), random_weights(small_shape(), 3)
    model = IntegerModel(weights)
    history, steps, exogenous = inputs(shape, 1, 3)
    home = state(model.run(history, np.full(steps.shape, value), np.full(exogenous.shape, value)), model, history)
    assert ask(chain, entries[False], call_data(home.statement, home.prove()))


# -- the proof -------------------------------------------------------------------------------------------------------


def places(kind: str) -> Iterator[int]:
    for message in case().messages:
        if message.kind == kind:
            yield from (message.offset + k * len(value) for k, value in enumerate(message.values))


def test_another_point_is_refused_wherever_it_stands(accepts: Callable[[bytes], bool]) -> None:
    setup = load_setup()
    for at in places("points"):
        point = setup.curve.decode(case().proof[at : at + POINT])
        other = setup.curve.encode(setup.curve.add(point, setup.powers(1)[0]))
        assert not accepts(data_of(proof=put(case().proof, at, other)))


@pytest.mark.parametrize("last", [False, True])
def test_another_scalar_is_refused(last: bool, accepts: Callable[[bytes], bool]) -> None:
    at = [*places("scalars")][-1 if last else 0]
    value = int.from_bytes(case().proof[at : at + 32], "big")
    for other in ((value + 1) % MODULUS, value + MODULUS):
        assert not accepts(data_of(proof=put(case().proof, at, other.to_bytes(32, "big"))))


def test_another_header_or_length_is_refused(accepts: Callable[[bytes], bool]) -> None:
    data, at = data_of(), parts(case().statement.shape, personal=True).layout.at_proof
    assert data[at : at + 4] == inference.HEADER
    for other in (put(data, at + 3, b"\x03"), put(data, at, b"WPS"), data[:-1], data + b"\0", b""):
        assert not accepts(other)


WRONG_ORDINATES: dict[str, Callable[[int], int]] = {
    "opposite": lambda y: FIELD_MODULUS - y,
    "next": lambda y: y + 1,
    "zero": lambda y: 0,
    "another form": lambda y: y + FIELD_MODULUS,
}


@pytest.mark.parametrize("name", list(WRONG_ORDINATES))
def test_no_other_y_will_do_for_any_point(name: str, accepts: Callable[[bytes], bool]) -> None:
    data, layout = data_of(), parts(case().statement.shape, personal=True).layout
    slots = range(len(layout.program.left.slots))
    for k in slots if name in ("opposite", "zero") else (slots[0], slots[-1]):
        at = layout.at_ordinates + POINT * k
        y = int.from_bytes(data[at : at + POINT], "big")
        assert not accepts(put(data, at, WRONG_ORDINATES[name](y).to_bytes(POINT, "big"))), k


@pytest.mark.parametrize("flag", [0x80, 0x40, 0x20])
def test_flags_of_points_are_held_to(flag: int, accepts: Callable[[bytes], bool]) -> None:
    data, layout = data_of(), parts(case().statement.shape, personal=True).layout
    for slot in layout.program.left.slots:
        at = layout.compressed(slot)
        assert not accepts(put(data, at, bytes([data[at] ^ flag])))


def test_infinity_is_refused_but_for_a_row_of_zeros(accepts: Callable[[bytes], bool]) -> None:
    data, layout = data_of(), parts(case().statement.shape, personal=True).layout
    odd = [b"\xc0" + bytes(46) + b"\1", b"\xe0" + bytes(47), b"\x80" + bytes(47)]
    for k, slot in enumerate(layout.program.left.slots):
        for point in (IDENTITY, *odd) if k in (0, 5, len(layout.program.left.slots) - 1) else (IDENTITY,):
            changed = put(data, layout.compressed(slot), point)
            assert not accepts(put(changed, layout.at_ordinates + POINT * k, bytes(POINT)))


# -- what stands on the chain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("personal", [False, True])
def test_this_versions_verifier_is_known_by_its_address(
    personal: bool, chain: Chain, entries: dict[bool, str]
) -> None:
    assert is_inference_verifier(chain, entries[personal], COMMUNITY, personal=personal)
    assert not is_inference_verifier(chain, entries[personal], COMMUNITY, personal=not personal)
    assert not is_inference_verifier(chain, entries[personal], b"\x0d" * 32, personal=personal)
    assert not is_inference_verifier(chain, account(5).address, COMMUNITY, personal=personal)


@pytest.mark.parametrize("changed", range(5))
def test_one_byte_of_any_part_is_told(changed: int, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, calls = case().statement.shape, [0]
    honest_deploy = inference_verifier._deployed
    assert len(parts(shape, personal=True).codes) == 4  # and the entry

    def deployed(chain: Chain, operator: Any, code: bytes) -> str:
        calls[0] += 1
        return honest_deploy(chain, operator, code[:-1] + bytes([code[-1] ^ (calls[0] == changed + 1)]))

    monkeypatch.setattr(inference_verifier, "_deployed", deployed)
    address = deploy_inference_verifier(chain, account(1), COMMUNITY, shape, personal=True)
    assert not is_inference_verifier(chain, address, COMMUNITY, personal=True)


def test_a_contract_of_no_shape_is_none_of_ours(chain: Chain) -> None:
    for code in (b"wattproof/weights/4", b"wattproof/weights/4" + bytes(28)):
        made = chain.deploy(account(1), Artefact("odd", [], creation(code).hex()))
        assert not is_inference_verifier(chain, made.address, COMMUNITY, personal=False)


def test_a_model_without_public_features_has_no_contract() -> None:
    with pytest.raises(ValueError, match="no contract"):
        parts(Shape(24, 1, 3, 1, 0), personal=False)


def test_the_audit_compares_them(town: Town) -> None:
    shape = case().statement.shape
    both = tuple(
        deploy_inference_verifier(town.chain, town.operator, THEIRS, shape, personal=own) for own in (False, True)
    )
    assert differences(town.chain, replace(town.contracts, inference_verifiers=both), THEIRS) == []
    wrong = differences(town.chain, replace(town.contracts, inference_verifiers=both[::-1]), THEIRS)
    assert [sentence.split(",")[0] for sentence in wrong] == [f"the code of {name}" for name in INFERENCE]
    addresses = replace(town.contracts, inference_verifiers=both).addresses
    assert Contracts.of(town.chain, addresses).inference_verifiers == both
