"""The contracts: what they accept, and each refusal with its own word."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from eth.vm.forks.cancun import CancunVM
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from eth_tester import EthereumTester, PyEVMBackend
from web3 import EthereumTesterProvider, Web3

from data.meter import DOMAIN, TYPES
from rewards.chain import _BANK, Chain
from rewards.claims import CLAIM_GAS, Claim, claim_call, claims_close, holdings, pay_day
from rewards.deploy import Addresses, Contracts, deploy, deploy_verifier
from rewards.errors import (
    AlreadyClaimed,
    AlreadyCollected,
    CapReached,
    ClaimsOpen,
    DuplicateForecast,
    EarlyForecast,
    HeadExists,
    LateClaim,
    LateForecast,
    LateRound,
    MembershipRefused,
    MeterElsewhere,
    NoPrecompiles,
    NotFinal,
    NotTheHousehold,
    OldRound,
    OutdatedContracts,
    Paused,
    Refused,
    UnknownHousehold,
    UnknownRound,
    WrongHead,
    WrongMeter,
)
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD, forecast_digest
from tests.rewards.conftest import (
    BUCKETS,
    COMMUNITY,
    DAY,
    DAY_START,
    Town,
    account,
    enrol,
    founded,
    proven,
    signatures,
)

pytestmark = pytest.mark.slow

OTHER, PROOF = b"\x80" + b"\x08" * 47, b"\x05" * 32


def publish(town: Town, round: int) -> None:
    town.chain.send(town.operator, town.contracts.model_registry.functions.publish(round, bytes([round + 1]) * 32))


def submit(
    town: Town, *, day: int = DAY, round: int = 1, head: bytes = NO_HEAD, commitment: bytes | None = None
) -> None:
    known = commitment or proven(day, round).statement.forecast
    call = town.contracts.forecast_registry.functions.submit(day, round, head, known, PROOF)
    town.chain.send(town.household, call)


def claim(town: Town, *, day: int = DAY, by: int = 9, signer: int = 3, household: int = 2) -> None:
    """Sent by a stranger, unless it is said by whom."""
    case = proven(day, household=household)
    town.chain.fund(account(by).address)
    known = Claim(case.statement, PROOF, case.proof, signatures(case, household=household, signer=signer))
    town.chain.send(account(by), claim_call(town.contracts, known), CLAIM_GAS)


def close_claims(town: Town, day: int = DAY) -> None:
    town.chain.advance_to(claims_close(town.contracts, day))


def settle(town: Town, *days: int) -> int:
    """Close, finalise, collect; what the household was paid for these days."""
    close_claims(town, max(days))
    return sum(
        pay_day(town.chain, town.contracts, town.operator, day, [town.household.address])[town.household.address]
        for day in days
    )


def traits(town: Town) -> dict[str, int]:
    kept = holdings(town.chain, town.contracts, town.household.address).metadata
    assert kept is not None
    return {a["trait_type"]: a["value"] for a in kept["attributes"]}


def test_a_round_is_published_once_and_by_the_coordinator_only(town: Town) -> None:
    models = town.contracts.model_registry.functions
    with pytest.raises(Refused, match="round is published"):
        town.chain.send(town.operator, models.publish(1, b"\x02" * 32))
    with pytest.raises(Refused, match="caller is not the owner"):
        town.chain.send(town.household, models.publish(2, b"\x02" * 32))
    assert models.digest_of(1).call() == b"\x01" * 32


def test_a_forecast_is_kept_with_its_round_and_proof(town: Town) -> None:
    submit(town)
    kept = town.contracts.forecast_registry.functions.forecast_of(town.household.address, DAY).call()
    assert bytes(kept) == forecast_digest(proven().statement.forecast, 1, PROOF)
    (event,) = town.contracts.forecast_registry.events.Committed().get_logs(from_block=0)
    assert (event["args"]["commitment"], event["args"]["round"]) == (proven().statement.forecast, 1)


def test_a_forecast_after_the_deadline_is_late(town: Town) -> None:
    town.chain.advance_to(DAY_START + 3600 + 1)
    with pytest.raises(LateForecast):
        submit(town)


def test_a_forecast_is_taken_until_the_grace_after_its_days_start_is_over(town: Town) -> None:
    town.chain.advance_to(DAY_START + 3600)
    submit(town)


def test_a_model_published_after_the_day_has_begun_is_no_model_of_that_day(town: Town) -> None:
    """The attack: see the first hour, then make a model that fits it. One second counts."""
    town.chain.advance_to(DAY_START)
    publish(town, 2)
    with pytest.raises(LateRound):
        submit(town, round=2)
    submit(town, round=1)
    submit(town, day=DAY + 1, round=2)


def test_a_round_that_another_had_replaced_is_no_choice(town: Town) -> None:
    """The attack: keep old models at hand and take, within the grace, the one that fits the first hour best."""
    town.chain.advance_to(DAY_START - 1)
    publish(town, 2)
    town.chain.advance_to(DAY_START + 1800)
    with pytest.raises(OldRound):
        submit(town, round=1)
    submit(town, round=2)


def test_exactly_one_of_many_rounds_is_in_force_on_each_day(town: Town) -> None:
    moments = {2: DAY_START - 86_400 - 1, 4: DAY_START - 86_400, 5: DAY_START - 1, 9: DAY_START}
    for round, moment in moments.items():
        town.chain.advance_to(moment)
        publish(town, round)
    for day, in_force in ((DAY, 5), (DAY + 1, 9)):
        for round in {1, *moments} - {in_force}:
            with pytest.raises((LateRound, OldRound)):
                submit(town, day=day, round=round)
        submit(town, day=day, round=in_force)


def test_rounds_are_published_in_their_order(town: Town) -> None:
    publish(town, 5)
    for round in (0, 3, 5):
        with pytest.raises(Refused, match="round is published"):
            publish(town, round)


def test_keeping_a_forecast_back_after_the_first_hour_gains_nothing(town: Town) -> None:
    """What is left to a household is to stay away. That is worth no more than handing in and losing the day."""
    lost, withheld = DAY, DAY + 1
    town.chain.advance_to(DAY_START)
    submit(town, day=lost)
    submit(town, day=DAY + 2)
    town.chain.advance_to(DAY_START + 3 * 86_400)
    claim(town, day=DAY + 2)
    assert settle(town, DAY + 2) == BUCKETS * 10**18
    assert (traits(town)["days"], traits(town)["streak"]) == (1, 1), "a lost day and a withheld one count the same"
    with pytest.raises(LateForecast):
        submit(town, day=withheld)


def test_a_forecast_is_taken_from_two_days_before_its_day_on(town: Town) -> None:
    """The attack: hand in a month ahead by a round without a head, and be paid after newer rounds and heads."""
    with pytest.raises(EarlyForecast):
        submit(town, day=DAY + 1)
    with pytest.raises(EarlyForecast):
        submit(town, day=2**32 - 1)
    town.chain.advance_to(DAY_START - 86_400)
    submit(town, day=DAY + 1)


def pin(town: Town, digest: bytes, round: int = 1) -> None:
    town.chain.send(town.household, town.contracts.forecast_registry.functions.pin_head(round, digest))


def test_from_the_day_after_its_pinning_on_a_head_must_be_used_and_not_before(town: Town) -> None:
    """The attack: see the first hour of a day, then make a head that says what it is. One second counts."""
    head, registry = b"\x09" * 32, town.contracts.forecast_registry.functions
    town.chain.advance_to(DAY_START)
    pin(town, head)
    assert registry.head_in_force(town.household.address, 1, DAY).call() == NO_HEAD
    assert registry.head_in_force(town.household.address, 1, DAY + 1).call() == head
    for day, wrong in ((DAY, head), (DAY + 1, NO_HEAD), (DAY + 1, b"\x0a" * 32)):
        with pytest.raises(WrongHead):
            submit(town, day=day, head=wrong)
    submit(town, day=DAY)
    submit(town, day=DAY + 1, head=head)


def test_a_head_is_pinned_once_to_each_round(town: Town) -> None:
    """The attack: a new head every day, made to say what the household has in mind for that day."""
    pin(town, b"\x09" * 32)
    with pytest.raises(HeadExists):
        pin(town, b"\x0a" * 32)
    publish(town, 2)
    pin(town, b"\x0a" * 32, round=2)
    digest, _ = town.contracts.forecast_registry.functions.head_of(town.household.address, 1).call()
    assert digest == b"\x09" * 32
    with pytest.raises(WrongHead):  # each round has its own
        submit(town, round=2, head=b"\x09" * 32)
    submit(town, round=2, head=b"\x0a" * 32)


def test_only_enrolled_households_pin_heads_to_known_rounds(town: Town) -> None:
    with pytest.raises(UnknownRound):
        pin(town, b"\x09" * 32, round=9)
    with pytest.raises(Refused, match="empty digest"):
        pin(town, NO_HEAD)
    town.chain.send(town.household, town.contracts.forecast_registry.functions.leave())
    with pytest.raises(UnknownHousehold):
        pin(town, b"\x09" * 32)


def test_a_second_forecast_for_a_day_is_refused(town: Town) -> None:
    submit(town)
    with pytest.raises(DuplicateForecast):
        submit(town, commitment=OTHER)


def test_only_enrolled_households_and_known_rounds_are_taken(town: Town) -> None:
    with pytest.raises(UnknownRound):
        submit(town, round=9)
    town.chain.send(town.household, town.contracts.forecast_registry.functions.leave())
    with pytest.raises(UnknownHousehold):
        submit(town)


# -- a day's three steps ---------------------------------------------------------------------------------------------


def test_a_day_is_claimed_then_final_then_paid_and_changes_the_record(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    claim(town)
    assert holdings(town.chain, town.contracts, town.household.address).tokens == 0
    with pytest.raises(ClaimsOpen):
        pay_day(town.chain, town.contracts, town.operator, DAY, [town.household.address])
    assert settle(town, DAY) == BUCKETS * 10**18
    assert holdings(town.chain, town.contracts, town.household.address).tokens == BUCKETS * 10**18
    assert traits(town) == {
        "level": 1, "days": 1, "streak": 1, "best streak": 1, "error avoided (100 Wh)": BUCKETS, "green days": 0,
        "best day (100 Wh avoided)": BUCKETS,
    }  # fmt: skip
    again = pay_day(town.chain, town.contracts, town.operator, DAY, [town.household.address])
    assert again == {town.household.address: BUCKETS * 10**18}, "told again, and not paid again"
    assert holdings(town.chain, town.contracts, town.household.address).tokens == BUCKETS * 10**18


def test_a_day_is_claimed_once_and_not_before_it_is_over(town: Town) -> None:
    submit(town)
    with pytest.raises(Refused, match="day is not over"):
        claim(town)
    town.chain.advance_to(DAY_START + 86_400)
    claim(town)
    with pytest.raises(AlreadyClaimed):
        claim(town)


def test_a_day_is_not_claimed_when_two_weeks_are_over(town: Town) -> None:
    """One second counts."""
    submit(town)
    close_claims(town)
    with pytest.raises(LateClaim):
        claim(town)


def test_a_day_is_collected_once_after_it_is_final(town: Town) -> None:
    rewards, who = town.contracts.rewards.functions, town.household.address
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="claims are open"):
        town.chain.send(town.operator, rewards.finalise(DAY))
    claim(town)
    with pytest.raises(NotFinal):
        town.chain.send(town.operator, rewards.collect(who, DAY))
    close_claims(town)
    town.chain.send(town.household, rewards.finalise(DAY))
    with pytest.raises(Refused, match="day is final"):
        town.chain.send(town.operator, rewards.finalise(DAY))
    town.chain.send(town.operator, rewards.collect(who, DAY))
    with pytest.raises(AlreadyCollected):
        town.chain.send(town.operator, rewards.collect_many([who], DAY))
    with pytest.raises(Refused, match="no claim"):
        town.chain.send(town.operator, rewards.collect(account(9).address, DAY))


def test_a_day_that_nobody_claimed_is_not_finalised(town: Town) -> None:
    close_claims(town)
    with pytest.raises(Refused, match="nothing claimed"):
        town.chain.send(town.operator, town.contracts.rewards.functions.finalise(DAY))


def test_a_day_without_a_forecast_is_not_claimed(town: Town) -> None:
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="no forecast"):
        claim(town)


def test_readings_not_signed_by_the_meter_are_refused(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(WrongMeter):
        claim(town, signer=4)


def test_a_strangers_call_pays_the_household_and_nobody_but_the_contract_mints(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    claim(town, by=9)
    settle(town, DAY)
    assert holdings(town.chain, town.contracts, account(9).address).tokens == 0
    assert town.contracts.reward_token.functions.totalSupply().call() == BUCKETS * 10**18
    for by in (town.operator, town.household):
        with pytest.raises(Refused, match="not the minter"):
            town.chain.send(by, town.contracts.reward_token.functions.mint(by.address, 1))
        with pytest.raises(Refused, match="not the minter"):
            town.chain.send(by, town.contracts.household_nft.functions.record_day(by.address, DAY, 5))


def test_every_step_is_told_by_an_event(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    claim(town)
    settle(town, DAY)
    told = {
        name: [dict(e["args"]) for e in town.contracts.rewards.events[name]().get_logs(from_block=0)]
        for name in ("Claimed", "Finalised", "Rewarded")
    }
    who = town.household.address
    assert told == {
        "Claimed": [
            {
                "household": who,
                "day": DAY,
                "buckets": BUCKETS,
                "granted": BUCKETS,
                "proof_hash": keccak(proven().proof),
            }
        ],
        "Finalised": [{"day": DAY, "total": BUCKETS, "rate": 10**18}],
        "Rewarded": [{"household": who, "day": DAY, "buckets": BUCKETS, "amount": BUCKETS * 10**18}],
    }


def test_what_was_earned_before_leaving_or_before_the_meter_was_exchanged_is_paid(town: Town) -> None:
    registry = town.contracts.forecast_registry.functions
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    town.chain.send(town.household, registry.leave())
    town.chain.send(town.operator, registry.assign_meter(town.household.address, account(7).address, DAY + 2))
    claim(town)
    assert settle(town, DAY) == BUCKETS * 10**18


def test_the_budget_of_a_day_is_shared_out_and_caps_hold() -> None:
    """By an auditor's word, so that any number can be claimed."""
    settings = RewardSettings(verifier="auditor", bucket_amount=10, day_budget=600, day_cap=50, year_cap=70)
    town = founded(Chain.embedded(start_time=DAY_START - 2 * 86_400), settings)
    registry = town.contracts.forecast_registry.functions
    homes = [town.household, account(21), account(22)]
    for k, home in enumerate(homes[1:]):
        town.chain.fund(home.address)
        town.chain.send(town.operator, registry.assign_meter(home.address, account(31 + k).address, DAY - 60))
        enrol(town, home)
    meters = [3, 31, 32]

    def by_word(day: int, wishes: dict[int, int]) -> list[int]:
        for who in wishes:
            call = registry.submit(day, 1, NO_HEAD, proven().statement.forecast, PROOF)
            town.chain.send(homes[who], call)
        town.chain.advance_to(DAY_START + (day - DAY + 1) * 86_400)
        for who, buckets in wishes.items():
            case = proven(day)
            signed = []
            for back, c in zip((0, *range(7, 14)), (case.statement.actual, *case.statement.benchmarks), strict=True):
                content = {"household": homes[who].address, "day": day - back, "commitment": c}
                signed.append(
                    bytes(
                        account(meters[who]).sign_message(encode_typed_data(DOMAIN, TYPES["load"], content)).signature
                    )
                )
            days = b"".join((case.statement.actual, *case.statement.benchmarks))
            call = town.contracts.rewards.functions.claim(
                homes[who].address,
                day,
                buckets,
                1,
                proven().statement.forecast,
                PROOF,
                days,
                b"".join(signed),
                b"word",
                b"",
            )
            town.chain.send(town.operator, call)
        return [int(town.contracts.rewards.functions.claim_of(h.address, day).call()[1]) for h in homes]

    assert by_word(DAY, {0: 50, 1: 65_535, 2: 20}) == [50, 50, 20], "at most 50 of a meter on a day"
    assert by_word(DAY + 1, {0: 50, 1: 1}) == [20, 1, 0], "at most 70 of a meter in a year"
    with pytest.raises(CapReached):
        by_word(DAY + 2, {0: 1})
    close_claims(town, DAY + 1)
    everybody = [h.address for h in homes]
    first = pay_day(town.chain, town.contracts, town.operator, DAY, everybody)
    assert list(first.values()) == [250, 250, 100], "600 shared out over 120 buckets"
    second = pay_day(town.chain, town.contracts, town.operator, DAY + 1, everybody)
    assert list(second.values()) == [200, 10], "the highest rate, and the rest of the budget stays"
    supply = town.contracts.reward_token.functions.totalSupply().call()
    assert supply == sum(first.values()) + sum(second.values())


def test_without_a_verifier_nobody_but_the_auditor_claims() -> None:
    """The setting for a chain without BLS12-381: the contract takes the auditor's word for the proof."""
    town = founded(Chain.embedded(start_time=DAY_START - 2 * 86_400), RewardSettings(verifier="auditor"))
    assert town.contracts.skill_verifier is None
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="caller is not the owner"):
        claim(town, by=9)
    claim(town, by=1)
    assert settle(town, DAY) == BUCKETS * 10**18


def test_a_chain_without_the_curve_is_told_apart_and_can_have_an_auditor() -> None:
    tester = EthereumTester(PyEVMBackend(vm_configuration=((0, CancunVM),)))
    chain = Chain(Web3(EthereumTesterProvider(tester)), tester)
    later = int(tester.get_block_by_number("latest")["timestamp"]) + 100
    chain.reset_clock(later)
    rich = tester.backend.account_keys[0].to_bytes()
    operator = Account.from_key(rich)
    with pytest.raises(NoPrecompiles, match=r"rewards\.verifier"):
        deploy_verifier(chain, operator, COMMUNITY)
    tester.send_transaction({"from": operator.address, "to": _BANK.address, "value": 5 * 10**23, "gas": 21_000})
    chain.reset_clock(later + 1)
    assert deploy(chain, operator, RewardSettings(verifier="auditor"), 8, COMMUNITY).skill_verifier is None


def test_addresses_are_kept_with_and_without_a_verifier(town: Town, tmp_path: Path) -> None:
    known, path = town.contracts.addresses, tmp_path / "contracts.json"
    for addresses in (known, replace(known, skill_verifier=None)):
        path.write_bytes(addresses.to_json())
        assert Addresses.read(path) == addresses
        assert Contracts.of(town.chain, addresses).addresses == addresses


def test_addresses_of_another_version_are_named_with_what_to_do(town: Town, tmp_path: Path) -> None:
    path = tmp_path / "contracts.json"
    old = asdict(town.contracts.addresses)
    del old["skill_verifier"]
    path.write_text(json.dumps(old), encoding="utf-8")
    with pytest.raises(OutdatedContracts, match=r"contracts\.json .*wattproof migrate"):
        Addresses.read(path)


# -- who may what ----------------------------------------------------------------------------------------------------


def test_a_meter_is_at_one_household_at_a_time(town: Town) -> None:
    """The attack: one meter for three addresses, each paid for the same empty home."""
    assign, other = town.contracts.forecast_registry.functions.assign_meter, account(8).address
    with pytest.raises(MeterElsewhere):
        town.chain.send(town.operator, assign(other, town.meter.address, DAY))
    town.chain.send(town.operator, assign(town.household.address, account(7).address, DAY + 2))
    with pytest.raises(MeterElsewhere):
        town.chain.send(town.operator, assign(other, town.meter.address, DAY + 1))
    town.chain.send(town.operator, assign(other, town.meter.address, DAY + 2))
    meter_at = town.contracts.forecast_registry.functions.meter_at
    assert meter_at(town.household.address, DAY + 1).call() == town.meter.address
    assert meter_at(town.household.address, DAY + 2).call() == account(7).address
    assert meter_at(other, DAY + 2).call() == town.meter.address
    assert int(meter_at(town.household.address, DAY - 61).call(), 16) == 0


def test_a_later_meter_takes_over_on_a_day_that_has_not_begun(town: Town) -> None:
    """The attack: with a meter of one's own from last week on, last week can be signed anew."""
    assign = town.contracts.forecast_registry.functions.assign_meter
    town.chain.advance_to(DAY_START)
    for day in (DAY - 61, DAY - 60, DAY - 1, DAY):
        with pytest.raises(Refused, match="day has begun"):
            town.chain.send(town.operator, assign(town.household.address, account(7).address, day))
    town.chain.send(town.operator, assign(town.household.address, account(7).address, DAY + 1))


def test_the_meter_authority_is_another_than_the_operator_and_hands_over_in_two_steps() -> None:
    distributor, follower = account(11), account(12)
    settings = RewardSettings(verifier="auditor", meter_authority=distributor.address)
    chain = Chain.embedded(start_time=DAY_START - 2 * 86_400)
    operator = account(1)
    contracts = deploy(chain, operator, settings, 8, COMMUNITY)
    registry = contracts.forecast_registry.functions
    for who in (distributor, follower):
        chain.fund(who.address)
    with pytest.raises(Refused, match="wrong authority"):
        chain.send(operator, registry.assign_meter(account(2).address, account(3).address, DAY))
    chain.send(distributor, registry.assign_meter(account(2).address, account(3).address, DAY))
    with pytest.raises(Refused, match="not the owner"):
        chain.send(distributor, registry.enrol(account(2).address, 2**63, bytes(65)))
    chain.send(distributor, registry.transfer_authority(follower.address))
    with pytest.raises(Refused, match="wrong authority"):
        chain.send(operator, registry.accept_authority())
    assert registry.authority().call() == distributor.address
    chain.send(follower, registry.accept_authority())
    assert registry.authority().call() == follower.address


@pytest.mark.parametrize(
    "name", ["model_registry", "forecast_registry", "reward_token", "household_nft", "rewards", "green_share"]
)
def test_ownership_moves_in_two_steps(name: str, town: Town) -> None:
    contract = getattr(town.contracts, name).functions
    town.chain.send(town.operator, contract.transfer_ownership(town.household.address))
    assert contract.owner().call() == town.operator.address
    town.chain.send(town.household, contract.accept_ownership())
    assert contract.owner().call() == town.household.address


def typed(town: Town, kind: str, nonce: int, deadline: int, signer: int = 2, contract: str | None = None) -> bytes:
    domain = {
        "name": "Wattproof registry", "version": "1", "chainId": town.chain.chain_id,
        "verifyingContract": contract or str(town.contracts.forecast_registry.address),
    }  # fmt: skip
    fields = [("household", "address"), ("nonce", "uint256"), ("deadline", "uint256")]
    types = {kind: [{"name": name, "type": solidity} for name, solidity in fields]}
    content = {"household": town.household.address, "nonce": nonce, "deadline": deadline}
    return bytes(account(signer).sign_message(encode_typed_data(domain, types, content)).signature)


def test_a_household_leaves_and_comes_back_by_its_own_word_only(town: Town) -> None:
    registry, who = town.contracts.forecast_registry.functions, town.household.address
    deadline = town.chain.now + 3600
    leaving = typed(town, "Leaving", 1, deadline)
    for wrong in (
        typed(town, "Leaving", 1, deadline, signer=4),
        typed(town, "Leaving", 2, deadline),
        typed(town, "Leaving", 1, deadline, contract=str(town.contracts.rewards.address)),
        typed(town, "ComingBack", 1, deadline),
    ):
        with pytest.raises(Refused, match="not the household"):
            town.chain.send(town.operator, registry.leave_by_signature(who, deadline, wrong))
    town.chain.send(town.operator, registry.leave_by_signature(who, deadline, leaving))
    with pytest.raises(UnknownHousehold):
        submit(town)
    with pytest.raises(MembershipRefused, match="household has left"):
        enrol(town, town.household)
    back = typed(town, "ComingBack", 2, deadline)
    town.chain.send(town.operator, registry.come_back_by_signature(who, deadline, back))
    submit(town)
    with pytest.raises(Refused, match="not the household"):  # used
        town.chain.send(town.operator, registry.leave_by_signature(who, deadline, leaving))
    town.chain.advance_to(deadline + 1)
    with pytest.raises(Refused, match="signature is late"):
        late = typed(town, "Leaving", 3, deadline)
        town.chain.send(town.operator, registry.leave_by_signature(who, deadline, late))


def test_nobody_is_taken_in_who_has_not_signed_for_it(town: Town) -> None:
    """The attack: an operator enrols addresses of its own choice, and says that they had agreed."""
    other, deadline = account(8), town.chain.now + 3600
    domain = {
        "name": "Wattproof registry", "version": "1", "chainId": town.chain.chain_id,
        "verifyingContract": str(town.contracts.forecast_registry.address),
    }  # fmt: skip
    types = {
        "Enrolment": [
            {"name": "household", "type": "address"},
            {"name": "nonce", "type": "uint256"},
            {"name": "deadline", "type": "uint256"},
        ]
    }

    def signed(signer: int, **changed: Any) -> bytes:
        content = {"household": other.address, "nonce": 0, "deadline": deadline}
        message = encode_typed_data(domain | changed, types, content)
        return bytes(account(signer).sign_message(message).signature)

    take_in = town.contracts.forecast_registry.functions.enrol
    for wrong in (
        signed(1),
        signed(8, chainId=town.chain.chain_id + 1),
        signed(8, verifyingContract=str(town.contracts.rewards.address)),
    ):
        with pytest.raises(NotTheHousehold):
            town.chain.send(town.operator, take_in(other.address, deadline, wrong))
    with pytest.raises(NotTheHousehold):
        town.chain.send(town.operator, take_in(other.address, deadline + 1, signed(8)))
    town.chain.fund(other.address)
    with pytest.raises(Refused, match="not the owner"):
        town.chain.send(other, take_in(other.address, deadline, signed(8)))
    town.chain.send(town.operator, take_in(other.address, deadline, signed(8)))
    with pytest.raises(MembershipRefused, match="household is enrolled"):
        town.chain.send(town.operator, take_in(other.address, deadline, signed(8)))


def test_what_is_paused_says_so_and_leaving_goes_on(town: Town) -> None:
    registry = town.contracts.forecast_registry.functions
    with pytest.raises(Refused, match="not the owner"):
        town.chain.send(town.household, registry.pause())
    town.chain.send(town.operator, registry.pause())
    with pytest.raises(Paused):
        submit(town)
    town.chain.send(town.operator, registry.unpause())
    submit(town)
    town.chain.send(town.operator, town.contracts.rewards.functions.pause())
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Paused):
        claim(town)
    town.chain.send(town.operator, registry.pause())
    town.chain.send(town.household, registry.leave())


def test_a_rewards_contract_is_replaced_a_week_after_that_was_told_and_tokens_stay(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    claim(town)
    settle(town, DAY)
    for minted in (town.contracts.reward_token.functions, town.contracts.household_nft.functions):
        with pytest.raises(Refused, match="not the owner"):
            town.chain.send(town.household, minted.propose_minter(town.household.address))
        town.chain.send(town.operator, minted.propose_minter(account(40).address))
        with pytest.raises(Refused, match="timelock"):
            town.chain.send(town.operator, minted.accept_minter())
        assert minted.minter().call() == town.contracts.rewards.address
    town.chain.advance_to(town.chain.now + 7 * 86_400)
    for minted in (town.contracts.reward_token.functions, town.contracts.household_nft.functions):
        town.chain.send(town.operator, minted.accept_minter())
        assert minted.minter().call() == account(40).address
    assert holdings(town.chain, town.contracts, town.household.address).tokens == BUCKETS * 10**18
    assert traits(town)["days"] == 1
