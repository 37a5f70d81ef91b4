"""Which meter is at which household on which day: a meter that is replaced within a period counts until its last day.

The registry on the chain assigns a household's meter from a day on (`forecast_registry.vy`, `meter_at`), so that each
day has one meter: both meters' days count, and none twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Assignment:
    """The meter of a household from a day on; the empty text where it has none from then on."""

    first_day: int
    meter: str


Meters = Mapping[str, str | tuple[Assignment, ...]]
"""By household: the one meter of all days, or its assignments, the first day of each later than the one before."""


def meter_on(meters: Meters, household: str, day: int) -> str | None:
    """The address of the meter at a household on a day; None where there is none."""
    known = meters.get(household)
    if known is None or isinstance(known, str):
        return known
    return next((one.meter or None for one in reversed(known) if one.first_day <= day), None)
