"""Closes periods while the server runs: when all shares are in, or the time for them has passed.

What is closed is written (the file to audit, the statements), its root published, and its shares paid in tokens where
the settings say so. A share that comes later joins the settlement, whose next root then counts; nobody else's share
changes. Root and payments are compared with the chain until they are final: what a reorganisation takes back is sent
again, and the contracts refuse to pay a share twice.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from sqlalchemy import update

from api.config.community_yaml import ConfigError
from api.operator.chain_session import ChainSession, finality_blocks, is_final
from api.operator.community import Community
from api.operator.database.tables import SettledPeriod
from api.operator.open_periods import OpenPeriod, OpenPeriods
from api.operator.settlement_files import SettlementFolder
from api.operator.settlement_payment import Payments, is_paid_out, pay_settlement
from api.operator.settlement_root import is_published, publish_settlement
from api.operator.watching import watched
from api.protocol.period import PeriodError
from api.protocol.settlement import settle
from api.protocol.share_check import checked_terms
from data.errors import DataError
from rewards.errors import ChainError
from zkp.errors import ProofError

_log = logging.getLogger(__name__)
_EVERY_S = 5.0
_DAY_S = 86_400


class PeriodKeeper:
    """Looks again and again, and settles what is due."""

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._periods = OpenPeriods(community)
        self._told: dict[str, str] = {}

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every few seconds while the block runs."""
        return watched(self.look, _EVERY_S, name="settling periods", log=_log)

    def look(self) -> None:
        """Settle each period that is due. What keeps one from it is logged once, and keeps none of the others."""
        periods = self._periods.all()
        if not periods:
            return
        with self._chain_session.lock:
            now = self._chain_session.chain.now
        for period in periods:
            try:
                self._look_at(period, now)
            except (ChainError, DataError, ConfigError, PeriodError, ProofError) as problem:
                if self._told.get(period.name) != str(problem):
                    _log.error("period not settled", extra={"period": period.name, "reason": str(problem)})
                self._told[period.name] = str(problem)

    def _look_at(self, period: OpenPeriod, now: int) -> None:
        closes_at = period.closes_at
        if closes_at is None:
            closes_at = now + self._community.config.settlement.share_days * _DAY_S
            self._note(period.name, closes_at=closes_at)
        if period.missing and now < closes_at:
            return
        folder = SettlementFolder.of(self._community, period.name)
        if period.settled != period.proven:
            self._settle(period.name, folder)
        elif not period.is_final:
            self._publish(period.name)
        elif not self._is_unpaid(period, folder):
            return
        if self._prices_shares and period.proven:
            self._pay(period.name, folder)
        self._note(period.name, is_final=self._is_final(period.name))

    def _settle(self, name: str, folder: SettlementFolder) -> None:
        settlement, meters = self._periods.settlement(name)
        settled = settle(checked_terms(self._periods.terms(name)), settlement.shares)
        folder.write(settled, meters)
        if settled.shares:
            with self._chain_session.lock:
                publish_settlement(self._community, self._chain_session.chain, settled)
        self._note(name, settled=len(settled.shares), is_final=False)
        told = {"period": name, "shares": len(settled.shares), "late": len(settled.late)}
        _log.info("period settled", extra=told | {"root": settled.root.hex()})

    def _publish(self, name: str) -> None:
        """Again, where a reorganisation has taken the root back."""
        settlement, _ = self._periods.settlement(name)
        with self._chain_session.lock:
            if settlement.shares and not is_published(self._community, self._chain_session.chain, settlement):
                _log.warning("root taken back by a reorganisation, published again", extra={"period": name})
                publish_settlement(self._community, self._chain_session.chain, settlement)

    @property
    def _prices_shares(self) -> bool:
        return bool(self._community.config.settlement.tokens_per_kwh)

    def _is_unpaid(self, period: OpenPeriod, folder: SettlementFolder) -> bool:
        """Where a price was set after the period was settled."""
        known = Payments.read(folder.folder)
        return self._prices_shares and bool(period.proven) and (known is None or known.shares != period.proven)

    def _pay(self, name: str, folder: SettlementFolder) -> None:
        settlement, _ = self._periods.settlement(name)
        known = Payments.read(folder.folder)
        with self._chain_session.lock:
            paid = pay_settlement(self._community, self._chain_session.chain, settlement, folder.folder)
        if paid != known:
            _log.info("period paid", extra={"period": name, "amount": paid.paid, "token": paid.token})

    def _is_final(self, name: str) -> bool:
        """Whether the chain's final block has all of it."""
        settlement, _ = self._periods.settlement(name)
        community, chain = self._community, self._chain_session.chain

        def holds(block: int | None) -> bool:
            published = not settlement.shares or is_published(community, chain, settlement, block)
            paid = not settlement.shares or not self._prices_shares
            return published and (paid or is_paid_out(community, chain, settlement, block))

        with self._chain_session.lock:
            return is_final(chain, finality_blocks(community, chain), holds)

    def _note(self, name: str, **values: int) -> None:
        with self._community.sessions.begin() as session:
            session.execute(update(SettledPeriod).where(SettledPeriod.name == name).values(**values))
