"""A day's surplus hours: those in which a community is forecast to feed in more than it takes from the grid.

Both sides are sums of proven forecasts. Every member proves a forecast of its load, and where its meter has the other
register one of its export; what is opened of either is the sum alone, checked against the commitments in the proofs.
So anybody can tell from the day's file that its hours follow from forecasts that the community's two models made of
signed readings, and nobody learns a member's part.

A member whose load is not in the sum must not be in that of export, or hours would count as surplus that its own
load takes up; one that has no forecast of export is left out of that sum, which can only hide a surplus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.config.settings import CommunitySettings
from api.protocol.batch import bad_bundles
from api.protocol.bundle import InferenceBundle
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.schemas import SurplusHours
from data.day import DayClock
from data.quantity import QUANTITIES, Quantity
from zkp.errors import ProofError
from zkp.statements import total
from zkp.statements.total import Total

FEWEST = 3
"""The fewest homes whose sum is opened."""


class SurplusError(ValueError):
    """Surplus hours that do not follow from proven forecasts; the message says why."""


@dataclass(frozen=True)
class ForecastSum:
    """Proven forecasts of a quantity, one of each household, and their opened sum."""

    bundles: tuple[InferenceBundle, ...]
    total: Total

    @property
    def households(self) -> list[str]:
        return [bundle.household for bundle in self.bundles]

    @property
    def hours(self) -> tuple[int, ...]:
        """The sum of the means: the community's forecast of 24 hours, Wh."""
        return self.total.means

    @property
    def digest(self) -> bytes:
        """Of the model that all of the forecasts are made with."""
        return self.bundles[0].weights.parsed().digest()

    @property
    def round(self) -> int:
        return self.bundles[0].context.round


@dataclass(frozen=True)
class SurplusDay:
    """A community day with both sums, and what follows from them."""

    community: str
    day: int
    load: ForecastSum
    export: ForecastSum

    def of(self, quantity: Quantity) -> ForecastSum:
        return self.load if quantity == "load" else self.export

    @property
    def hours(self) -> tuple[int, ...]:
        """The surplus hours, 0 to 23 of the community day."""
        return surplus_hours(self.load.hours, self.export.hours)


def surplus_hours(load: Sequence[int], export: Sequence[int]) -> tuple[int, ...]:
    """The hours in which more is fed in than taken (both Wh by hour).

    >>> surplus_hours([500, 400, 300], [0, 400, 900])
    (2,)
    """
    return tuple(hour for hour, (taken, fed_in) in enumerate(zip(load, export, strict=True)) if fed_in > taken)


def check(surplus: SurplusDay) -> None:
    """Accept by returning. Raises SurplusError naming what does not hold.

    Whether the meters are the enrolled ones, and the models those that the community published, is known from
    elsewhere: the file's own are believed.
    """
    for quantity in QUANTITIES:
        _check_sum(surplus, quantity)
    if own := next((bundle.household for bundle in surplus.export.bundles if bundle.personal), None):
        raise SurplusError(
            f"the forecast of export of {own} is made with a personal head: none is pinned before the day, so it "
            "could be chosen for what it forecasts"
        )
    if strangers := sorted(set(surplus.export.households) - set(surplus.load.households)):
        raise SurplusError(f"{strangers[0]} is in the sum of export, but its load is not in that of load")
    meters = {bundle.household: _meters(bundle) for bundle in surplus.load.bundles}
    for bundle in surplus.export.bundles:
        if _meters(bundle) != meters[bundle.household]:
            raise SurplusError(f"{bundle.household} has one meter in its forecast of load, another in that of export")
    bundles = [*surplus.load.bundles, *surplus.export.bundles]
    for place, found in bad_bundles(bundles, CommunitySettings(name=surplus.community)).items():
        bundle = bundles[place]
        raise SurplusError(f"the forecast of {bundle.of} of {bundle.household}: {found.what} {found.problem}")
    if surplus.load.digest == surplus.export.digest:
        raise SurplusError("one and the same model made the forecasts of load and of export: each has its own")


def _meters(bundle: InferenceBundle) -> list[str]:
    """Of each day of the week, as the bundle names them."""
    return [day.meter or bundle.meter for day in bundle.history]


def _check_sum(surplus: SurplusDay, quantity: Quantity) -> None:
    """All but the proofs: who and what the forecasts of a sum are of, and that it opens their commitments."""
    of = surplus.of(quantity)
    if len(of.bundles) < FEWEST:
        raise SurplusError(f"{len(of.bundles)} forecasts of {quantity}: a sum of fewer than {FEWEST} would show them")
    first = of.bundles[0]
    for bundle in of.bundles:
        who = f"the forecast of {bundle.household}"
        if bundle.of != quantity:
            raise SurplusError(f"{who} is one of {bundle.of}, in the sum of {quantity}")
        if bundle.context.day != surplus.day:
            raise SurplusError(f"{who} is of day {bundle.context.day}, not {surplus.day}")
        if (bundle.context.round, bundle.weights) != (first.context.round, first.weights):
            raise SurplusError(f"{who} is made with another model of {quantity} than that of {first.household}")
        if (bundle.steps, bundle.exogenous) != (first.steps, first.exogenous):
            raise SurplusError(f"{who} is made with other public features than that of {first.household}")
    named = [household.lower() for household in of.households]
    if twice := sorted({one for one in named if named.count(one) > 1}):
        raise SurplusError(f"{twice[0]} is twice in the sum of {quantity}")
    try:
        total.verify([from_hex(bundle.forecast) for bundle in of.bundles], of.total)
    except ProofError as problem:
        raise SurplusError(f"the sum of {quantity} does not open the forecasts' commitments: {problem}") from None


def digest_text(of: ForecastSum) -> str:
    return to_hex(of.digest)


def shown(surplus: SurplusDay, clock: DayClock) -> SurplusHours:
    """A day as people see it."""
    load, export = surplus.load, surplus.export
    left = [fed_in - taken for taken, fed_in in zip(load.hours, export.hours, strict=True)]
    return SurplusHours(
        day=surplus.day,
        date=clock.date_of(surplus.day),
        start=clock.start_of(surplus.day).isoformat(),
        homes=len(load.bundles),
        exporting_homes=len(export.bundles),
        load_wh=list(load.hours),
        export_wh=list(export.hours),
        hours=list(surplus.hours),
        best_hours=sorted(surplus.hours, key=lambda hour: (-left[hour], hour)),
        load_round=load.round,
        load_digest=digest_text(load),
        export_round=export.round,
        export_digest=digest_text(export),
    )
