"""All homes on one machine: each day by the round in force when it starts, each claim by its forecast's round.

What keeps one home from its forecast or claim is reported, and the others proceed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.config.tracing import HomeDay, Span, Tracer, installed
from api.gateway.home import Home
from api.gateway.not_forecast import NoModel, TooLate
from api.one_machine import day as day_module
from api.one_machine.community import LocalCommunity
from api.one_machine.days import claim_day, forecast_day, model_of_day
from api.one_machine.totals import open_total
from api.operator.chain_session import open_chain_session, publish_digest
from data.errors import DataError
from rewards.errors import WrongHead
from tests.api.conftest import DAY, Village, small_config
from tests.api.http_fixture import save_round


class Missed(dict[str, Exception]):
    def __call__(self, home: Home, why: Exception) -> None:
        self[home.name] = why


@pytest.fixture
def rounds(village: Village) -> Iterator[Path]:
    """The village's folder with the round that it has published; what a test saves there is gone after it."""
    save_round(village.community.folder, 1, seed=7)
    yield village.community.folder
    shutil.rmtree(village.community.folder / "rounds")


def last_round(village: Village) -> int:
    return village.community.config.federation.rounds


def register(village: Village, *homes: int) -> None:
    for home in (village.homes[k] for k in homes):
        day_module.register(village.community, village.chain_session, home, village.bundle(home))


def pass_time(village: Village, day: int, seconds: int) -> None:
    village.chain_session.chain.advance_to(village.community.start_of(day) + seconds)


# -- the model of a day -------------------------------------------------------------------------------------------


def test_a_training_that_ends_before_the_day_is_published_and_in_force(village: Village, rounds: Path) -> None:
    save_round(rounds, last_round(village), seed=9)
    assert model_of_day(village.community, village.chain_session, DAY).round == last_round(village)
    assert model_of_day(village.community, village.chain_session, DAY).round == last_round(village), "and once"


def test_a_training_that_ends_after_the_days_start_is_for_the_next_day(village: Village, rounds: Path) -> None:
    pass_time(village, DAY, 300)
    save_round(rounds, last_round(village), seed=9)
    today, tomorrow = (model_of_day(village.community, village.chain_session, day) for day in (DAY, DAY + 1))
    assert (today.round, tomorrow.round) == (1, last_round(village))
    assert today.digest == village.trained.digest != tomorrow.digest


def test_a_training_that_has_not_ended_is_not_published(village: Village, rounds: Path) -> None:
    save_round(rounds, last_round(village) - 1, seed=9)
    assert model_of_day(village.community, village.chain_session, DAY).round == 1
    assert village.chain_session.contracts.model_registry.functions.latest().call() == 1


def test_a_day_that_a_late_round_has_cost_says_so_and_what_to_do(village: Village, rounds: Path) -> None:
    with pytest.raises(NoModel) as why:
        model_of_day(village.community, village.chain_session, DAY - 1)
    said = str(why.value)
    assert f"day {DAY - 1} started at 2017-06-30 08:00 UTC without a model" in said
    assert "round 1 was published only at 2017-07-01 07:00 UTC" in said
    assert f"starts at 2017-07-01 08:00 UTC: run `wattproof forecast {DAY}` within 60 minutes after that" in said


def test_a_day_without_any_model_says_how_far_the_training_is(tmp_path: Path) -> None:
    community = LocalCommunity(small_config(tmp_path))
    chain_session = open_chain_session(community, DAY)
    save_round(tmp_path, 3, seed=7)
    ends = "`wattproof train` has to end before 2017-07-01 08:00 UTC"
    with pytest.raises(NoModel, match=rf"3 of {community.config.federation.rounds} rounds.*{ends}"):
        model_of_day(community, chain_session, DAY)
    chain_session.chain.advance_to(community.start_of(DAY) + 60)
    with pytest.raises(NoModel, match=rf"can no longer be forecast.*run `wattproof forecast {DAY + 1}`"):
        model_of_day(community, chain_session, DAY)
    chain_session.chain.close()


def test_a_training_begun_anew_is_told_how_it_can_be_published(village: Village, rounds: Path) -> None:
    number = last_round(village)
    publish_digest(village.community, village.chain_session, number, b"\x01" * 32)
    save_round(rounds, number, seed=9)
    with pytest.raises(DataError, match=f"set federation.rounds to more than {number}"):
        model_of_day(village.community, village.chain_session, DAY)


def test_the_model_in_force_has_to_be_here(village: Village, rounds: Path) -> None:
    save_round(rounds, 1, seed=8)
    with pytest.raises(DataError, match="not the registered one"):
        model_of_day(village.community, village.chain_session, DAY)


# -- forecasts ----------------------------------------------------------------------------------------------------


def test_a_home_that_the_registry_refuses_stops_no_other_and_is_in_no_total(village: Village) -> None:
    """The second home's forecast says that it was made without the head that it has pinned."""
    registry, refused = village.chain_session.contracts.forecast_registry.functions, village.homes[1]
    assert village.bundle(refused).personal
    missed = Missed()
    proof = village.community.config.api.proofs_dir / str(DAY) / f"{refused.name}.json"
    content = proof.read_bytes()
    try:
        proof.write_bytes(village.bundle(refused).model_copy(update={"personal": []}).model_dump_json().encode())
        done = forecast_day(village.community, village.chain_session, DAY, village.trained, missed)
        assert [home.name for home, _ in done] == [village.homes[0].name, village.homes[2].name]
    finally:
        proof.write_bytes(content)
    assert list(missed) == [refused.name] and isinstance(missed[refused.name], WrongHead)
    assert not any(registry.forecast_of(refused.wallet.address, DAY).call())
    with pytest.raises(DataError, match="it takes 3 registered forecasts, and 2 are here"):
        open_total(village.community, DAY)


def test_after_the_deadline_nothing_is_proven_in_vain_and_what_is_registered_stays(village: Village) -> None:
    register(village, 0)
    pass_time(village, DAY, 3601)
    missed = Missed()
    proof = village.community.config.api.proofs_dir / str(DAY) / f"{village.homes[2].name}.json"
    content = proof.read_bytes()
    proof.unlink()
    try:
        done = [
            home.name
            for home, _ in forecast_day(village.community, village.chain_session, DAY, village.trained, missed)
        ]
    finally:
        proof.write_bytes(content)
    assert done == [village.homes[0].name] and set(missed) == {home.name for home in village.homes[1:]}
    assert isinstance(missed[village.homes[2].name], TooLate)
    assert "were due until 2017-07-01 09:00 UTC" in str(missed[village.homes[2].name])


# -- claims -------------------------------------------------------------------------------------------------------


def test_a_claim_is_of_its_forecasts_round_whatever_was_published_since(village: Village, rounds: Path) -> None:
    register(village, 0, 1)
    pass_time(village, DAY, 300)
    save_round(rounds, last_round(village), seed=9)
    assert model_of_day(village.community, village.chain_session, DAY + 1).round == last_round(village)
    missed = Missed()
    for before in (False, True):
        claims = dict(claim_day(village.community, village.chain_session, DAY, missed))
        assert [home.name for home in claims] == [home.name for home in village.homes[:2]]
        assert all(claimed and claimed.buckets > 0 and claimed.before == before for claimed in claims.values())
    assert set(missed) == {village.homes[2].name} and "no forecast is registered" in str(
        missed[village.homes[2].name]
    )


def test_a_day_that_is_not_over_is_not_claimed(village: Village) -> None:
    chain, far = village.chain_session.chain, 40_000
    chain.follows = True
    try:
        with pytest.raises(DataError, match=r"can be claimed after its end at 2079-07-09 08:00 UTC"):
            list(claim_day(village.community, village.chain_session, far, Missed()))
    finally:
        chain.follows = False


class Named(Tracer):
    """Keeps what the steps are called, and of whose day they are."""

    is_on = True

    def __init__(self) -> None:
        self.steps: list[tuple[str, str, int]] = []

    @contextmanager
    def step(self, name: str, of: HomeDay, parent: str = "", **attributes: str | int) -> Iterator[Span]:
        yield Span()
        self.steps.append((name, of.household, of.day))


def test_forecast_and_claim_here_are_steps_of_each_homes_day(village: Village) -> None:
    with installed(tracer := Named()):
        list(forecast_day(village.community, village.chain_session, DAY, village.trained, Missed()))
        claims = dict(claim_day(village.community, village.chain_session, DAY, Missed()))
    claimed = {home.wallet.address for home, claim in claims.items() if claim is not None}
    all_homes = {home.wallet.address for home in village.homes}
    for name, households in {
        "register on chain": all_homes, "prove skill": all_homes, "claim on chain": claimed,
    }.items():  # fmt: skip
        assert {(household, day) for step, household, day in tracer.steps if step == name} == {
            (household, DAY) for household in households
        }
    assert claimed
