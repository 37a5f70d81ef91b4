"""What the members of a masked sum share: the session, their public keys, the statements they sign, and how seeds
become masks.

Parts: X25519 (RFC 7748) and HKDF-SHA256 (RFC 5869) for the seeds, ChaCha20 for the masks (`fl.secagg.rings`), ECDSA
on P-384 for signatures (`fl.secagg.roster`). Flower's P-384 key agreement is not used: its serialised private keys
are ten times as long to share. The protocol: `fl.secagg.aggregator`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl.errors import FederationError
from fl.secagg.rings import SEED_BYTES, Ring, Vector
from fl.secagg.roster import SIGNATURE_BYTES, is_signed

_PROTOCOL = b"wattproof masked sum v2"
FEWEST_MEMBERS = 3  # the sum of two tells each of them the other's vector


class MaskingRefused(FederationError):
    """A protocol message that a member or the aggregator must not act on; the error says which and why."""


class TooFewMembers(MaskingRefused):
    """Too few members are left: the sum cannot be opened, nor anybody's vector."""


class SumSpoilt(MaskingRefused):
    """A sum that cannot be opened because of what one member sent; `culprit` names it."""

    def __init__(self, culprit: str, why: str) -> None:
        super().__init__(why)
        self.culprit = culprit


@dataclass(frozen=True)
class Session:
    """What all members of one sum agree on, down to each other's keys: it is in every key, mask and signature.

    Attributes:
        label: says what is summed; unique, so that no key or mask of one session serves in another.
        members: names, sorted, at least three.
        threshold: of the members, so many must sign who is in the sum, and so many shares restore a secret; more
            than half.
        length: entries of a vector.
        ring: where the vectors live.
        roster: identities (`fl.secagg.roster`) by name; None: one machine plays all members, and nothing is signed.
        fewest: no sum of fewer vectors is opened (nor of fewer than `threshold`).
    """

    label: bytes
    members: tuple[str, ...]
    threshold: int
    length: int
    ring: Ring
    roster: Mapping[str, bytes] | None = field(default=None, repr=False)
    fewest: int = FEWEST_MEMBERS

    def __post_init__(self) -> None:
        count = len(self.members)
        if list(self.members) != sorted(set(self.members)):
            raise MaskingRefused("members must be sorted and named once each")
        if count < FEWEST_MEMBERS:
            raise TooFewMembers(f"{count} members: a sum of fewer than {FEWEST_MEMBERS} gives its parts away")
        if not count // 2 < self.threshold <= count:
            raise MaskingRefused(
                f"threshold {self.threshold} must be more than half of the {count} members and at most all of them"
            )
        if not FEWEST_MEMBERS <= self.fewest <= count:
            raise TooFewMembers(f"{count} members, where {self.fewest} must be in the sum")
        if self.roster is not None and (strangers := set(self.members) - self.roster.keys()):
            raise MaskingRefused(f"not in the roster: {', '.join(sorted(strangers))} (a new home needs a new roster)")

    @property
    def certain(self) -> int:
        """Vectors that are in any sum of this session that is opened (proven in docs/federation-privacy.md)."""
        return max(self.threshold, self.fewest)

    @property
    def colluders(self) -> int:
        """Members colluding with the aggregator up to which the session is safe: any two sets of `threshold` signers
        have an honest one in common."""
        return 2 * self.threshold - len(self.members) - 1

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all that the members agree on."""
        numbers = (self.threshold, self.length, self.ring.modulus, self.fewest)
        keys = b"" if self.roster is None else framed(*(self.roster[name] for name in self.members))
        names = framed(*(name.encode() for name in self.members))
        return hashlib.sha256(
            framed(_PROTOCOL, self.label, *(str(n).encode() for n in numbers), names, keys)
        ).digest()

    def place(self, name: str) -> int:
        """Where a member's shares are taken: its place among the members, from 1."""
        if name not in self.members:
            raise MaskingRefused(f"{name} is not a member of this sum")
        return self.members.index(name) + 1

    def statement(self, what: bytes, *parts: bytes) -> bytes:
        """What a member signs: it says something of this session only."""
        return framed(_PROTOCOL, what, self.digest, *parts)

    def check_signed(self, name: str, statement: bytes, signature: bytes) -> None:
        """Raises MaskingRefused unless the identity that the roster gives `name` has signed the statement."""
        self.place(name)
        if self.roster is not None and not is_signed(self.roster[name], statement, signature):
            raise MaskingRefused(f"what {name} says is not signed by the identity in the roster")


def masked_statement(session: Session, shared: Mapping[str, PublicKeys]) -> bytes:
    """Says: my vector is under masks agreed with exactly these members, by these keys, and I have shares of each."""
    return session.statement(b"masked", _roll(shared))


def survivors_statement(session: Session, shared: Mapping[str, PublicKeys], survivors: Collection[str]) -> bytes:
    """Says: these vectors, masked among those that shared, are the sum, and under these keys I open no other."""
    return session.statement(b"survivors", _roll(shared), *_names(survivors))


def unopened_statement(session: Session) -> bytes:
    """Says: I have revealed no share in this session, and never will."""
    return session.statement(b"unopened")


def check_quorum(session: Session, statement: bytes, signatures: Mapping[str, bytes], what: str) -> None:
    """Raises TooFewMembers unless `threshold` members have signed the statement. More are not looked at."""
    good = 0
    for name in sorted(signatures):
        if good < session.threshold and _is_signed(session, name, statement, signatures[name]):
            good += 1
    if good < session.threshold:
        raise TooFewMembers(f"{good} members have signed {what}, {session.threshold} must")


def _is_signed(session: Session, name: str, statement: bytes, signature: bytes) -> bool:
    try:
        session.check_signed(name, statement, signature)
    except MaskingRefused:
        return False
    return True


@dataclass(frozen=True)
class PublicKeys:
    """A member's first message, as it goes to the others."""

    mask_key: bytes  # X25519, 32 bytes
    channel_key: bytes  # X25519, 32 bytes
    seed_commitment: bytes  # SHA-256 of the session and the seed
    signature: bytes = b""  # by the identity key, 96 bytes; empty for a member without one

    def to_bytes(self) -> bytes:
        return self.mask_key + self.channel_key + self.seed_commitment + self.signature

    @staticmethod
    def from_bytes(data: bytes) -> PublicKeys:
        """Raises MaskingRefused for a wrong length."""
        if len(data) not in (96, 96 + SIGNATURE_BYTES):
            raise MaskingRefused(f"public keys have 96 or {96 + SIGNATURE_BYTES} bytes, here are {len(data)}")
        return PublicKeys(data[:32], data[32:64], data[64:96], data[96:])

    def signed_part(self, session: Session, name: str) -> bytes:
        return session.statement(b"keys", name.encode(), self.to_bytes()[:96])

    def check(self, session: Session, name: str) -> None:
        """Raises MaskingRefused unless they are keys, signed by the identity that the roster gives `name`."""
        for key in (self.mask_key, self.channel_key):
            agree(_PROBE, key)
        if session.roster is not None and not is_signed(
            session.roster[name], self.signed_part(session, name), self.signature
        ):
            raise MaskingRefused(f"the keys of {name} are not signed by the identity in the roster")


def default_threshold(members: int) -> int:
    """Two thirds of the members, rounded up: survives a third dropping out, is safe from fewer than a third."""
    return -(-2 * members // 3)


def own_mask(session: Session, seed: bytes) -> Vector:
    return session.ring.expand(derive(session, b"own", seed), session.length)


def pair_mask(session: Session, one: str, other: str, secret: bytes, public: bytes) -> Vector:
    shared = agree(secret, public)
    return session.ring.expand(derive(session, b"pair", shared, *sorted((one, other))), session.length)


def derive(session: Session, purpose: bytes, secret: bytes, *names: str, extra: bytes = b"") -> bytes:
    info = session.statement(purpose, *_names(names, ordered=False), extra)
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=info).derive(secret)


def agree(secret: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as problem:  # a point of small order: the shared secret would be known to all
        raise MaskingRefused("a public key is not one") from problem


def public_key(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seed_commitment_of(session: Session, seed: bytes) -> bytes:
    return hashlib.sha256(session.statement(b"seed", seed)).digest()


def framed(*parts: bytes) -> bytes:
    """The parts one after the other, each after its length, so that no two lists of parts look the same."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _roll(shared: Mapping[str, PublicKeys]) -> bytes:
    """Names and one-time keys: what was signed for other keys, of a session begun a second time, is worth nothing."""
    return framed(*(framed(name.encode(), keys.to_bytes()[:96]) for name, keys in sorted(shared.items())))


def _names(names: Collection[str], *, ordered: bool = True) -> list[bytes]:
    return [name.encode() for name in (sorted(names) if ordered else names)]


_PROBE = b"\x01" * SEED_BYTES  # any secret: agreeing with it shows whether a key is a point of large order
