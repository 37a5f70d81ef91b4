"""The contracts: what they accept, and each refusal with its own word."""

import pytest
from eth_account.messages import encode_typed_data

from data.meter import DOMAIN, TYPES
from rewards.claims import holdings
from rewards.errors import (
    AlreadyClaimed,
    DuplicateForecast,
    LateForecast,
    Refused,
    UnknownHousehold,
    UnknownRound,
    WrongMeter,
)
from tests.rewards.conftest import DAY, DAY_START, Town, account

COMMITMENT, OTHER, PROOF = b"\x80" + b"\x07" * 47, b"\x80" + b"\x08" * 47, b"\x05" * 32


def submit(town: Town, *, day: int = DAY, round: int = 1, commitment: bytes = COMMITMENT) -> None:
    call = town.contracts.forecast_registry.functions.submit(day, round, commitment, PROOF)
    town.chain.send(town.household, call)


def signature(town: Town, day: int, commitment: bytes, household: str | None = None, signer: int = 3) -> bytes:
    content = {"household": household or town.household.address, "day": day, "commitment": commitment}
    return bytes(account(signer).sign_message(encode_typed_data(DOMAIN, TYPES, content)).signature)


def reward(town: Town, *, tier: int = 20, by: int = 1, signer: int = 3, signed_day: int = DAY) -> None:
    call = town.contracts.rewards.functions.reward(
        town.household.address, DAY, tier, COMMITMENT, signature(town, signed_day, COMMITMENT, signer=signer),
        OTHER, signature(town, DAY - 7, OTHER), PROOF,
    )  # fmt: skip
    town.chain.send(account(by), call)


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
    assert tuple(kept) == (COMMITMENT, 1, PROOF)


def test_a_forecast_after_the_deadline_is_late(town: Town) -> None:
    town.chain.advance_to(DAY_START + 3600 + 1)
    with pytest.raises(LateForecast):
        submit(town)


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


def test_nobody_but_the_auditor_pays_and_nobody_but_the_contract_mints(town: Town) -> None:
    submit(town)
    town.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(Refused, match="caller is not the owner"):
        reward(town, by=2)
    with pytest.raises(Refused, match="access is denied"):
        town.chain.send(town.operator, town.contracts.reward_token.functions.mint(town.operator.address, 1))
    with pytest.raises(Refused, match="caller is not the owner"):
        town.chain.send(
            town.operator, town.contracts.household_nft.functions.record_day(town.household.address, DAY, 5)
        )


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
