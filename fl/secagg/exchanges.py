"""The exchanges of one round under secure aggregation, as the coordinator leads them.

Every message is checked before it is passed on, so that one home's garbage stops no other: its sender is left out of
the round, and a home that provably cheated (a forged envelope, a false complaint, a share other than the sealed one)
is named, with the reason.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flwr.app import ConfigRecord, MessageType, RecordDict
from flwr.serverapp import Grid

from fl.exchange import exchange
from fl.secagg.aggregator import (
    MaskedVector,
    MaskingRefused,
    PublicKeys,
    Session,
    SumSpoilt,
    TooFewMembers,
    check_envelopes,
    complaint,
    duplicated_keys,
    judge,
    masked_statement,
    parse_masked,
    survivors_statement,
    unmask,
)
from fl.secagg.messages import (
    AGREE,
    ANSWER,
    CHECK,
    CLOSE,
    KEYS,
    MASK,
    REVEAL,
    SECAGG,
    SHARE,
    SIGNATURE,
    SumTerms,
    read_bytes,
    read_items,
    stage_record,
)
from fl.secagg.rings import Vector
from fl.secagg.session import unopened_statement
from fl.secagg.sum_record import SecondOneShot, SecondSum
from fl.weights import record_bytes

_log = logging.getLogger(__name__)
_KNOWN_REASONS = {
    SecondSum.__name__: "SecondSum: its update from this model is in another sum. A new training must not begin from "
    "the model of an earlier one: give it another forecasting.seed",
    SecondOneShot.__name__: "SecondOneShot: its days are in a one-shot training, and it enters no other (its own "
    "one_shot.fresh_days). One that failed is asked for again from the model that it began with",
}  # what an agent's refusal is told as; of an exception that is all that leaves a home
_T = TypeVar("_T")
Sealed = dict[str, dict[str, bytes]]


@dataclass
class Exchanges:
    """The exchanges of one round, and what is counted over all of them.

    Attributes:
        nodes: of the homes that are asked; `timeout`: for one exchange, in seconds.
        left_out: homes and the reason; `cheats`: those among them that are proven to have cheated.
    """

    grid: Grid
    nodes: dict[str, int]
    timeout: float
    left_out: dict[str, str] = field(default_factory=dict)
    cheats: dict[str, str] = field(default_factory=dict)
    bytes_down: int = 0
    bytes_up: int = 0

    def ask(
        self, records: Mapping[str, RecordDict], read: Callable[[str, RecordDict], _T], timeout: float | None = None
    ) -> dict[str, _T]:
        """Send each home its records; returns what `read` makes of the replies, by home.

        Homes without a reply, or with one that `read` refuses, are left out, with the reason.
        """
        nodes = {home: self.nodes[home] for home in sorted(records)}
        replies, missing = exchange(self.grid, nodes, records, MessageType.TRAIN, timeout or self.timeout)
        self.left_out |= {home: _KNOWN_REASONS.get(why, why) for home, why in missing.items()}
        self.bytes_down += sum(_payload(content) for content in records.values())
        self.bytes_up += sum(_payload(content) for content in replies.values())
        taken = {}
        for home, reply in sorted(replies.items()):
            try:
                taken[home] = read(home, reply)
            except MaskingRefused as refused:
                self.left_out[home] = str(refused)
        return taken

    def cheated(self, home: str, why: str) -> None:
        _log.error("a home has cheated in a sum", extra={"home": home, "reason": why})
        self.left_out[home] = self.cheats[home] = why


@dataclass
class MaskedRound:
    """One sum, from its terms to the opened vector.

    Attributes:
        exchanges: those of the attempt that it is asked in.
        agreed: who has signed who is in the sum, once enough have.
    """

    exchanges: Exchanges
    terms: SumTerms
    session: Session
    agreed: dict[str, bytes] = field(default_factory=dict)
    _keys: dict[str, PublicKeys] = field(default_factory=dict)
    _sealed: Sealed = field(default_factory=dict)
    _shared: dict[str, PublicKeys] = field(default_factory=dict)
    _masked: dict[str, MaskedVector] = field(default_factory=dict)
    _reveals: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether enough homes have agreed, so that this sum alone can be opened."""
        return bool(self.agreed)

    def run(
        self, content: RecordDict, closed: list[bytes], before_mask: Callable[[], None], timeout: float
    ) -> tuple[Vector, tuple[str, ...]]:
        """The sum of the homes' vectors, and the homes in it.

        Args:
            content: what a home makes its vector from.
            closed: sums of the same start that are proven never to be opened (`ClosedSum`).
            before_mask: called when homes are about to be asked for their masked updates.
            timeout: for the training, in seconds.
        Raises MaskingRefused, of which TooFewMembers and SumSpoilt are kinds.
        """
        self._keys = self._ask_for_keys(closed)
        self._sealed = self._ask_for_envelopes()
        self._shared = {home: self._keys[home] for home in self._check_envelopes()}
        before_mask()
        self._masked = self._ask_for_vectors(content, timeout)
        self.agreed = self._ask_to_agree()
        return self.open()

    def open(self) -> tuple[Vector, tuple[str, ...]]:
        """The last step, which may be tried again: those that agreed and have not revealed yet are asked to."""
        self._reveals |= self._ask_for_shares()
        vectors = {home: each.vector for home, each in self._masked.items()}
        sealed = {home: self._sealed[home] for home in self._shared}
        try:
            opened = unmask(self.session, self._keys, sealed, vectors, self._reveals)
        except SumSpoilt as spoilt:
            self.exchanges.cheated(spoilt.culprit, str(spoilt))
            raise
        for liar, why in opened.liars.items():
            self.exchanges.cheated(liar, why)
        return opened.total, tuple(self._masked)

    def _ask_for_keys(self, closed: list[bytes]) -> dict[str, PublicKeys]:
        def read(home: str, reply: RecordDict) -> PublicKeys:
            keys = PublicKeys.from_bytes(read_bytes(reply, KEYS))
            keys.check(self.session, home)
            return keys

        terms = self.terms.to_bytes()
        asked = {
            home: RecordDict({SECAGG: ConfigRecord({"stage": KEYS, "home": home, "terms": terms, "closed": closed})})
            for home in self.session.members
        }
        keys = self.exchanges.ask(asked, read)
        for home, why in duplicated_keys(keys).items():
            self.exchanges.cheated(home, why)
            del keys[home]
        return self._enough(keys, "gave their keys")

    def _ask_for_envelopes(self) -> Sealed:
        keys = self._keys

        def read(home: str, reply: RecordDict) -> dict[str, bytes]:
            envelopes = read_items(reply)
            check_envelopes(home, envelopes, keys)
            return envelopes

        request = stage_record(SHARE, {home: each.to_bytes() for home, each in keys.items()})
        asked = {home: RecordDict({SECAGG: request}) for home in keys}
        return self._enough(self.exchanges.ask(asked, read), "shared their secrets")

    def _check_envelopes(self) -> list[str]:
        """The homes that have each other's shares: who forged an envelope, or complained of a good one, is out."""
        asked, sealed = {}, self._sealed
        for home in sealed:
            box = {sender: envelopes[home] for sender, envelopes in sealed.items() if sender != home}
            asked[home] = RecordDict({SECAGG: stage_record(CHECK, box)})

        def read(home: str, reply: RecordDict) -> dict[str, bytes]:
            complaints = read_items(reply)
            for accused, signature in complaints.items():
                if accused not in sealed or accused == home:
                    raise MaskingRefused(f"it complains of {accused!r:.80}, from whom it got nothing")
                digest = hashlib.sha256(sealed[accused][home]).digest()
                self.session.check_signed(home, complaint(self.session, home, accused, digest), signature)
            return complaints

        complaints = self.exchanges.ask(asked, read)
        for home, why in self._judged(complaints).items():
            self.exchanges.cheated(home, why)
        complaints = {home: said for home, said in complaints.items() if home not in self.exchanges.left_out}
        return sorted(self._enough(complaints, "have opened the others' envelopes"))

    def _judged(self, complaints: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
        """Who cheated, and why: the accused open the envelopes that were complained of."""
        accusers: dict[str, dict[str, bytes]] = {}
        for accuser, said in complaints.items():
            for home, signature in said.items():
                accusers.setdefault(home, {})[accuser] = signature
        asked = {home: RecordDict({SECAGG: stage_record(ANSWER, by)}) for home, by in accusers.items()}
        answers = self.exchanges.ask(asked, lambda home, reply: read_items(reply)) if asked else {}
        guilty = {}
        for accused, by in accusers.items():
            if accused not in answers:  # it may have cheated, or its line may be down: no reason to ask it no more
                why = f"{', '.join(sorted(by))} could not open its envelope, and it did not show what was in it"
                _log.warning("home left out of a sum", extra={"home": accused, "reason": why})
                self.exchanges.left_out[accused] = why
                continue
            for accuser in by:
                opened = answers[accused].get(accuser)
                envelope = self._sealed[accused][accuser]
                home, why = judge(self.session, accused, accuser, envelope, opened, self._keys[accuser])
                guilty[home] = why
        return guilty

    def _ask_for_vectors(self, content: RecordDict, timeout: float) -> dict[str, MaskedVector]:
        shared, statement = self._shared, masked_statement(self.session, self._shared)

        def read(home: str, reply: RecordDict) -> MaskedVector:
            masked = MaskedVector(read_bytes(reply, MASK), read_bytes(reply, SIGNATURE))
            parse_masked(self.session, home, masked.vector)
            self.session.check_signed(home, statement, masked.signature)
            return masked

        request = stage_record(MASK, dict.fromkeys(shared, b""))
        asked = {home: RecordDict({SECAGG: request, **content}) for home in shared}
        return self._enough(self.exchanges.ask(asked, read, timeout), "sent a masked update")

    def _ask_to_agree(self) -> dict[str, bytes]:
        masked, statement = self._masked, survivors_statement(self.session, self._shared, self._masked)

        def read(home: str, reply: RecordDict) -> bytes:
            signature = read_bytes(reply, SIGNATURE)
            self.session.check_signed(home, statement, signature)
            return signature

        request = stage_record(AGREE, {home: each.signature for home, each in masked.items()})
        agreed = self.exchanges.ask({home: RecordDict({SECAGG: request}) for home in masked}, read)
        return self._enough(agreed, "agreed on who is in the sum", self.session.threshold)

    def _ask_for_shares(self) -> dict[str, dict[str, bytes]]:
        def read(home: str, reply: RecordDict) -> dict[str, bytes]:
            shares = read_items(reply)
            if shares.keys() != self._shared.keys():
                raise MaskingRefused("not a share of each of those that shared their secrets")
            return shares

        request = stage_record(REVEAL, self.agreed)
        missing = self.agreed.keys() - self._reveals.keys()
        return self.exchanges.ask({home: RecordDict({SECAGG: request}) for home in missing}, read)

    def _enough(self, items: dict[str, _T], what: str, needed: int | None = None) -> dict[str, _T]:
        needed = self.session.certain if needed is None else needed
        if len(items) < needed:
            raise TooFewMembers(f"{len(items)} of {len(self.session.members)} homes {what}, {needed} are needed")
        return items


def ask_to_close(exchanges: Exchanges, terms: SumTerms, session: Session, homes: Collection[str]) -> dict[str, bytes]:
    """Signatures of homes that they never reveal in a sum that failed; whoever gives none has its reasons."""
    statement = unopened_statement(session)

    def read(home: str, reply: RecordDict) -> bytes:
        signature = read_bytes(reply, SIGNATURE)
        session.check_signed(home, statement, signature)
        return signature

    data = terms.to_bytes()
    asked = {
        home: RecordDict({SECAGG: ConfigRecord({"stage": CLOSE, "home": home, "terms": data})}) for home in homes
    }
    before = dict(exchanges.left_out)
    signed = exchanges.ask(asked, read)
    exchanges.left_out = before  # it is asked for the next sum all the same
    return signed


def _payload(content: RecordDict) -> int:
    """Bytes of keys, envelopes, shares, vectors and arrays in a message (headers not counted)."""
    total = sum(record_bytes(record) for record in content.array_records.values())
    for record in content.config_records.values():
        for value in record.values():
            for item in value if isinstance(value, list) else [value]:
                total += len(item) if isinstance(item, bytes) else 0
    return total
