"""Challenges of forecasts: the operator registers each day's public features, and answers for the households whose
bundles it has. Anybody could answer, with the bundle that anybody can download; the bond is who answers'.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager

from sqlalchemy import select

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.engine import put
from api.operator.database.tables import Forecast, Scan
from api.operator.watching import watched
from api.protocol.answer import answer_of
from api.protocol.bundle import InferenceBundle, parse
from data.errors import DataError
from rewards.challenge_client import Challenge
from rewards.challenges import features_digest, open_challenges, publish_features, send_answer
from rewards.errors import ChainError, NodeUnreachable, Refused
from rewards.green import strike_out

_log = logging.getLogger(__name__)
_EVERY_S, _DAY_S = 60.0, 86_400
_SCAN = "challenges"


def register_features(community: Community, chain_session: ChainSession, day: int) -> None:
    """Register the digest of a day's public features, where forecasts can be challenged and there is none yet.

    Raises TableError where the weather feed does not reach the day, Refused after forecasts of the day were due.
    """
    if chain_session.contracts.challenges is not None:
        digest = features_digest(*community.public_features(day))
        publish_features(chain_session.chain, chain_session.contracts, community.operator, day, digest)


class Answerer:
    """Looks again and again for days without features, and for challenges that nobody has answered."""

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._told: set[str] = set()

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every minute while the block runs."""
        return watched(self.look, _EVERY_S, name="answering challenges", log=_log)

    def look(self) -> None:
        """One round. What is refused is logged, once for each reason."""
        if self._chain_session.contracts.challenges is None:
            return
        try:
            now = self._chain_session.chain.now
            for day in self._days_at(now):
                self._register(day)
            for doubted in self._open(now):
                self._answer(doubted)
        except ChainError as error:
            self._tell("challenges not looked at", str(error))

    def _days_at(self, now: int) -> Iterator[int]:
        """The day that is, while its forecasts are not due, and the next."""
        today = (now - self._community.start_of(0)) // _DAY_S
        if now < self._community.start_of(today) + self._community.config.rewards.grace_seconds:
            yield today
        yield today + 1

    def _register(self, day: int) -> None:
        try:
            with self._chain_session.lock:
                register_features(self._community, self._chain_session, day)
        except DataError:
            return  # the feed comes later
        except NodeUnreachable:
            raise
        except Refused as late:
            self._tell("features not registered", f"day {day}: {late}")

    def _open(self, now: int) -> list[Challenge]:
        """Challenges that can still be answered; the next look begins where the first of them is. What was claimed of
        forecasts that can't be answered for any more is struck out at once: whoever finalises the day then, at the
        first moment, shares nothing with them."""
        chain, contracts = self._chain_session.chain, self._chain_session.contracts
        with self._chain_session.turn:
            head = chain.block
            with self._community.sessions() as session:
                known = session.get(Scan, _SCAN)
            since = contracts.block if known is None else known.block
            found = list(open_challenges(contracts, since))
        for void in (one for one in found if one.deadline < now):
            self._strike_out(void)
        answerable = [one for one in found if one.deadline >= now]
        if not answerable:
            with self._community.sessions.begin() as session:
                put(session, Scan(name=_SCAN, block=head))
        return answerable

    def _strike_out(self, void: Challenge) -> None:
        told = {"household": void.household, "day": void.day}
        try:
            with self._chain_session.lock:
                chain, contracts = self._chain_session.chain, self._chain_session.contracts
                if strike_out(chain, contracts, self._community.operator, void.household, void.day):
                    _log.warning("claim of a void forecast struck out", extra=told)
        except NodeUnreachable:
            raise
        except Refused as refused:
            self._tell("claim of a void forecast not struck out", f"{told}: {refused}")

    def _answer(self, doubted: Challenge) -> None:
        told = {"household": doubted.household, "day": doubted.day}
        mine = Forecast.household == doubted.household, Forecast.day == doubted.day
        with self._community.sessions() as session:
            kept = session.scalar(select(Forecast.bundle).where(*mine))
        if kept is None:
            self._tell("no bundle to answer a challenge with", f"{told}")
            return
        bundle = parse(kept)
        assert isinstance(bundle, InferenceBundle)
        try:
            with self._chain_session.lock:
                chain, contracts = self._chain_session.chain, self._chain_session.contracts
                send_answer(chain, contracts, self._community.operator, answer_of(bundle))
            _log.info("challenge answered", extra=told)
        except NodeUnreachable:
            raise
        except Refused as refused:
            self._tell("challenge not answered", f"{told}: {refused}")

    def _tell(self, what: str, reason: str) -> None:
        if reason not in self._told:
            _log.error(what, extra={"reason": reason})
        self._told.add(reason)
