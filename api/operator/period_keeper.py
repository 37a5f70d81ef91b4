"""Closes periods while the server runs: when all shares are in, or the time for them has passed.

What is closed is written (the file to audit, the statements) and its root published. A share that comes later joins
the settlement, whose next root then counts; nobody else's share changes.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from threading import Event

from sqlalchemy import select, update

from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.tables import SettledPeriod
from api.operator.open_periods import OpenPeriods, checked_terms
from api.operator.settlement_files import SettlementFolder
from api.operator.settlement_root import publish_settlement
from api.protocol.settlement import settle
from fl.deployment.background import repeated
from rewards.errors import ChainError

_log = logging.getLogger(__name__)
_EVERY_S = 5.0
_DAY_S = 86_400


class PeriodKeeper:
    """Looks again and again, and settles what is due."""

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._periods = OpenPeriods(community)
        self._told = ""

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every few seconds while the block runs."""
        return repeated(self.look, _EVERY_S, Event(), name="settling periods", log=_log)

    def look(self) -> None:
        """Settle each period that is due. A chain that is away is logged once, and the root published later."""
        with self._community.sessions() as session:
            rows = list(session.scalars(select(SettledPeriod)))
        if not rows:
            return
        try:
            with self._chain_session.lock:
                now = self._chain_session.chain.now
            for row in rows:
                self._look_at(row, now)
        except ChainError as error:
            if str(error) != self._told:
                _log.error("period not settled", extra={"reason": str(error)})
            self._told = str(error)

    def _look_at(self, row: SettledPeriod, now: int) -> None:
        if row.closes_at is None:
            row.closes_at = now + self._community.config.settlement.share_days * _DAY_S
            self._note(row.name, closes_at=row.closes_at)
        settlement, meters = self._periods.settlement(row.name)
        due = not settlement.late or now >= row.closes_at
        if not due or row.settled == len(settlement.shares):
            return
        settled = settle(checked_terms(row.terms), settlement.shares)
        SettlementFolder.of(self._community, row.name).write(settled, meters)
        if settled.shares:
            with self._chain_session.lock:
                publish_settlement(self._community, self._chain_session.chain, settled)
        self._note(row.name, settled=len(settled.shares))
        _log.info(
            "period settled",
            extra={
                "period": row.name,
                "shares": len(settled.shares),
                "late": len(settled.late),
                "root": settled.root.hex(),
            },
        )

    def _note(self, name: str, **values: int) -> None:
        with self._community.sessions.begin() as session:
            session.execute(update(SettledPeriod).where(SettledPeriod.name == name).values(**values))
