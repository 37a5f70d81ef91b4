"""A sum of private vectors under masks that cancel: the aggregator learns the sum and nothing else.

The protocol of Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning" (CCS 2017),
on the sparse graph of Bell et al., "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead" (CCS 2020) when
`degree` is set. Four messages for each member; nothing here knows how they travel:

    keys     one-time public keys: one for pairwise masks, one to encrypt shares, and a commitment to the own seed
    share    Shamir shares of the own seed and of the mask key, encrypted to each neighbour
    mask     the vector + a mask from the own seed + a mask agreed with each neighbour, which cancels in the sum
    reveal   of each neighbour one share: of its seed if its vector arrived, of its mask key if it dropped out

A member never reveals both shares of a neighbour, and `threshold` is more than half of the holders, so an aggregator
that tells different members different survivors can't gather both secrets of anybody without colluding members.
One that swaps public keys can, unless the members know each other by a `roster` of identity keys.

This file is the aggregator's side and the door to the rest: `fl.masking` (session, keys, masks), `fl.masked_member`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.secure_aggregation.crypto.shamir import combine_shares

from fl.masked_member import SHARE_BYTES, Member
from fl.masking import (
    MaskingRefused,
    PublicKeys,
    Session,
    TooFewMembers,
    default_threshold,
    own_mask,
    pair_mask,
    public_key,
    seed_commitment_of,
)
from fl.rings import PrimeField, Vector, Words64

__all__ = [
    "MaskingRefused",
    "Member",
    "PrimeField",
    "PublicKeys",
    "Session",
    "TooFewMembers",
    "Words64",
    "default_threshold",
    "parse_masked",
    "sum_in_process",
    "unmask",
]


def unmask(
    session: Session,
    keys: Mapping[str, PublicKeys],
    shared: Collection[str],
    masked: Mapping[str, bytes],
    reveals: Mapping[str, Mapping[str, bytes]],
) -> Vector:
    """The sum of the vectors of those in `masked`: the aggregator's last step.

    Args:
        keys: each member's public keys.
        shared: members whose encrypted shares were passed on (the others are in no mask).
        masked: masked vectors that arrived, by member.
        reveals: what each answering member revealed: name -> share.
    Returns a vector of the ring, `session.length` entries.
    Raises TooFewMembers when too few shares came back, MaskingRefused for shares or vectors that are not right.
    """
    total = session.ring.vector([0] * session.length)
    for name in sorted(masked):
        total = session.ring.add(total, parse_masked(session, name, masked[name]))
    if not session.joined(masked.keys()):
        raise TooFewMembers("the survivors are no longer joined to each other; their sum would come out in parts")
    for name in sorted(masked):
        seed = _restore(session, name, reveals)
        if seed_commitment_of(session, seed) != keys[name].seed_commitment:
            raise MaskingRefused(f"the shares of {name} restore something else than its seed")
        total = session.ring.subtract(total, own_mask(session, seed))
    for name in sorted(set(shared) - masked.keys()):
        secret = _restore(session, name, reveals)
        if public_key(secret) != keys[name].mask_key:
            raise MaskingRefused(f"the shares of {name} restore something else than its mask key")
        for peer in sorted(set(session.holders(name)) & masked.keys()):
            mask = pair_mask(session, name, peer, secret, keys[peer].mask_key)
            # As the missing member would have entered it: with it, the peer's own entry cancels.
            total = (session.ring.add if name < peer else session.ring.subtract)(total, mask)
    return total


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
    sealed = {n: m.share({h: keys[h] for h in session.holders(n)}) for n, m in members.items()}
    masked = {
        name: members[name].mask(vector, {sender: box[name] for sender, box in sealed.items() if name in box})
        for name, vector in sorted(vectors.items())
    }
    reveals = {name: members[name].reveal(masked.keys() & set(session.holders(name))) for name in masked}
    return unmask(session, keys, session.members, masked, reveals), tuple(masked)


def _restore(session: Session, name: str, reveals: Mapping[str, Mapping[str, bytes]]) -> bytes:
    shares = [shares[name] for holder, shares in sorted(reveals.items()) if name in shares]
    if len(shares) < session.threshold:
        raise TooFewMembers(f"{len(shares)} shares of a secret of {name} came back, {session.threshold} are needed")
    if any(len(share) != SHARE_BYTES for share in shares):
        raise MaskingRefused(f"a share of {name} has a wrong length")
    try:
        return combine_shares(shares[: session.threshold])
    except ValueError as problem:
        raise MaskingRefused(f"the shares of {name} do not fit together") from problem
