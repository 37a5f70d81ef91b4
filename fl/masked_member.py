"""One member's side of a masked sum: keys, shares, the masked vector, and what it reveals when others drop out.

Shares are made by Flower's Shamir sharing (`flwr.common.secure_aggregation.crypto.shamir`: GF(2^128), PyCryptodome)
and travel under ChaCha20-Poly1305. The protocol: `fl.masked_sum`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from flwr.common.secure_aggregation.crypto.shamir import create_shares

from fl.masking import (
    MaskingRefused,
    PublicKeys,
    Session,
    TooFewMembers,
    agree,
    derive,
    own_mask,
    pair_mask,
    public_key,
    seed_commitment_of,
)
from fl.rings import SEED_BYTES, Vector
from fl.roster import sign

SHARE_BYTES = 4 + 48  # Flower's share of a 32-byte secret: the index, then three blocks (the third is padding)
_NONCE = bytes(12)  # each direction of a channel has its own key, and it seals one message


@dataclass
class _Secrets:
    """What a member keeps between messages. Nothing of it is ever shown."""

    stage: str = "keys"
    mask_key: bytes = b""
    channel_key: bytes = b""
    seed: bytes = b""
    public: dict[str, bytes] = field(default_factory=dict)  # neighbours' PublicKeys
    shares: dict[str, bytes] = field(default_factory=dict)  # neighbour -> seed share + key share

    def __repr__(self) -> str:
        return f"_Secrets(stage={self.stage!r}, ...)"


class Member:
    """One member's side. Methods in order: `keys`, `share`, `mask`, `reveal`; each once, else MaskingRefused.

    Once only, even if refused: two vectors under one mask, or both shares of a neighbour, would give secrets away.
    """

    def __init__(self, session: Session, name: str, identity: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.session = session
        self.name = name
        self._holders = session.holders(name)
        self._identity = identity
        self._secrets = _Secrets()

    def save(self) -> bytes:
        """The member's state between messages, secrets included: it must not leave the member's machine."""
        state = asdict(self._secrets)
        return json.dumps(state, default=bytes.hex).encode()

    @staticmethod
    def load(session: Session, name: str, data: bytes, identity: ec.EllipticCurvePrivateKey | None = None) -> Member:
        """The member whose state `save` gave."""
        state = json.loads(data)
        member = Member(session, name, identity)
        member._secrets = _Secrets(
            stage=state["stage"],
            mask_key=bytes.fromhex(state["mask_key"]),
            channel_key=bytes.fromhex(state["channel_key"]),
            seed=bytes.fromhex(state["seed"]),
            public={peer: bytes.fromhex(value) for peer, value in state["public"].items()},
            shares={peer: bytes.fromhex(value) for peer, value in state["shares"].items()},
        )
        return member

    def keys(self) -> PublicKeys:
        """Fresh keys for this session, to be passed to the neighbours."""
        self._enter("keys", "share")
        secrets = self._secrets
        secrets.mask_key, secrets.channel_key, secrets.seed = (os.urandom(SEED_BYTES) for _ in range(3))
        unsigned = PublicKeys(
            public_key(secrets.mask_key),
            public_key(secrets.channel_key),
            seed_commitment_of(self.session, secrets.seed),
        )
        signature = b""
        if self._identity is not None:
            signature = sign(self._identity, unsigned.signed_part(self.session, self.name))
        mine = PublicKeys(unsigned.mask_key, unsigned.channel_key, unsigned.seed_commitment, signature)
        secrets.public[self.name] = mine.to_bytes()
        return mine

    def share(self, keys: Mapping[str, PublicKeys]) -> dict[str, bytes]:
        """Encrypted shares for each neighbour in `keys` (which hold the own keys too).

        Raises MaskingRefused for keys that are not what they should be, TooFewMembers below the threshold.
        """
        self._enter("share", "mask")
        self._check_keys(keys)
        secrets, session = self._secrets, self.session
        secrets.public = {name: each.to_bytes() for name, each in keys.items()}
        halves = [create_shares(s, session.threshold, len(self._holders)) for s in (secrets.seed, secrets.mask_key)]
        shares = {name: a + b for name, a, b in zip(self._holders, *halves, strict=True)}
        secrets.shares = {self.name: shares[self.name]}
        return {peer: self._channel(self.name, peer).seal(shares[peer]) for peer in sorted(keys) if peer != self.name}

    def mask(self, values: Sequence[int] | Vector, envelopes: Mapping[str, bytes]) -> bytes:
        """The vector under its masks, with the neighbours that sent an envelope. The envelopes are opened and kept.

        Raises MaskingRefused for a forged envelope, TooFewMembers below the threshold, ValueError for a wrong length.
        """
        session, secrets = self.session, self._secrets
        if len(values) != session.length:
            raise ValueError(f"the vector has {len(values)} entries, the session says {session.length}")
        self._enter("mask", "reveal")
        peers = sorted(envelopes.keys() - {self.name})
        if strangers := set(peers) - secrets.public.keys():
            raise MaskingRefused(f"shares from {', '.join(sorted(strangers))}, who sent no keys")
        self._enough(len(peers) + 1, "sent shares")
        for peer in peers:
            secrets.shares[peer] = self._channel(peer, self.name).open(envelopes[peer], 2 * SHARE_BYTES)
        masked = session.ring.vector(values)
        masked = session.ring.add(masked, own_mask(session, secrets.seed))
        for peer in peers:
            theirs = PublicKeys.from_bytes(secrets.public[peer]).mask_key
            mask = pair_mask(session, self.name, peer, secrets.mask_key, theirs)
            masked = (session.ring.add if self.name < peer else session.ring.subtract)(masked, mask)
        return session.ring.to_bytes(masked)

    def reveal(self, survivors: Collection[str]) -> dict[str, bytes]:
        """One share of each neighbour that sent shares: of its seed if it survived, of its mask key if not.

        Args:
            survivors: neighbours (and this member) whose masked vectors arrived.
        Raises MaskingRefused for survivors that make no sense, TooFewMembers below the threshold.
        """
        self._enter("reveal", "done")
        secrets = self._secrets
        alive = set(survivors)
        if self.name not in alive or not alive <= secrets.shares.keys():
            raise MaskingRefused("the survivors must be this member and neighbours that sent it their shares")
        self._enough(len(alive), "sent a masked vector")
        opened = {
            name: shares[:SHARE_BYTES] if name in alive else shares[SHARE_BYTES:]
            for name, shares in secrets.shares.items()
        }
        self._secrets = _Secrets(stage="done")
        return opened

    def expect(self, stage: str) -> None:
        """Raises MaskingRefused unless the member is at this stage: before work that is done for it alone."""
        if self._secrets.stage != stage:
            raise MaskingRefused(f"{self.name} is asked for `{stage}` but is at `{self._secrets.stage}`")

    def _enter(self, expected: str, following: str) -> None:
        self.expect(expected)
        self._secrets.stage = following

    def _enough(self, count: int, what: str) -> None:
        if count < self.session.threshold:
            raise TooFewMembers(f"{count} of the neighbours of {self.name} {what}, {self.session.threshold} must")

    def _check_keys(self, keys: Mapping[str, PublicKeys]) -> None:
        mine = keys.get(self.name)
        if mine is None or mine.to_bytes() != self._secrets.public[self.name]:
            raise MaskingRefused(f"the keys of {self.name} came back missing or changed")
        if strangers := keys.keys() - set(self._holders):
            raise MaskingRefused(f"keys of {', '.join(sorted(strangers))}, who are no neighbours of {self.name}")
        single = [key for each in keys.values() for key in (each.mask_key, each.channel_key)]
        if len(set(single)) != len(single):
            raise MaskingRefused("two members have the same key")
        self._enough(len(keys), "sent keys")
        for name, each in keys.items():
            each.check(self.session, name)

    def _channel(self, sender: str, receiver: str) -> _Channel:
        peer = receiver if sender == self.name else sender
        theirs = PublicKeys.from_bytes(self._secrets.public[peer]).channel_key
        return _Channel(self.session, sender, receiver, agree(self._secrets.channel_key, theirs))


@dataclass(frozen=True)
class _Channel:
    """Authenticated encryption from one member to another, one message."""

    session: Session
    sender: str
    receiver: str
    shared: bytes = field(repr=False)

    def _cipher(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(derive(self.session, b"channel", self.shared, self.sender, self.receiver))

    def seal(self, plain: bytes) -> bytes:
        return self._cipher().encrypt(_NONCE, plain, None)

    def open(self, sealed: bytes, length: int) -> bytes:
        try:
            plain = self._cipher().decrypt(_NONCE, sealed, None)
        except InvalidTag as problem:
            raise MaskingRefused(
                f"the shares from {self.sender} were not sealed by it for {self.receiver}"
            ) from problem
        if len(plain) != length:
            raise MaskingRefused(f"the shares from {self.sender} have {len(plain)} bytes, not {length}")
        return plain
