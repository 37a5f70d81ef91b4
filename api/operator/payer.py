"""Pays the days whose claims are closed while the server runs: finalises each, and has its households paid.

Anybody could; nothing is lost where the server does not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager

from api.config.tracing import tracer
from api.operator.chain_session import ChainSession, days_to_pay, pay_claimed_day
from api.operator.community import Community
from api.operator.green_shares import green_days_to_pay, pay_claimed_green
from api.operator.membership import erase_departed
from api.operator.watching import watched
from rewards.errors import ChainError
from rewards.sent import transactions_sent

_log = logging.getLogger(__name__)
_EVERY_S = 60.0


class Payer:
    """Looks for days to pay again and again."""

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._told = ""

    def look(self) -> None:
        """Pay what is due. A refusal of the chain is logged, once for each reason, and tried again."""
        try:
            with self._chain_session.turn:
                due = days_to_pay(self._community, self._chain_session)
                green = green_days_to_pay(self._community, self._chain_session)
            for day in due:
                began = time.time_ns()
                with self._chain_session.lock, transactions_sent() as sent:
                    paid = pay_claimed_day(self._community, self._chain_session, day)
                for household in paid:
                    of = self._community.home_day(household, day)
                    tracer().past("pay on chain", of, began, time.time_ns(), transaction=" ".join(sent))
                erase_departed(self._community)
                _tell("day paid", day, paid)
            for day in green:  # after the forecasts' claims, without which none is paid
                began = time.time_ns()
                with self._chain_session.lock, transactions_sent() as sent:
                    paid = pay_claimed_green(self._community, self._chain_session, day)
                for household in paid:
                    of = self._community.home_day(household, day)
                    tracer().past("pay green share on chain", of, began, time.time_ns(), transaction=" ".join(sent))
                erase_departed(self._community)
                _tell("green day paid", day, paid)
        except ChainError as error:
            if str(error) != self._told:
                _log.error("day not paid", extra={"reason": str(error)})
            self._told = str(error)

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every minute while the block runs."""
        return watched(self.look, _EVERY_S, name="paying closed days", log=_log)


def _tell(what: str, day: int, paid: Mapping[str, int]) -> None:
    _log.info(what, extra={"day": day, "households": len(paid), "amount": str(sum(paid.values()))})
