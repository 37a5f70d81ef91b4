"""The sums of one training at the coordinator: whatever homes are asked to sum, each sum is opened once or never.

A failed sum may be repeated: if homes had sent their masked vectors, they are first asked to sign that they never
open it; otherwise they enter no other from the same start. A home that provably cheated is named and not asked again
while the coordinator runs.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flwr.app import RecordDict
from flwr.serverapp import Grid

from data.quantity import Quantity
from fl.errors import KeysError
from fl.protection_settings import SecAggSettings
from fl.secagg.aggregator import MaskingRefused, Session, TooFewMembers
from fl.secagg.exchanges import Exchanges, MaskedRound, ask_to_close
from fl.secagg.messages import SumTerms
from fl.secagg.open_sums import OpenSums
from fl.secagg.rings import Vector

_log = logging.getLogger(__name__)
_NONCE_BYTES = 16


@dataclass(frozen=True)
class Subject:
    """What homes are asked to sum.

    Attributes:
        content: what each home is sent to make its vector from.
        start, plan: digests of what of it must be the same for all homes; a home is in one sum of each `start`.
        weighting: how homes count; `length`: entries of a vector.
        quantity: what the model forecasts.
    """

    content: RecordDict
    start: bytes
    plan: bytes
    weighting: str
    length: int
    quantity: Quantity = "load"


@dataclass(frozen=True)
class Summed:
    """A sum that was opened, or was not: then `total` is None, and every home has the reason in `left_out`."""

    total: Vector | None
    homes: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    bytes_down: int = 0
    bytes_up: int = 0


class SumRound(Protocol):
    """One sum, from its terms to the opened vector (`fl.secagg.exchanges.MaskedRound` is one)."""

    exchanges: Exchanges
    terms: SumTerms

    @property
    def settled(self) -> bool:
        """Whether homes may have agreed on who is in the sum, so that it alone can be opened."""

    def run(
        self, content: RecordDict, closed: list[bytes], before_mask: Callable[[], None], timeout: float
    ) -> tuple[Vector, tuple[str, ...]]: ...

    def open(self) -> tuple[Vector, tuple[str, ...]]: ...


BeginRound = Callable[[Exchanges, SumTerms, Session], SumRound]


class SecureSums:
    """Args:
    settings: of secure aggregation.
    roster: gives the homes' identities as they stand now; None in a simulation, where one machine plays all homes.
    directory: of the rounds; sums that are not opened yet are kept there. None: in memory.
    begin: makes the round of a sum; under masks by default, or under BFV (`fl.homomorphic.sum_round`).
    """

    def __init__(
        self,
        settings: SecAggSettings,
        *,
        roster: Callable[[], Mapping[str, bytes]] | None = None,
        directory: Path | None = None,
        begin: BeginRound = MaskedRound,
    ) -> None:
        self._settings, self._roster, self._begin = settings, roster, begin
        self._open = OpenSums(None if directory is None else directory / "sums.json")
        self._nodes: dict[str, int] = {}  # of all homes asked so far
        self._last: SumRound | None = None  # the last sum that homes had sent vectors for
        self.cheats: dict[str, str] = {}

    def sum(self, grid: Grid, nodes: Mapping[str, int], subject: Subject, timeout: float) -> Summed:
        """Have the homes behind `nodes` sum. `timeout`: for making the vector, in seconds."""
        self._nodes |= nodes
        exchanges = Exchanges(grid, self._nodes, min(timeout, self._settings.stage_timeout_s))
        exchanges.left_out |= {home: why for home, why in self.cheats.items() if home in nodes}
        try:
            total, homes = self._opened(exchanges, nodes, subject, timeout)
            self._last = None
        except (MaskingRefused, KeysError) as refused:
            left_out = dict.fromkeys(nodes, unopened(refused)) | exchanges.left_out
            return Summed(None, (), left_out, exchanges.bytes_down, exchanges.bytes_up)
        finally:
            self.cheats |= exchanges.cheats
        left_out = {home: why for home, why in exchanges.left_out.items() if home not in homes}
        return Summed(total, homes, left_out, exchanges.bytes_down, exchanges.bytes_up)

    def _opened(
        self, exchanges: Exchanges, nodes: Mapping[str, int], subject: Subject, timeout: float
    ) -> tuple[Vector, tuple[str, ...]]:
        """The sum and the homes in it: of the last attempt, if its homes had agreed; else of a new one.

        Raises MaskingRefused, KeysError.
        """
        last = self._last
        if last is not None and last.settled and last.terms.start == subject.start:
            last.exchanges = exchanges
            try:
                return last.open()
            except TooFewMembers as still:
                _log.warning("a sum that its homes agreed on can't be opened yet", extra={"reason": str(still)})
        roster = self._roster and self._roster()
        if roster is not None:
            exchanges.left_out |= dict.fromkeys(nodes.keys() - roster.keys(), "it is not in the roster")
        terms = self._terms(nodes.keys() - exchanges.left_out.keys(), subject)
        closed = self._close_failed(exchanges, subject.start, roster)
        sum_round = self._begin(exchanges, terms, terms.session(roster))

        def begun() -> None:
            self._open.add(terms)
            self._last = sum_round

        return sum_round.run(subject.content, closed, begun, timeout)

    def _terms(self, homes: set[str], subject: Subject) -> SumTerms:
        return SumTerms(
            nonce=secrets.token_bytes(_NONCE_BYTES),
            start=subject.start,
            plan=subject.plan,
            weighting=subject.weighting,
            members=tuple(sorted(homes)),
            threshold=self._settings.shares_needed(len(homes)),
            fewest=self._settings.fewest_homes,
            length=subject.length,
            quantity=subject.quantity,
        )

    def _close_failed(self, exchanges: Exchanges, start: bytes, roster: Mapping[str, bytes] | None) -> list[bytes]:
        """Have the homes of earlier sums of this start sign that they never open them; those that enough signed."""
        for failed in self._open.of(start):
            if roster is not None and not roster.keys() >= set(failed.terms.members):
                continue  # whoever is gone from the roster signs nothing any more
            session = failed.terms.session(roster)
            homes = set(session.members) & (self._nodes.keys() - failed.signatures.keys())
            if len(failed.signatures) < session.threshold and homes:
                self._open.sign(failed.terms, ask_to_close(exchanges, failed.terms, session, homes))
        closed = []
        for failed in self._open.of(start):
            signed, needed = len(failed.signatures), failed.terms.threshold
            if signed >= needed:
                closed.append(failed.to_bytes())
            else:
                _log.warning("a sum that failed is not closed", extra={"signed": signed, "needed": needed})
        return closed


def unopened(refused: Exception) -> str:
    """Why a home is not in a sum that could not be opened."""
    return f"the sum could not be opened: {refused}"
