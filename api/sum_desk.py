"""The server's side of the masked sums of gateways: it collects each stage's messages, passes them on, opens the sum.

There is one sum of a day and kind, ever: a member that entered two, over different members, would show its own value
as their difference. So a sum never begins anew. Its state is in the database alone, and a server that restarts goes
on with it. A phase ends when all have answered that could, or at its deadline when enough have; it waits as long as
there are not enough. What is sent for a phase that is over is refused: that member has dropped out.

    keys → share → mask → reveal → open | failed
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from api.community import Community
from api.database import CommunityTotal, Forecast, Household, MaskedSum, MaskedSumMessage, MeasuredTotal
from api.day import Ledger
from api.errors import ApiError
from api.sum_protocol import (
    COMMITMENT,
    ENVELOPE_BYTES,
    KEYS,
    MASKED,
    NONCE_BYTES,
    SIGNATURE,
    STAGES,
    Kind,
    SumMessage,
    SumTerms,
)
from api.totals import as_total, keep_measured, keep_total
from data.meter import SignedDay, verify_signed_day
from fl.errors import KeysError
from fl.masked_member import SHARE_BYTES
from fl.masked_sum import MaskingRefused, PublicKeys, Session, parse_masked, unmask
from fl.masking import FEWEST_MEMBERS
from fl.roster import Roster
from zkp.errors import InvalidProof, ProofError
from zkp.statements.total import Total

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SumState:
    """How a sum stands: what is collected, from whom, and what one member needs for its part of it."""

    terms: SumTerms
    phase: str
    waiting_for: tuple[str, ...]
    reason: str = ""
    items: dict[str, bytes] = field(default_factory=dict)


class SumDesk:
    """The sums of a community; for one server process. `now`: UTC seconds."""

    def __init__(self, community: Community, ledger: Ledger, now: Callable[[], float] = time.time) -> None:
        self._community, self._ledger, self._now = community, ledger, now
        self._lock = Lock()
        self._opening: set[tuple[int, Kind]] = set()
        self._keys_problem = ""

    def state(self, day: int, kind: Kind, home: str | None = None) -> SumState:
        """How the sum stands; begins it if its time has come. Raises ApiError where there is none (yet)."""
        with self._lock, self._community.sessions.begin() as database:
            current = self._current(database, day, kind)
            told, over = current.state(home), current.over
        return self._opened(day, kind, home) if over else told

    def take(self, day: int, kind: Kind, message: SumMessage) -> SumState:
        """Take a member's message; the same again is fine. Raises ApiError, MeterError."""
        with self._lock, self._community.sessions.begin() as database:
            current = self._current(database, day, kind)
            current.take(message)
            current.advance()
            told, over = current.state(message.home), current.over
        return self._opened(day, kind, message.home) if over else told

    def _opened(self, day: int, kind: Kind, home: str | None) -> SumState:
        """Open a sum whose last phase is over, unless that is being done already; how it stands then.

        Half a minute's work for a hundred homes: nobody waits for it who asks something else.
        """
        with self._lock:
            mine = (day, kind) not in self._opening
            self._opening.add((day, kind))
        try:
            if mine:
                with self._community.sessions() as database:
                    outcome = self._current(database, day, kind).opened()
                with self._lock, self._community.sessions.begin() as database:
                    self._current(database, day, kind).finish(outcome)
        finally:
            if mine:
                self._opening.discard((day, kind))
        with self._community.sessions() as database:
            return self._current(database, day, kind).state(home)

    def _current(self, database: Database, day: int, kind: Kind) -> _Sum:
        row = database.get(MaskedSum, (day, kind))
        if row is None:
            row = self._begin(database, day, kind)
        current = _Sum(database, row, kind, self._community.config.community.name, self._phase_s, self._now())
        current.advance()
        return current

    @property
    def _phase_s(self) -> float:
        return self._community.config.api.sum_phase_s

    def _begin(self, database: Database, day: int, kind: Kind) -> MaskedSum:
        members = self._forecasters(database, day) if kind == "forecast" else self._measured(database, day)
        if len(members) < FEWEST_MEMBERS:
            raise ApiError("no-sum", f"{len(members)} gateways could enter the total of day {day}: too few", 404)
        row = MaskedSum(
            day=day, kind=kind, nonce=secrets.token_hex(NONCE_BYTES), members=members, phase=STAGES[0],
            until=self._now() + self._phase_s,
        )  # fmt: skip
        database.add(row)
        _log.info("sum begun", extra={"day": day, "kind": kind, "members": len(members)})
        return row

    def _forecasters(self, database: Database, day: int) -> dict[str, dict[str, str]]:
        """Gateways whose forecast of the day is registered, once no other can come."""
        if database.get(CommunityTotal, day) is not None:
            raise ApiError("already-open", f"the total of day {day} was opened before", 409)
        self._await_chain(
            self._community.start_of(day) + self._community.config.rewards.grace_seconds,
            f"forecasts of day {day} can still be registered",
        )
        registered = set(database.scalars(select(Forecast.household).where(Forecast.day == day)))
        try:
            identities = Roster.of_agents(self._community.config.federation.deployment.keys_dir).members
        except KeysError as error:
            if str(error) != self._keys_problem:  # gateways ask again and again
                self._keys_problem = str(error)
                _log.warning("no sums without the gateways' public keys", extra={"reason": str(error)})
            raise ApiError("no-sum", "the server has no public keys of gateways (keys/agents/*.pub)", 404) from None
        return {
            member.home: {"household": member.household, "identity": identities[member.home].hex()}
            for member in self._community.config.community.members
            if member.home in identities and member.household in registered
        }

    def _measured(self, database: Database, day: int) -> dict[str, dict[str, str]]:
        """The gateways in the day's total of forecasts, once the day is over."""
        if database.get(MeasuredTotal, day) is not None:
            raise ApiError("already-open", f"the measured total of day {day} was opened before", 409)
        before = database.get(MaskedSum, (day, "forecast"))
        if before is None or before.phase != "open":
            raise ApiError("no-sum", f"gateways have opened no total of forecasts of day {day}", 404)
        self._await_chain(self._community.start_of(day + 1), f"day {day} is not over")
        return {home: before.members[home] for home in sorted(_said(database, before, "mask"))}

    def _await_chain(self, moment: int, meanwhile: str) -> None:
        with self._ledger.turn:
            now = self._ledger.chain.now
        if now <= moment:
            raise ApiError("too-early", f"{meanwhile} (now {now}, until {moment}, UTC seconds)", 409)


def _said(database: Database, row: MaskedSum, stage: str) -> dict[str, SumMessage]:
    """The messages of a stage, by member."""
    where = (MaskedSumMessage.day == row.day, MaskedSumMessage.kind == row.kind, MaskedSumMessage.stage == stage)
    found = database.scalars(select(MaskedSumMessage).where(*where).order_by(MaskedSumMessage.home))
    return {one.home: SumMessage.from_json(one.content) for one in found}


class _Sum:
    """A sum within one transaction of the database."""

    def __init__(
        self, database: Database, row: MaskedSum, kind: Kind, community: str, phase_s: float, now: float
    ) -> None:
        self._database, self._row, self._phase_s, self._now = database, row, phase_s, now
        self._terms = SumTerms(community, row.day, kind, bytes.fromhex(row.nonce), tuple(sorted(row.members)))
        identities = {home: bytes.fromhex(member["identity"]) for home, member in row.members.items()}
        self._session: Session = self._terms.session(identities)

    def state(self, home: str | None) -> SumState:
        waiting = self._waiting_for()
        items = {} if home is None or home not in waiting else self._needs(home)
        return SumState(self._terms, self._row.phase, tuple(sorted(waiting)), self._row.reason, items)

    def take(self, message: SumMessage) -> None:
        """Keep a message that is right. Raises ApiError, MeterError."""
        member = self._row.members.get(message.home)
        if member is None:
            raise ApiError("not-a-member", f"{message.home} is not in this sum", 403)
        if not message.is_signed(self._session, bytes.fromhex(member["identity"])):
            raise ApiError("forged-message", f"the message is not signed by the key of {message.home}", 403)
        kept = _said(self._database, self._row, message.stage).get(message.home)
        if kept is not None:
            if kept.items != message.items:
                raise ApiError("second-message", f"{message.home} has said something else in this stage", 409)
            return
        if message.home not in self._waiting_for() or message.stage != self._row.phase:
            raise ApiError("wrong-stage", f"{message.home} is not asked for `{message.stage}` now", 409)
        try:
            self._check(message, member["household"])
        except (MaskingRefused, KeyError) as problem:
            raise ApiError("malformed-message", f"{message.stage} of {message.home}: {problem}", 422) from None
        self._database.add(
            MaskedSumMessage(
                day=self._row.day, kind=self._row.kind, stage=message.stage, home=message.home,
                content=message.to_json(),
            )
        )  # fmt: skip
        self._database.flush()

    def advance(self) -> None:
        """Go on to the next phase if this one is over; after the last, the sum is `over` and can be opened."""
        while self._is_over() and self._row.phase != STAGES[-1]:
            answers = len(self._said(self._row.phase))
            _log.info("stage of a sum over", extra=self._told | {"stage": self._row.phase, "answers": answers})
            self._row.phase, self._row.until = STAGES[STAGES.index(self._row.phase) + 1], self._now + self._phase_s
            self._database.flush()

    @property
    def over(self) -> bool:
        """Whether the last phase is over, and the sum not opened yet."""
        return self._row.phase == STAGES[-1] and self._is_over()

    def _is_over(self) -> bool:
        if self._row.phase not in STAGES:
            return False
        enough = len(self._said(self._row.phase)) >= self._session.threshold
        return not self._waiting_for() or (enough and self._now >= self._row.until)

    @property
    def _told(self) -> dict[str, object]:
        return {"day": self._row.day, "kind": self._row.kind}

    def _said(self, stage: str) -> dict[str, SumMessage]:
        return _said(self._database, self._row, stage)

    def _asked(self) -> set[str]:
        """Who can answer in this phase: those that did in the one before."""
        at = STAGES.index(self._row.phase)
        return set(self._terms.members) if at == 0 else set(self._said(STAGES[at - 1]))

    def _waiting_for(self) -> set[str]:
        return self._asked() - self._said(self._row.phase).keys() if self._row.phase in STAGES else set()

    def _needs(self, home: str) -> dict[str, bytes]:
        """What a member must know to answer."""
        match self._row.phase:
            case "share":
                return {peer: said.items[KEYS] for peer, said in self._said("keys").items()}
            case "mask":
                return {peer: said.items[home] for peer, said in self._said("share").items() if peer != home}
            case "reveal":
                return {peer: b"" for peer in self._said("mask")}
        return {}

    def _check(self, message: SumMessage, household: str) -> None:
        """Raises MaskingRefused, KeyError for items that are not what the stage asks for; MeterError."""
        items = message.items
        match message.stage:
            case "keys":
                PublicKeys.from_bytes(items[KEYS]).check(self._session, message.home)
                if self._row.kind == "measured":
                    meter = self._database.get_one(Household, household).meter
                    verify_signed_day(_signed_day(household, self._row.day, message), meter)
            case "share":
                _expect(items, self._asked() - {message.home}, ENVELOPE_BYTES)
            case "mask":
                parse_masked(self._session, message.home, items[MASKED])
            case "reveal":
                # Of those only whose shares were passed on.
                _expect(items, set(self._said("share")), SHARE_BYTES)

    def opened(self) -> Total | str:
        """The sum, or why it can't be had. Changes nothing."""
        keys = {home: PublicKeys.from_bytes(said.items[KEYS]) for home, said in self._said("keys").items()}
        masked = {home: said.items[MASKED] for home, said in self._said("mask").items()}
        reveals = {home: said.items for home, said in self._said("reveal").items()}
        try:
            return as_total(unmask(self._session, keys, self._said("share").keys(), masked, reveals))
        except (MaskingRefused, ValueError) as problem:
            return str(problem)

    def finish(self, opened: Total | str) -> None:
        """Check the sum against the commitments and keep it; or keep why there is none."""
        if not self.over:
            return
        try:
            if isinstance(opened, str):
                raise InvalidProof(opened)
            self._keep(opened)
            self._row.phase = "open"
            _log.info("sum open", extra=self._told)
        except (ProofError, ApiError) as problem:
            self._row.phase, self._row.reason = "failed", str(problem)[:500]
            _log.error("sum failed", extra=self._told | {"reason": str(problem)})

    def _keep(self, opened: Total) -> None:
        day, forecast = self._row.day, self._row.kind == "forecast"
        households = {home: self._row.members[home]["household"] for home in sorted(self._said("mask"))}
        if self._database.get(CommunityTotal if forecast else MeasuredTotal, day) is not None:
            raise ApiError("already-open", f"another total of day {day} was opened meanwhile", 409)
        if forecast:
            keep_total(self._database, day, opened, sorted(households.values()))
        else:
            said = self._said("keys")
            keep_measured(self._database, day, opened, [_signed_day(a, day, said[h]) for h, a in households.items()])


def _signed_day(household: str, day: int, message: SumMessage) -> SignedDay:
    return SignedDay(household, day, message.items[COMMITMENT], message.items[SIGNATURE])


def _expect(items: dict[str, bytes], names: set[str], size: int) -> None:
    if items.keys() != names or any(len(item) != size for item in items.values()):
        raise MaskingRefused(f"it must have an item of {size} bytes for each of the {len(names)} others it is for")
