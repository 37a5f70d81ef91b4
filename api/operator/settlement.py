"""Compares what the server has taken on with the chain until it is final: forecasts, claims, green shares, payments.

Each is in the database before anything is sent, and stays there until the chain's final block shows it. So nothing is
lost by a process that is killed, a transaction that is dropped or replaced, or blocks that a reorganisation takes
back; and nothing happens twice, for every call says what the chain is to hold, and the contracts refuse a repeat.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

from eth_hash.auto import keccak
from sqlalchemy import delete, select, update

from api.config.tracing import tracer
from api.operator.chain_session import (
    ChainSession,
    final_block,
    finality_blocks,
    is_final,
    keep_forecast,
    keep_reward,
    relay_forecast,
    settle_claim,
    settle_claims,
)
from api.operator.community import Community
from api.operator.database.engine import put
from api.operator.database.members import keep_meters, member
from api.operator.database.tables import Forecast, GreenClaim, Household, PaidClaim, Reward, Scan, Unsettled
from api.operator.database.unsettled import CLAIM, FORECAST, GREEN, GREEN_PAYMENT, PAYMENT, let_go, mark, unsettled
from api.operator.green_shares import keep_green, send_green
from api.operator.membership import erase_departed
from api.operator.paid_claims import keep_claim
from api.operator.watching import watched
from api.protocol.bundle import ClaimBundle, GreenBundle, InferenceBundle, parse
from api.protocol.bundle_parts import from_hex
from data.errors import DataError
from rewards.claims import Granted, claim_state, claims_close, claims_since, holds_forecast, recall_claim
from rewards.errors import (
    AlreadyClaimed,
    AnotherForecast,
    CapReached,
    ChainError,
    DuplicateForecast,
    LateClaim,
    LateForecast,
    NodeUnreachable,
    NoWeights,
    ProofRefused,
    WrongMeter,
)
from rewards.green import green_state, greens_since, recall_green
from rewards.sent import transactions_sent
from rewards.signing import forecast_digest
from zkp.errors import ProofError

_log = logging.getLogger(__name__)
_EVERY_S = 15.0
_SCAN, _GREEN_SCAN, _METER_SCAN = "claims", "green", "meters"
_PAYMENTS: dict[str, type[Reward] | type[GreenClaim]] = {PAYMENT: Reward, GREEN_PAYMENT: GreenClaim}
_Kept = type[Forecast] | type[PaidClaim] | type[Reward] | type[GreenClaim]
_KEPT: dict[str, tuple[_Kept, ...]] = {FORECAST: (Forecast,), CLAIM: (PaidClaim, Reward), GREEN: (GreenClaim,)}
"""Where the server lists what the chain holds."""
_FOR_GOOD = (
    LateForecast, DuplicateForecast, AnotherForecast, LateClaim, AlreadyClaimed, CapReached, ProofRefused, WrongMeter,
    NoWeights, ProofError, DataError,
)  # fmt: skip
"""What no later block mends. Any other refusal may be that of a chain that a reorganisation has taken back."""


class Settlement:
    """Looks again and again, and does what is missing.

    `depth`: blocks that are on a final one; by default `rewards.finality_blocks`, none on the embedded chain.
    """

    def __init__(self, community: Community, chain_session: ChainSession, depth: int | None = None) -> None:
        self._depth = finality_blocks(community, chain_session.chain) if depth is None else depth
        self._community, self._chain_session = community, chain_session
        self._contracts = chain_session.contracts
        self._told = ""

    def watch(self) -> AbstractContextManager[None]:
        """Look now and every few seconds while the block runs."""
        return watched(self.look, _EVERY_S, name="settling", log=_log)

    def look(self) -> None:
        """One round. A chain that is away is logged once, and asked again by the next one."""
        try:
            if self._chain_session.chain.tester is None:  # or blocks of another chain were looked at
                self._contracts.check_reachable(self._chain_session.chain)
            with self._chain_session.turn:
                self._find_others()
            with self._community.sessions() as session:
                rows = unsettled(session)
            forecasts, others = ([r for r in rows if (r.kind == FORECAST) is first] for first in (True, False))
            for row in forecasts:
                with self._chain_session.lock:
                    self._settle(row)
            with self._chain_session.lock:
                self._claim_together([row for row in others if row.kind == CLAIM])
            for row in others:
                with self._chain_session.lock:
                    self._settle(row)
            erase_departed(self._community)
        except ChainError as error:
            if str(error) != self._told:
                _log.error("not settled", extra={"reason": str(error)})
            self._told = str(error)

    @property
    def _final(self) -> int | None:
        """The last block that is final; None for the latest one."""
        return final_block(self._chain_session.chain, self._depth)

    def _claim_together(self, rows: Sequence[Unsettled]) -> None:
        """Send the claims that the chain does not hold in few transactions. What it refuses is judged row by row."""
        missing = [row for row in rows if not self._holds(row, None)]
        if len(missing) > 1:
            for row in missing:
                self._reopen_if_mined(row)
            began = time.time_ns()
            with transactions_sent() as sent:
                outcomes = settle_claims(self._community, self._chain_session, [_claim(row) for row in missing])
            for row in (row for row, one in zip(missing, outcomes, strict=True) if isinstance(one, Granted)):
                of = self._community.home_day(row.household, row.day)
                tracer().past("claim on chain", of, began, time.time_ns(), transaction=" ".join(sent))
            taken = sum(isinstance(one, Granted) for one in outcomes)
            _log.info("claims sent together", extra={"sent": len(missing), "taken": taken})

    def _settle(self, row: Unsettled) -> None:
        told = {"kind": row.kind, "household": row.household, "day": row.day}
        of = self._community.home_day(row.household, row.day)
        if self._holds(row, None):
            self._note(row)
            with self._community.sessions.begin() as session:
                if is_final(self._chain_session.chain, self._depth, partial(self._holds, row)):
                    let_go(session, row.kind, row.household, row.day)
                    _log.info("final", extra=told)
                    now = time.time_ns()
                    tracer().past("final on chain", of, now, now, kind=row.kind)
                else:
                    mark(session, row.kind, row.household, row.day, "mined")
            return
        self._reopen_if_mined(row)
        try:
            with tracer().step("send again", of, kind=row.kind) as again, transactions_sent() as sent:
                self._send(row)
                again.set(transaction=" ".join(sent))
        except NodeUnreachable:
            raise
        except (ChainError, ProofError, DataError) as refused:
            if self._holds(row, None):
                return
            over = self._chain_session.chain.now >= claims_close(self._contracts, row.day)
            if over or isinstance(refused, _FOR_GOOD):
                with self._community.sessions.begin() as session:
                    mark(session, row.kind, row.household, row.day, "refused", str(refused))
                _log.error("refused", extra=told | {"reason": str(refused)})
            else:
                _log.warning("not on the chain yet", extra=told | {"reason": str(refused)})

    def _holds(self, row: Unsettled, block: int | None) -> bool:
        if row.kind == FORECAST:
            bundle = _forecast(row)
            digest = forecast_digest(from_hex(bundle.forecast), bundle.context.round, bundle.proof_hash)
            return holds_forecast(self._contracts, row.household, row.day, digest, block)
        state_of = green_state if row.kind in (GREEN, GREEN_PAYMENT) else claim_state
        state = state_of(self._contracts, row.household, row.day, block)
        return state.collected if row.kind in _PAYMENTS else state.claimed

    def _note(self, row: Unsettled) -> None:
        """The server's own record of what the chain shows. Of who has left, only what is still to be paid."""
        with self._community.sessions() as session:
            is_member = member(session, row.household) is not None
        if row.kind == FORECAST and is_member:
            keep_forecast(self._community, _forecast(row))
        elif row.kind == CLAIM:
            taken = recall_claim(self._contracts, row.household, row.day)
            if taken is not None:
                keep_reward(self._community, row.household, row.day, taken)
                if is_member and taken.proof_hash == keccak(from_hex(_claim(row).proof)):
                    keep_claim(self._community, _claim(row))
        elif row.kind == GREEN:
            green = recall_green(self._contracts, row.household, row.day)
            if green is not None:
                keep_green(self._community, row.household, row.day, green, _green(row) if is_member else None)

    def _reopen_if_mined(self, row: Unsettled) -> None:
        """What the chain does not hold any more is not listed any more."""
        if row.state != "mined":
            return
        told = {"kind": row.kind, "household": row.household, "day": row.day}
        _log.warning("taken back by a reorganisation, sent again", extra=told)
        with self._community.sessions.begin() as session:
            mark(session, row.kind, row.household, row.day, "waiting")
            if row.kind in _PAYMENTS:  # the payer pays it again
                paid = _PAYMENTS[row.kind]
                mine = update(paid).where(paid.household == row.household, paid.day == row.day)
                session.execute(mine.values(amount=None))
                return
            for table in _KEPT[row.kind]:
                session.execute(delete(table).where(table.household == row.household, table.day == row.day))

    def _send(self, row: Unsettled) -> None:
        if row.kind == FORECAST:
            relay_forecast(self._chain_session, _forecast(row), row.raw)
        elif row.kind == CLAIM:
            settle_claim(self._community, self._chain_session, _claim(row))
        elif row.kind == GREEN:
            send_green(self._community, self._chain_session, _green(row))
        with self._community.sessions.begin() as session:
            if row.kind in _PAYMENTS:
                let_go(session, row.kind, row.household, row.day)
            else:
                mark(session, row.kind, row.household, row.day, "mined")
        self._note(row)

    def _find_others(self) -> None:
        """Claims that others brought to the chain are listed like those that came here, and meters that its authority
        has assigned while the server runs."""
        last, kept = self._chain_session.chain.block, self._community
        with kept.sessions() as session:
            members = set(session.scalars(select(Household.address)))
            listed = {(r.household, r.day) for r in session.scalars(select(Reward))}
            green = {(g.household, g.day) for g in session.scalars(select(GreenClaim))}
        for household, day, taken in claims_since(self._contracts, self._scanned(_SCAN) + 1, last):
            if household in members and (household, day) not in listed:
                keep_reward(kept, household, day, taken)
        for household, day, share in greens_since(self._contracts, self._scanned(_GREEN_SCAN) + 1, last):
            if household in members and (household, day) not in green:
                keep_green(kept, household, day, share, None)
        final = last if self._final is None else self._final
        with kept.sessions.begin() as session:
            keep_meters(session, self._contracts, self._scanned(_METER_SCAN) + 1, last)
            for name in (_SCAN, _GREEN_SCAN, _METER_SCAN):
                put(session, Scan(name=name, block=max(final, self._scanned(name))))

    def _scanned(self, name: str) -> int:
        """The last block whose events were looked at for good."""
        with self._community.sessions() as session:
            known = session.get(Scan, name)
        return self._contracts.block - 1 if known is None else known.block


def _forecast(row: Unsettled) -> InferenceBundle:
    bundle = parse(row.bundle)
    assert isinstance(bundle, InferenceBundle)
    return bundle


def _claim(row: Unsettled) -> ClaimBundle:
    bundle = parse(row.bundle)
    assert isinstance(bundle, ClaimBundle)
    return bundle


def _green(row: Unsettled) -> GreenBundle:
    bundle = parse(row.bundle)
    assert isinstance(bundle, GreenBundle)
    return bundle
