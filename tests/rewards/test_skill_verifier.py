"""The verifier on the chain: it takes what `skill.verify` takes, and nothing else, whatever the caller makes up."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_hash.auto import keccak
from eth_tester.exceptions import TransactionFailed
from py_ecc.bls import point_compression as form
from py_ecc.optimized_bls12_381 import FQ, add

from rewards import verifier
from rewards.bytecode_check import differences
from rewards.chain_errors import refusals
from rewards.claims import CLAIM_GAS, Claim, Granted, claim_call, recall_claim, submit_claim
from rewards.compile import Artefact, artefact
from rewards.deploy import _NOBODY, Contracts, deploy_verifier
from rewards.errors import AlreadyClaimed, AnotherForecast, NoForecast, ProofRefused, Refused, WrongMeter
from rewards.signing import NO_HEAD
from tests.rewards.conftest import BUCKETS, COMMUNITY, DAY, DAY_START, Proven, Town, account, proven, signatures
from zkp.algebra.commitment import RING_DAYS
from zkp.algebra.curve import FIELD_MODULUS, IDENTITY
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.batch.programs import skill_program
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.evm.assembler import creation
from zkp.evm.points import ordinate
from zkp.statements import skill
from zkp.view import messages

pytestmark = pytest.mark.slow

POINT, SCALAR, SENT = 48, 32, 5
BODY = len(skill.HEADER)


@dataclass(frozen=True)
class Call:
    """What a caller hands to the verifier."""

    statement: skill.Statement
    proof: bytes
    ordinates: bytes

    def on(self, contract: Any, household: str | None = None) -> None:
        """Returns, or raises Refused."""
        s = self.statement
        who = household or "0x" + s.context.household.hex()
        call = contract.functions.verify(
            contract.w3.to_checksum_address(who), s.context.day, s.context.round, s.buckets,
            s.forecast, b"".join((s.actual, *s.benchmarks)), self.proof, self.ordinates,
        )  # fmt: skip
        call_or_refused(call)


def call_or_refused(call: Any) -> None:
    with refusals("verify"):
        assert call.call({"gas": CLAIM_GAS}) is True


def call_of(case: Proven) -> Call:
    return Call(case.statement, case.proof, case.ordinates)


@pytest.fixture
def contract(town: Town) -> Any:
    assert town.contracts.skill_verifier is not None
    return town.contracts.skill_verifier


# -- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", range(RING_DAYS))
def test_an_honest_proof_of_any_day_of_the_ring_is_taken(rotation: int, contract: Any) -> None:
    case = proven(DAY + rotation)
    skill.verify(case.statement, case.proof)
    call_of(case).on(contract)


@pytest.mark.parametrize("buckets", [0, 1, BUCKETS])
def test_any_true_number_of_buckets_is_taken(buckets: int, contract: Any) -> None:
    statement = replace(proven().statement, buckets=buckets)
    proof = skill.prove(statement, proven().secrets)
    Call(statement, proof, verifier.ordinates(statement, proof)).on(contract)


# -- every message of a proof ----------------------------------------------------------------------------------------


def places(kind: str) -> list[int]:
    """Where the proof's scalars, or its points, begin."""
    case = proven()
    size = {"points": POINT, "scalars": SCALAR}[kind]
    found = [m for m in messages(case.statement, case.proof) if m.kind == kind]
    return [m.offset + k * size for m in found for k in range(len(m.values))]


def refused(call: Call, contract: Any, why: str = "invalid|malformed") -> None:
    with pytest.raises(ProofRefused, match=why):
        call.on(contract)


def with_bytes(proof: bytes, place: int, data: bytes) -> bytes:
    return proof[:place] + data + proof[place + len(data) :]


def test_every_scalar_of_a_proof_changed_by_one_or_written_in_another_way_is_refused(contract: Any) -> None:
    honest = call_of(proven())
    assert len(places("scalars")) == len(skill_program().scalars)
    for place in places("scalars"):
        value = int.from_bytes(honest.proof[place : place + SCALAR], "big")
        for other in ((value + 1) % MODULUS, value + MODULUS):
            changed = with_bytes(honest.proof, place, other.to_bytes(SCALAR, "big"))
            refused(replace(honest, proof=changed), contract, "invalid proof")


def test_every_point_of_a_proof_changed_is_refused(contract: Any) -> None:
    """Into another good point, with its own y; into its opposite; into what is no point."""
    honest, curve = call_of(proven()), load_setup().curve
    assert len(places("points")) == SENT
    for place in places("points"):
        known = honest.proof[place : place + POINT]
        other = curve.encode(curve.add(curve.decode(known), load_setup().powers(1)[0]))
        opposite = bytes([known[0] ^ 0x20]) + known[1:]
        for new in (other, opposite):
            proof = with_bytes(honest.proof, place, new)
            refused(Call(honest.statement, proof, verifier.ordinates(honest.statement, proof)), contract)
        for byte in (0, 1, POINT - 1):
            new = known[:byte] + bytes([known[byte] ^ 1]) + known[byte + 1 :]
            refused(replace(honest, proof=with_bytes(honest.proof, place, new)), contract)


@pytest.mark.parametrize("flag", [0x80, 0x40])
def test_flags_of_points_are_held_to(flag: int, contract: Any) -> None:
    honest = call_of(proven())
    place = places("points")[0]
    proof = with_bytes(honest.proof, place, bytes([honest.proof[place] ^ flag]))
    refused(replace(honest, proof=proof), contract)


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: b"", lambda p: b"WPS\x04" + p[4:], lambda p: p[4:]])
def test_a_proof_cut_or_with_another_head_is_refused(change: Callable[[bytes], bytes], contract: Any) -> None:
    honest = call_of(proven())
    refused(replace(honest, proof=change(honest.proof)), contract, "malformed proof")


def test_a_proof_or_ordinates_of_another_length_are_refused(contract: Any) -> None:
    honest = call_of(proven())
    for changed in (
        replace(honest, proof=honest.proof + b"\0"),
        replace(honest, ordinates=honest.ordinates[:-1]),
        replace(honest, ordinates=honest.ordinates + b"\0"),
        replace(honest, ordinates=b""),
    ):
        with pytest.raises(Refused):
            changed.on(contract)


# -- the caller's y --------------------------------------------------------------------------------------------------

WRONG_ORDINATES: dict[str, Callable[[int], int]] = {
    "opposite": lambda y: FIELD_MODULUS - y,
    "next": lambda y: y + 1,
    "zero": lambda y: 0,
    "another form": lambda y: y + FIELD_MODULUS,
}


@pytest.mark.parametrize("name", list(WRONG_ORDINATES))
def test_no_other_y_will_do_for_any_point(name: str, contract: Any) -> None:
    honest = call_of(proven())
    for k in range(0, len(honest.ordinates), POINT):
        y = int.from_bytes(honest.ordinates[k : k + POINT], "big")
        other = WRONG_ORDINATES[name](y).to_bytes(POINT, "big")
        refused(replace(honest, ordinates=with_bytes(honest.ordinates, k, other)), contract, "malformed point")


# -- a prover who sends points in odd forms, and hashes them as it sends them ---------------------------------------


def dishonest(monkeypatch: pytest.MonkeyPatch, number: int, encode: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """A proof that is all right but for how its point of that number is written; and that point, written honestly."""
    curve, known = load_setup().curve, proven()
    honest, sent = curve.encode, []

    def odd(point: Any) -> bytes:
        sent.append(honest(point))
        return encode(sent[-1]) if len(sent) == number + 1 else sent[-1]

    with monkeypatch.context() as patch:
        patch.setattr(curve, "encode", odd)
        proof = skill.prove(known.statement, known.secrets)
    assert len(sent) == SENT
    return proof, sent[number]


def with_ordinates(proof: bytes) -> Call:
    return Call(proven().statement, proof, verifier.ordinates(proven().statement, proof))


def plus_low_order(data: bytes) -> bytes:
    """The point plus (0, 2), which is on the curve and of order three."""
    total = add(form.decompress_G1(int.from_bytes(data, "big")), (FQ(0), FQ(2), FQ(1)))
    return int(form.compress_G1(total)).to_bytes(POINT, "big")


@pytest.mark.parametrize("number", range(SENT))
def test_this_prover_without_its_trick_is_believed(
    number: int, monkeypatch: pytest.MonkeyPatch, contract: Any
) -> None:
    proof, _ = dishonest(monkeypatch, number, lambda data: data)
    with_ordinates(proof).on(contract)


@pytest.mark.parametrize("number", range(SENT))
def test_a_point_outside_the_subgroup_is_refused(number: int, monkeypatch: pytest.MonkeyPatch, contract: Any) -> None:
    proof, _ = dishonest(monkeypatch, number, plus_low_order)
    with pytest.raises(MalformedProof, match="subgroup"):
        skill.verify(proven().statement, proof)
    refused(
        Call(proven().statement, proof, verifier.ordinates(proven().statement, proof)), contract, "malformed point"
    )


@pytest.mark.parametrize("infinity", [IDENTITY, b"\x80" + bytes(47), b"\xa0" + bytes(47)])
def test_infinity_is_refused_in_any_form(infinity: bytes, monkeypatch: pytest.MonkeyPatch, contract: Any) -> None:
    proof, _ = dishonest(monkeypatch, 1, lambda data: infinity)
    statement = proven().statement
    ordinates = bytearray(proven().ordinates)
    for k, start in enumerate(places("points")):
        y = bytes(POINT) if k == 1 else ordinate(proof[start : start + POINT])
        ordinates[POINT * (2 + k) : POINT * (3 + k)] = y
    refused(Call(statement, proof, bytes(ordinates)), contract, "malformed point")


def test_a_coordinate_that_is_not_below_the_modulus_is_refused(
    monkeypatch: pytest.MonkeyPatch, contract: Any
) -> None:
    """x + p has 381 bits for a fifth of all points: the same point, written in a second way."""
    mask = (1 << 381) - 1

    def longer(data: bytes) -> bytes:
        number = int.from_bytes(data, "big")
        x = (number & mask) + FIELD_MODULUS
        return (number & ~mask | x).to_bytes(POINT, "big") if x <= mask else data

    for _ in range(100):
        proof, sent = dishonest(monkeypatch, 1, longer)
        if longer(sent) != sent:
            break
    else:
        pytest.fail("no point with a small coordinate in a hundred")
    with pytest.raises(MalformedProof, match="canonical"):
        skill.verify(proven().statement, proof)
    refused(
        Call(proven().statement, proof, verifier.ordinates(proven().statement, proof)), contract, "malformed point"
    )


# -- another statement -----------------------------------------------------------------------------------------------

honest_context = proven().statement.context
OTHERS = {
    "household": replace(proven().statement, context=replace(honest_context, household=b"\x09" * 20)),
    "day": replace(proven().statement, context=replace(honest_context, day=DAY + RING_DAYS)),
    "next day": replace(proven().statement, context=replace(honest_context, day=DAY + 1)),
    "round": replace(proven().statement, context=replace(honest_context, round=2)),
    "more buckets": replace(proven().statement, buckets=BUCKETS + 1),
    "fewer buckets": replace(proven().statement, buckets=BUCKETS - 1),
    "forecast": replace(proven().statement, forecast=proven().statement.actual),
    "actual": replace(proven().statement, actual=proven().statement.benchmarks[0]),
    "a benchmark": replace(
        proven().statement, benchmarks=(proven().statement.actual, *proven().statement.benchmarks[1:])
    ),
    "the benchmarks' order": replace(proven().statement, benchmarks=proven().statement.benchmarks[::-1]),
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_a_proof_of_another_statement_is_refused(name: str, contract: Any) -> None:
    other = OTHERS[name]
    refused(Call(other, proven().proof, verifier.ordinates(other, proven().proof)), contract, "invalid proof")
    with pytest.raises((InvalidProof, InvalidStatement)):
        skill.verify(other, proven().proof)


def test_a_proof_of_another_community_is_refused(town: Town) -> None:
    for community, taken in ((COMMUNITY, True), (b"\x0d" * 32, False)):
        other = deploy_verifier(town.chain, town.operator, community)
        if taken:
            call_of(proven()).on(other)
        else:
            refused(call_of(proven()), other, "invalid proof")


# -- claimed ---------------------------------------------------------------------------------------------------------


def claim(case: Proven) -> Claim:
    return Claim(case.statement, b"\5" * 32, case.proof, signatures(case))


def submit(town: Town, forecast: bytes | None = None, day: int = DAY) -> None:
    known = forecast or proven().statement.forecast
    call = town.contracts.forecast_registry.functions.submit(day, 1, NO_HEAD, known, b"\5" * 32)
    town.chain.send(town.household, call)


def call_for(town: Town, case: Proven, **changed: Any) -> Any:
    s = case.statement
    values: dict[str, Any] = {
        "household": town.household.address, "day": s.context.day, "buckets": s.buckets,
        "round": 1, "forecast": s.forecast, "forecast_proof_hash": b"\5" * 32,
        "days": b"".join((s.actual, *s.benchmarks)), "signatures": b"".join(signatures(case)),
        "proof": case.proof, "ordinates": case.ordinates,
    }  # fmt: skip
    return town.contracts.rewards.functions.claim(*(values | changed).values())


def send(town: Town, call: Any) -> None:
    town.chain.fund(account(9).address)
    town.chain.send(account(9), call, CLAIM_GAS)


def test_anybody_may_bring_a_proof_once(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    town.chain.fund(account(9).address)
    taken = submit_claim(town.chain, town.contracts, account(9), claim(proven()))
    assert taken == Granted(BUCKETS, BUCKETS, keccak(proven().proof))
    assert recall_claim(town.contracts, town.household.address, DAY) == taken
    with pytest.raises(AlreadyClaimed):
        submit_claim(town.chain, town.contracts, account(9), claim(proven()))
    again = skill.prove(proven().statement, proven().secrets)  # another proof of the same
    with pytest.raises(AlreadyClaimed):
        send(town, call_for(town, proven(), proof=again))


def test_a_proof_for_another_forecast_than_the_registered_one_is_not_taken(town: Town) -> None:
    other = proven().statement.actual
    submit(town, other)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(AnotherForecast):
        send(town, call_for(town, proven()))
    with pytest.raises(ProofRefused, match="malformed point"):
        send(town, call_for(town, proven(), forecast=other))
    fitting = verifier.ordinates(replace(proven().statement, forecast=other), proven().proof)
    with pytest.raises(ProofRefused, match="invalid proof"):
        send(town, call_for(town, proven(), forecast=other, ordinates=fitting))
    with pytest.raises(InvalidProof, match="another forecast"):
        submit_claim(town.chain, town.contracts, account(9), claim(proven()))


def test_a_forecast_that_is_no_point_is_not_claimed(town: Town) -> None:
    """The registry takes any 48 bytes; they are worth nothing."""
    submit(town, no_point := b"\x80" + b"\7" * 47)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(ProofRefused):
        send(town, call_for(town, proven(), forecast=no_point))


@pytest.mark.parametrize("buckets", [BUCKETS - 1, BUCKETS + 1, 2**16 - 1])
def test_another_number_of_buckets_than_the_proven_one_is_not_taken(buckets: int, town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(ProofRefused, match="invalid proof"):
        send(town, call_for(town, proven(), buckets=buckets))


@pytest.mark.parametrize("day", range(8))
def test_readings_without_the_meters_word_are_not_taken(day: int, town: Town) -> None:
    """The attack: a day of made-up readings, against which the forecast is perfect, or a benchmark that is bad."""
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    known, made_up = list(signatures(proven())), signatures(proven(), signer=4)
    known[day] = made_up[day]
    with pytest.raises(WrongMeter):
        send(town, call_for(town, proven(), signatures=b"".join(known)))


def test_a_day_without_a_forecast_is_not_claimed_with_the_proof_of_another(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 2 * 86_400)
    with pytest.raises(NoForecast):
        send(town, call_for(town, proven(DAY + 1)))


def test_refused_claims_leave_everything_as_it_was(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(ProofRefused):
        send(town, call_for(town, proven(), buckets=BUCKETS + 1))
    assert recall_claim(town.contracts, town.household.address, DAY) is None
    assert town.contracts.rewards.functions.total_of(DAY).call() == 0
    send(town, claim_call(town.contracts, claim(proven())))


def test_the_program_called_by_itself_changes_nothing(town: Town, contract: Any) -> None:
    """It has no storage: whoever calls it gets numbers or a revert."""
    program = contract.functions.PROGRAM().call()
    case, web3 = proven(), town.chain.web3
    numbers = b"".join(n.to_bytes(32, "big") for n in skill.Publics.of(case.statement).numbers)
    data = case.statement.encode() + case.proof[BODY:] + numbers
    before = web3.eth.get_block("latest")["number"]
    out = web3.eth.call({"to": program, "data": data, "gas": CLAIM_GAS})
    assert len(out) == 32 * 10
    with pytest.raises(TransactionFailed):  # scalars that are none
        web3.eth.call({"to": program, "data": b"\xff" * len(data), "gas": CLAIM_GAS})
    assert web3.eth.get_block("latest")["number"] == before


# -- what stands on the chain ----------------------------------------------------------------------------------------

SHA256 = {
    verifier.program_code: "e357bca460eced8ebb74b26b9e3dc1d0bef83905661e7948213c6ec29c824362",
    verifier.green_program_code: "80ef9b26a88bc78e1fd1c05ecf57d04330787cfcfad9d3abc849026ca4cf7ced",
    verifier.ceremony_code: "1d1dd8d728818aad1789130c79b1d0283bebd370bd43292729c7810c393206ec",
}


@pytest.mark.parametrize("made", list(SHA256), ids=lambda made: made.__name__)
def test_what_communities_have_deployed_is_what_is_made_now(made: Callable[[], bytes]) -> None:
    """Where this fails, audits of chains that are in use will find other code: say so in CHANGELOG.md."""
    assert hashlib.sha256(made()).hexdigest() == SHA256[made]


def test_the_code_on_the_chain_is_what_this_version_compiles(town: Town) -> None:
    assert differences(town.chain, town.contracts, COMMUNITY) == []


PARTS = {
    "program": ["the verifier's program"],
    "ceremony": ["the ceremony's points"],
    "community": ["the verifier's community"],
    "rewards": ["the verifier that rewards asks"],
    "verifier": ["the code of skill_verifier"],
}


@pytest.mark.parametrize("part", list(PARTS))
def test_another_part_is_told_from_the_right_one(part: str, changed: Callable[[str], Contracts], town: Town) -> None:
    assert differences(town.chain, changed(part), COMMUNITY) == PARTS[part]


def test_another_contract_for_green_shares_is_told(town: Town) -> None:
    right, record = town.contracts, town.contracts.household_nft
    assert right.green_share is not None and right.skill_verifier is not None
    asked = right.green_share.functions
    parts = {
        "forecasts": right.forecast_registry.address, "record": record.address, "community": COMMUNITY,
        "program": asked.PROGRAM().call(), "ceremony": asked.CEREMONY().call(), "budget": 10, "rate": 1,
    }  # fmt: skip
    wrong = {
        "record": (right.rewards.address, "the contracts that green shares ask"),
        "community": (b"\x0d" * 32, "the community of green shares"),
        "program": (asked.CEREMONY().call(), "the program of green shares"),
        "ceremony": (asked.PROGRAM().call(), "the ceremony's points of green shares"),
    }
    for part, (value, told) in wrong.items():
        other = town.chain.deploy(town.operator, artefact("green_share"), *(parts | {part: value}).values())
        found = differences(town.chain, replace(right, green_share=other), COMMUNITY)
        assert found == ["who notes green days", "the green shares that rewards pays", told], part
    assert differences(town.chain, replace(right, green_share=None), COMMUNITY) == ["who notes green days"]
    another = replace(right, green_share=right.rewards)
    assert differences(town.chain, another, COMMUNITY) == ["the code of green_share"]


def test_an_auditor_in_the_place_of_a_verifier_is_told(town: Town) -> None:
    (found,) = differences(town.chain, replace(town.contracts, skill_verifier=None), COMMUNITY)
    assert "auditor" in found


@pytest.fixture
def changed(town: Town) -> Callable[[str], Contracts]:
    """The town's contracts with one part of the verifier changed."""

    def made(part: str) -> Contracts:
        codes = {"program": verifier.program_code(), "ceremony": verifier.ceremony_code()}
        if part in codes:
            codes[part] = codes[part][:-1] + bytes([codes[part][-1] ^ 1])
        parts = [
            town.chain.deploy(town.operator, Artefact(name, [], creation(code).hex())).address
            for name, code in codes.items()
        ]
        if part == "verifier":
            return replace(town.contracts, skill_verifier=town.chain.contract(artefact("skill_verifier"), parts[0]))
        community = b"\x0d" * 32 if part == "community" else COMMUNITY
        contract = town.chain.deploy(town.operator, artefact("skill_verifier"), community, *parts)
        c = replace(town.contracts, skill_verifier=contract)
        if part == "rewards":
            return c
        others = (d.address for d in (c.forecast_registry, c.reward_token, c.household_nft, contract))
        return replace(
            c, rewards=town.chain.deploy(town.operator, artefact("rewards"), *others, *2 * [_NOBODY], 1, 1, 1, 1)
        )

    return made
