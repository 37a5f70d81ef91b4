"""Closes periods while the server runs: when all shares are in, or the time for them has passed.

What is closed is written (the file to audit, the statements), its root published, and its shares paid in tokens where
the settings say so. A share that comes later joins
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
from api.operator.settlement_payment import Payments, pay_settlement
from api.operator.settlement_root import publish_settlement
from api.protocol.meters import Meters
from api.protocol.settlement import Settlement, settle
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
        if settlement.late and now < row.closes_at:
            return
        folder = SettlementFolder.of(self._community, row.name)
        if row.settled != len(settlement.shares):
            self._settle(row, settlement, folder, meters)
        if self._community.config.settlement.tokens_per_kwh and settlement.shares:
            known = Payments.read(folder.folder)
            if known is None or known.shares != len(settlement.shares):
                with self._chain_session.lock:
                    paid = pay_settlement(self._community, self._chain_session.chain, settlement, folder.folder)
                _log.info("period paid", extra={"period": row.name, "amount": paid.paid, "token": paid.token})

    def _settle(self, row: SettledPeriod, settlement: Settlement, folder: SettlementFolder, meters: Meters) -> None:
        settled = settle(checked_terms(row.terms), settlement.shares)
        folder.write(settled, meters)
        if settled.shares:
            with self._chain_session.lock:
                publish_settlement(self._community, self._chain_session.chain, settled)
        self._note(row.name, settled=len(settled.shares))
        told = {"period": row.name, "shares": len(settled.shares), "late": len(settled.late)}
        _log.info("period settled", extra=told | {"root": settled.root.hex()})

    def _note(self, name: str, **values: int) -> None:
        with self._community.sessions.begin() as session:
            session.execute(update(SettledPeriod).where(SettledPeriod.name == name).values(**values))
