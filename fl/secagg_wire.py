"""The messages of secure aggregation between coordinator and homes, as Flower records and back.

A round takes four exchanges, all of message type `train`, told apart by `stage` in the record `secagg`.
`fl.masked_sum` says what they carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from flwr.app import ConfigRecord, RecordDict

from fl.masked_sum import MaskingRefused, Session, Words64

SECAGG = "secagg"  # key of the record in a message
STAGES = KEYS, SHARE, MASK, REVEAL = "keys", "share", "mask", "reveal"


def session_record(session: Session, home: str, weighting: str) -> ConfigRecord:
    """The session as a home is told it, with the name it has in it."""
    return ConfigRecord(
        {
            "stage": KEYS,
            "home": home,
            "label": session.label,
            "members": list(session.members),
            "threshold": session.threshold,
            "length": session.length,
            "degree": session.degree or 0,
            "weighting": weighting,
        }
    )


def read_session(record: ConfigRecord, roster: Mapping[str, bytes] | None) -> Session:
    """The session a home was told. Raises MaskingRefused for one that is malformed or unsafe."""
    try:
        return Session(
            label=cast(bytes, record["label"]),
            members=tuple(cast(list[str], record["members"])),
            threshold=cast(int, record["threshold"]),
            length=cast(int, record["length"]),
            ring=Words64(),
            degree=cast(int, record["degree"]) or None,
            roster=roster,
        )
    except (KeyError, TypeError) as problem:
        raise MaskingRefused(f"the session is malformed: {type(problem).__name__}") from problem


def stage_record(stage: str, items: Mapping[str, bytes]) -> ConfigRecord:
    """A stage's named byte strings: keys, envelopes, shares."""
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
