"""Secure aggregation at home: a Flower mod around the ClientApp. Nothing but masked sums' messages leaves through it.

The mod is the outermost one: what local mods do to an update (clipping, noise) is done before it is masked. Secrets
of a round stay in the node's own Flower state between the messages, and are dropped as they have served.
"""

from __future__ import annotations

import math
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from fl.client_app import ARRAYS, EXAMPLES, METRICS
from fl.masked_sum import MaskingRefused, Member, PublicKeys, Session
from fl.protection_settings import SecAggSettings
from fl.rings import Vector
from fl.secagg import encode, vector_length
from fl.secagg_wire import KEYS, MASK, REVEAL, SECAGG, SHARE, STAGES, read_items, read_session, stage_record
from fl.weights import from_record

_STATE = "secagg-state"


class SecAggMod:
    """The home's side of secure aggregation, and its own conditions for taking part.

    Args:
        settings: the home's; a session below its `threshold`, `fewest_homes` or neighbours is refused.
        home: this home's name; None: whatever the coordinator calls it.
        identity, roster: this home's identity key, and all homes' public ones by name, so that the coordinator can't
            swap keys (see `fl.masked_sum`).
    """

    def __init__(
        self,
        settings: SecAggSettings,
        home: str | None = None,
        identity: ec.EllipticCurvePrivateKey | None = None,
        roster: dict[str, bytes] | None = None,
    ) -> None:
        self._settings = settings
        self._home = home
        self._identity = identity
        self._roster = roster

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
        else:
            member = self._member(context)
            answer = self._step(str(stage), member, message, context, call_next)
            self._keep(context, member)
        return Message(RecordDict({SECAGG: answer}), reply_to=message)

    def _keys(self, record: ConfigRecord, context: Context) -> ConfigRecord:
        session, home = read_session(record, self._roster), str(record["home"])
        if self._home not in (None, home):
            raise MaskingRefused(f"this home is {self._home}, not {home}")
        if len(session.members) < self._settings.fewest_homes:
            raise MaskingRefused(f"{len(session.members)} homes in the sum, {self._settings.fewest_homes} must be")
        # With few neighbours each, homes could be told apart into groups of two or three, each opened by itself.
        if session.degree != self._settings.neighbours(len(session.members)):
            neighbours = session.holder_count - 1
            raise MaskingRefused(f"{neighbours} neighbours for each home: not what this home's settings say")
        if session.threshold < self._settings.shares_needed(session.holder_count):
            raise MaskingRefused(f"{session.threshold} shares would open a secret: fewer than this home's threshold")
        member = Member(session, home, self._identity)
        keys = member.keys().to_bytes()
        context.state.config_records[_STATE] = ConfigRecord({**record, "secrets": member.save()})
        return ConfigRecord({"keys": keys})

    def _step(
        self, stage: str, member: Member, message: Message, context: Context, call_next: ClientAppCallable
    ) -> ConfigRecord:
        items = read_items(message.content)
        if stage == SHARE:
            keys = {name: PublicKeys.from_bytes(data) for name, data in items.items()}
            return stage_record(SHARE, member.share(keys))
        if stage == REVEAL:
            return stage_record(REVEAL, member.reveal(items.keys()))
        member.expect(MASK)  # a request out of turn costs no training, and nothing of the home's privacy budget
        weighting = str(context.state.config_records[_STATE]["weighting"])
        vector = _trained(member.session, weighting, message, context, call_next)
        return ConfigRecord({MASK: member.mask(vector, items)})

    def _member(self, context: Context) -> Member:
        record = context.state.config_records.get(_STATE)
        if record is None:
            raise MaskingRefused("this home is in no sum: it was not asked for keys, or has restarted since")
        session = read_session(record, self._roster)
        return Member.load(session, str(record["home"]), cast(bytes, record["secrets"]), self._identity)

    def _keep(self, context: Context, member: Member) -> None:
        context.state.config_records[_STATE]["secrets"] = member.save()


def _trained(
    session: Session, weighting: str, message: Message, context: Context, call_next: ClientAppCallable
) -> Vector:
    """Train, and give the update as the vector to mask."""
    start = from_record(message.content.array_records[ARRAYS])
    if vector_length(start) != session.length:
        raise MaskingRefused("the model is not the one the session was made for")
    reply = call_next(message, context)
    if reply.has_error():
        raise MaskingRefused(f"the training failed: {reply.error.reason}")
    metrics = dict(reply.content.metric_records[METRICS])
    weight = int(cast(int, metrics[EXAMPLES])) if weighting == "examples" else 1
    told = {n: float(v) for n, v in metrics.items() if isinstance(v, int | float) and math.isfinite(v)}
    return encode(from_record(reply.content.array_records[ARRAYS]), start, told, weight)
