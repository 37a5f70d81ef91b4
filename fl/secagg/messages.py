"""The messages of secure aggregation between coordinator and homes, as Flower records and back.

A round takes six exchanges, all of message type `train`, distinguished by `stage` in the record `secagg`; a seventh,
`answer`, where a home has complained of another one, and `close`, where a sum that failed is asked for again.
`fl.secagg.aggregator` says what they carry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from flwr.app import ConfigRecord, RecordDict

from data.json_text import loads
from data.quantity import QUANTITIES, Quantity
from fl.secagg.aggregator import MaskingRefused, Session, Words64
from fl.secagg.session import framed

SECAGG = "secagg"  # key of the record in a message
STAGES = KEYS, SHARE, CHECK, ANSWER, MASK, AGREE, REVEAL, CLOSE = (
    "keys", "share", "check", "answer", "mask", "agree", "reveal", "close",
)  # fmt: skip
SIGNATURE = "signature"


@dataclass(frozen=True)
class SumTerms:
    """The terms of a round's sum, as sent to every home in it: what they train from, how, and who they are.

    Attributes:
        nonce: drawn for this sum.
        start, plan: digests of the model and of the plan that all homes are to train with.
        weighting: how homes count.
        members: names, sorted; threshold, fewest, length: as in the session.
        quantity: what the model forecasts. It is part of the session's label, which every key, mask and signature is
            bound to. That of load is labelled, and sent, as in earlier releases.
    """

    nonce: bytes
    start: bytes
    plan: bytes
    weighting: str
    members: tuple[str, ...]
    threshold: int
    fewest: int
    length: int
    quantity: Quantity = "load"

    def session(self, roster: Mapping[str, bytes] | None) -> Session:
        """The session that follows. Raises MaskingRefused for one that is unsafe."""
        return Session(
            label=framed(b"wattproof federated round", *self._labelled()),
            members=self.members,
            threshold=self.threshold,
            length=self.length,
            ring=Words64(),
            roster=roster,
            fewest=self.fewest,
        )

    def _labelled(self) -> list[bytes]:
        parts = [self.nonce, self.start, self.plan, self.weighting.encode()]
        return parts if self.quantity == "load" else [*parts, self.quantity.encode()]

    def to_bytes(self) -> bytes:
        content = asdict(self)
        if self.quantity == "load":
            del content["quantity"]
        return json.dumps(content, default=bytes.hex).encode()

    @staticmethod
    def from_bytes(data: object) -> SumTerms:
        """Raises MaskingRefused for anything else than `to_bytes` gives."""
        try:
            content = _read(data)
            members = content["members"]
            numbers = [content[name] for name in ("threshold", "fewest", "length")]
            if not all(type(name) is str for name in members) or not all(type(n) is int for n in numbers):
                raise TypeError("names or numbers are none")
            nonce, start, plan = (bytes.fromhex(content[name]) for name in ("nonce", "start", "plan"))
            quantity = {name: name for name in QUANTITIES}[content.get("quantity", "load")]
            terms = SumTerms(nonce, start, plan, str(content["weighting"]), tuple(members), *numbers)
            return replace(terms, quantity=quantity)
        except (KeyError, TypeError, ValueError) as problem:
            raise MaskingRefused(f"the terms of the sum are malformed ({type(problem).__name__})") from problem


@dataclass(frozen=True)
class ClosedSum:
    """A sum that failed and will never be opened: enough of its members have signed that they never reveal in it."""

    terms: SumTerms
    signatures: dict[str, bytes]

    def to_bytes(self) -> bytes:
        signed = {home: signature.hex() for home, signature in self.signatures.items()}
        return json.dumps({"terms": self.terms.to_bytes().decode(), "signatures": signed}).encode()

    @staticmethod
    def from_bytes(data: object) -> ClosedSum:
        """Raises MaskingRefused for anything else than `to_bytes` gives."""
        try:
            content = _read(data)
            signed = {str(home): bytes.fromhex(text) for home, text in content["signatures"].items()}
            return ClosedSum(SumTerms.from_bytes(content["terms"]), signed)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise MaskingRefused(f"a closed sum is malformed ({type(problem).__name__})") from problem


def _read(data: object) -> dict[str, Any]:
    """JSON from another home or the coordinator. Raises TypeError, ValueError, also for what nests too deep."""
    text = data.encode() if isinstance(data, str) else data
    if not isinstance(text, bytes):
        raise TypeError("no text")
    content: dict[str, Any] = loads(text)
    return content


def stage_record(stage: str, items: Mapping[str, bytes]) -> ConfigRecord:
    """A stage's named byte strings: keys, envelopes, signatures, shares."""
    return ConfigRecord({"stage": stage, "names": list(items), "values": list(items.values())})


def read_items(content: RecordDict) -> dict[str, bytes]:
    """The named byte strings of a message. Raises MaskingRefused if it has none."""
    try:
        record = content.config_records[SECAGG]
        names, values = cast(list[str], record["names"]), cast(list[bytes], record["values"])
        items = dict(zip(names, values, strict=True))
    except (KeyError, TypeError, ValueError) as problem:
        raise MaskingRefused(f"the message is malformed: {type(problem).__name__}") from problem
    if not all(isinstance(n, str) and isinstance(v, bytes) for n, v in items.items()):
        raise MaskingRefused("the message is malformed: names or values of a wrong type")
    return items


def read_bytes(content: RecordDict, key: str) -> bytes:
    """One byte string of a message. Raises MaskingRefused if it is not there."""
    value = content.config_records[SECAGG].get(key) if SECAGG in content.config_records else None
    if not isinstance(value, bytes):
        raise MaskingRefused(f"the message has no {key}")
    return value
