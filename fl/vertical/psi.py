"""Private matching of ids: which records two parties have in common, by Diffie and Hellman on BLS12-381.

Each party hashes its ids to the curve and multiplies them by a secret of its own; each multiplies the other's points,
too. Points that then agree are the common ids (Meadows 1986; Huberman, Franklin and Hogg, 1999). Nobody learns of the
other ids more than how many there are, in the random-oracle model, as long as Diffie-Hellman is hard in the group.

The home learns the matches first, and tells the partner of its own: that a customer takes part is no secret from the
partner. With the position it shows its secret, so that the partner sees that the id which the home had blinded is the
one of that position; otherwise a home could name a position at random, and get the record of another household. Ids
are what meters have signed (`data.signed_id`), so nobody can try out ids of others. Multiplication takes a time that
depends on the secret, which serves one session.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from fl.vertical.errors import VerticalRefused
from zkp.algebra.curve import G1_BYTES, Curve, Point
from zkp.algebra.field import MODULUS, SCALAR_BYTES
from zkp.errors import MalformedProof

MOST_IDS = 10_000
_TAG = b"WATTPROOF-V01-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_partner-id"


class Matching:
    """One party's side of one matching.

    Args:
        ids: the party's own (`SignedId.to_bytes`), each once, in any order.
        curve: a backend, the same or another at the two parties.
    Raises VerticalRefused for no ids, too many, or one twice.
    """

    def __init__(self, ids: Sequence[bytes], curve: Curve) -> None:
        _check_count(len(ids))
        if len(set(ids)) != len(ids):
            raise VerticalRefused("an id stands twice among those to be matched")
        self._curve, self._ids = curve, list(ids)
        self._secret = secrets.randbelow(MODULUS - 1) + 1
        self.order = list(range(len(ids)))  # place in what is sent -> place in `ids`
        secrets.SystemRandom().shuffle(self.order)
        self._blinded = [self._times(curve.hash_to_curve(ids[place], _TAG)) for place in self.order]

    def __repr__(self) -> str:
        return f"Matching({len(self.order)} ids)"

    def blinded(self) -> list[bytes]:
        """The own ids, under the own secret, in an order that says nothing."""
        return list(self._blinded)

    def doubled(self, points: Sequence[bytes]) -> list[bytes]:
        """The other party's blinded ids under both secrets, in the order in which they came.

        Raises VerticalRefused for anything that is not as many different points of the subgroup as may be.
        """
        return [self._times(point) for point in self._read(points)]

    def common(self, own_doubled: Sequence[bytes], theirs: Sequence[bytes]) -> list[tuple[int, int]]:
        """The matches: (place in `ids`, place in `theirs`).

        Args:
            own_doubled: what the other party made of `blinded()`.
            theirs: its own blinded ids.
        Raises VerticalRefused as `doubled` does.
        """
        if len(own_doubled) != len(self.order):
            raise VerticalRefused(f"{len(own_doubled)} points came back of {len(self.order)}")
        self._read(own_doubled)
        places = {point: place for place, point in enumerate(self.doubled(theirs))}
        found = ((self.order[at], places.get(point)) for at, point in enumerate(own_doubled))
        return sorted((own, their) for own, their in found if their is not None)

    def secret(self) -> bytes:
        """32 bytes that show the other party which id was blinded, if it has that id. For a match only."""
        return self._secret.to_bytes(SCALAR_BYTES, "big")

    def is_of(self, place: int, point: bytes, secret: bytes) -> bool:
        """Whether `point` is the id at this place of what was sent, blinded by the other party's `secret`."""
        scalar = int.from_bytes(secret, "big")
        if not 0 <= place < len(self.order) or len(secret) != SCALAR_BYTES or not 0 < scalar < MODULUS:
            return False
        hashed = self._curve.hash_to_curve(self._ids[self.order[place]], _TAG)
        return self._curve.encode(self._curve.msm([hashed], [scalar])) == point

    def _read(self, points: Sequence[bytes]) -> list[Point]:
        _check_count(len(points))
        if len(set(points)) != len(points):
            raise VerticalRefused("a point stands twice among those to be matched")
        try:
            return [self._curve.decode(point) for point in points]
        except MalformedProof as problem:
            raise VerticalRefused(f"what was sent to be matched is malformed: {problem}") from None

    def _times(self, point: Point) -> bytes:
        return self._curve.encode(self._curve.msm([point], [self._secret]))


def to_bytes(points: Sequence[bytes]) -> bytes:
    return b"".join(points)


def from_bytes(data: bytes) -> list[bytes]:
    """Points of 48 bytes each. Raises VerticalRefused for another length, or more than there may be."""
    if len(data) % G1_BYTES or len(data) > (MOST_IDS + 1) * G1_BYTES:  # all ids of the one, and one of the other
        raise VerticalRefused(f"{len(data)} bytes are not at most {MOST_IDS + 1} points of {G1_BYTES} bytes")
    return [data[at : at + G1_BYTES] for at in range(0, len(data), G1_BYTES)]


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_IDS:
        raise VerticalRefused(f"1 to {MOST_IDS} ids can be matched, not {count}")
