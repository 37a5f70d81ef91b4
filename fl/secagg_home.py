"""Secure aggregation at home: a Flower mod around the ClientApp. Nothing but masked sums' messages leaves through it.

What local mods do to an update (clipping, noise) is done before it is masked. Secrets of a round stay in the node's
own Flower state between the messages, and are dropped as they have served; in which sums the home is stands on disk.
"""

from __future__ import annotations

import math
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from fl.client_app import ARRAYS, EXAMPLES, METRICS, PLAN
from fl.masked_sum import MaskingRefused, Member, PublicKeys, Session
from fl.masking import check_quorum, unopened_statement
from fl.plan import plan_digest
from fl.rings import Vector
from fl.roster import sign
from fl.secagg import encode, vector_length
from fl.secagg_wire import (
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
from fl.settings import FederationSettings
from fl.sum_record import SumRecord
from fl.weights import digest_of, from_record

_STATE = "secagg-state"


class SecAggMod:
    """The home's side of secure aggregation, and its own conditions for taking part.

    Args:
        settings: the home's; a sum below its `threshold` or `fewest_homes`, or of another weighting, is refused.
        home: this home's name; None: whatever the coordinator calls it, in a simulation.
        identity, roster: this home's identity key, and all homes' public ones by name, so that the coordinator can
            neither swap keys nor say different things to different homes (see `fl.masked_sum`).
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
        self._fewest = self._settings.fewest(None if roster is None else len(roster), settings.fraction)
        self._noisy = settings.privacy.mode in ("local", "distributed")
        self._home = home
        self._identity = identity
        self._roster = roster
        self._record = record

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Answer a training message of the protocol; refuse any other training, pass on what is not training.

        Raises MaskingRefused.
        """
        if message.metadata.message_type != MessageType.TRAIN:
            return call_next(message, context)
        record = message.content.config_records.get(SECAGG)
        stage = None if record is None else record.get("stage")
        if record is None or stage not in STAGES:
            raise MaskingRefused("this home trains under secure aggregation only, and the request is not")
        if stage == KEYS:
            answer = self._keys(record, context)
        elif stage == CLOSE:
            answer = self._close(record, context)
        else:
            session, member = self._member(context)
            try:
                answer = self._step(str(stage), session, member, message, context, call_next)
            finally:  # a stage is entered once, even if it was refused
                context.state.config_records[_STATE]["secrets"] = member.save()
        return Message(RecordDict({SECAGG: answer}), reply_to=message)

    def _keys(self, record: ConfigRecord, context: Context) -> ConfigRecord:
        terms, home = SumTerms.from_bytes(record.get("terms")), str(record.get("home"))
        session = terms.session(self._roster)
        if self._home not in (None, home):
            raise MaskingRefused(f"this home is {self._home}, not {home}")
        self._check(terms)
        closed = [self._closed(data) for data in cast(list[bytes], record.get("closed", []))]
        if self._record is not None:
            self._record.check(terms.start, session.digest, closed)
        member = Member(session, home, self._identity)
        keys = member.keys().to_bytes()
        context.state.config_records[_STATE] = ConfigRecord(
            {"terms": terms.to_bytes(), "home": home, "closed": closed, "secrets": member.save()}
        )
        return ConfigRecord({KEYS: keys})

    def _check(self, terms: SumTerms) -> None:
        """Raises MaskingRefused for a sum that this home's own settings do not allow."""
        count, needed = len(terms.members), self._settings.shares_needed(len(terms.members))
        if terms.fewest < self._fewest:
            raise MaskingRefused(
                f"a sum of {terms.fewest} homes would be opened, {self._fewest} must be in it "
                "(secure_aggregation.fewest_homes)"
            )
        if terms.threshold < needed:
            raise MaskingRefused(
                f"{terms.threshold} of {count} homes would open the sum: fewer than this home's threshold, {needed}"
            )
        if terms.weighting != self._strategy.weighting:
            raise MaskingRefused(
                f"weighting {terms.weighting!r:.20}: this home's is {self._strategy.weighting} (strategy.weighting)"
            )

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
        state = context.state.config_records.get(_STATE)
        if state is not None and state["terms"] == terms.to_bytes():
            del context.state.config_records[_STATE]
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
        vector = self._trained(session, message, context, call_next)
        masked = member.mask(vector, items)
        if self._record is not None:
            state = context.state.config_records[_STATE]
            terms = SumTerms.from_bytes(state["terms"])
            self._record.enter(terms.start, session.digest, cast(list[bytes], state["closed"]))
        return ConfigRecord({MASK: masked.vector, SIGNATURE: masked.signature})

    def _member(self, context: Context) -> tuple[Session, Member]:
        state = context.state.config_records.get(_STATE)
        if state is None:
            raise MaskingRefused("this home is in no sum: it was not asked for keys, or has restarted since")
        session = SumTerms.from_bytes(state["terms"]).session(self._roster)
        return session, Member.load(session, str(state["home"]), cast(bytes, state["secrets"]), self._identity)

    def _trained(self, session: Session, message: Message, context: Context, call_next: ClientAppCallable) -> Vector:
        """Train, and give the update as the vector to mask.

        Raises MaskingRefused for another model or plan than the sum is of: then not all homes train with the same,
        and the sum would show who trains with which.
        """
        terms = SumTerms.from_bytes(context.state.config_records[_STATE]["terms"])
        start = from_record(message.content.array_records[ARRAYS])
        if digest_of(start) != terms.start or vector_length(start) != session.length:
            raise MaskingRefused("the model is not the one that the sum is of")
        if plan_digest(message.content.config_records[PLAN]) != terms.plan:
            raise MaskingRefused("the plan is not the one that the sum is of")
        reply = call_next(message, context)
        if reply.has_error():
            raise MaskingRefused(f"the training failed: {reply.error.reason}")
        metrics = dict(reply.content.metric_records[METRICS])
        days = min(int(cast(int, metrics[EXAMPLES])), self._strategy.most_days)
        told = {n: float(v) for n, v in metrics.items() if isinstance(v, int | float) and math.isfinite(v)}
        weight = days if terms.weighting == "examples" else 1
        return encode(from_record(reply.content.array_records[ARRAYS]), start, told, weight, noisy=self._noisy)
