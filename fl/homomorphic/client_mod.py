"""Sums under BFV at home: a Flower mod like `fl.secagg.client_mod.SecAggMod`, whose conditions and record it keeps.

A home records that it has signed who is in a sum before the signature leaves: any single home that is shown enough
signatures opens the sum, so from then on it is no longer certain that nobody will (`fl.secagg.sum_record`).
"""

from __future__ import annotations

from typing import cast

from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp.typing import ClientAppCallable

from fl.homomorphic.member import ChannelKey, EncryptingMember
from fl.homomorphic.messages import (
    AGREE,
    CIPHERTEXTS,
    DIGEST,
    ENCRYPT,
    HOMOMORPHIC_STAGES,
    OPEN,
    SECRET,
    TOTAL,
    read_ciphertexts,
    read_own_secret,
    secret_record,
)
from fl.one_shot.plan import ONE_SHOT
from fl.secagg.client_mod import STATE, SecAggMod
from fl.secagg.messages import SIGNATURE, read_items
from fl.secagg.session import MaskingRefused, Session


class HomomorphicMod(SecAggMod):
    """The home's side of sums under BFV; arguments as for `SecAggMod`."""

    stages = HOMOMORPHIC_STAGES

    def _begin(self, session: Session, home: str) -> tuple[bytes, bytes]:
        member = EncryptingMember(session, home, self._identity)
        return member.keys().to_bytes(), member.save()

    def _answer(self, stage: str, message: Message, context: Context, call_next: ClientAppCallable) -> ConfigRecord:
        session, home, secrets = self._kept(context)
        member = EncryptingMember.load(session, home, secrets, self._identity)
        try:
            if stage == SECRET:
                keys = {name: ChannelKey.from_bytes(data) for name, data in read_items(message.content).items()}
                return secret_record(SECRET, member.make_secret(keys))
            if stage == ENCRYPT:
                return self._encrypted(session, member, message, context, call_next)
            if stage == AGREE:
                return self._agreed(session, member, message)
            if stage == OPEN:
                total = member.open(read_items(message.content), read_ciphertexts(message.content))
                return ConfigRecord({TOTAL: session.ring.to_bytes(total)})
            raise MaskingRefused(f"there is no stage {stage:.20}")
        finally:  # a stage is entered once, even if it was refused
            context.state.config_records[STATE]["secrets"] = member.save()

    def _encrypted(
        self,
        session: Session,
        member: EncryptingMember,
        message: Message,
        context: Context,
        call_next: ClientAppCallable,
    ) -> ConfigRecord:
        if self._terms(context).weighting == ONE_SHOT:
            raise MaskingRefused("the sums of a one-shot training are formed under masks only")
        member.take_secret(read_own_secret(message.content, member.name))
        ciphertexts = member.encrypt(self._trained(session, message, context, call_next))
        self._enter_sum(session, context)
        return ConfigRecord({CIPHERTEXTS: ciphertexts, DIGEST: member.digest})

    def _agreed(self, session: Session, member: EncryptingMember, message: Message) -> ConfigRecord:
        signature = member.agree(cast(list[str], list(read_items(message.content))))
        if self._record is not None:
            self._record.reveal(session.digest)
        return ConfigRecord({SIGNATURE: signature})
