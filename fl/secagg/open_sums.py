"""The sums that the coordinator has asked masked updates for and has not opened, on disk until the round is done.

Homes that are in one of them enter no other sum from the same model unless it is closed (`fl.secagg.sum_record`),
also when the coordinator was started anew in between.
"""

from __future__ import annotations

import json
from pathlib import Path

from data import atomic
from data.json_text import loads
from fl.errors import FederationError
from fl.secagg.messages import ClosedSum, SumTerms
from fl.secagg.session import MaskingRefused


class OpenSums:
    """The open sums of one training. `path`: None keeps them in memory, for a simulation."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._sums: list[ClosedSum] = self._read()

    def of(self, start: bytes) -> list[ClosedSum]:
        """Those of a model, with the signatures collected so far."""
        return [one for one in self._sums if one.terms.start == start]

    def add(self, terms: SumTerms) -> None:
        """Record a sum that is about to receive masked updates. Those of other models are deleted: their rounds are
        done."""
        self._write([*self.of(terms.start), ClosedSum(terms, {})])

    def sign(self, terms: SumTerms, signatures: dict[str, bytes]) -> None:
        """Homes have signed that they never reveal in a sum."""
        self._write([
            ClosedSum(one.terms, one.signatures | signatures) if one.terms == terms else one for one in self._sums
        ])  # fmt: skip

    def _write(self, sums: list[ClosedSum]) -> None:
        self._sums = sums
        if self._path is not None:
            content = json.dumps([one.to_bytes().decode() for one in sums])
            atomic.write_bytes(self._path, content.encode())

    def _read(self) -> list[ClosedSum]:
        if self._path is None or not self._path.exists():
            return []
        try:
            return [ClosedSum.from_bytes(text) for text in loads(self._path.read_bytes())]
        except (MaskingRefused, ValueError, TypeError) as problem:
            raise FederationError(
                f"{self._path} is damaged ({type(problem).__name__}): it says which sums of this round homes have to "
                "be asked to close. Restore a copy. Without one, move it away; homes that are in such a sum will "
                "refuse this round, and if too many do, start a new training with another forecasting.seed"
            ) from None
