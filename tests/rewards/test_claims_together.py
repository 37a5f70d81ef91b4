"""Claims of many households in one transaction: each is taken or refused by itself, no wrong proof passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_hash.auto import keccak
from web3.logs import DISCARD

from rewards import claims_together
from rewards.chain import Chain
from rewards.claims import Claim, Granted, claim_arguments, recall_claim
from rewards.claims_together import TOGETHER, submit_claims
from rewards.errors import AlreadyClaimed, AnotherForecast, NoForecast, Paused, ProofRefused, Refused, WrongMeter
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD
from tests.rewards.conftest import (
    BUCKETS,
    DAY,
    DAY_START,
    Proven,
    Town,
    account,
    enrol,
    founded,
    proven,
    signature,
    signatures,
)
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof
from zkp.evm.points import g1
from zkp.statements import skill
from zkp.view import messages

pytestmark = pytest.mark.slow

HASH = b"\5" * 32
HOMES = (2, 31, 32, 33)
_WITNESS, _TERM = 7, 160
_OPENING = slice(996, 1044)
"""The point of a proof that stands on the right side of its equation, and is hashed for nothing."""


def meter_of(home: int) -> int:
    return 3 if home == 2 else home + 100


def claim_of(home: int) -> Claim:
    case = proven(household=home)
    return Claim(case.statement, HASH, case.proof, signatures(case, household=home, signer=meter_of(home)))


@pytest.fixture
def street(town: Town) -> Iterator[Town]:
    """Four households with a registered forecast, on the day after."""
    registry = town.contracts.forecast_registry.functions
    for home in HOMES:
        if home != 2:
            town.chain.fund(account(home).address)
            meter = account(meter_of(home)).address
            town.chain.send(town.operator, registry.assign_meter(account(home).address, meter, DAY - 60))
            enrol(town, account(home))
        forecast = proven(household=home).statement.forecast
        town.chain.send(account(home), registry.submit(DAY, 1, NO_HEAD, forecast, HASH))
    town.chain.advance_to(DAY_START + 86_400)
    town.chain.fund(account(9).address)
    yield town


def submitted(street: Town, *claims: Claim) -> list[Any]:
    return submit_claims(street.chain, street.contracts, account(9), claims)


def total(street: Town) -> int:
    return int(street.contracts.rewards.functions.total_of(DAY).call())


def send(street: Town, *arguments: tuple[Any, ...]) -> Any:
    """The transaction as an attacker makes it, who checks nothing before."""
    call = street.contracts.rewards.functions.claim_many(list(arguments))
    return street.chain.send(account(9), call, 8_000_000)


def test_many_claims_are_taken_in_one_transaction(street: Town) -> None:
    blocks = street.chain.block
    found = submitted(street, *map(claim_of, HOMES))
    assert street.chain.block == blocks + 1
    for home, granted in zip(HOMES, found, strict=True):
        assert granted == Granted(BUCKETS, BUCKETS, keccak(proven(household=home).proof))
        assert recall_claim(street.contracts, account(home).address, DAY) == granted
    assert total(street) == len(HOMES) * BUCKETS
    assert street.chain.gas["claim_many"][-1] < len(HOMES) * 400_000


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("was claimed before", AlreadyClaimed),
        ("twice in the batch", AlreadyClaimed),
        ("no forecast", NoForecast),
        ("a day signed by another meter", WrongMeter),
        ("another forecast", InvalidProof),
        ("another number of buckets", InvalidProof),
        ("another proof", InvalidProof),
    ],
)
def test_a_wrong_claim_does_not_keep_the_others_from_being_taken(
    wrong: str, kind: type[Exception], street: Town
) -> None:
    good = [claim_of(home) for home in HOMES[1:]]
    bad = claim_of(HOMES[0])
    if wrong == "was claimed before":
        submitted(street, bad)
    elif wrong == "twice in the batch":
        bad, before = claim_of(HOMES[1]), 0
    elif wrong == "no forecast":
        case = proven(DAY - 1)
        bad = Claim(case.statement, HASH, case.proof, signatures(case))
    elif wrong == "a day signed by another meter":
        forged = signature(DAY, bad.statement.actual, signer=4)
        bad = replace(bad, signatures=(forged, *bad.signatures[1:]))
    elif wrong == "another forecast":
        bad = replace(bad, statement=replace(bad.statement, forecast=bad.statement.actual))
    elif wrong == "another number of buckets":
        bad = replace(bad, statement=replace(bad.statement, buckets=BUCKETS + 1))
    else:
        bad = replace(bad, proof=claim_of(HOMES[1]).proof)
    before = total(street)
    first, refusal, *others = submitted(street, good[0], bad, *good[1:])
    assert isinstance(refusal, kind), refusal
    assert all(isinstance(one, Granted) for one in (first, *others))
    assert total(street) == before + len(good) * BUCKETS


def test_what_the_contract_skips_it_skips_by_itself_and_says_why(street: Town) -> None:
    """Of a batch that its sender has not checked: what stands on the chain, signatures, all that the program sees."""
    good, bad = claim_arguments(claim_of(2)), claim_arguments(claim_of(31))
    case = proven(household=31)
    place = next(m.offset for m in messages(case.statement, case.proof) if m.kind == "scalars")
    no_scalar = bad[8][:place] + b"\xff" * 32 + bad[8][place + 32 :]
    off_curve = bad[9][:-48] + bytes([0x00] * 47 + [5])  # y of a benchmark's day: the sum of the days refuses it
    cases: dict[str, tuple[Any, ...]] = {
        "invalid proof": (*bad[:8], no_scalar, bad[9]),
        "another forecast": (*bad[:3], 2, *bad[4:]),
        "not the meter": (*bad[:7], good[7], *bad[8:]),
        "malformed proof": (*bad[:8], bad[8][:-1], bad[9]),
        "malformed point": (*bad[:9], off_curve),
    }
    before = street.chain.tester.take_snapshot(), street.chain.now
    for reason, other in cases.items():
        receipt = send(street, good, other)
        (told,) = street.contracts.rewards.events.Skipped().process_receipt(receipt, errors=DISCARD)
        assert told["args"]["household"] == account(31).address
        data = bytes(told["args"]["reason"])
        assert decode(["string"], data[4:]) == (reason,)
        assert total(street) == BUCKETS
        street.chain.tester.revert_to_snapshot(before[0])
        street.chain.reset_clock(before[1])


def test_a_proof_that_fails_in_the_last_equation_alone_takes_nothing_with_it(
    street: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a false claim hidden among good ones. The contract takes none of them; the library tries each."""
    own, other = proven(household=31).proof, proven(household=32).proof
    assert own[_OPENING] != other[_OPENING]
    forged = replace(claim_of(31), proof=own[: _OPENING.start] + other[_OPENING] + own[_OPENING.stop :])
    with pytest.raises(InvalidProof):
        skill.verify(forged.statement, forged.proof)
    with pytest.raises(ProofRefused, match="invalid proof"):
        send(street, claim_arguments(claim_of(2)), claim_arguments(forged), claim_arguments(claim_of(32)))
    assert total(street) == 0, "nothing is half taken"
    with monkeypatch.context() as patch:  # a sender that checks nothing before
        patch.setattr(claims_together, "check_claim", lambda *_: None)
        first, refusal, last_one = submitted(street, claim_of(2), forged, claim_of(32))
    assert isinstance(refusal, InvalidProof)
    assert isinstance(first, Granted) and isinstance(last_one, Granted)


def equation(case: Proven, contract: Any, household: int) -> bytes:
    s = case.statement
    return bytes(
        contract.functions.terms(
            account(household).address, s.context.day, s.context.round, s.buckets, s.forecast,
            b"".join((s.actual, *s.benchmarks)), case.proof, case.ordinates,
        ).call({"gas": 2_000_000})
    )  # fmt: skip


def with_witness(one: bytes, point: bytes) -> bytes:
    place = _TERM * _WITNESS
    return one[:place] + g1(point) + one[place + len(g1(point)) :]


def test_errors_of_two_proofs_do_not_cancel(town: Town) -> None:
    """The attack on a sum without weights: what one equation lacks, another has too much of."""
    contract = town.contracts.skill_verifier
    assert contract is not None
    first, second = (equation(proven(household=home), contract, home) for home in (31, 32))
    settle = contract.functions.settle
    gas = {"gas": 3_000_000}
    assert settle([first, second]).call(gas) and settle([first]).call(gas)

    def shifted(one: bytes, by: int) -> bytes:
        """The blinder's scalar, a term of the left side, changed."""
        scalar = (int.from_bytes(one[-32:], "big") + by) % MODULUS
        return one[:-32] + scalar.to_bytes(32, "big")

    assert not settle([shifted(first, 7)]).call(gas)
    assert not settle([shifted(first, 7), shifted(second, -7)]).call(gas)
    assert not settle([first, shifted(second, 1)]).call(gas)
    other = with_witness(first, proven().proof[_OPENING])
    assert not settle([other, second]).call(gas)


def test_a_batch_has_a_size_and_a_pause_stops_it(street: Town) -> None:
    one = claim_arguments(claim_of(2))
    with pytest.raises(Refused):
        send(street, *[one] * (TOGETHER + 1))
    street.chain.send(street.operator, street.contracts.rewards.functions.pause())
    found = submitted(street, claim_of(2), claim_of(31))
    assert [type(refusal) for refusal in found] == [Paused, Paused]


def test_where_an_auditor_stands_in_for_the_verifier_only_that_one_claims_for_many() -> None:
    chain = Chain.embedded(start_time=DAY_START - 2 * 86_400)
    town = founded(chain, RewardSettings(verifier="auditor"))
    registry = town.contracts.forecast_registry.functions
    chain.send(town.household, registry.submit(DAY, 1, NO_HEAD, proven().statement.forecast, HASH))
    chain.advance_to(DAY_START + 86_400)
    chain.fund(account(9).address)
    twice = [claim_of(2)] * 2
    refusals = submit_claims(chain, town.contracts, account(9), twice)
    assert [isinstance(one, Refused) and "not the owner" in str(one) for one in refusals] == [True, True]
    taken, again = submit_claims(chain, town.contracts, town.operator, twice)
    assert isinstance(taken, Granted) and isinstance(again, AlreadyClaimed)
    assert total(town) == BUCKETS


def test_nothing_is_claimed_of_a_forecast_that_another_was_registered_for(street: Town) -> None:
    """A household's claim with another one's proof and signatures."""
    stolen = claim_of(31)
    context = replace(stolen.statement.context, household=bytes.fromhex(account(32).address[2:]))
    (found,) = submitted(street, replace(stolen, statement=replace(stolen.statement, context=context)))
    assert isinstance(found, InvalidProof | AnotherForecast)
