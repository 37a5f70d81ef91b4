"""Which household is in the community now, as the database has it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.operator.database.engine import put
from api.operator.database.tables import AssignedMeter, Departure, Household
from api.protocol.meters import Assignment, meter_on
from rewards.deploy import Contracts
from rewards.events import events

_NO_METER = "0x" + 40 * "0"


def member(session: Session, household: str) -> Household | None:
    """The household, unless it has left or never joined."""
    return None if session.get(Departure, household) is not None else session.get(Household, household)


def keep_meters(session: Session, contracts: Contracts, since: int | None = None, until: int | None = None) -> None:
    """Note which meter was at which household from which day on, as the registry has logged it in these blocks.

    By default in all of them. Of one that has left nothing is noted anew.
    """
    gone = set(session.scalars(select(Departure.household)))
    first = contracts.block if since is None else since
    for told in events(contracts.forecast_registry, "MeterAssigned", first, until=until):
        if told["household"] in gone:
            continue
        put(session, AssignedMeter(household=told["household"], first_day=told["first_day"], meter=told["meter"]))


def meters_of(session: Session, household: str) -> tuple[Assignment, ...]:
    """A household's meters one after the other. Raises NoResultFound for one that never joined."""
    where = AssignedMeter.household == household
    rows = list(session.scalars(select(AssignedMeter).where(where).order_by(AssignedMeter.first_day)))
    if not rows:  # enrolled by a release that did not note it
        return (Assignment(0, session.get_one(Household, household).meter),)
    return tuple(Assignment(row.first_day, "" if row.meter == _NO_METER else row.meter) for row in rows)


def meter_at(session: Session, household: str, day: int) -> str:
    """The meter at a household on a day; the empty text for none."""
    return meter_on({household: meters_of(session, household)}, household, day) or ""
