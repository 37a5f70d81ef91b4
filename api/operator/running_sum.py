"""One masked sum of gateways as the server coordinates it, within a database transaction.

A phase ends when everyone who could has answered, or at its deadline if enough have; otherwise it keeps waiting. A
message for a phase that is over is refused: that member has dropped out. Every message is checked before it is passed
on, and a member that forged an envelope, or complained about a valid one, is named and excluded.

    keys → share → check (→ answer) → mask → agree → reveal → open | failed
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session as Database

from api.operator.database.members import member as member_of_community
from api.operator.database.members import meter_at
from api.operator.database.tables import MaskedSum, MaskedSumMessage
from api.operator.shared_days import Registers, day_record, keep_shared, signed_registers, verify_registers
from api.operator.totals import as_totals, is_kept, keep_measured, keep_total
from api.protocol.secure_sum import (
    COMMITMENT,
    KEYS,
    MASKED,
    SIGNATURE,
    SIGNED,
    STAGES,
    Kind,
    Stage,
    SumMessage,
    SumTerms,
)
from data.interval import interval_of
from data.meter import SignedDay, verify_signed_day
from data.quantity import Quantity
from fl.secagg.aggregator import (
    FEWEST_MEMBERS,
    SHARE_BYTES,
    MaskingRefused,
    PublicKeys,
    Session,
    check_envelopes,
    complaint,
    duplicated_keys,
    judge,
    masked_statement,
    parse_masked,
    survivors_statement,
    unmask,
)
from zkp.errors import InvalidProof, ProofError
from zkp.statements.total import Total

_log = logging.getLogger(__name__)
CLASS = "class"
"""What a member's class is called in a row, where shared energy is split class by class."""


class SecureSumRefused(Exception):
    """A message that a sum does not accept, or a sum that does not exist (yet). `code`: the API's name for the
    reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SumState:
    """The state of a sum: what is collected, from whom, and what one member needs for its answer."""

    terms: SumTerms
    phase: str
    waiting_for: tuple[str, ...]
    reason: str = ""
    items: dict[str, bytes] = field(default_factory=dict)


def said(database: Database, row: MaskedSum, stage: Stage) -> dict[str, SumMessage]:
    """The messages of a stage, by member."""
    where = (MaskedSumMessage.day == row.day, MaskedSumMessage.kind == row.kind, MaskedSumMessage.stage == stage)
    found = database.scalars(select(MaskedSumMessage).where(*where).order_by(MaskedSumMessage.home))
    return {one.home: SumMessage.from_json(one.content) for one in found}


class RunningSum:
    """A sum, from its database row and messages. `now`: UTC seconds."""

    def __init__(
        self, database: Database, row: MaskedSum, kind: Kind, community: str, phase_s: float, now: float
    ) -> None:
        self._database, self._row, self._kind, self._phase_s, self._now = database, row, kind, phase_s, now
        names = tuple(sorted(row.members))
        classes = tuple(int(row.members[name][CLASS]) for name in names if CLASS in row.members[name])
        self._interval = interval_of(row.interval_minutes)
        nonce = bytes.fromhex(row.nonce)
        self._terms = SumTerms(community, row.day, kind, nonce, names, classes, self._interval)
        identities = {home: bytes.fromhex(member["identity"]) for home, member in row.members.items()}
        self._session: Session = self._terms.session(identities)

    def state(self, home: str | None) -> SumState:
        waiting = self._waiting_for()
        items = {} if home is None or home not in waiting else self._needs(home)
        return SumState(self._terms, self._row.phase, tuple(sorted(waiting)), self._row.reason, items)

    def take(self, message: SumMessage) -> None:
        """Store a valid message. Raises SecureSumRefused, MeterError."""
        member = self._row.members.get(message.home)
        if member is None:
            raise SecureSumRefused("not-a-member", f"{message.home} is not in this sum")
        if member_of_community(self._database, member["household"]) is None:
            raise SecureSumRefused("not-a-member", f"the household of {message.home} has left the community")
        if not message.is_signed(self._session, bytes.fromhex(member["identity"])):
            raise SecureSumRefused("forged-message", f"the message is not signed by the key of {message.home}")
        kept = self._said(message.stage).get(message.home)
        if kept is not None:
            if kept.items != message.items:
                raise SecureSumRefused("second-message", f"{message.home} has sent another message in this stage")
            return
        if message.home not in self._waiting_for() or message.stage != self._row.phase:
            raise SecureSumRefused("wrong-stage", f"{message.home} is not asked for `{message.stage}` now")
        try:
            self._check(message, member["household"])
        except (MaskingRefused, KeyError) as problem:
            raise SecureSumRefused("malformed-message", f"{message.stage} of {message.home}: {problem}") from None
        self._database.add(
            MaskedSumMessage(
                day=self._row.day, kind=self._row.kind, stage=message.stage, home=message.home,
                content=message.to_json(),
            )
        )  # fmt: skip
        self._database.flush()

    def advance(self) -> None:
        """Advance to the next phase if this one is over; after the last, the sum is `over` and can be opened."""
        while (phase := self._phase) is not None and phase != STAGES[-1] and self._is_over():
            _log.info(
                "stage of a sum over", extra=self._log_context | {"stage": phase, "answers": len(self._said(phase))}
            )
            self._row.phase, self._row.until = STAGES[STAGES.index(phase) + 1], self._now + self._phase_s
            if self._row.phase == "mask":
                self._leave_out()
            elif self._row.phase == "agree":
                self._check_classes()
            self._database.flush()

    def _leave_out(self) -> None:
        """Name the members that cheated before the masks; without them there may be too few."""
        cheats = self._cheats()
        for home, why in cheats.items():
            _log.error("a gateway has cheated in a sum", extra=self._log_context | {"gateway": home, "reason": why})
        self._row.reason = "; ".join(f"{home} is left out: {why}" for home, why in cheats.items())[:500]
        if (left := len(self._asked("mask"))) < self._session.certain:
            self._row.phase = "failed"
            self._row.reason = f"{left} gateways are left, {self._session.certain} must be. {self._row.reason}"[:500]

    def _check_classes(self) -> None:
        """A class of which too few have entered ends the sum: its total would tell of each of them."""
        count = self._terms.smallest_class(self._said("mask"))
        if count < FEWEST_MEMBERS:
            self._row.phase = "failed"
            self._row.reason = f"a class has {count} gateways in the sum, and its total takes {FEWEST_MEMBERS}"

    @property
    def over(self) -> bool:
        """Whether the last phase is over, and the sum not opened yet."""
        return self._row.phase == STAGES[-1] and self._is_over()

    def _is_over(self) -> bool:
        phase = self._phase
        if phase is None:
            return False
        if not self._waiting_for():
            return True
        needed = 0 if phase == "answer" else self._session.threshold
        needed = self._session.certain if phase == "mask" else needed
        return self._now >= self._row.until and len(self._said(phase)) >= needed

    @property
    def _phase(self) -> Stage | None:
        """The stage that is collected now; None when the sum is open or failed."""
        return next((stage for stage in STAGES if stage == self._row.phase), None)

    @property
    def _log_context(self) -> dict[str, object]:
        return {"day": self._row.day, "kind": self._row.kind}

    def _said(self, stage: Stage) -> dict[str, SumMessage]:
        return said(self._database, self._row, stage)

    def _asked(self, phase: Stage) -> set[str]:
        """The members that can answer in a phase: those that did in the one before, without cheaters."""
        match phase:
            case "keys":
                return set(self._terms.members)
            case "answer":
                return set(self._complaints())
            case "mask":
                return self._said("check").keys() - self._cheats().keys()
        return set(self._said(STAGES[STAGES.index(phase) - 1]))

    def _waiting_for(self) -> set[str]:
        return set() if self._phase is None else self._asked(self._phase) - self._said(self._phase).keys()

    def _complaints(self) -> dict[str, dict[str, bytes]]:
        """By accused member: who complained about its envelope, and the signed complaint."""
        accusers: dict[str, dict[str, bytes]] = {}
        for accuser, message in self._said("check").items():
            for accused, signature in message.items.items():
                accusers.setdefault(accused, {})[accuser] = signature
        return accusers

    def _cheats(self) -> dict[str, str]:
        """Members that forged an envelope, or complained about a valid one, with the reason."""
        complaints = self._complaints()
        if not complaints:
            return {}
        keys, shared, answers = self._keys(), self._said("share"), self._said("answer")
        cheats = {}
        for accused, by in complaints.items():
            for accuser in by:
                answer = answers[accused].items.get(accuser) if accused in answers else None
                envelope = shared[accused].items[accuser]
                home, why = judge(self._session, accused, accuser, envelope, answer, keys[accuser])
                cheats[home] = why
        return cheats

    def _keys(self) -> dict[str, PublicKeys]:
        return {home: PublicKeys.from_bytes(one.items[KEYS]) for home, one in self._said("keys").items()}

    def _shared(self) -> dict[str, PublicKeys]:
        """The members that the vectors are masked with."""
        keys = self._keys()
        return {home: keys[home] for home in self._asked("mask")}

    def _needs(self, home: str) -> dict[str, bytes]:
        """What a member must know to answer: names, and something of each."""
        phase, before = self._phase, self._said(STAGES[max(0, STAGES.index(self._phase or "keys") - 1)])
        if phase == "answer":
            return self._complaints()[home]
        if phase == "mask":
            return dict.fromkeys(self._asked("mask"), b"")
        if phase == "check":
            return {peer: one.items[home] for peer, one in before.items() if peer != home}
        item = {"share": KEYS, "agree": SIGNED, "reveal": SIGNED}.get(phase or "")
        return {} if item is None else {peer: one.items[item] for peer, one in before.items()}

    def _check(self, message: SumMessage, household: str) -> None:
        """Raises MaskingRefused, KeyError for items that are not what the stage asks for; MeterError."""
        items, home, session = message.items, message.home, self._session
        match message.stage:
            case "keys":
                keys = PublicKeys.from_bytes(items[KEYS])
                keys.check(session, home)
                if why := duplicated_keys(self._keys() | {home: keys}).get(home):
                    raise MaskingRefused(why)
                if self._kind == "measured":
                    verify_signed_day(self._signed_day(household, message), self._meter(household))
                elif self._kind == "shared":
                    verify_registers(self._registers(household, message), self._meter(household), self._interval)
            case "share":
                check_envelopes(home, items, self._asked("share"))
            case "check":
                shared = self._said("share")
                for accused, signature in items.items():
                    digest = hashlib.sha256(shared[accused].items[home]).digest()
                    session.check_signed(home, complaint(session, home, accused, digest), signature)
            case "answer":
                _expect(items, set(self._complaints()[home]), SHARE_BYTES)
            case "mask":
                parse_masked(session, home, items[MASKED])
                session.check_signed(home, masked_statement(session, self._shared()), items[SIGNED])
            case "agree":
                statement = survivors_statement(session, self._shared(), self._said("mask"))
                session.check_signed(home, statement, items[SIGNED])
            case "reveal":
                _expect(items, self._asked("mask"), SHARE_BYTES)

    def opened(self) -> tuple[Total, ...] | str:
        """The sum, a total for each register, or why it cannot be opened. Changes nothing."""
        masked = {home: one.items[MASKED] for home, one in self._said("mask").items()}
        reveals = {home: one.items for home, one in self._said("reveal").items()}
        shared = self._asked("mask")
        sealed = {home: one.items for home, one in self._said("share").items() if home in shared}
        try:
            opened = unmask(self._session, self._keys(), sealed, masked, reveals)
            for liar, why in opened.liars.items():
                _log.error(
                    "a gateway has cheated in a sum", extra=self._log_context | {"gateway": liar, "reason": why}
                )
            return as_totals(opened.total, self._kind)
        except (MaskingRefused, ValueError) as problem:
            return str(problem)

    def finish(self, opened: tuple[Total, ...] | str) -> None:
        """Check the sum against the commitments and store it; otherwise store why there is none."""
        if not self.over:
            return
        try:
            if isinstance(opened, str):
                raise InvalidProof(opened)
            self._keep(opened)
            self._row.phase = "open"
            _log.info("sum open", extra=self._log_context)
        except (ProofError, SecureSumRefused) as problem:
            self._row.phase, self._row.reason = "failed", str(problem)[:500]
            _log.error("sum failed", extra=self._log_context | {"reason": str(problem)})

    def _keep(self, opened: tuple[Total, ...]) -> None:
        day, said = self._row.day, self._said("keys")
        households = {home: self._row.members[home]["household"] for home in sorted(self._said("mask"))}
        if is_kept(self._database, day, self._kind):
            raise SecureSumRefused("already-open", f"another total of day {day} was opened meanwhile")
        if self._kind in ("forecast", "export"):
            quantity: Quantity = "export" if self._kind == "export" else "load"
            keep_total(self._database, day, opened[0], sorted(households.values()), quantity)
            return
        if self._kind == "measured":
            signed = [self._signed_day(household, said[home]) for home, household in households.items()]
            keep_measured(self._database, day, opened[0], signed)
            return
        registers = [self._registers(household, said[home]) for home, household in households.items()]
        classes = {
            self._row.members[home]["household"]: number
            for home, number in zip(self._terms.members, self._terms.classes, strict=False)
        }
        keep_shared(self._database, day_record(day, self._interval, registers, opened), self._interval, classes)

    def _meter(self, household: str) -> str:
        return meter_at(self._database, household, self._row.day)

    def _signed_day(self, household: str, message: SumMessage) -> SignedDay:
        return SignedDay(household, self._row.day, message.items[COMMITMENT], message.items[SIGNATURE])

    def _registers(self, household: str, message: SumMessage) -> Registers:
        return signed_registers(household, self._row.day, self._interval, message.items)


def _expect(items: dict[str, bytes], names: set[str], size: int) -> None:
    if items.keys() != names or any(len(item) != size for item in items.values()):
        raise MaskingRefused(f"it must have an item of {size} bytes for each of the {len(names)} others it is for")
