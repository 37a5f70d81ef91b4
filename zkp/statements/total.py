"""Statement 4, sum: the community's total opens the sum of its households' commitments, to forecasts or to readings.

A day's forecasts stand in the first 48 slots (typical hours, then means), its readings (the days that meters signed)
in the day's slots of the ring; but for the slots both totals are the same statement. Of forecasts all 48 sums are
shown: that of the means is the community's forecast. Days a week apart share their slots: which day a commitment is
of, the meter's signature says. Commitments add up, so that the opening of their sum is the total and the sum of the
blindings; nothing else is shown. How the two sums are formed without anybody seeing a part of them is the
federation's matter (`fl.secagg.aggregator`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.commitment import DAY_HOURS, MAX_READING_WH, add, commit_forecast, commit_hours, ring_slots
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof

MAX_TOTAL_WH = 1 << 48
"""Half a million homes, each at the largest forecast that can be proven; far below the group's order."""


@dataclass(frozen=True)
class Total:
    """Hourly totals (Wh; 48 of forecasts, 24 of readings) and the sum of the blindings modulo the group order."""

    values: tuple[int, ...]
    blinding: int

    @property
    def means(self) -> tuple[int, ...]:
        """The community's forecast, of a total of forecasts: the sums of the homes' means, 24 hours in Wh."""
        return self.values[DAY_HOURS:]


def verify(commitments: Sequence[bytes], total: Total) -> None:
    """Accept a total of forecasts by returning. Raises InvalidProof when it is not their sum, MalformedProof."""
    _check_form(total)
    if commit_forecast(total.values, total.blinding) != add(commitments):
        raise InvalidProof("the total is not the sum of the committed forecasts")


def verify_measured(day: int, commitments: Sequence[bytes], total: Total) -> None:
    """Accept the total of what meters committed to for a day by returning; that they signed it is checked elsewhere.

    Raises InvalidProof when it is not the commitments' sum or more than meters can measure, MalformedProof.
    """
    _check_form(total)
    if any(not 0 <= v <= MAX_READING_WH * len(commitments) for v in total.values):
        raise InvalidProof(f"the measured total is not one of {len(commitments)} meters: below zero, or too large")
    if commit_hours(ring_slots(day), total.values, total.blinding) != add(commitments):
        raise InvalidProof(f"the measured total is not the sum of the commitments to day {day}")


def _check_form(total: Total) -> None:
    if not 0 <= total.blinding < MODULUS:
        raise InvalidProof("the total's blinding is not in its one form, from 0 to below the group order")
    if any(abs(v) > MAX_TOTAL_WH for v in total.values):
        raise InvalidProof(f"the total is beyond {MAX_TOTAL_WH} watt-hours, more than homes can sum up to")
