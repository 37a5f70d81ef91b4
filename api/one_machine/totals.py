"""The community's totals of a day, forecast and measured, opened by a masked sum of the homes on this machine.

Those of gateways: `api.operator.secure_sum`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from api.one_machine.community import LocalCommunity
from api.operator.database.tables import CommunityTotal, Forecast, MeasuredTotal
from api.operator.totals import as_total, keep_measured, keep_total, kept_total
from data.errors import DataError
from fl.secagg.aggregator import Session, default_threshold, sum_in_process
from fl.secagg.rings import PrimeField
from zkp.algebra.field import MODULUS
from zkp.statements import total

FEWEST = 3
"""The fewest homes that a masked sum takes."""


def open_total(community: LocalCommunity, day: int) -> total.Total:
    """The total of the day's registered forecasts, from all homes here that have one; as stored, if it was opened.

    Checked against the sum of the registered commitments. Raises InvalidProof if they differ, DataError if there are
    fewer than `FEWEST`.
    """
    with community.sessions() as database:
        known = database.get(CommunityTotal, day)
        registered = set(database.scalars(select(Forecast.household).where(Forecast.day == day)))
    if known is not None:
        return kept_total(known)
    sealed = {str(home.wallet.address): home.sealed(day) for home in community.homes}
    vectors = {a: [*s.values, s.blinding] for a, s in sealed.items() if s is not None and a in registered}
    if len(vectors) < FEWEST:
        raise DataError(
            f"day {day} has no total: it takes {FEWEST} registered forecasts, and {len(vectors)} are here"
        )
    opened, present = masked_total(community, f"total/{day}", vectors)
    with community.sessions.begin() as database:
        keep_total(database, day, opened, present)
    return opened


def open_measured(community: LocalCommunity, day: int) -> total.Total:
    """The measured total of a day that is over, from the homes in its forecast's total; as stored, if it was opened.

    Checked against the sum of the days that the meters signed. Raises DataError where the day has no total of
    forecasts, or a home in it has not measured all of the day; InvalidProof.
    """
    with community.sessions() as database:
        known, forecast = database.get(MeasuredTotal, day), database.get(CommunityTotal, day)
    if known is not None:
        return kept_total(known)
    if forecast is None:
        raise DataError(f"day {day} has no total of forecasts, which the measured total is to be compared with")
    homes = {str(home.wallet.address): home for home in community.homes}
    if absent := set(forecast.households) - homes.keys():
        raise DataError(f"the measured total of day {day} needs households that are not here: {sorted(absent)}")
    days = {address: community.opened(homes[address]).days.get(day) for address in forecast.households}
    if filled := sorted(homes[address].name for address, (signed, _) in days.items() if not signed.is_measured):
        raise DataError(f"day {day} has no measured total: hours of {', '.join(filled)} were filled in, not measured")
    vectors = {address: [*opening.readings, opening.blinding] for address, (_, opening) in days.items()}
    opened, present = masked_total(community, f"measured/{day}", vectors)
    with community.sessions.begin() as database:
        keep_measured(database, day, opened, [days[address][0] for address in present])
    return opened


def open_missing_measured(community: LocalCommunity, before: int) -> dict[int, total.Total | str]:
    """Open the measured totals that days before `before` still lack; by day, the total or why there is none."""
    with community.sessions() as database:
        forecast = set(database.scalars(select(CommunityTotal.day).where(CommunityTotal.day < before)))
        missing = sorted(forecast - set(database.scalars(select(MeasuredTotal.day))))
    opened: dict[int, total.Total | str] = {}
    for day in missing:
        try:
            opened[day] = open_measured(community, day)
        except ValueError as problem:
            opened[day] = str(problem)
    return opened


def masked_total(
    community: LocalCommunity, label: str, vectors: Mapping[str, Sequence[int]]
) -> tuple[total.Total, tuple[str, ...]]:
    """The sum of [values, blinding] of each home, and the homes in it."""
    members = tuple(sorted(vectors))
    session = Session(
        label=f"{community.config.community.name}/{label}".encode(),
        members=members,
        threshold=default_threshold(len(members)),
        length=len(next(iter(vectors.values()))),
        ring=PrimeField(MODULUS),
    )
    summed, present = sum_in_process(session, {a: [v % MODULUS for v in vector] for a, vector in vectors.items()})
    return as_total(summed), present
