"""Secure aggregation at the coordinator: a way to gather a round of which it sees the sum only.

`SecureGather` is one of `fl.rounds.Gather`. Each home that is in the sum is reported with the mean model: that is all
the coordinator knows of it, and the mean of equal models is that model, whatever the weights.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from flwr.app import ConfigRecord, MessageType, RecordDict
from flwr.serverapp import Grid

from fl.client_app import ARRAYS, PLAN
from fl.masked_sum import MaskingRefused, PublicKeys, Session, TooFewMembers, Words64, parse_masked, unmask
from fl.protection_settings import SecAggSettings
from fl.rounds import Gathered, exchange
from fl.secagg import SummedUpdate, decode, vector_length
from fl.secagg_wire import KEYS, MASK, REVEAL, SECAGG, SHARE, read_items, session_record, stage_record
from fl.strategy import Update
from fl.weights import Weights, record_bytes, to_record

_T = TypeVar("_T")


@dataclass(frozen=True)
class SecureGather:
    """Gathers a round under secure aggregation; homes run `fl.secagg_home.SecAggMod`.

    A round of which too few homes stay to open the sum gives no updates and the reasons, and is asked again like any
    round that missed its quorum.

    `losses`: homes put their training loss in the sum; without, it is reported as NaN.
    """

    settings: SecAggSettings
    weighting: str = "examples"
    losses: bool = True

    def __call__(
        self, grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> Gathered:
        exchanges = _Exchanges(grid, nodes, min(timeout, self.settings.stage_timeout_s))
        try:
            session = self._session(nodes, start, int(cast(int, plan["round"])))
            summed, homes = _masked_round(exchanges, session, start, plan, self.weighting, timeout)
        except MaskingRefused as refused:
            left_out = {home: f"the sum could not be opened: {refused}" for home in nodes} | exchanges.left_out
            return Gathered([], left_out, exchanges.bytes_down, exchanges.bytes_up)
        metrics = summed.metrics if self.losses else summed.metrics | {"loss": math.nan}
        updates = [Update(home, summed.mean, 1, dict(metrics)) for home in homes]
        left_out = {home: why for home, why in exchanges.left_out.items() if home not in homes}
        return Gathered(updates, left_out, exchanges.bytes_down, exchanges.bytes_up)

    def _session(self, nodes: Mapping[str, int], start: Weights, round: int) -> Session:
        members, degree = tuple(sorted(nodes)), self.settings.neighbours(len(nodes))
        holders = len(members) if degree is None else degree + 1
        return Session(
            label=f"wattproof federated round {round} ".encode() + secrets.token_bytes(16),
            members=members,
            threshold=self.settings.shares_needed(holders),
            length=vector_length(start),
            ring=Words64(),
            degree=degree,
        )


@dataclass
class _Exchanges:
    """The exchanges of one round, and what is counted over all of them."""

    grid: Grid
    nodes: dict[str, int]
    timeout: float
    left_out: dict[str, str] = field(default_factory=dict)
    bytes_down: int = 0
    bytes_up: int = 0

    def ask(self, records: Mapping[str, RecordDict], timeout: float | None = None) -> dict[str, RecordDict]:
        """Send each home its records; the good replies by home. Whoever gives none is left out, with the reason."""
        nodes = {home: self.nodes[home] for home in sorted(records)}
        replies, missing = exchange(self.grid, nodes, records, MessageType.TRAIN, timeout or self.timeout)
        self.left_out |= missing
        self.bytes_down += sum(_payload(content) for content in records.values())
        self.bytes_up += sum(_payload(content) for content in replies.values())
        return dict(sorted(replies.items()))

    def refuse(self, home: str, why: MaskingRefused) -> None:
        self.left_out[home] = str(why)


def _masked_round(
    exchanges: _Exchanges, session: Session, start: Weights, plan: ConfigRecord, weighting: str, timeout: float
) -> tuple[SummedUpdate, tuple[str, ...]]:
    """The four exchanges of a round; the opened sum and the homes in it. Raises MaskingRefused, TooFewMembers."""
    keys = _collect_keys(exchanges, session, weighting)
    sealed = _collect_shares(exchanges, session, keys)
    masked = _collect_masked(exchanges, session, sealed, start, plan, timeout)
    reveals = _collect_reveals(exchanges, session, sealed, masked)
    total = unmask(session, keys, sealed.keys(), masked, reveals)
    return decode(total, start, len(masked)), tuple(masked)


def _collect_keys(exchanges: _Exchanges, session: Session, weighting: str) -> dict[str, PublicKeys]:
    asked = {h: RecordDict({SECAGG: session_record(session, h, weighting)}) for h in session.members}
    keys = {}
    for home, reply in exchanges.ask(asked).items():
        try:
            keys[home] = PublicKeys.from_bytes(_bytes_of(reply, KEYS))
        except MaskingRefused as refused:
            exchanges.refuse(home, refused)
    return _enough(session, keys, "gave their keys")


def _collect_shares(
    exchanges: _Exchanges, session: Session, keys: dict[str, PublicKeys]
) -> dict[str, dict[str, bytes]]:
    asked = {}
    for home in keys:
        known = {peer: keys[peer].to_bytes() for peer in session.holders(home) if peer in keys}
        asked[home] = RecordDict({SECAGG: stage_record(SHARE, known)})
    sealed = {}
    for home, reply in exchanges.ask(asked).items():
        try:
            sealed[home] = read_items(reply)
        except MaskingRefused as refused:
            exchanges.refuse(home, refused)
    return _enough(session, sealed, "shared their secrets")


def _collect_masked(
    exchanges: _Exchanges,
    session: Session,
    sealed: dict[str, dict[str, bytes]],
    start: Weights,
    plan: ConfigRecord,
    timeout: float,
) -> dict[str, bytes]:
    arrays, asked = to_record(start), {}
    for home in sealed:
        box = {sender: envelopes[home] for sender, envelopes in sealed.items() if home in envelopes}
        asked[home] = RecordDict({SECAGG: stage_record(MASK, box), ARRAYS: arrays, PLAN: plan})
    masked = {}
    for home, reply in exchanges.ask(asked, timeout).items():
        try:
            masked[home] = _bytes_of(reply, MASK)
            parse_masked(session, home, masked[home])
        except MaskingRefused as refused:
            masked.pop(home, None)
            exchanges.refuse(home, refused)
    return _enough(session, masked, "sent a masked update")


def _collect_reveals(
    exchanges: _Exchanges, session: Session, sealed: dict[str, dict[str, bytes]], masked: dict[str, bytes]
) -> dict[str, dict[str, bytes]]:
    asked = {}
    for home in masked:
        alive = {peer: b"" for peer in session.holders(home) if peer in masked}
        asked[home] = RecordDict({SECAGG: stage_record(REVEAL, alive)})
    reveals = {}
    for home, reply in exchanges.ask(asked).items():
        try:
            reveals[home] = read_items(reply)
        except MaskingRefused as refused:
            exchanges.refuse(home, refused)
    return reveals


def _enough(session: Session, items: dict[str, _T], what: str) -> dict[str, _T]:
    if len(items) < session.threshold:
        raise TooFewMembers(f"{len(items)} of {len(session.members)} homes {what}, {session.threshold} are needed")
    return items


def _bytes_of(content: RecordDict, key: str) -> bytes:
    value = content.config_records[SECAGG].get(key) if SECAGG in content.config_records else None
    if not isinstance(value, bytes):
        raise MaskingRefused(f"the reply has no {key}")
    return value


def _payload(content: RecordDict) -> int:
    """Bytes of keys, envelopes, shares, vectors and arrays in a message (headers not counted)."""
    total = sum(record_bytes(record) for record in content.array_records.values())
    for record in content.config_records.values():
        for value in record.values():
            for item in value if isinstance(value, list) else [value]:
                total += len(item) if isinstance(item, bytes) else 0
    return total
