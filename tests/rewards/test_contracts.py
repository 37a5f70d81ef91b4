"""The contracts: what they accept, and each refusal with its own word."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from eth.vm.forks.cancun import CancunVM
from eth_account import Account
from eth_hash.auto import keccak
from eth_tester import EthereumTester, PyEVMBackend
from web3 import EthereumTesterProvider, Web3

from rewards.chain import _BANK, Chain
from rewards.claims import REWARD_GAS, holdings
from rewards.deploy import Addresses, Contracts, deploy, deploy_verifier
from rewards.errors import (
    AlreadyClaimed,
    DuplicateForecast,
    HeadExists,
    LateForecast,
    LateRound,
    NoPrecompiles,
    OldRound,
    OutdatedContracts,
    Refused,
    UnknownHousehold,
    UnknownRound,
    WrongHead,
    WrongMeter,
)
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD
from tests.rewards.conftest import COMMUNITY, DAY, DAY_START, TIER, Town, account, founded, proven, signature

OTHER, PROOF = b"\x80" + b"\x08" * 47, b"\x05" * 32


def publish(town: Town, round: int) -> None:
    town.chain.send(town.operator, town.contracts.model_registry.functions.publish(round, bytes([round + 1]) * 32))


def submit(
    town: Town, *, day: int = DAY, round: int = 1, head: bytes = NO_HEAD, commitment: bytes | None = None
) -> None:
    known = commitment or proven(day, round).statement.forecast
    call = town.contracts.forecast_registry.functions.submit(day, round, head, known, PROOF)
    town.chain.send(town.household, call)


def reward(town: Town, *, day: int = DAY, by: int = 9, signer: int = 3, signed_day: int | None = None) -> None:
    """Sent by a stranger, unless it is said by whom."""
    case = proven(day)
    actual, naive = case.statement.actual, case.statement.naive
    call = town.contracts.rewards.functions.reward(
        town.household.address, day, TIER,
        actual, signature(day if signed_day is None else signed_day, actual, signer=signer),
        naive, signature(day - 7, naive), case.proof, case.ordinates,
    )  # fmt: skip
    town.chain.fund(account(by).address)
    town.chain.send(account(by), call, REWARD_GAS)


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
    assert tuple(kept) == (proven().statement.forecast, 1, PROOF)


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
    submit(town, day=lost)
    for day in (DAY - 1, DAY + 2):
        submit(town, day=day)
    town.chain.advance_to(DAY_START + 3 * 86_400)
    for day in (DAY - 1, DAY + 2):
        reward(town, day=day)
    record = town.contracts.household_nft.functions.record_of(town.household.address).call()
    assert tuple(record)[:2] == (2, 1), "two days, none in a row: a lost day and a withheld one count the same"
    assert holdings(town.chain, town.contracts, town.household.address).tokens == 2 * (10**18 + 20 * 10**17)
    with pytest.raises(LateForecast):
        submit(town, day=withheld)


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


def test_a_proven_day_pays_tokens_and_changes_the_record(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    reward(town)
    kept = holdings(town.chain, town.contracts, town.household.address)
    assert kept.tokens == 10**18 + 20 * 10**17
    assert kept.metadata is not None
    traits = {a["trait_type"]: a["value"] for a in kept.metadata["attributes"]}
    assert traits == {"level": 1, "days": 1, "streak": 1, "best tier": 20}


def test_a_day_is_paid_once_and_not_before_it_is_over(town: Town) -> None:
    submit(town)
    with pytest.raises(Refused, match="day is not over"):
        reward(town)
    town.chain.advance_to(DAY_START + 86_400)
    reward(town)
    with pytest.raises(AlreadyClaimed):
        reward(town)


def test_a_day_without_a_forecast_is_not_paid(town: Town) -> None:
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="no forecast"):
        reward(town)


@pytest.mark.parametrize("forged", [{"signer": 4}, {"signed_day": DAY + 1}])
def test_readings_not_signed_by_the_meter_for_that_day_are_refused(town: Town, forged: dict[str, int]) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(WrongMeter):
        reward(town, **forged)


def test_a_strangers_call_pays_the_household_and_nobody_but_the_contract_mints(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    reward(town, by=9)
    assert holdings(town.chain, town.contracts, town.household.address).tokens == 10**18 + 20 * 10**17
    assert holdings(town.chain, town.contracts, account(9).address).tokens == 0
    with pytest.raises(Refused, match="access is denied"):
        town.chain.send(town.operator, town.contracts.reward_token.functions.mint(town.operator.address, 1))
    with pytest.raises(Refused, match="caller is not the owner"):
        town.chain.send(
            town.operator, town.contracts.household_nft.functions.record_day(town.household.address, DAY, 5)
        )


def test_the_event_has_the_proofs_hash(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    reward(town)
    (event,) = town.contracts.rewards.events.Rewarded().get_logs(from_block=0)
    assert bytes(event["args"]["proof_hash"]) == keccak(proven().proof)


def test_without_a_verifier_nobody_but_the_auditor_pays() -> None:
    """The setting for a chain without BLS12-381: the contract takes the auditor's word for the proof."""
    chain = Chain.embedded(start_time=DAY_START - 5 * 86_400)
    town = founded(chain, RewardSettings(verifier="auditor"))
    assert town.contracts.skill_verifier is None
    submit(town)
    chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="caller is not the owner"):
        reward(town, by=9)
    reward(town, by=1)
    assert holdings(chain, town.contracts, town.household.address).tokens == 10**18 + 20 * 10**17


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


def test_the_record_stays_with_its_household_which_may_burn_it(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    reward(town)
    nft, me = town.contracts.household_nft.functions, town.household.address
    with pytest.raises(Refused, match="bound to its household"):
        town.chain.send(town.household, nft.transferFrom(me, town.operator.address, int(me, 16)))
    town.chain.send(town.household, nft.burn())
    assert holdings(town.chain, town.contracts, me).metadata is None
    assert tuple(nft.record_of(me).call()) == (0, 0, 0, 0, 0)
