"""A home's side of one sum under BFV: keys, the shared secret, its ciphertext, who is in the sum, the total.

    keys      a fresh channel key, signed by the home's identity in the roster
    secret    one home, the maker, draws the sum's secret key and a seed for tags, and seals them for each other home
    encrypt   each home opens them, encrypts its vector and its tag, and sends that to the coordinator
    agree     each home signs who is in the sum
    open      a home that is shown `threshold` signatures decrypts the sum and tells the total, if the tag fits

What holds, whatever the coordinator does alone: a home decrypts one sum of a session, of `Session.certain` homes at
least. Two different sums would take two sets of `threshold` signatures, more than half of the homes each, so that one
home would have signed both; and what is not the sum of the homes agreed on has the wrong tag (`fl.homomorphic.tag`).
The secret is the maker's, which its identity signs, so that the coordinator can't put one of its own in its place.
A home answers `open` once, so a coordinator that tampers with ciphertexts learns from each home that it was found
out: one bit, of a key that serves this sum only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from data.json_text import loads
from fl.homomorphic.ciphertexts import MODULUS, MOST_KEY_BYTES, SecretKey, chunks_of
from fl.homomorphic.tag import Tags
from fl.protection_settings import LARGEST_ENTRY
from fl.secagg.fixed_point import FRACTION_BITS, LARGEST_WEIGHT
from fl.secagg.rings import SEED_BYTES, Vector
from fl.secagg.roster import SIGNATURE_BYTES, is_signed, sign
from fl.secagg.session import MaskingRefused, Session, TooFewMembers, agree, check_quorum, derive, public_key
from fl.secagg.shamir import random_secret

MOST_MEMBERS = MODULUS // (2 * int(LARGEST_ENTRY * 2**FRACTION_BITS) * LARGEST_WEIGHT)
"""1,677: the sum of more vectors could reach half the modulus, and wrap around."""
_AEAD_NONCE = bytes(12)  # each key seals one message
_SEALED_BYTES = SEED_BYTES + 16
ENVELOPE_BYTES = SEED_BYTES + _SEALED_BYTES
MOST_BOX_BYTES = MOST_KEY_BYTES + SEED_BYTES + 16


@dataclass(frozen=True)
class ChannelKey:
    """A home's first message: an X25519 key that the sum's secret is sealed to."""

    public: bytes
    signature: bytes = b""  # by the identity key; empty where one machine plays all homes

    def to_bytes(self) -> bytes:
        return self.public + self.signature

    @staticmethod
    def from_bytes(data: bytes) -> ChannelKey:
        """Raises MaskingRefused for a wrong length."""
        if len(data) not in (SEED_BYTES, SEED_BYTES + SIGNATURE_BYTES):
            raise MaskingRefused(f"a channel key has {SEED_BYTES} bytes and a signature, here are {len(data)} bytes")
        return ChannelKey(data[:SEED_BYTES], data[SEED_BYTES:])

    def signed_part(self, session: Session, name: str) -> bytes:
        return session.statement(b"bfv channel key", name.encode(), self.public)

    def check(self, session: Session, name: str) -> None:
        """Raises MaskingRefused unless it is a key, signed by the identity that the roster gives `name`."""
        agree(_PROBE, self.public)
        if session.roster is not None and not is_signed(
            session.roster[name], self.signed_part(session, name), self.signature
        ):
            raise MaskingRefused(f"the channel key of {name} is not signed by the identity in the roster")


@dataclass(frozen=True)
class SealedSecret:
    """The sum's secret as it passes through the coordinator.

    Attributes:
        maker: the home that drew it; `digest`: of it, which the maker signed.
        box: the secret under a content key; `envelopes`: that key sealed for each home, by name.
    """

    maker: str
    digest: bytes
    signature: bytes
    box: bytes = field(repr=False)
    envelopes: Mapping[str, bytes] = field(repr=False)

    def check(self, session: Session, homes: Collection[str]) -> None:
        """Raises MaskingRefused unless it has the right form, for these homes, under the maker's signature."""
        if len(self.box) > MOST_BOX_BYTES or len(self.digest) != SEED_BYTES:
            raise MaskingRefused("the sealed secret is too long, or its digest no digest")
        if self.envelopes.keys() != set(homes) or any(len(e) != ENVELOPE_BYTES for e in self.envelopes.values()):
            raise MaskingRefused(f"the sealed secret has not one envelope of {ENVELOPE_BYTES} bytes for each home")
        self.check_signed(session)

    def check_signed(self, session: Session) -> None:
        session.check_signed(self.maker, secret_statement(session, self.maker, self.digest), self.signature)


def secret_statement(session: Session, maker: str, digest: bytes) -> bytes:
    """Says: I have drawn the secret of this sum, and it has this digest."""
    return session.statement(b"bfv secret", maker.encode(), digest)


def sum_statement(session: Session, digest: bytes, homes: Collection[str]) -> bytes:
    """Says: the ciphertexts of these homes, under the secret of this digest, are the sum; I open no other."""
    return session.statement(b"bfv sum", digest, *(name.encode() for name in sorted(homes)))


@dataclass
class _Secrets:
    """What a home keeps between messages. Nothing of it is ever shown."""

    stage: str = "keys"
    channel_key: bytes = b""
    secret: bytes = b""  # seed of the tags, then the secret key
    survivors: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"_Secrets(stage={self.stage!r}, ...)"


class EncryptingMember:
    """One home's side. In order: `keys`, (`make_secret`,) `encrypt`, `agree`, `open`.

    `encrypt` and `open` are answered once (MaskingRefused), even if refused; `agree` again for the same homes only.

    Args:
        identity: signs what the home says; None where one machine plays all homes.
    Raises TooFewMembers or MaskingRefused for a session that can't be summed under BFV.
    """

    def __init__(self, session: Session, name: str, identity: ec.EllipticCurvePrivateKey | None = None) -> None:
        session.place(name)
        check_size(session)
        self.session, self.name = session, name
        self._identity, self._secrets = identity, _Secrets()

    def save(self) -> bytes:
        """The state between messages, secrets included: it must not leave the home's machine."""
        return json.dumps(asdict(self._secrets), default=bytes.hex).encode()

    @classmethod
    def load(
        cls, session: Session, name: str, data: bytes, identity: ec.EllipticCurvePrivateKey | None = None
    ) -> EncryptingMember:
        """The member whose state `save` gave."""
        state, member = loads(data), cls(session, name, identity)
        channel_key, secret = (bytes.fromhex(state[key]) for key in ("channel_key", "secret"))
        member._secrets = _Secrets(state["stage"], channel_key, secret, state["survivors"])
        return member

    def keys(self) -> ChannelKey:
        """A fresh channel key for this session."""
        self._enter("keys", "encrypt")
        self._secrets.channel_key = random_secret()
        unsigned = ChannelKey(public_key(self._secrets.channel_key))
        return ChannelKey(unsigned.public, self._sign(unsigned.signed_part(self.session, self.name)))

    def make_secret(self, keys: Mapping[str, ChannelKey]) -> SealedSecret:
        """Draw the sum's secret, and seal it for the homes of these keys (this one's among them).

        Raises MaskingRefused for keys that are not what they should be, TooFewMembers for too few of them.
        """
        self._expect("encrypt")
        self._check_keys(keys)
        secret, content_key = random_secret() + SecretKey.new().to_bytes(), random_secret()
        box = ChaCha20Poly1305(content_key).encrypt(_AEAD_NONCE, secret, None)
        envelopes = {peer: self._sealed(peer, key, content_key) for peer, key in keys.items()}
        digest = _digest(self.session, secret)
        signature = self._sign(secret_statement(self.session, self.name, digest))
        return SealedSecret(self.name, digest, signature, box, envelopes)

    def take_secret(self, sealed: SealedSecret) -> None:
        """Open the sum's secret. Raises MaskingRefused where it is not what its maker has signed, or not for us."""
        self._expect("encrypt")
        if len(sealed.box) > MOST_BOX_BYTES:
            raise MaskingRefused("the sealed secret is too long")
        sealed.check_signed(self.session)
        envelope = sealed.envelopes[self.name]
        public, inner = envelope[:SEED_BYTES], envelope[SEED_BYTES:]
        shared = agree(self._secrets.channel_key, public)
        try:
            content_key = ChaCha20Poly1305(self._envelope_key(sealed.maker, self.name, shared, public)).decrypt(
                _AEAD_NONCE, inner, None
            )
            secret = ChaCha20Poly1305(content_key).decrypt(_AEAD_NONCE, sealed.box, None)
        except (InvalidTag, ValueError):
            raise MaskingRefused(f"the secret that {sealed.maker} made was not sealed for {self.name}") from None
        if _digest(self.session, secret) != sealed.digest:
            raise MaskingRefused(f"the secret that {sealed.maker} made is not the one that it signed")
        SecretKey.from_bytes(secret[SEED_BYTES:])
        self._secrets.secret = secret

    def encrypt(self, values: Sequence[int] | Vector) -> list[bytes]:
        """The home's numbers and their tag as ciphertexts. ValueError for another length than the session's."""
        if len(values) != self.session.length:
            raise ValueError(f"the vector has {len(values)} entries, the session says {self.session.length}")
        self._enter("encrypt", "agree")
        numbers = [int(value) for value in values]
        if max(map(abs, numbers), default=0) * len(self.session.members) > MODULUS // 2:
            raise MaskingRefused("the sum of such vectors could be larger than BFV has room for")
        seed, key = self._opened()
        return key.encrypt([*numbers, Tags(self.session, seed).of(self.name, numbers)])

    def agree(self, survivors: Collection[str]) -> bytes:
        """The home's signature of who is in the sum; of this session it signs no other.

        Raises MaskingRefused for another sum than it has signed, or one without itself; TooFewMembers for too few.
        """
        secrets, chosen = self._secrets, sorted(set(survivors))
        if secrets.stage == "open" and chosen != secrets.survivors:
            raise MaskingRefused(f"{self.name} has agreed to another sum of this session")
        if secrets.stage != "open":
            self._expect("agree")
            if not set(chosen) <= set(self.session.members) or self.name not in chosen:
                raise MaskingRefused("in the sum must be members only, this home among them")
            if len(chosen) < self.session.certain:
                raise TooFewMembers(f"{len(chosen)} homes sent a ciphertext, {self.session.certain} must")
            secrets.stage, secrets.survivors = "open", chosen
        return self._sign(sum_statement(self.session, self.digest, chosen))

    def open(self, signatures: Mapping[str, bytes], ciphertexts: Sequence[bytes]) -> Vector:
        """The total, as the session's ring has it.

        Raises MaskingRefused unless `threshold` homes signed the same as this one, and the ciphertexts are that sum.
        """
        self._enter("open", "done")
        secrets, session = self._secrets, self.session
        check_quorum(session, sum_statement(session, self.digest, secrets.survivors), signatures, "who is in the sum")
        if len(ciphertexts) != chunks_of(session.length + 1):
            raise MaskingRefused("the sum has another number of ciphertexts than its vectors")
        seed, key = self._opened()
        numbers = key.decrypt(ciphertexts)
        values, tag = numbers[: session.length], numbers[session.length]
        Tags(session, seed).check(secrets.survivors, values, tag)
        self._secrets = _Secrets(stage="done")
        return session.ring.vector([value - MODULUS if value > MODULUS // 2 else value for value in values])

    @property
    def digest(self) -> bytes:
        """Of the sum's secret. Raises MaskingRefused for a home that has none."""
        if not self._secrets.secret:
            raise MaskingRefused(f"{self.name} has no secret of this sum")
        return _digest(self.session, self._secrets.secret)

    def _opened(self) -> tuple[bytes, SecretKey]:
        return self._secrets.secret[:SEED_BYTES], SecretKey.from_bytes(self._secrets.secret[SEED_BYTES:])

    def _sealed(self, peer: str, key: ChannelKey, content_key: bytes) -> bytes:
        """The content key for one home, sealed as in RFC 9180's base mode."""
        ephemeral = random_secret()
        public = public_key(ephemeral)
        wrapping = self._envelope_key(self.name, peer, agree(ephemeral, key.public), public)
        return public + ChaCha20Poly1305(wrapping).encrypt(_AEAD_NONCE, content_key, None)

    def _envelope_key(self, maker: str, peer: str, shared: bytes, public: bytes) -> bytes:
        return derive(self.session, b"bfv envelope", shared, maker, peer, extra=public)

    def _check_keys(self, keys: Mapping[str, ChannelKey]) -> None:
        if not keys.keys() <= set(self.session.members) or self.name not in keys:
            raise MaskingRefused("channel keys must be of members of the sum, this home among them")
        if keys[self.name].public != public_key(self._secrets.channel_key):
            raise MaskingRefused(f"the key of {self.name} came back changed")
        if len(keys) < self.session.certain:
            raise TooFewMembers(f"{len(keys)} homes sent keys, {self.session.certain} must")
        for name, each in keys.items():
            each.check(self.session, name)

    def _sign(self, statement: bytes) -> bytes:
        return b"" if self._identity is None else sign(self._identity, statement)

    def _expect(self, stage: str) -> None:
        if self._secrets.stage != stage:
            raise MaskingRefused(f"{self.name} is asked for `{stage}` but is at `{self._secrets.stage}`")

    def _enter(self, expected: str, following: str) -> None:
        self._expect(expected)
        self._secrets.stage = following


def check_size(session: Session) -> None:
    """Raises MaskingRefused for more homes than the plain modulus has room for."""
    if len(session.members) > MOST_MEMBERS:
        raise MaskingRefused(
            f"{len(session.members)} homes in one sum under BFV, which has room for {MOST_MEMBERS}: ask a part of "
            "them in a round (federation.fraction), or set secure_aggregation.scheme: masks"
        )


def _digest(session: Session, secret: bytes) -> bytes:
    return hashlib.sha256(session.statement(b"bfv secret digest", secret)).digest()


_PROBE = b"\x01" * SEED_BYTES  # any secret: agreeing with it shows whether a key is a point of large order
