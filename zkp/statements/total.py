"""Statement 4, sum: the community's total opens the sum of its households' forecast commitments.

Commitments add up, so that the opening of their sum is the total and the sum of the blindings; nothing else is shown.
How the two sums are formed without anybody seeing a part of them is the federation's matter (`fl.masked_sum`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.commitment import add, commit_forecast
from zkp.errors import InvalidProof
from zkp.field import MODULUS

MAX_TOTAL_WH = 1 << 48
"""Half a million homes, each at the largest forecast that can be proven; far below the group's order."""


@dataclass(frozen=True)
class Total:
    """24 hourly totals (Wh) and the sum of the blindings modulo the group order."""

    values: tuple[int, ...]
    blinding: int


def verify(commitments: Sequence[bytes], total: Total) -> None:
    """Accept by returning. Raises InvalidProof when the total is not the commitments' sum, MalformedProof."""
    if not 0 <= total.blinding < MODULUS:
        raise InvalidProof("the total's blinding is not in its one form, from 0 to below the group order")
    if any(abs(v) > MAX_TOTAL_WH for v in total.values):
        raise InvalidProof(f"the total is beyond {MAX_TOTAL_WH} watt-hours, more than homes can sum up to")
    if commit_forecast(total.values, total.blinding) != add(commitments):
        raise InvalidProof("the total is not the sum of the committed forecasts")
