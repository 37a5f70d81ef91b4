"""What must hold of every statement with a proof, by loops over all its public values and all its messages."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.support.laws import is_deep
from tests.zkp.cases import CASES, Honest, public_values
from zkp.algebra.curve import FIELD_MODULUS, IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import Setup, load_setup
from zkp.argument import protocol
from zkp.errors import InvalidProof, MalformedProof, OlderFormat, ProofError
from zkp.view import Message

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Honest:
    return CASES[request.param]()


def places(case: Honest, kind: str) -> Iterator[tuple[Message, int, bytes]]:
    """Every point or every scalar of the honest proof: its message, where it stands, what it is."""
    for message in case.messages:
        if message.kind == kind:
            for k, value in enumerate(message.values):
                yield message, message.offset + k * len(value), value


def put(proof: bytes, at: int, value: bytes) -> bytes:
    return proof[:at] + value + proof[at + len(value) :]


# -- completeness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["arkworks", "py-ecc"])
def test_an_honest_proof_is_accepted_by_both_backends(case: Honest, backend: str) -> None:
    case.verify(case.proof, backend=backend)


def test_the_same_randomness_gives_the_same_proof_and_other_randomness_shares_nothing(case: Honest) -> None:
    assert case.prove(seed=1) == case.proof
    again = case.prove(seed=2)
    case.verify(again)
    shared = {v for m in case.messages for v in m.values} & {again[at : at + len(v)] for _, at, v in _all(case)}
    assert not shared


def _all(case: Honest) -> Iterator[tuple[Message, int, bytes]]:
    yield from places(case, "points")
    yield from places(case, "scalars")


# -- every message of the proof --------------------------------------------------------------------------------------


def test_every_scalar_counts(case: Honest) -> None:
    for message, at, value in places(case, "scalars"):
        other = (int.from_bytes(value, "big") + 1) % MODULUS
        with pytest.raises(InvalidProof):
            case.verify(put(case.proof, at, other.to_bytes(32, "big")))
            pytest.fail(f"accepted with another {message.label}")


def test_every_point_counts(case: Honest, setup: Setup) -> None:
    """Another good point instead: nothing but the equations can tell."""
    for message, at, value in places(case, "points"):
        other = setup.curve.add(setup.curve.decode(value), setup.powers(1)[0])
        with pytest.raises(InvalidProof):
            case.verify(put(case.proof, at, setup.curve.encode(other)))
            pytest.fail(f"accepted with another {message.label}")


def test_every_group_of_bytes_counts(case: Honest) -> None:
    """One bit of each few bytes, wherever it falls."""
    for at in range(7, len(case.proof), len(case.proof) // 60):
        with pytest.raises((InvalidProof, MalformedProof)):
            case.verify(put(case.proof, at, bytes([case.proof[at] ^ 1])))
            pytest.fail(f"accepted with byte {at} changed")


def test_two_messages_of_one_size_cannot_trade_places(case: Honest) -> None:
    for kind in ("points", "scalars"):
        for (_, a, left), (_, b, right) in zip(places(case, kind), list(places(case, kind))[1:], strict=False):
            with pytest.raises(InvalidProof):
                case.verify(put(put(case.proof, a, right), b, left))
                pytest.fail(f"accepted with bytes {a} and {b} exchanged")


# -- one form of everything ------------------------------------------------------------------------------------------


def test_a_scalar_with_the_modulus_added_is_malformed(case: Honest) -> None:
    for _, at, value in places(case, "scalars"):
        same = int.from_bytes(value, "big") + MODULUS
        with pytest.raises(MalformedProof, match="not canonical"):
            case.verify(put(case.proof, at, same.to_bytes(32, "big")))


def _outside_the_subgroup() -> bytes:
    x = next(x for x in range(1, 99) if pow(x**3 + 4, FIELD_MODULUS // 2, FIELD_MODULUS) == 1)
    return (1 << 383 | x).to_bytes(48, "big")


BAD_POINTS = {
    "the identity": IDENTITY,
    "outside the subgroup": _outside_the_subgroup(),
    "coordinate too large": (1 << 383 | FIELD_MODULUS).to_bytes(48, "big"),
    "not compressed": (1).to_bytes(48, "big"),
}


@pytest.mark.parametrize("kind", list(BAD_POINTS))
def test_a_bad_point_is_malformed_wherever_it_stands(case: Honest, kind: str) -> None:
    for _, at, _ in places(case, "points"):
        with pytest.raises(MalformedProof):
            case.verify(put(case.proof, at, BAD_POINTS[kind]))


def test_a_proof_cut_anywhere_names_the_message_it_ends_in(case: Honest) -> None:
    for message in case.messages:
        with pytest.raises((MalformedProof, InvalidProof)) as refusal:
            case.verify(case.proof[: message.offset + 1])
        assert refusal.type is MalformedProof and repr(message.label) in str(refusal.value)


@pytest.mark.parametrize("count", [1, 32, 48])
def test_nothing_may_follow_a_proof(case: Honest, count: int) -> None:
    with pytest.raises(MalformedProof, match=f"{count} bytes follow the end"):
        case.verify(case.proof + bytes(count))


@pytest.mark.parametrize("forge", [lambda p: b"", lambda p: p[:3], lambda p: b"WPX" + p[3:], lambda p: p[4:]])
def test_another_header_is_malformed(case: Honest, forge: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedProof, match="do not begin like a proof of kind"):
        case.verify(forge(case.proof))


def test_other_kinds_are_malformed(case: Honest) -> None:
    for header in {other().module.HEADER for other in CASES.values()} - {case.module.HEADER}:
        with pytest.raises(MalformedProof, match="do not begin like a proof of kind"):
            case.verify(header + case.proof[4:])


def test_a_proof_of_another_version_is_refused_with_what_to_do(case: Honest) -> None:
    version = case.module.HEADER[-1]
    for other in set(range(256)) - {version}:
        wanted, say = (OlderFormat, "of an older format") if other < version else (MalformedProof, "upgrade")
        with pytest.raises(wanted, match=say):
            case.verify(case.proof[:3] + bytes([other]) + case.proof[4:])


def test_a_proof_is_bound_to_kind_version_and_parameters(case: Honest) -> None:
    """Not only the first bytes say so, but the transcript: under another header or digest all challenges change."""
    relation, setup = case.relation(), load_setup()
    other_digest = replace(relation)
    vars(other_digest)["parameters"] = bytes(32)
    for other, good in ((relation, True), (replace(relation, header=b"WPX\x05"), False), (other_digest, False)):
        assert protocol.settle([protocol.verify(other, case.proof[4:], setup)], setup) == good


def test_the_parameters_name_every_part_of_the_relation(case: Honest) -> None:
    relation = case.relation()
    gate = relation.gates[0]
    others = {
        "formula": replace(relation, gates=(replace(gate, value=lambda c: gate.value(c) + 1), *relation.gates[1:])),
        "order": replace(relation, gates=relation.gates[::-1]) if len(relation.gates) > 1 else None,
        "column": replace(relation, columns=(replace(relation.columns[0], used=3), *relation.columns[1:])),
        "input": replace(relation, inputs=(replace(relation.inputs[0], used=3), *relation.inputs[1:])),
        "grid": replace(relation, grid_bits=relation.grid_bits + 1),
        "row": replace(relation, length=2 * relation.length),
    }
    digests = [r.parameters for r in (relation, *(o for o in others.values() if o))]
    assert len(set(digests)) == len(digests)
    assert replace(relation, statement=b"another").parameters == relation.parameters


# -- every public value ----------------------------------------------------------------------------------------------


def test_the_loop_below_misses_no_public_value(case: Honest) -> None:
    assert set(case.others) == public_values(case.statement)


def test_a_proof_serves_no_other_statement(case: Honest) -> None:
    for name, other in case.others.items():
        with pytest.raises(ProofError):
            case.verify(case.proof, other)
            pytest.fail(f"accepted for another {name}")


def test_statements_that_differ_are_absorbed_differently(case: Honest) -> None:
    encoded = {other.encode() for name, other in case.others.items() if name != "days"}
    assert len(encoded | {case.statement.encode()}) == len(set(case.others) - {"days"}) + 1


# -- both backends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["green share", *(["inference"] if is_deep() else [])])
def test_both_backends_make_the_same_bytes_from_the_same_randomness(kind: str) -> None:
    """Of the smallest statement and, at length, of the largest."""
    case = CASES[kind]()
    assert case.prove(backend="py-ecc") == case.proof
