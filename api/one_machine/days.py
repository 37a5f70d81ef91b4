"""All homes of a community on one machine: the model of a day, the homes' forecasts of it, their claims after it.

What keeps one home from its forecast or claim is reported, and the others proceed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from api.config.tracing import tracer
from api.gateway.head_commitment import read_head_commitment
from api.gateway.home import Home
from api.gateway.not_forecast import NoModel, TooLate
from api.gateway.proof_folder import ProofFigures, ProofFolder
from api.one_machine.community import LocalCommunity
from api.one_machine.day import Missed, make_claim, one_home, pin_heads, prove_day, register
from api.operator import paid_claims
from api.operator.chain_session import ChainSession, publish_digest, recall_reward
from api.operator.challenges import register_features
from api.operator.green_hours import prepare_green_hours
from api.operator.green_shares import hours_of_day, kept_green, settle_green
from api.operator.publisher import finished_round
from api.operator.retraining import last_round
from api.operator.trained_model import TrainedModel, model_of
from data.day import utc_text
from data.errors import DataError
from fl.store import RoundStore
from rewards.claims import registered_forecast
from rewards.deploy import Contracts


def publish_finished(community: LocalCommunity, chain_session: ChainSession) -> int | None:
    """Register the model of a finished training, unless it is registered; returns its round, None if there is none.

    Raises DataError if the registry has another model for that round, which is final.
    """
    rounds = community.folder / "rounds"
    found = finished_round(rounds, last_round(rounds, community.config.federation))
    if found is None:
        return None
    number, digest = found
    registry = chain_session.contracts.model_registry.functions
    latest, registered = registry.latest().call(), bytes(registry.digest_of(number).call())
    if registered != digest and number <= latest:
        raise DataError(
            f"the model of round {number} in {community.folder / 'rounds'} cannot be published: the registry has "
            f"another one, and continues after round {latest}. A training that starts over has to end later: set "
            f"federation.rounds to more than {latest}"
        )
    publish_digest(community, chain_session, number, digest)
    return number


def model_of_day(community: LocalCommunity, chain_session: ChainSession, day: int) -> TrainedModel:
    """The model a day is forecast with: that of the round in force when it starts. Publishes a finished training.

    Raises NoModel, with what to do, if no round was published before; DataError if its model is not here.
    """
    publish_finished(community, chain_session)
    number = _round_in_force(chain_session.contracts, community.start_of(day))
    if number == 0:
        raise NoModel(_why_no_model(community, chain_session, day))
    trained = model_of(community, number)
    if trained.digest != bytes(chain_session.contracts.model_registry.functions.digest_of(number).call()):
        raise DataError(
            f"the model of round {number} in {community.folder / 'rounds'} is not the registered one, with which "
            f"day {day} has to be forecast: restore the folder from a backup"
        )
    return trained


def _round_in_force(contracts: Contracts, moment: int) -> int:
    """The last round published before a moment (UTC seconds); 0 if there is none."""
    registry, number = contracts.model_registry.functions, 0
    while (following := registry.successor_of(number).call()) and registry.published_at(following).call() < moment:
        number = following
    return int(number)


def _why_no_model(community: LocalCommunity, chain_session: ChainSession, day: int) -> str:
    registry, start = chain_session.contracts.model_registry.functions, community.start_of(day)
    latest, rounds = registry.latest().call(), community.config.federation.rounds
    if latest:
        why = f"round {latest} was published only at {_text(registry.published_at(latest).call())}"
    else:
        saved = RoundStore(community.folder / "rounds").rounds()
        why = f"the training has not ended ({saved[-1] if saved else 0} of {rounds} rounds are saved)"
    if chain_session.chain.now < start:
        return f"no model for day {day} yet: {why}. `wattproof train` has to end before {_text(start)}"
    return (
        f"day {day} started at {_text(start)} without a model, and can no longer be forecast: {why}. "
        f"`wattproof train` publishes the model when it ends. The next day starts at "
        f"{_text(community.start_of(day + 1))}: run `wattproof forecast {day + 1}` within "
        f"{community.config.rewards.grace_seconds // 60} minutes after that"
    )


def forecast_day(
    community: LocalCommunity, chain_session: ChainSession, day: int, trained: TrainedModel, missed: Missed
) -> Iterator[tuple[Home, ProofFigures | None]]:
    """Forecast a day for every home, prove and register it; yields each as it is done, with the proof's cost if
    known."""
    due = community.start_of(day) + community.config.rewards.grace_seconds
    homes = community.homes
    if chain_session.chain.now > due:
        kept = ProofFolder(community.config.api.proofs_dir)
        late = [home for home in homes if not kept.path(day, home.name).exists()]
        homes = [home for home in homes if home not in late]
        for home in late:
            missed(home, TooLate(f"forecasts of day {day} were due until {_text(due)}"))
    else:
        register_features(community, chain_session, day)
        prepare_green_hours(community, chain_session, day)
        _fit_missing_heads(community, trained)
        pin_heads(community, chain_session, trained.round, missed)
    for home, bundle, figures in prove_day(community, day, trained, homes, missed):
        registered = False
        of = community.home_day(home.wallet.address, day)
        with one_home(home, missed), tracer().step("register on chain", of):
            register(community, chain_session, home, bundle)
            registered = True
        if registered:
            yield home, figures


def _fit_missing_heads(community: LocalCommunity, trained: TrainedModel) -> None:
    """A personal head for each home that has not committed to one of this round."""
    missing = [home for home in community.homes if read_head_commitment(home.folder, trained.round) is None]
    if missing:
        from api.one_machine.training import personalise

        personalise(community, trained, missing)


@dataclass(frozen=True)
class Claimed:
    """Buckets of 100 Wh that the forecast avoided. `before`: they were claimed already. `green`: percent of the load,
    where a green share was claimed, too."""

    buckets: int
    before: bool
    green: int | None = None


def claim_day(
    community: LocalCommunity, chain_session: ChainSession, day: int, missed: Missed
) -> Iterator[tuple[Home, Claimed | None]]:
    """Prove each home's skill on a day, and its green share, and claim both; None if it was no better than the
    benchmarks.

    Each claim is for the round that the home's forecast was registered with. Raises DataError before the day's end.
    """
    end = community.start_of(day + 1)
    chain_session.chain.advance_to(end)
    if chain_session.chain.now < end:
        raise DataError(
            f"day {day} can be claimed after its end at {_text(end)}; it is now {_text(chain_session.chain.now)}"
        )
    for home in community.homes:
        found: list[Claimed | None] = []
        with one_home(home, missed):
            found = [_claim(community, chain_session, home, day)]
        yield from ((home, claimed) for claimed in found)


def _claim(community: LocalCommunity, chain_session: ChainSession, home: Home, day: int) -> Claimed | None:
    household = home.wallet.address
    paid = recall_reward(community, chain_session, household, day)
    if paid is not None:
        return Claimed(paid.buckets, before=True, green=claim_green_share(community, chain_session, home, day))
    registered = registered_forecast(chain_session.contracts, household, day)
    if registered is None:
        raise DataError(f"no forecast is registered for day {day}")
    of = community.home_day(household, day)
    with tracer().step("prove skill", of):
        bundle = make_claim(community, home, day, registered.round)
    if bundle is None:
        return None
    with tracer().step("claim on chain", of):
        buckets = paid_claims.settle(community, chain_session, bundle).buckets
    return Claimed(buckets, before=False, green=claim_green_share(community, chain_session, home, day))


def claim_green_share(community: LocalCommunity, chain_session: ChainSession, home: Home, day: int) -> int | None:
    """Prove the green share of a day whose forecast is claimed, and claim it; the percentage, None where there is
    none. Raises DataError, ProofError, Refused."""
    known = kept_green(community, home.wallet.address, day)
    if known is not None:
        return known.tier
    weights = hours_of_day(community, day)
    if weights is None or not community.config.gateway.green_shares:
        return None
    bundle = community.opened(home).green_share(day, weights)
    return None if bundle is None else settle_green(community, chain_session, bundle).tier


def _text(moment: int) -> str:
    return utc_text(pd.Timestamp(moment, unit="s", tz="UTC"))
