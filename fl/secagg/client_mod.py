"""Secure aggregation at home: a Flower mod around the ClientApp. Only messages of masked sums leave through it.

What local mods do to an update (clipping, noise) is done before it is masked. Secrets of a round stay in the node's
own Flower state between messages, and are dropped once used; the sums the home is in are recorded on disk.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.clientapp.typing import ClientAppCallable
from numpy.typing import NDArray

from fl.aggregation.flat import step_of
from fl.client_app import ARRAYS, EXAMPLES, METRICS, PLAN
from fl.one_shot.plan import LAST_DAY, LEAVE, ONE_SHOT, STATISTICS, SUMS, OneShotPlan
from fl.plan import plan_digest, quantity_of
from fl.secagg.aggregator import MaskingRefused, Member, PublicKeys, Session
from fl.secagg.fixed_point import STEP, encode, vector_length
from fl.secagg.messages import (
    AGREE,
    ANSWER,
    CHECK,
    CLOSE,
    KEYS,
    MASK,
    REVEAL,
    SECAGG,
    SHARE,
    SIGNATURE,
    STAGES,
    ClosedSum,
    SumTerms,
    read_items,
    stage_record,
)
from fl.secagg.rings import Vector
from fl.secagg.roster import sign
from fl.secagg.session import check_quorum, unopened_statement
from fl.secagg.sum_record import SumRecord
from fl.settings import FederationSettings
from fl.weights import Weights, digest_of, from_record

STATE = "secagg-state"


class SecAggMod:
    """The home's side of secure aggregation, and its own conditions for taking part.

    Args:
        settings: the home's; a sum below its `threshold` or `fewest_homes`, or of another weighting, is refused.
        home: this home's name; None: whatever the coordinator calls it, in a simulation.
        identity, roster: this home's identity key, and all homes' public ones by name, so that the coordinator can
            neither swap keys nor say different things to different homes (see `fl.secagg.aggregator`).
        record: which sums the home has been in; None in a simulation.
    """

    def __init__(
        self,
        settings: FederationSettings,
        home: str | None = None,
        identity: ec.EllipticCurvePrivateKey | None = None,
        roster: dict[str, bytes] | None = None,
        record: SumRecord | None = None,
    ) -> None:
        self._settings, self._strategy = settings.secure_aggregation, settings.strategy
        self._noisy = settings.privacy.mode in ("local", "distributed")
        self._one_shot, self._private = settings.one_shot, settings.privacy.mode != "off"
        self._export = settings.export
        self._home = home
        self._identity = identity
        self._roster = roster
        self._record = record

    stages: tuple[str, ...] = STAGES

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Answer a training message of the protocol; refuse any other training, pass on what is not training.

        Raises MaskingRefused.
        """
        if message.metadata.message_type != MessageType.TRAIN:
            return call_next(message, context)
        record = message.content.config_records.get(SECAGG)
        if record is None and ONE_SHOT in message.content.config_records:
            raise MaskingRefused("the sums of a one-shot training leave under masks only, and the request has none")
        if record is None and not self._settings.enabled:  # a simulation's: only a one-shot training is masked
            return call_next(message, context)
        stage = None if record is None else record.get("stage")
        if record is None or stage not in self.stages:
            raise MaskingRefused("this home trains under secure aggregation only, and the request is not")
        if stage == KEYS:
            answer = self._keys(record, context)
        elif stage == CLOSE:
            answer = self._close(record, context)
        else:
            answer = self._answer(str(stage), message, context, call_next)
        return Message(RecordDict({SECAGG: answer}), reply_to=message)

    def _keys(self, record: ConfigRecord, context: Context) -> ConfigRecord:
        terms, home = SumTerms.from_bytes(record.get("terms")), str(record.get("home"))
        session = terms.session(self._roster)
        if self._home not in (None, home):
            raise MaskingRefused(f"this home is {self._home}, not {home}")
        self._check(terms)
        closed = [self._closed(data) for data in cast(list[bytes], record.get("closed", []))]
        if self._record is not None:
            self._record.check(terms.start, session.digest, closed, terms.quantity)
        keys, secrets = self._begin(session, home)
        context.state.config_records[STATE] = ConfigRecord(
            {"terms": terms.to_bytes(), "home": home, "closed": closed, "secrets": secrets}
        )
        return ConfigRecord({KEYS: keys})

    def _begin(self, session: Session, home: str) -> tuple[bytes, bytes]:
        """The home's keys for a sum, and what it keeps for the next stage."""
        member = Member(session, home, self._identity)
        return member.keys().to_bytes(), member.save()

    def _answer(self, stage: str, message: Message, context: Context, call_next: ClientAppCallable) -> ConfigRecord:
        session, member = self._member(context)
        try:
            return self._step(stage, session, member, message, context, call_next)
        finally:  # a stage is entered once, even if it was refused
            context.state.config_records[STATE]["secrets"] = member.save()

    def _check(self, terms: SumTerms) -> None:
        """Raises MaskingRefused for a sum that this home's own settings do not allow."""
        count, needed = len(terms.members), self._settings.shares_needed(len(terms.members))
        if terms.fewest < self._settings.fewest_homes:
            raise MaskingRefused(
                f"a sum of {terms.fewest} homes would be opened, {self._settings.fewest_homes} must be in it "
                "(secure_aggregation.fewest_homes)"
            )
        if terms.threshold < needed:
            raise MaskingRefused(
                f"{terms.threshold} of {count} homes would open the sum: fewer than this home's threshold, {needed}"
            )
        if terms.weighting not in (self._strategy.weighting, ONE_SHOT):
            raise MaskingRefused(
                f"weighting {terms.weighting!r:.20}: this home's is {self._strategy.weighting} (strategy.weighting)"
            )
        if terms.quantity != "load" and not self._export:
            raise MaskingRefused(
                f"a sum of {terms.quantity}: this home's settings train load only (federation.export)"
            )
        if terms.quantity != "load" and terms.weighting == ONE_SHOT:
            raise MaskingRefused("a one-shot training is of load only")

    def _closed(self, data: bytes) -> bytes:
        """The digest of a sum that is proven never to be opened. Raises MaskingRefused where it is not."""
        closed = ClosedSum.from_bytes(data)
        session = closed.terms.session(self._roster)
        # Of a sum with a lower threshold than this home takes part in, the proof would be worth less.
        if session.threshold < self._settings.shares_needed(len(session.members)):
            raise MaskingRefused("a closed sum with a threshold that this home does not take part in")
        check_quorum(session, unopened_statement(session), closed.signatures, "that a sum is never opened")
        return session.digest

    def _close(self, record: ConfigRecord, context: Context) -> ConfigRecord:
        """Sign that this home never reveals in a sum that failed, unless it has."""
        terms, home = SumTerms.from_bytes(record.get("terms")), self._home or str(record.get("home"))
        session = terms.session(self._roster)
        session.place(home)
        if self._record is not None:
            self._record.never_reveal(session.digest)
        state = context.state.config_records.get(STATE)
        if state is not None and state["terms"] == terms.to_bytes():
            del context.state.config_records[STATE]
        return ConfigRecord({SIGNATURE: sign(self._identity, unopened_statement(session)) if self._identity else b""})

    def _step(
        self,
        stage: str,
        session: Session,
        member: Member,
        message: Message,
        context: Context,
        call_next: ClientAppCallable,
    ) -> ConfigRecord:
        items = read_items(message.content)
        if stage == SHARE:
            return stage_record(SHARE, member.share({n: PublicKeys.from_bytes(keys) for n, keys in items.items()}))
        if stage == CHECK:
            return stage_record(CHECK, member.check(items))
        if stage == ANSWER:
            return stage_record(ANSWER, member.answer(items))
        if stage == AGREE:
            return ConfigRecord({SIGNATURE: member.agree(items)})
        if stage == REVEAL:
            shares = member.reveal(items)
            if self._record is not None:
                self._record.reveal(session.digest)
            return stage_record(REVEAL, shares)
        member.expect_masks_with(items)
        make = self._summed if self._terms(context).weighting == ONE_SHOT else self._trained
        vector = make(session, message, context, call_next)
        masked = member.mask(vector, items)
        self._enter_sum(session, context)
        return ConfigRecord({MASK: masked.vector, SIGNATURE: masked.signature})

    def _enter_sum(self, session: Session, context: Context) -> None:
        """Write down in which sum the home's vector is, before it leaves."""
        if self._record is not None:
            closed = cast(list[bytes], context.state.config_records[STATE]["closed"])
            terms = self._terms(context)
            self._record.enter(terms.start, session.digest, closed, terms.quantity)

    @staticmethod
    def _terms(context: Context) -> SumTerms:
        return SumTerms.from_bytes(context.state.config_records[STATE]["terms"])

    def _kept(self, context: Context) -> tuple[Session, str, bytes]:
        """The sum that the home is in, its name there, and what it kept. Raises MaskingRefused if it is in none."""
        state = context.state.config_records.get(STATE)
        if state is None:
            raise MaskingRefused("this home is in no sum: it was not asked for keys, or has restarted since")
        return self._terms(context).session(self._roster), str(state["home"]), cast(bytes, state["secrets"])

    def _member(self, context: Context) -> tuple[Session, Member]:
        session, home, secrets = self._kept(context)
        return session, Member.load(session, home, secrets, self._identity)

    def _trained(self, session: Session, message: Message, context: Context, call_next: ClientAppCallable) -> Vector:
        """Train, and give the update as the vector to mask.

        Raises MaskingRefused for another model or plan than the sum is of: then not all homes train with the same,
        and the sum would show who trains with which.
        """
        terms = self._terms(context)
        start = from_record(message.content.array_records[ARRAYS])
        if digest_of(start) != terms.start or vector_length(start) != session.length:
            raise MaskingRefused("the model is not the one that the sum is of")
        if plan_digest(message.content.config_records[PLAN]) != terms.plan:
            raise MaskingRefused("the plan is not the one that the sum is of")
        if (asked := quantity_of(message.content.config_records[PLAN])) != terms.quantity:
            raise MaskingRefused(f"the plan is of {asked}, the sum of {terms.quantity}")
        reply = call_next(message, context)
        if reply.has_error():
            raise MaskingRefused(f"the training failed: {reply.error.reason}")
        metrics = dict(reply.content.metric_records[METRICS])
        days = min(int(cast(int, metrics[EXAMPLES])), self._strategy.most_days)
        finite = {n: float(v) for n, v in metrics.items() if isinstance(v, int | float) and math.isfinite(v)}
        weight = days if terms.weighting == "examples" else 1
        return encode(_step(reply.content, start), finite, weight, noisy=self._noisy)

    def _summed(self, session: Session, message: Message, context: Context, call_next: ClientAppCallable) -> Vector:
        """The home's part of a one-shot training, as the vector to mask.

        Raises MaskingRefused for another plan than the sum is of, StatisticsRefused for one that this home does not
        follow.
        """
        terms = self._terms(context)
        asked = message.content.config_records.get(ONE_SHOT)
        if asked is None or plan_digest(asked) != terms.plan:
            raise MaskingRefused("the plan is not the one that the sum is of")
        plan = OneShotPlan.from_record(asked)
        plan.check(self._one_shot.fewest_days, self._private, len(session.members))
        if (plan.kind == LEAVE) != self._one_shot.leave:
            wants = "wants to leave" if self._one_shot.leave else "does not want to leave"
            raise MaskingRefused(f"this home {wants} the one-shot total (one_shot.leave)")
        if plan.kind == LEAVE:
            return self._entered_before(plan, terms)
        reply = call_next(message, context)
        if reply.has_error():
            raise MaskingRefused(f"the sums failed: {reply.error.reason}")
        vector = np.asarray(reply.content.array_records[SUMS][SUMS].numpy())
        if vector.dtype != np.int64 or vector.shape != (session.length,) or plan.length != session.length:
            raise MaskingRefused(f"the sums are {vector.shape} of {vector.dtype}, the sum is of {session.length}")
        if self._record is not None:
            last_day = int(cast(int, reply.content.metric_records[METRICS][LAST_DAY]))
            fresh_days = 0 if self._private else self._one_shot.fresh_days
            self._record.enter_one_shot(plan.kind, terms.start, last_day, fresh_days)
            if plan.kind == STATISTICS and not self._private:
                self._record.keep_entered(plan.kept, vector, last_day)
        return vector

    def _entered_before(self, plan: OneShotPlan, terms: SumTerms) -> Vector:
        """What this home has entered, to be taken out. Raises MaskingRefused where it has entered nothing like it."""
        entered = None if self._record is None else self._record.entered()
        if self._record is None or entered is None or entered[0] != plan.kept or len(entered[1]) != plan.length:
            raise MaskingRefused("this home has entered nothing that could be taken out of such a total")
        _, vector, last_day = entered
        self._record.enter_one_shot(LEAVE, terms.start, last_day, self._one_shot.fresh_days)
        return vector


def _step(reply: RecordDict, start: Weights) -> NDArray[np.float64]:
    """The home's update [parameters], as its mods have left it."""
    if STEP in reply.array_records:
        return np.asarray(reply.array_records[STEP][STEP].numpy(), dtype=np.float64)
    return step_of(from_record(reply.array_records[ARRAYS]), start)
