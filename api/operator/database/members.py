"""Which household is in the community now, as the database has it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.operator.database.tables import Departure, Household


def member(session: Session, household: str) -> Household | None:
    """The household, unless it has left or never joined."""
    return None if session.get(Departure, household) is not None else session.get(Household, household)
