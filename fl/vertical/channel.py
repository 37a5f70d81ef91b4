"""Messages between a home and a partner: sealed end to end, because the coordinator carries them.

Keys are agreed by X25519 (RFC 7748), derived by HKDF-SHA256 for each direction, and used with ChaCha20-Poly1305
(RFC 8439). The X25519 keys serve one session, and are signed by the identities that both sides have in their roster,
so that the coordinator can't put itself in between. Each message states its kind and number: none is accepted twice,
out of order, or as another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl.secagg.rings import SEED_BYTES
from fl.secagg.roster import SIGNATURE_BYTES, is_signed, sign
from fl.secagg.session import MaskingRefused, agree, public_key
from fl.secagg.shamir import random_secret
from fl.vertical.errors import VerticalRefused
from fl.vertical.terms import VerticalTerms

_COUNTER_BYTES, _NONCE_BYTES = 8, 12


@dataclass(frozen=True)
class SessionKey:
    """One party's key for a session: the public part (32 bytes), and its identity's signature (96)."""

    secret: bytes = field(repr=False)
    public: bytes
    signature: bytes

    @classmethod
    def new(cls, terms: VerticalTerms, name: str, identity: ec.EllipticCurvePrivateKey) -> SessionKey:
        secret = random_secret()
        public = public_key(secret)
        return cls(secret, public, sign(identity, _statement(terms, name, public)))

    def to_bytes(self) -> bytes:
        """What is told of it."""
        return self.public + self.signature


def read_key(terms: VerticalTerms, name: str, roster: Mapping[str, bytes], data: bytes) -> bytes:
    """The public key of `name`. Raises VerticalRefused unless the identity that the roster gives it signed it."""
    public, signature = data[:SEED_BYTES], data[SEED_BYTES:]
    if name not in roster:
        raise VerticalRefused(f"{name} is not in the roster")
    if len(data) != SEED_BYTES + SIGNATURE_BYTES or not is_signed(
        roster[name], _statement(terms, name, public), signature
    ):
        raise VerticalRefused(f"the session key of {name} is not signed by the identity in the roster")
    return public


class Channel:
    """One end. Raises VerticalRefused for a key of small order.

    Args:
        own, other: names of the two ends.
        secret: this end's; public: the other's (see `read_key`).
    """

    def __init__(self, terms: VerticalTerms, own: str, other: str, secret: bytes, public: bytes) -> None:
        try:
            shared = agree(secret, public)
        except MaskingRefused:
            raise VerticalRefused(f"the session key of {other} is none") from None
        self._other = other
        self._sealing = ChaCha20Poly1305(_derived(terms, shared, b"channel", own, other))
        self._opening = ChaCha20Poly1305(_derived(terms, shared, b"channel", other, own))
        self.mask_seed = _derived(terms, shared, b"mask", *sorted((own, other)))
        self._sent = self._received = 0

    def __repr__(self) -> str:
        return f"Channel(to {self._other!r})"

    def seal(self, what: str, content: bytes) -> bytes:
        self._sent += 1
        counter = self._sent.to_bytes(_COUNTER_BYTES, "big")
        return counter + self._sealing.encrypt(counter.rjust(_NONCE_BYTES, b"\0"), content, what.encode())

    def open(self, what: str, data: bytes) -> bytes:
        """Raises VerticalRefused for what the other end has not sealed as this, or a message that came before."""
        counter, sealed = data[:_COUNTER_BYTES], data[_COUNTER_BYTES:]
        number = int.from_bytes(counter, "big")
        if number <= self._received:
            raise VerticalRefused(f"a message of {self._other} came again, or after a later one")
        try:
            content = self._opening.decrypt(counter.rjust(_NONCE_BYTES, b"\0"), sealed, what.encode())
        except (InvalidTag, ValueError):
            raise VerticalRefused(f"what came as `{what}` of {self._other} was not sealed by it as that") from None
        self._received = number
        return content


def _statement(terms: VerticalTerms, name: str, public: bytes) -> bytes:
    return terms.statement(b"session key", name.encode(), public)


def _derived(terms: VerticalTerms, shared: bytes, what: bytes, one: str, other: str) -> bytes:
    info = terms.statement(what, one.encode(), other.encode())
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=info).derive(shared)
