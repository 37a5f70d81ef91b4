"""Envelopes: a member's two shares for another one, sealed, with digests that anybody can check the shares against.

    ephemeral key (32)   sealed shares (64 + 16)   digest of the seed's share (32)   of the mask key's share (32)

An envelope is sealed to the receiver's channel key by a key pair of its own (X25519, HKDF-SHA256, ChaCha20-Poly1305:
ECIES as in RFC 9180, base mode). So the sender can open that one envelope to the aggregator, and nothing else, when
the receiver complains about it, which shows who is at fault; see `judge`. The envelope does not authenticate its
sender: anyone else could only have sealed shares of its own choice, because the names are in its key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fl.secagg.rings import SEED_BYTES
from fl.secagg.session import MaskingRefused, PublicKeys, Session, agree, derive, public_key
from fl.secagg.shamir import SHARE_BYTES

_SEALED_BYTES = 2 * SHARE_BYTES + 16
ENVELOPE_BYTES = SEED_BYTES + _SEALED_BYTES + 2 * SEED_BYTES
_NONCE = bytes(12)  # a key seals one envelope


@dataclass(frozen=True)
class Shares:
    """What a member holds of another one's secrets; it reveals one of the two, or none."""

    seed: bytes = field(repr=False)
    mask_key: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        return self.seed + self.mask_key

    @staticmethod
    def from_bytes(data: bytes) -> Shares:
        return Shares(data[:SHARE_BYTES], data[SHARE_BYTES:])


def ephemeral_of(session: Session, channel_key: bytes, receiver: str) -> bytes:
    """The private key of a sender's envelope to one receiver; it shows nothing of the sender's other keys."""
    return derive(session, b"ephemeral", channel_key, receiver)


def seal(session: Session, sender: str, receiver: str, ephemeral: bytes, theirs: PublicKeys, shares: Shares) -> bytes:
    """The envelope. Raises MaskingRefused for a receiver's key that is none."""
    public = public_key(ephemeral)
    key = _key(session, sender, receiver, agree(ephemeral, theirs.channel_key), public)
    sealed = ChaCha20Poly1305(key).encrypt(_NONCE, shares.to_bytes(), None)
    return public + sealed + _digests(session, sender, receiver, shares)


def open_envelope(session: Session, sender: str, receiver: str, channel_key: bytes, envelope: bytes) -> Shares:
    """The shares, by the receiver's private key. Raises MaskingRefused for a forged envelope."""
    return _opened(session, sender, receiver, agree(channel_key, envelope[:SEED_BYTES]), envelope)


def judge(
    session: Session, sender: str, receiver: str, envelope: bytes, ephemeral: bytes | None, theirs: PublicKeys
) -> tuple[str, str]:
    """Who is at fault after a complaint, and why: the receiver complained about the envelope, and the sender was
    asked to open it.

    Args:
        ephemeral: what the sender answered; None for nothing.
        theirs: the receiver's keys.
    """
    if ephemeral is None:
        return sender, f"{receiver} could not open its envelope, and it did not show what was in it"
    try:
        if public_key(ephemeral) != envelope[:SEED_BYTES]:
            raise MaskingRefused("another key")
        _opened(session, sender, receiver, agree(ephemeral, theirs.channel_key), envelope)
    except (MaskingRefused, ValueError):
        return sender, f"its envelope to {receiver} was forged"
    return receiver, f"it complained of an envelope from {sender} in which nothing is wrong"


def share_is_as_sealed(
    session: Session, owner: str, holder: str, envelope: bytes, share: bytes, *, seed: bool
) -> bool:
    """Whether a revealed share is the one that the owner put in the envelope, by its digest there."""
    at = SEED_BYTES + _SEALED_BYTES + (0 if seed else SEED_BYTES)
    return envelope[at : at + SEED_BYTES] == _digest(session, owner, holder, share, seed=seed)


def _opened(session: Session, sender: str, receiver: str, shared: bytes, envelope: bytes) -> Shares:
    if len(envelope) != ENVELOPE_BYTES:
        raise MaskingRefused(f"an envelope has {ENVELOPE_BYTES} bytes, that of {sender} has {len(envelope)}")
    public, sealed = envelope[:SEED_BYTES], envelope[SEED_BYTES : SEED_BYTES + _SEALED_BYTES]
    try:
        plain = ChaCha20Poly1305(_key(session, sender, receiver, shared, public)).decrypt(_NONCE, sealed, None)
    except InvalidTag as problem:
        raise MaskingRefused(f"the shares from {sender} were not sealed for {receiver}") from problem
    shares = Shares.from_bytes(plain)
    if envelope[SEED_BYTES + _SEALED_BYTES :] != _digests(session, sender, receiver, shares):
        raise MaskingRefused(f"the shares from {sender} are not those whose digests it gave")
    return shares


def _key(session: Session, sender: str, receiver: str, shared: bytes, public: bytes) -> bytes:
    return derive(session, b"envelope", shared, sender, receiver, extra=public)


def _digests(session: Session, owner: str, holder: str, shares: Shares) -> bytes:
    return _digest(session, owner, holder, shares.seed, seed=True) + _digest(
        session, owner, holder, shares.mask_key, seed=False
    )


def _digest(session: Session, owner: str, holder: str, share: bytes, *, seed: bool) -> bytes:
    kind = b"seed share" if seed else b"key share"
    return hashlib.sha256(session.statement(kind, owner.encode(), holder.encode(), share)).digest()
