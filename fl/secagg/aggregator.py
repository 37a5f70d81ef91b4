"""A sum of private vectors under masks that cancel: the aggregator learns the sum and nothing else.

The protocol of Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning" (CCS 2017), in
its form against an aggregator that cheats. Each member sends six messages; nothing here depends on how they travel:

    keys     one-time public keys: one for pairwise masks, one to seal shares to, and a commitment to the own seed
    share    Shamir shares of the own seed and of the mask key, sealed in an envelope for each other member
    check    complaints of envelopes that can't be opened; the accused may `answer` them, and one of the two is out
    mask     the vector + a mask from the own seed + a mask agreed with each other member, which cancels in the sum,
             and a signature of who these are
    agree    a signature of whose vectors are in the sum, once all of those have signed to be masked with the same
    reveal   of each other member one share, of its seed if it is in the sum, of its mask key if it dropped out,
             once `threshold` members have signed to the same sum

Two sets of `threshold` signers have an honest member in common, which signs one sum only (`Session.colluders`). So
everyone who reveals anything reveals for one sum, of at least `Session.certain` vectors, and an aggregator that gives
members different information gets nothing at all. The proof is in docs/federation-privacy.md. All members are each
other's neighbours: on a sparse graph (Bell et al., CCS 2020) the sum can be split where the graph has few edges, and
whoever draws the graph can choose such a place.

Without a roster nothing is signed: that is for one machine that simulates all members.

This file is the aggregator's side, and re-exports the rest: `fl.secagg.session` (session, keys, masks, what is
signed), `fl.secagg.envelopes`, `fl.secagg.member`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from fl.secagg.envelopes import ENVELOPE_BYTES, judge, share_is_as_sealed
from fl.secagg.member import MaskedVector, Member, complaint
from fl.secagg.rings import PrimeField, Vector, Words64
from fl.secagg.session import (
    FEWEST_MEMBERS,
    MaskingRefused,
    PublicKeys,
    Session,
    SumSpoilt,
    TooFewMembers,
    default_threshold,
    masked_statement,
    own_mask,
    pair_mask,
    public_key,
    seed_commitment_of,
    survivors_statement,
)
from fl.secagg.shamir import SHARE_BYTES, restore

__all__ = [
    "ENVELOPE_BYTES",
    "FEWEST_MEMBERS",
    "SHARE_BYTES",
    "MaskedVector",
    "MaskingRefused",
    "Member",
    "PrimeField",
    "PublicKeys",
    "Session",
    "SumSpoilt",
    "TooFewMembers",
    "Unmasked",
    "Words64",
    "check_envelopes",
    "complaint",
    "default_threshold",
    "duplicated_keys",
    "judge",
    "masked_statement",
    "parse_masked",
    "sum_in_process",
    "survivors_statement",
    "unmask",
]

Envelopes = Mapping[str, Mapping[str, bytes]]
"""Sender -> receiver -> envelope."""


@dataclass(frozen=True)
class Unmasked:
    """The opened sum, and the members whose shares were not what the owner had sealed, with the reason."""

    total: Vector
    liars: dict[str, str] = field(default_factory=dict)


def duplicated_keys(keys: Mapping[str, PublicKeys]) -> dict[str, str]:
    """Members whose key is also another member's, or was given twice, with the reason."""
    owners: dict[bytes, list[str]] = {}
    for name, each in keys.items():
        for key in (each.mask_key, each.channel_key):
            owners.setdefault(key, []).append(name)
    return {name: "its key is not its own alone" for names in owners.values() if len(names) > 1 for name in names}


def check_envelopes(sender: str, envelopes: Mapping[str, bytes], receivers: Collection[str]) -> None:
    """Raises MaskingRefused unless there is an envelope for each other member that gave keys."""
    if envelopes.keys() != set(receivers) - {sender} or any(len(e) != ENVELOPE_BYTES for e in envelopes.values()):
        raise MaskingRefused(f"not an envelope of {ENVELOPE_BYTES} bytes for each of the others")


def unmask(
    session: Session,
    keys: Mapping[str, PublicKeys],
    sealed: Envelopes,
    masked: Mapping[str, bytes],
    reveals: Mapping[str, Mapping[str, bytes]],
) -> Unmasked:
    """The sum of the vectors of those in `masked`: the aggregator's last step.

    Args:
        keys: each member's public keys.
        sealed: envelopes of those that the vectors are masked with, as they were passed on.
        masked: masked vectors in the sum, by member.
        reveals: what each answering member revealed: owner -> share.
    Raises TooFewMembers when too few shares came back, SumSpoilt where one member's make it impossible,
    MaskingRefused for vectors that are none.
    """
    total = session.ring.vector([0] * session.length)
    for name in sorted(masked):
        total = session.ring.add(total, parse_masked(session, name, masked[name]))
    opening = _Opening(session, keys, sealed, reveals)
    for name in sorted(masked):
        total = session.ring.subtract(total, own_mask(session, opening.seed(name)))
    for name in sorted(sealed.keys() - masked.keys()):
        secret = opening.mask_key(name)
        for peer in sorted(masked):
            mask = pair_mask(session, name, peer, secret, keys[peer].mask_key)
            # As the missing member would have entered it: with it, the peer's own entry cancels.
            total = (session.ring.add if name < peer else session.ring.subtract)(total, mask)
    return Unmasked(total, opening.liars)


def parse_masked(session: Session, name: str, data: bytes) -> Vector:
    """A masked vector from its bytes. Raises MaskingRefused unless it is a vector of the session."""
    try:
        vector = session.ring.from_bytes(data)
    except ValueError as problem:
        raise MaskingRefused(f"the masked vector of {name} is malformed: {problem}") from problem
    if len(vector) != session.length:
        raise MaskingRefused(f"the masked vector of {name} has {len(vector)} entries, not {session.length}")
    return vector


def sum_in_process(
    session: Session,
    vectors: Mapping[str, Sequence[int]],
    identities: Mapping[str, ec.EllipticCurvePrivateKey] | None = None,
) -> tuple[Vector, tuple[str, ...]]:
    """Run a whole session in this process. Members without a vector drop out before `mask`.

    Returns the sum and the names that are in it. Raises MaskingRefused, TooFewMembers.
    """
    members = {name: Member(session, name, (identities or {}).get(name)) for name in session.members}
    keys = {name: member.keys() for name, member in members.items()}
    sealed = {name: member.share(keys) for name, member in members.items()}
    for name, member in members.items():
        member.check({sender: box[name] for sender, box in sealed.items() if sender != name})
    masked = {name: members[name].mask(vector, session.members) for name, vector in sorted(vectors.items())}
    survivors = {name: each.signature for name, each in masked.items()}
    agreed = {name: members[name].agree(survivors) for name in masked}
    reveals = {name: members[name].reveal(agreed) for name in masked}
    opened = unmask(session, keys, sealed, {name: each.vector for name, each in masked.items()}, reveals)
    return opened.total, tuple(masked)


@dataclass
class _Opening:
    """Restores secrets from revealed shares; a share that differs from the sealed one is ignored."""

    session: Session
    keys: Mapping[str, PublicKeys]
    sealed: Envelopes
    reveals: Mapping[str, Mapping[str, bytes]]
    liars: dict[str, str] = field(default_factory=dict)

    def seed(self, owner: str) -> bytes:
        commitment = self.keys[owner].seed_commitment
        return self._secret(owner, "seed", lambda secret: seed_commitment_of(self.session, secret) == commitment)

    def mask_key(self, owner: str) -> bytes:
        public = self.keys[owner].mask_key
        return self._secret(owner, "mask key", lambda secret: public_key(secret) == public)

    def _secret(self, owner: str, what: str, is_right: Callable[[bytes], bool]) -> bytes:
        """Raises TooFewMembers, SumSpoilt."""
        good, threshold = self._good_shares(owner, seed=what == "seed"), self.session.threshold
        if len(good) < threshold:
            raise TooFewMembers(f"{len(good)} shares of a secret of {owner} came back, {threshold} are needed")
        others = {place: share for place, share in good.items() if place != self.session.place(owner)}
        for shares in (good, others):  # the owner's own share is its word alone
            if len(shares) >= threshold:
                try:
                    secret = restore({place: shares[place] for place in sorted(shares)[:threshold]})
                except ValueError:
                    continue
                if is_right(secret):
                    return secret
        raise SumSpoilt(owner, f"the shares that {owner} sealed restore something else than its {what}")

    def _good_shares(self, owner: str, *, seed: bool) -> dict[int, bytes]:
        """Those that are as the owner sealed them, by the holder's place."""
        good = {}
        for holder, shares in sorted(self.reveals.items()):
            envelope = self.sealed[owner].get(holder, b"")
            if owner not in shares:
                continue
            if holder == owner or share_is_as_sealed(self.session, owner, holder, envelope, shares[owner], seed=seed):
                good[self.session.place(holder)] = shares[owner]
            else:
                self.liars[holder] = f"it revealed another share of {owner} than {owner} had sealed"
        return good
