"""One member's side of a masked sum: keys, shares, the masked vector, its statement of who is in the sum, and its
shares.

Shares are Shamir's (`fl.secagg.shamir`) and travel in envelopes (`fl.secagg.envelopes`). The protocol:
`fl.secagg.aggregator`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from data.json_text import loads
from fl.secagg.envelopes import Shares, ephemeral_of, open_envelope, seal
from fl.secagg.rings import Vector
from fl.secagg.roster import sign
from fl.secagg.session import (
    MaskingRefused,
    PublicKeys,
    Session,
    TooFewMembers,
    check_quorum,
    masked_statement,
    own_mask,
    pair_mask,
    public_key,
    seed_commitment_of,
    survivors_statement,
)
from fl.secagg.shamir import random_secret, split


@dataclass
class _Secrets:
    """What a member keeps between messages. None of it is ever shown."""

    stage: str = "keys"
    mask_key: bytes = b""
    channel_key: bytes = b""
    seed: bytes = b""
    public: dict[str, bytes] = field(default_factory=dict)  # the others' PublicKeys, and its own
    sent: dict[str, bytes] = field(default_factory=dict)  # digests of its envelopes, by receiver
    shares: dict[str, bytes] = field(default_factory=dict)  # owner -> Shares
    shared: list[str] = field(default_factory=list)  # whom its vector is masked with, itself included
    survivors: list[str] = field(default_factory=list)  # whom it has signed to be in the sum

    def __repr__(self) -> str:
        return f"_Secrets(stage={self.stage!r}, ...)"


@dataclass(frozen=True)
class MaskedVector:
    """The vector under its masks, and the member's signature of whom they were agreed with."""

    vector: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def complaint(session: Session, accuser: str, accused: str, envelope_digest: bytes) -> bytes:
    """What a member signs who can't open an envelope."""
    return session.statement(b"complaint", accuser.encode(), accused.encode(), envelope_digest)


class Member:
    """One member's side. In order: `keys`, `share`, `check`, `mask`, `agree`, `reveal`; each once (MaskingRefused).

    Once only, even if refused: two vectors under one mask, or both shares of another member, would reveal secrets.
    Between `check` and `mask` it may be asked to `answer` complaints.

    Args:
        identity: signs what the member says; None where one machine plays all members.
    """

    def __init__(self, session: Session, name: str, identity: ec.EllipticCurvePrivateKey | None = None) -> None:
        session.place(name)
        self.session = session
        self.name = name
        self._identity = identity
        self._secrets = _Secrets()

    def save(self) -> bytes:
        """The member's state between messages, secrets included: it must not leave the member's machine."""
        state = asdict(self._secrets)
        return json.dumps(state, default=bytes.hex).encode()

    @classmethod
    def load(
        cls, session: Session, name: str, data: bytes, identity: ec.EllipticCurvePrivateKey | None = None
    ) -> Member:
        """The member whose state `save` gave."""
        state = loads(data)
        member = cls(session, name, identity)
        for key in ("stage", "shared", "survivors"):
            setattr(member._secrets, key, state[key])
        for key in ("mask_key", "channel_key", "seed"):
            setattr(member._secrets, key, bytes.fromhex(state[key]))
        for key in ("public", "sent", "shares"):
            setattr(member._secrets, key, {peer: bytes.fromhex(value) for peer, value in state[key].items()})
        return member

    def keys(self) -> PublicKeys:
        """Fresh keys for this session, to be passed to the others."""
        self._enter("keys", "share")
        secrets = self._secrets
        secrets.mask_key, secrets.channel_key, secrets.seed = (random_secret() for _ in range(3))
        unsigned = PublicKeys(
            public_key(secrets.mask_key),
            public_key(secrets.channel_key),
            seed_commitment_of(self.session, secrets.seed),
        )
        signature = self._sign(unsigned.signed_part(self.session, self.name))
        mine = PublicKeys(unsigned.mask_key, unsigned.channel_key, unsigned.seed_commitment, signature)
        secrets.public[self.name] = mine.to_bytes()
        return mine

    def share(self, keys: Mapping[str, PublicKeys]) -> dict[str, bytes]:
        """An envelope for each other member in `keys` (which hold the own keys, too).

        Raises MaskingRefused for keys that are not what they should be, TooFewMembers for too few of them.
        """
        self._enter("share", "check")
        self._check_keys(keys)
        secrets, session = self._secrets, self.session
        secrets.public = {name: each.to_bytes() for name, each in keys.items()}
        both = [split(secret, session.threshold, len(session.members)) for secret in (secrets.seed, secrets.mask_key)]
        shares = {name: Shares(*halves) for name, *halves in zip(session.members, *both, strict=True)}
        secrets.shares = {self.name: shares[self.name].to_bytes()}
        envelopes = {}
        for peer in sorted(keys.keys() - {self.name}):
            ephemeral = ephemeral_of(session, secrets.channel_key, peer)
            envelopes[peer] = seal(session, self.name, peer, ephemeral, keys[peer], shares[peer])
        secrets.sent = {peer: hashlib.sha256(envelope).digest() for peer, envelope in envelopes.items()}
        return envelopes

    def check(self, envelopes: Mapping[str, bytes]) -> dict[str, bytes]:
        """Open the others' envelopes and keep the shares; a signed complaint for each that can't be opened.

        Raises MaskingRefused for envelopes from members whose keys it was not given.
        """
        self._enter("check", "mask")
        secrets, complaints = self._secrets, {}
        if strangers := envelopes.keys() - secrets.public.keys():
            raise MaskingRefused(f"shares from {', '.join(sorted(strangers))}, who sent no keys")
        for peer in sorted(envelopes.keys() - {self.name}):
            try:
                shares = open_envelope(self.session, peer, self.name, secrets.channel_key, envelopes[peer])
                secrets.shares[peer] = shares.to_bytes()
            except MaskingRefused:
                digest = hashlib.sha256(envelopes[peer]).digest()
                complaints[peer] = self._sign(complaint(self.session, self.name, peer, digest))
        return complaints

    def answer(self, complaints: Mapping[str, bytes]) -> dict[str, bytes]:
        """The key of each envelope that its receiver has complained about, by receiver: it opens that envelope.

        Raises MaskingRefused for a complaint that the receiver did not sign, or of an envelope that this member did
        not send: then its shares would be shown to somebody who does not have them anyway.
        """
        self.expect("mask")
        secrets, opened = self._secrets, {}
        for receiver, signature in complaints.items():
            if receiver not in secrets.sent:
                raise MaskingRefused(f"a complaint of {receiver}, whom nothing was sent to")
            statement = complaint(self.session, receiver, self.name, secrets.sent[receiver])
            self.session.check_signed(receiver, statement, signature)
            opened[receiver] = ephemeral_of(self.session, secrets.channel_key, receiver)
        return opened

    def mask(self, values: Sequence[int] | Vector, shared: Collection[str]) -> MaskedVector:
        """The vector under its masks, with all of `shared`: this member, and others whose shares it has.

        Raises MaskingRefused for others, TooFewMembers for too few, ValueError for a wrong length.
        """
        session, secrets = self.session, self._secrets
        if len(values) != session.length:
            raise ValueError(f"the vector has {len(values)} entries, the session says {session.length}")
        self._enter("mask", "agree")
        self._check_shared(shared)
        secrets.shared = sorted(set(shared))
        secrets.shares = {name: secrets.shares[name] for name in secrets.shared}
        masked = session.ring.vector(values)
        masked = session.ring.add(masked, own_mask(session, secrets.seed))
        for peer in secrets.shared:
            if peer != self.name:
                theirs = PublicKeys.from_bytes(secrets.public[peer]).mask_key
                mask = pair_mask(session, self.name, peer, secrets.mask_key, theirs)
                masked = (session.ring.add if self.name < peer else session.ring.subtract)(masked, mask)
        signature = self._sign(masked_statement(session, self._shared_keys()))
        return MaskedVector(session.ring.to_bytes(masked), signature)

    def expect_masks_with(self, shared: Collection[str]) -> None:
        """Raises what `mask` would: before work that is done for it alone, and costs some of a privacy budget."""
        self.expect("mask")
        self._check_shared(shared)

    def agree(self, survivors: Mapping[str, bytes]) -> bytes:
        """The member's signature of who is in the sum; of this session it signs no other.

        Args:
            survivors: those whose vectors arrived, each with its signature of whom they are masked with.
        Raises MaskingRefused where somebody's masks are with others than this member's, TooFewMembers for too few.
        """
        self._enter("agree", "reveal")
        session, secrets = self.session, self._secrets
        if not survivors.keys() <= set(secrets.shared):
            raise MaskingRefused("in the sum must be members only that shared their secrets")
        self._enough(len(survivors), "sent a masked vector")
        masked = masked_statement(session, self._shared_keys())
        for name, signature in survivors.items():
            session.check_signed(name, masked, signature)
        secrets.survivors = sorted(survivors)
        return self._sign(survivors_statement(session, self._shared_keys(), secrets.survivors))

    def reveal(self, signatures: Mapping[str, bytes]) -> dict[str, bytes]:
        """One share of each that shared: of its seed if it is in the sum, of its mask key if not.

        Args:
            signatures: of those that signed the same survivors as this member.
        Raises MaskingRefused unless `threshold` members did.
        """
        self._enter("reveal", "done")
        session, secrets = self.session, self._secrets
        statement = survivors_statement(session, self._shared_keys(), secrets.survivors)
        check_quorum(session, statement, signatures, "who is in the sum")
        shares = {name: Shares.from_bytes(data) for name, data in secrets.shares.items()}
        alive = set(secrets.survivors)
        self._secrets = _Secrets(stage="done")
        return {name: each.seed if name in alive else each.mask_key for name, each in shares.items()}

    def _shared_keys(self) -> dict[str, PublicKeys]:
        return {name: PublicKeys.from_bytes(self._secrets.public[name]) for name in self._secrets.shared}

    def _sign(self, statement: bytes) -> bytes:
        return b"" if self._identity is None else sign(self._identity, statement)

    def expect(self, stage: str) -> None:
        """Raises MaskingRefused unless the member is at this stage."""
        if self._secrets.stage != stage:
            raise MaskingRefused(f"{self.name} is asked for `{stage}` but is at `{self._secrets.stage}`")

    def _enter(self, expected: str, following: str) -> None:
        self.expect(expected)
        self._secrets.stage = following

    def _enough(self, count: int, what: str) -> None:
        if count < self.session.certain:
            raise TooFewMembers(f"{count} members {what}, {self.session.certain} must")

    def _check_shared(self, shared: Collection[str]) -> None:
        if self.name not in shared or set(shared) - self._secrets.shares.keys():
            raise MaskingRefused("the masks must be this member's and of others that sent it their shares")
        self._enough(len(set(shared)), "shared their secrets")

    def _check_keys(self, keys: Mapping[str, PublicKeys]) -> None:
        mine = keys.get(self.name)
        if mine is None or mine.to_bytes() != self._secrets.public[self.name]:
            raise MaskingRefused(f"the keys of {self.name} came back missing or changed")
        if strangers := keys.keys() - set(self.session.members):
            raise MaskingRefused(f"keys of {', '.join(sorted(strangers))}, who are no members of this sum")
        single = [key for each in keys.values() for key in (each.mask_key, each.channel_key)]
        if len(set(single)) != len(single):
            raise MaskingRefused("two members have the same key")
        self._enough(len(keys), "sent keys")
        for name, each in keys.items():
            each.check(self.session, name)
