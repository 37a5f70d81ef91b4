"""Secure aggregation at the coordinator: a way to gather a round of which it sees the sum only.

`SecureGather` is one of `fl.rounds.Gather`. Each home that is in the sum is reported with the mean model: that is all
the coordinator knows of it, and the mean of equal models is that model, whatever the weights.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from flwr.app import ConfigRecord
from flwr.serverapp import Grid

from fl.errors import KeysError
from fl.masked_sum import MaskingRefused, TooFewMembers
from fl.open_sums import OpenSums
from fl.plan import plan_digest
from fl.protection_settings import SecAggSettings
from fl.rings import Vector
from fl.rounds import Gathered
from fl.secagg import decode, vector_length
from fl.secagg_round import Exchanges, MaskedRound, ask_to_close
from fl.secagg_wire import SumTerms
from fl.strategy import Update
from fl.weights import Weights, digest_of

_log = logging.getLogger(__name__)
_NONCE_BYTES = 16


class SecureGather:
    """Gathers a round under secure aggregation; homes run `fl.secagg_home.SecAggMod`.

    A round of which too few homes stay to open the sum gives no updates and the reasons, and is asked again like any
    round that missed its quorum. If homes had sent their masked updates, they are first asked to sign that they never
    open that sum; else they take part in no other from the same model.

    A home that is proven to have cheated is named and asked no more, as long as the coordinator runs.

    Args:
        noisy: homes add noise to their updates, and keep their training loss to themselves (it is reported as NaN).
        fraction: part of the homes that is asked in a round.
        roster: gives the homes' identities as they stand now; None in a simulation, where one machine plays all.
        directory: of the rounds; sums that are not opened yet are kept there. None: in memory.
    """

    def __init__(
        self,
        settings: SecAggSettings,
        weighting: str = "examples",
        *,
        noisy: bool = False,
        fraction: float = 1.0,
        roster: Callable[[], Mapping[str, bytes]] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._settings, self._weighting, self._noisy = settings, weighting, noisy
        self._fraction, self._roster = fraction, roster
        self._sums = OpenSums(None if directory is None else directory / "sums.json")
        self._nodes: dict[str, int] = {}  # of all homes asked so far
        self._last: MaskedRound | None = None  # the last sum that homes had sent masked updates for
        self.cheats: dict[str, str] = {}

    def __call__(
        self, grid: Grid, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> Gathered:
        self._nodes |= nodes
        exchanges = Exchanges(grid, self._nodes, min(timeout, self._settings.stage_timeout_s))
        exchanges.left_out |= {home: why for home, why in self.cheats.items() if home in nodes}
        try:
            total, homes = self._open(exchanges, nodes, start, plan, timeout)
            self._last = None
            summed = decode(total, start, len(homes), noisy=self._noisy)
        except (MaskingRefused, KeysError) as refused:
            left_out = {home: f"the sum could not be opened: {refused}" for home in nodes} | exchanges.left_out
            return Gathered([], left_out, exchanges.bytes_down, exchanges.bytes_up)
        finally:
            self.cheats |= exchanges.cheats
        metrics = summed.metrics | {"loss": math.nan} if self._noisy else summed.metrics
        updates = [Update(home, summed.mean, 1, dict(metrics)) for home in homes]
        left_out = {home: why for home, why in exchanges.left_out.items() if home not in homes}
        return Gathered(updates, left_out, exchanges.bytes_down, exchanges.bytes_up)

    def _open(
        self, exchanges: Exchanges, nodes: dict[str, int], start: Weights, plan: ConfigRecord, timeout: float
    ) -> tuple[Vector, tuple[str, ...]]:
        """The sum of a round and the homes in it: of the last attempt, if its homes had agreed; else of a new one.

        Raises MaskingRefused, KeysError.
        """
        digest, last = digest_of(start), self._last
        if last is not None and last.agreed and last.terms.start == digest:
            last.exchanges, before = exchanges, dict(exchanges.left_out)
            try:
                return last.open()
            except TooFewMembers as still:
                exchanges.left_out = before  # those that could not help now are asked for the next sum all the same
                _log.warning("a sum that its homes agreed on can't be opened yet", extra={"reason": str(still)})
        roster = self._roster and self._roster()
        if roster is not None:
            exchanges.left_out |= dict.fromkeys(nodes.keys() - roster.keys(), "it is not in the roster")
        fewest = self._settings.fewest(None if roster is None else len(roster), self._fraction)
        terms = self._terms(nodes.keys() - exchanges.left_out.keys(), fewest, start, plan)
        closed = self._close_failed(exchanges, digest, roster)
        masked_round = MaskedRound(exchanges, terms, terms.session(roster))

        def begun() -> None:
            self._sums.add(terms)
            self._last = masked_round

        return masked_round.run(start, plan, closed, begun, timeout)

    def _terms(self, homes: set[str], fewest: int, start: Weights, plan: ConfigRecord) -> SumTerms:
        return SumTerms(
            nonce=secrets.token_bytes(_NONCE_BYTES),
            start=digest_of(start),
            plan=plan_digest(plan),
            weighting=self._weighting,
            members=tuple(sorted(homes)),
            threshold=self._settings.shares_needed(len(homes)),
            fewest=fewest,
            length=vector_length(start),
        )

    def _close_failed(self, exchanges: Exchanges, start: bytes, roster: Mapping[str, bytes] | None) -> list[bytes]:
        """Have the homes of earlier sums from this model sign that they never open them; those that enough signed."""
        for failed in self._sums.of(start):
            if roster is not None and not roster.keys() >= set(failed.terms.members):
                continue  # whoever is gone from the roster signs nothing any more
            session = failed.terms.session(roster)
            homes = set(session.members) & (self._nodes.keys() - failed.signatures.keys())
            if len(failed.signatures) < session.threshold and homes:
                self._sums.sign(failed.terms, ask_to_close(exchanges, failed.terms, session, homes))
        closed = []
        for failed in self._sums.of(start):
            signed, needed = len(failed.signatures), failed.terms.threshold
            if signed >= needed:
                closed.append(failed.to_bytes())
            else:
                _log.warning("a sum that failed is not closed", extra={"signed": signed, "needed": needed})
        return closed
