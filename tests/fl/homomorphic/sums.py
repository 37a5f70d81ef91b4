"""Homes of one sum under BFV in this process, up to any stage, with or without identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from fl.homomorphic.ciphertexts import BlindSum, chunks_of
from fl.homomorphic.member import ChannelKey, EncryptingMember, SealedSecret
from fl.secagg.rings import Words64
from fl.secagg.roster import identity_of
from fl.secagg.session import Session

HOMES = ("ada", "bob", "cyd", "dee", "eve")
LENGTH = 4


class Sum:
    """Five homes, each of which enters [place, -place, 1, 2^40]; all have sent their ciphertexts."""

    def __init__(self, length: int = LENGTH) -> None:
        self.identities = {home: ec.generate_private_key(ec.SECP384R1()) for home in HOMES}
        roster = {home: identity_of(key.public_key()) for home, key in self.identities.items()}
        self.session = Session(b"test", HOMES, 4, length, Words64(), roster, fewest=4)
        self.members = {home: EncryptingMember(self.session, home, key) for home, key in self.identities.items()}
        self.keys = {home: member.keys() for home, member in self.members.items()}
        self.sealed = self.members["bob"].make_secret(self.keys)
        self.ciphertexts: dict[str, list[bytes]] = {}

    def encrypt(self, vectors: Mapping[str, Sequence[int]] | None = None) -> Sum:
        for place, (home, member) in enumerate(self.members.items()):
            member.take_secret(self.sealed)
            self.ciphertexts[home] = member.encrypt(vectors[home] if vectors else [place, -place, 1, 2**40])
        return self

    def total(self, homes: Sequence[str] = HOMES) -> list[bytes]:
        """What an honest coordinator makes of the ciphertexts."""
        total = BlindSum(chunks_of(self.session.length + 1))
        for home in homes:
            total.add(self.ciphertexts[home])
        return total.to_bytes()

    def agreed(self, homes: Sequence[str] = HOMES) -> dict[str, bytes]:
        return {home: self.members[home].agree(homes) for home in homes}


def forged_key(home: str) -> ChannelKey:
    return EncryptingMember(Session(b"other", HOMES, 4, LENGTH, Words64()), home).keys()


def by_coordinator(sum: Sum) -> SealedSecret:
    """A secret that the coordinator has made and sealed in bob's name."""
    unsigned = Session(b"test", HOMES, 4, LENGTH, Words64(), None, fewest=4)
    coordinator = EncryptingMember(unsigned, "bob")
    keys = {**sum.keys, "bob": coordinator.keys()}
    return coordinator.make_secret(keys)
