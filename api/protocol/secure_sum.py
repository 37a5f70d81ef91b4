"""A masked sum over the network, as server and gateways both see it: its terms, and signed messages.

A sum is for one day and kind. Its terms (the day, the kind, the members' names, a number drawn by the server) are in
its label, and the label is in every key, mask and signature: a message is valid in no other sum, and members given
different member lists share no mask. The protocol itself: `fl.secagg.aggregator`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cryptography.hazmat.primitives.asymmetric import ec

from data.interval import IntervalMinutes, blocks_per_day
from fl.secagg.aggregator import MaskingRefused, PrimeField, Session, default_threshold
from fl.secagg.roster import is_signed, sign
from fl.secagg.session import framed
from zkp.algebra.field import MODULUS
from zkp.lstm.integer_model import HOURS, OUTPUTS

Kind = Literal["forecast", "measured", "shared", "export"]
Stage = Literal["keys", "share", "check", "answer", "mask", "agree", "reveal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STAGES: tuple[Stage, ...] = get_args(Stage)
NONCE_BYTES = 16
REGISTER = HOURS + 1
"""Entries of a meter's register of a day: its hours, and the blinding."""
LENGTHS: Mapping[Kind, int] = {
    "forecast": OUTPUTS + 1, "measured": REGISTER, "shared": 2 * REGISTER, "export": OUTPUTS + 1,
}  # fmt: skip
"""Of a sum's vectors: the values and the blinding; of shared energy both registers, import and export, where it
is settled by the hour.

`forecast` is of forecasts of load, `export` of those of export, whose members are a part of those in the day's sum of
load."""
OF_READINGS: tuple[Kind, ...] = ("measured", "shared")
"""Sums of what a meter counted as import. A home enters one of a day: the difference of two would be its readings.
Both, where the hours are of the very same homes whose quarters were opened (`api.gateway.secure_sum.client`)."""
KEYS, MASKED, SIGNED, COMMITMENT, SIGNATURE = "keys", "masked", "signed", "commitment", "signature"
EXPORT_COMMITMENT, EXPORT_SIGNATURE = "export-commitment", "export-signature"
"""Names of a message's items where they are not other members."""
_RING = PrimeField(MODULUS)
_PURPOSE = b"wattproof total v3"
_PURPOSE_BY_CLASS = b"wattproof total by class v1"
_PURPOSE_BY_INTERVAL = b"wattproof total by interval v1"


@dataclass(frozen=True)
class SumTerms:
    """What a sum is. Members are the gateways' names, as in the roster, sorted.

    `classes`: of shared energy that is split class by class, each member's class from 1; else empty. The import of
    each class is a register of its own in the vector, in which the members of the others enter zeros. `interval`: of
    shared energy, what it is settled by; a register of a day has `REGISTER` entries for each of its blocks.
    """

    community: str
    day: int
    kind: Kind
    nonce: bytes
    members: tuple[str, ...]
    classes: tuple[int, ...] = ()
    interval: IntervalMinutes = 60

    def session(self, roster: Mapping[str, bytes]) -> Session:
        """The session that follows from the terms; the server chooses nothing in it. Raises MaskingRefused,
        TooFewMembers.

        A measured total must cover exactly the homes in the forecast's, so that all of them open it together.
        """
        count = len(self.members)
        return Session(
            label=self._label(),
            members=self.members,
            threshold=count if self.kind == "measured" else default_threshold(count),
            length=self.length,
            ring=_RING,
            roster=roster,
        )

    @property
    def length(self) -> int:
        """Entries of a member's vector."""
        if self.kind != "shared":
            return LENGTHS[self.kind]
        return (max(self.classes, default=1) + 1) * blocks_per_day(self.interval) * REGISTER

    def smallest_class(self, there: Collection[str]) -> int:
        """How many of these members the smallest class has; where there are no classes, how many they are."""
        if not self.classes:
            return len(there)
        counts = Counter(number for name, number in zip(self.members, self.classes, strict=True) if name in there)
        return min(counts[number] for number in range(1, max(self.classes) + 1))

    def _label(self) -> bytes:
        where = (self.community.encode(), self.kind.encode(), str(self.day).encode(), self.nonce)
        names = [name.encode() for name in self.members]
        numbers = ",".join(map(str, self.classes)).encode()
        if self.interval != 60:  # members that settle by another interval share no mask
            minutes = str(self.interval).encode()
            return hashlib.sha256(framed(_PURPOSE_BY_INTERVAL, *where, minutes, numbers, *names)).digest()
        if self.classes:  # nor do members that count themselves into other classes
            return hashlib.sha256(framed(_PURPOSE_BY_CLASS, *where, numbers, *names)).digest()
        return hashlib.sha256(framed(_PURPOSE, *where, *names)).digest()


@dataclass(frozen=True)
class SumMessage:
    """A member's message in one stage. `items` may hold shares of secrets, so its repr shows none.

    keys: its PublicKeys, with the day that its meter signed if that is to be summed · share: an envelope for each
    other member · check: a signed complaint of each that can't be opened · answer: the keys of those of its own that
    were complained of · mask: the masked vector, and the signature of whom it is masked with · agree: the signature
    of who is in the sum · reveal: one share of each member that shared.
    """

    home: str
    stage: Stage
    items: dict[str, bytes] = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    def signed(self, session: Session, key: ec.EllipticCurvePrivateKey) -> SumMessage:
        """The message under the home's signature: by the key that is its own in the roster."""
        return SumMessage(self.home, self.stage, self.items, sign(key, self._signed_part(session)))

    def is_signed(self, session: Session, identity: bytes) -> bool:
        return is_signed(identity, self._signed_part(session), self.signature)

    def _signed_part(self, session: Session) -> bytes:
        items = (part for name, value in sorted(self.items.items()) for part in (name.encode(), value))
        return framed(_PURPOSE, session.digest, self.home.encode(), self.stage.encode(), *items)

    def to_json(self) -> dict[str, Any]:
        return {
            "home": self.home, "stage": self.stage, "items": items_to_json(self.items),
            "signature": self.signature.hex(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SumMessage:
        """Raises MaskingRefused for anything else than `to_json` gives."""
        try:
            if content["stage"] not in STAGES:
                raise ValueError("no such stage")
            signature = bytes.fromhex(content["signature"])
            return cls(str(content["home"]), content["stage"], items_from_json(content["items"]), signature)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise MaskingRefused(f"the message is malformed: {type(problem).__name__}") from None


def items_to_json(items: Mapping[str, bytes]) -> dict[str, str]:
    return {name: value.hex() for name, value in items.items()}


def items_from_json(items: Mapping[str, str]) -> dict[str, bytes]:
    """Raises ValueError, TypeError, AttributeError for anything but a mapping of names to hexadecimal."""
    return {str(name): bytes.fromhex(value) for name, value in items.items()}
