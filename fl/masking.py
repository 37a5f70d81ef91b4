"""What the members of a masked sum share: the session, their public keys, and how seeds become masks.

Parts: X25519 (RFC 7748) and HKDF-SHA256 (RFC 5869) for the seeds, ChaCha20 for the masks (`fl.rings`). Flower's P-384
key agreement is not used: its serialised private keys are ten times as long to share. The protocol: `fl.masked_sum`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl.errors import FederationError
from fl.rings import SEED_BYTES, Ring, Vector
from fl.roster import SIGNATURE_BYTES, is_signed

_PROTOCOL = b"wattproof masked sum v1"
FEWEST_MEMBERS = 3  # the sum of two tells each of them the other's vector


class MaskingRefused(FederationError):
    """A message of the protocol that a member or the aggregator must not act on; the message says which and why."""


class TooFewMembers(MaskingRefused):
    """Fewer members left than the threshold: the sum can't be opened, and nobody's vector either."""


@dataclass(frozen=True)
class Session:
    """What all members of one sum agree on.

    Attributes:
        label: says what is summed; unique, so that no key or mask of one session serves in another.
        members: names, sorted, at least three.
        threshold: shares that restore a secret; more than half of its holders.
        length: entries of a vector.
        ring: where the vectors live.
        degree: neighbours of each member, even; None: all the others.
        roster: identities (`fl.roster`) by name; None: the aggregator is trusted to pass keys on unchanged.
    """

    label: bytes
    members: tuple[str, ...]
    threshold: int
    length: int
    ring: Ring
    degree: int | None = None
    roster: Mapping[str, bytes] | None = None

    def __post_init__(self) -> None:
        count = len(self.members)
        if list(self.members) != sorted(set(self.members)):
            raise MaskingRefused("members must be sorted and named once each")
        if count < FEWEST_MEMBERS:
            raise TooFewMembers(f"{count} members: a sum of fewer than {FEWEST_MEMBERS} gives its parts away")
        if self.degree is not None and (self.degree % 2 or not 2 <= self.degree < count):
            raise MaskingRefused(f"degree {self.degree} must be even, at least 2 and below the {count} members")
        if not self.holder_count // 2 < self.threshold <= self.holder_count:
            raise MaskingRefused(
                f"threshold {self.threshold} must be more than half of the {self.holder_count} holders of a secret "
                "and at most all of them"
            )
        if self.roster is not None and (strangers := set(self.members) - self.roster.keys()):
            raise MaskingRefused(f"not in the roster: {', '.join(sorted(strangers))} (a new home needs a new roster)")

    @property
    def holder_count(self) -> int:
        """Holders of each secret: a member's neighbours and itself."""
        return len(self.members) if self.degree is None else self.degree + 1

    def holders(self, name: str) -> tuple[str, ...]:
        """Who holds shares of the secrets of `name`, itself included, sorted."""
        if name not in self.members:
            raise MaskingRefused(f"{name} is not a member of this sum")
        if self.degree is None:
            return self.members
        # A circle in an order drawn from the label, each joined to degree/2 on either side (Harary graph).
        circle = random.Random(self.label).sample(self.members, len(self.members))
        place, reach = circle.index(name), self.degree // 2
        return tuple(sorted(circle[(place + k) % len(circle)] for k in range(-reach, reach + 1)))

    def joined(self, survivors: Collection[str]) -> bool:
        """Whether the survivors hang together; if not, the sums of the separate parts would come out too."""
        found: set[str] = set()
        edge = set(sorted(survivors)[:1])
        while edge:
            found |= edge
            edge = {peer for name in edge for peer in self.holders(name) if peer in survivors} - found
        return found == set(survivors)


@dataclass(frozen=True)
class PublicKeys:
    """A member's first message, as it goes to its neighbours."""

    mask_key: bytes  # X25519, 32 bytes
    channel_key: bytes  # X25519, 32 bytes
    seed_commitment: bytes  # SHA-256 of the label and the seed
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
        return framed(_PROTOCOL, session.label, name.encode(), self.to_bytes()[:96])

    def check(self, session: Session, name: str) -> None:
        """Raises MaskingRefused unless the keys are signed by the identity that the roster gives `name`."""
        if session.roster is None:
            return
        if not is_signed(session.roster[name], self.signed_part(session, name), self.signature):
            raise MaskingRefused(f"the keys of {name} are not signed by the identity in the roster")


def default_threshold(holders: int) -> int:
    """Two thirds of the holders, rounded up: survives a third dropping out, is safe from a third colluding."""
    return -(-2 * holders // 3)


def own_mask(session: Session, seed: bytes) -> Vector:
    return session.ring.expand(derive(session, b"own", seed), session.length)


def pair_mask(session: Session, one: str, other: str, secret: bytes, public: bytes) -> Vector:
    shared = agree(secret, public)
    return session.ring.expand(derive(session, b"pair", shared, *sorted((one, other))), session.length)


def derive(session: Session, purpose: bytes, secret: bytes, *names: str) -> bytes:
    info = framed(_PROTOCOL, purpose, session.label, *(name.encode() for name in names))
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=info).derive(secret)


def agree(secret: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as problem:  # a point of small order: the shared secret would be known to all
        raise MaskingRefused("a public key is not one") from problem


def public_key(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seed_commitment_of(session: Session, seed: bytes) -> bytes:
    return hashlib.sha256(framed(_PROTOCOL, b"seed", session.label, seed)).digest()


def framed(*parts: bytes) -> bytes:
    """The parts one after the other, each after its length, so that no two lists of parts look the same."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
