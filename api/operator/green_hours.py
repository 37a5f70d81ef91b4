"""The green hours of each day: taken from where `rewards.green_hours` says, and registered before the day starts.

After that nobody changes them, the operator included: so nobody fits them to a load that is known.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.green_shares import hours_of_day, keep_hours
from api.operator.settled_periods import SettledPeriods
from api.operator.watching import watched
from data.community import weather_before
from data.errors import DataError
from data.green_hours import Weights, hours_of_file, hours_of_past, hours_of_sun
from data.interval import by_hour
from rewards.errors import ChainError, Refused
from rewards.green import publish_weights, weights_of
from rewards.green_rule import LEAST_HOURS, is_wide
from rewards.rule import CLAIM_DAYS

_log = logging.getLogger(__name__)
_EVERY_S, _DAY_S = 60.0, 86_400
_PAST_DAYS = 28


class NoGreenHours(DataError):
    """A day's hours can't be told, or too few of them are green."""


def green_hours(community: Community, day: int) -> Weights:
    """A day's weights, by the setting. Raises NoGreenHours, and other DataError for a source that can't be read."""
    found = _found(community, day)
    if found is None:
        raise NoGreenHours(f"the source of green hours says nothing of day {day}")
    if not is_wide(found):
        raise NoGreenHours(
            f"day {day} has fewer than {LEAST_HOURS} hours that are a quarter as green as its greenest: no shares "
            "are taken of it, as they would tell of the load in single hours"
        )
    return found


def _found(community: Community, day: int) -> Weights | None:
    source, data = community.config.rewards.green_hours, community.config.data
    if isinstance(source, Path):
        return hours_of_file(source, community.clock, day)
    if source == "sun":
        demo = data.source == "citylearn"
        weather = community.weather if demo else weather_before(data, community.clock, day)
        return hours_of_sun(weather, community.clock, day)
    if source == "shared_energy":
        periods = SettledPeriods(community.config.api.settlements_dir, community.clock)
        settled = (periods.of(name) for name in reversed(periods.names()))
        past = [hours for period in settled if period is not None for hours in reversed(period.hours)]
        return hours_of_past([list(by_hour(hours.fed_in_wh)) for hours in past if hours.day < day][:_PAST_DAYS])
    return None


def register_green_hours(community: Community, chain_session: ChainSession, day: int) -> Weights:
    """Register a day's weights, unless there are some; those that count. Raises NoGreenHours, Refused."""
    contracts = chain_session.contracts
    known = weights_of(contracts, day)
    if known is None:
        known = green_hours(community, day)
        publish_weights(chain_session.chain, contracts, community.operator, day, known)
        _log.info("green hours registered", extra={"day": day})
    keep_hours(community, day, known)
    return known


def prepare_green_hours(community: Community, chain_session: ChainSession, day: int) -> Weights | None:
    """`register_green_hours`, where the settings name a source and the day has not started; None where there are
    none, which is logged. Raises NodeUnreachable."""
    contracts, is_early = chain_session.contracts, chain_session.chain.now < community.start_of(day)
    if contracts.green_share is None or community.config.rewards.green_hours == "none" or not is_early:
        return None
    try:
        return register_green_hours(community, chain_session, day)
    except (DataError, Refused) as why:
        _log.warning("no green hours", extra={"reason": str(why)})
        return None


class GreenHoursPublisher:
    """Registers the green hours of tomorrow, again and again trying where they are not known yet.

    What the database says of a day is what the chain says: after a reorganisation, or when a server comes back from a
    backup, it is put right.
    """

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._told: set[str] = set()
        self._past = CLAIM_DAYS + 1

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every minute while the block runs."""
        return watched(self.look, _EVERY_S, name="registering green hours", log=_log)

    def look(self) -> None:
        """One round: days that can still be claimed the first time, then today and tomorrow. What is missing or
        refused is logged, once for each reason."""
        if self._chain_session.contracts.green_share is None:
            return
        try:
            now = self._chain_session.chain.now - self._community.config.data.day_start_utc * 3600
            today = now // _DAY_S
            for day in range(today - self._past, today + 1):
                self._keep_what_counts(day)
            self._past = 0
            if self._community.config.rewards.green_hours != "none":
                with self._chain_session.lock:
                    register_green_hours(self._community, self._chain_session, today + 1)
        except (DataError, ChainError) as why:
            if str(why) not in self._told:
                _log.warning("no green hours", extra={"reason": str(why)})
            self._told.add(str(why))

    def _keep_what_counts(self, day: int) -> None:
        kept = hours_of_day(self._community, day)
        if kept is None and self._community.start_of(day) <= self._contracts_time:
            return  # nobody can have registered hours of a day that started before
        with self._chain_session.turn:
            registered = weights_of(self._chain_session.contracts, day)
        if registered != kept:
            keep_hours(self._community, day, registered)

    @cached_property
    def _contracts_time(self) -> int:
        """When the contracts did not exist yet, UTC seconds; 0 where the node no longer knows."""
        try:
            with self._chain_session.turn:
                return self._chain_session.chain.time_of(self._chain_session.contracts.block)
        except ChainError:
            return 0
